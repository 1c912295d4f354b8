"""How a proposal looks to the person who decides: what stands now beside what the register says."""

from typing import Any, Final

from rich.console import Console
from rich.prompt import Confirm, Prompt

from gateway.cli.output import CommandFailed, table, terminal, text
from gateway.services.registers.differences import Difference, Proposal, item_key

_SHOWN_CHARACTERS: Final = 160


def show_proposal(console: Console, proposal: Proposal) -> None:
    """Print every difference of a proposal, with what stands now beside what the register says."""
    console.print(
        f"[bold]{text(proposal.title)}[/bold], {text(proposal.publisher)}, of {proposal.as_of}\n"
        f"from {text(proposal.source)}\n"
    )
    if proposal.differences:
        rows = [row for difference in proposal.differences for row in _rows(difference)]
        console.print(table("no", "whose", "what", "now", "the register says", "row", rows=rows))
        for difference in proposal.differences:
            for sentence in difference.notes if difference.action != "set" else ():
                console.print(f"  {difference.number}: {text(sentence)}")
            for sentence in difference.lacks:
                console.print(f"  {difference.number}: [yellow]still lacking[/yellow] {text(sentence)}")
    console.print(f"\n{len(proposal.differences)} differences; {proposal.same} values are the same.")
    for sentence in proposal.warnings:
        console.print(f"[bold yellow]{text(sentence)}[/bold yellow]")
    if proposal.outside:
        names = ", ".join(proposal.outside[:12]) + (" …" if len(proposal.outside) > 12 else "")
        console.print(f"Not among our records: {text(names)}.")


def _rows(difference: Difference) -> list[tuple[object, ...]]:
    """Return the lines of the table: one, or one for each entry that is added or removed."""
    number, target, member = difference.number, difference.target, difference.member
    rows = ",".join(str(row) for row in difference.rows)
    match difference.action:
        case "new":
            return [(number, target, "new authority", "", difference.after["name_en"], rows)]
        case "withdraw":
            return [(number, target, "status", difference.before, "withdrawn", rows)]
        case "set":
            after = _value(difference.after)
            said = f"{after} ({' '.join(difference.notes)})" if difference.notes else after
            return [(number, target, member, _value(difference.before), said, rows)]
    shown = [item_key(member, item) for item in difference.after]
    pairs = [("", item) if difference.action == "add" else (item, "not listed") for item in shown]
    first, *others = pairs
    return [(number, target, member, *first, rows), *((" ", " ", " ", *pair, " ") for pair in others)]


def _value(value: Any) -> str:
    if isinstance(value, list):
        words = ", ".join(str(entry) for entry in value)
    elif isinstance(value, dict) and "status" in value:
        words = f"{value['status']} [{value.get('basis', '')}]"
    elif isinstance(value, dict) and "days" in value:
        words = f"{' '.join(value['days'])} {value['from']}-{value['to']}"
    elif isinstance(value, bool):
        words = "yes" if value else "no"
    else:
        words = "" if value is None else str(value)
    return words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + "…"


def ask(proposal: Proposal, by: str | None) -> tuple[str, dict[int, bool]]:
    """Show everything and ask for each difference; nothing is decided by only pressing Enter."""
    console = terminal(stderr=True)
    show_proposal(console, proposal)
    who = by or Prompt.ask("\nWho decides? Name and office", console=console)
    decided: dict[int, bool] = {}
    for difference in proposal.differences:
        rows = _rows(difference)
        console.print(f"\n[bold]{difference.number}[/bold] {text(difference.target)} {text(rows[0][2])}")
        for row in rows:
            console.print(f"  {text(row[3])} → {text(row[4])}")
        answer = Prompt.ask("Take it?", choices=["take", "leave", "later", "stop"], console=console)
        if answer == "stop":
            break
        if answer != "later":
            decided[difference.number] = answer == "take"
    taken = sum(decided.values())
    if not Confirm.ask(f"\nTake {taken} and leave {len(decided) - taken}?", console=console):
        raise CommandFailed("cancelled", "Nothing was taken.")
    return who, decided
