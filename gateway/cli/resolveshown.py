"""How the answers about addressees look on a terminal: what to do first, reasons below, nothing cut off."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from gateway.cli.output import counted, in_words, table, text, voucher, when, words
from gateway.cli.probe import age
from gateway.model import fields
from gateway.model.requirements import asked_for, issue
from gateway.web.calls import DirectoryEntryView
from gateway.web.calls.addressees import (
    AuthorityView,
    CandidateView,
    DesignationView,
    HoursView,
    NoteView,
    PhoneView,
    ResolutionView,
    ResourceView,
)

_STATUS = {
    "not_listed": "is not in the directory",
    "unverifiable": "cannot be verified: nothing is sent before a person has cleared that up",
    "stale": "is in a directory that is no longer fresh: refresh it",
}

_KEPT = "kept for authorities enrolled in its network; not at hand here"

#: In fewer columns than these a table of authorities would break their names apart.
_TABLE_WIDTH = 110

#: Addresses up to this length stand on one line.
_ADDRESS_WIDTH = 40

#: Warnings that are information only.
_CALM = frozenset({"preservation-term", "procedural-note", "copy", "kind", "requester-unknown"})


def show_resolution(console: Console, found: ResolutionView) -> None:
    """Show to whom a request goes."""
    where = f"{text(found.state_name)} ({found.state})" if found.state_name else found.state
    if found.status != "found":
        console.print(f"[bold red]✗ {where} {text(_STATUS[found.status])}[/bold red]")
    elif found.outcome == "none":
        console.print(f"[bold red]✗ Nobody in {where} can be named for this request[/bold red]")
    elif found.outcome == "ask":
        count = f"{len(found.candidates)} candidates: choose one" if found.candidates[1:] else "a candidate"
        console.print(f"[bold yellow]? {where}, {found.lane} lane: {count}[/bold yellow]")
    else:
        console.print(f"[bold green]✓ {where}, {found.lane} lane[/bold green]")
    _show_marked(console, [("[bold yellow]?[/bold yellow]", question) for question in found.questions])
    if found.basis.binds_both and found.status == "found":
        console.print(f"  legal basis: {text(found.basis.instrument)}, for both States")
    _show_notes(console, found.warnings)
    for n, candidate in enumerate(found.candidates, start=1):
        console.print()
        is_urgent = found.lane == "urgent"
        _show_candidate(console, candidate, n if found.candidates[1:] else 0, is_urgent=is_urgent)
    if found.passed_over:
        console.print("\n[bold]Not chosen[/bold]")
        rows = _grid()
        for row in found.passed_over:
            rows.add_row(text(row.authority_id), text(row.sentence))
        console.print(Padding(rows, (0, 0, 0, 2)))


def _show_candidate(console: Console, found: CandidateView, number: int, *, is_urgent: bool) -> None:
    count = f"{number}. " if number else ""
    console.print(f"{count}[bold]{text(found.authority_id)}[/bold]  {text(found.name)}")
    if found.status != "found":
        console.print(f"  [bold red]✗ It {text(_STATUS[found.status])}[/bold red]")
    _show_notes(console, found.warnings)
    _show_marked(console, [("[bold yellow]to do[/bold yellow]", task.sentence) for task in found.tasks])
    rows = _grid()
    for n, reason in enumerate(found.reasons):
        rows.add_row("" if n else "why", text(reason))
    for n, route in enumerate(found.channels, start=1):
        how = ", ".join(
            part
            for part in (
                "advance copy" if route.carries == "advance_copy" else "",
                "the required route" if route.channel == found.required_channel else "",
                "" if route.by_gateway else "by hand",
            )
            if part
        )
        line = f"{n}. {text(route.channel)}  {text(route.address)}" + (f"  ({how})" if how else "")
        rows.add_row(
            "" if n > 1 else "channels", line + (f" {text(route.condition)}" if route.condition else "")
        )
    for n, out in enumerate(found.left_out):
        rows.add_row("" if n else "not by", f"[dim]{text(out.channel)}: {text(out.sentence)}[/dim]")
    rows.add_row("hours", _hours(found.hours))
    if found.phones or found.keeps_contacts:
        rows.add_row("telephone", _phones(found.phones) or _KEPT)
    if is_urgent and found.takes_oral is not False:
        both = "Both sides take" if found.takes_oral else "It takes"
        rows.add_row("", f"{both} oral requests in urgency; confirm in writing at once.")
    rows.add_row("language", text(", ".join(found.languages)))
    if is_urgent and found.urgent_procedure:
        rows.add_row("if urgent", text(found.urgent_procedure))
    for n, asked in enumerate(found.asks_for):
        rows.add_row("" if n else f"asks for (issue {found.requirements_issue})", text(asked))
    if found.statement:
        rows.add_row("for the form", f"[bold]{text(found.statement)}[/bold]")
    console.print(Padding(rows, (0, 0, 0, 2)))


def show_authority(console: Console, found: AuthorityView) -> None:
    """Show everything about one authority."""
    region = f", {text(found.region)}" if found.region else ""
    console.print(f"[bold]{text(found.authority_id)}[/bold]  {text(found.name)}")
    if found.status != "found":
        console.print(f"  [bold red]✗ It {text(_STATUS[found.status])}[/bold red]")
    if found.is_unconfirmed and all(voucher.assurance != "own" for voucher in found.vouchers):
        since = " for 180 days" if found.verified_at else " yet"
        console.print(f"  [yellow]! Nobody has confirmed this record{since}.[/yellow]")
    part = "central authority" if found.part == "part_1_central" else "other competent authority"
    rows = _grid()
    for label, value in (
        ("own name", text(found.name_local) if found.name_local else ""),
        (
            "State",
            f"{text(found.state_name or found.state)}{region}; {part}; record {text(found.record_status)}",
        ),
        (
            "vouched for by",
            text(", ".join(f"{voucher(v.source)} ({v.assurance})" for v in found.vouchers))
            if found.vouchers
            else "",
        ),
        ("confirmed", text(found.verified_at)),
        ("languages", text(", ".join(found.languages))),
        ("hours", _hours(found.hours)),
        ("telephone", _phones(found.phones) or (_KEPT if found.keeps_contacts else "")),
        ("offices", "\n".join(text(f"{c.office} {c.email}") for c in found.contacts)),
        ("post", text(found.postal) if found.postal else ""),
        ("web", text(found.website) if found.website else ""),
        ("fax", text(found.fax) if found.fax else ""),
        ("forms taken", text(", ".join(in_words(one) or "" for one in found.forms_of_transmission))),
        ("paper original", "wanted" if found.requires_paper_original else "not wanted"),
        ("oral in urgency", "taken" if found.accepts_oral_in_urgency else "not taken"),
        ("networks", text(", ".join(found.networks)) if found.networks else ""),
        ("informal channels", text(", ".join([*found.informal_channels, *found.informal_networks]))),
    ):
        if value:
            rows.add_row(label, value)
    for name, said in found.texts.items():
        for n, (language, sentence) in enumerate(said.items()):
            rows.add_row(
                "" if n else words(name),
                f"{text(language)}: {text(sentence)}" if language else text(sentence),
            )
    for label, resources in (
        ("legislation", found.legislation),
        ("templates", found.templates),
        ("agreements", found.agreements),
    ):
        for n, resource in enumerate(resources):
            rows.add_row("" if n else label, _resource(resource))
    console.print(Padding(rows, (0, 0, 0, 2)))
    _show_designations(console, found.designations)
    console.print()
    channels = table(
        "channel",
        "address",
        "for",
        "status",
        rows=[(c.channel, c.address, in_words(", ".join(c.use)), in_words(c.status)) for c in found.channels],
    )
    channels.columns[1].no_wrap = all(len(c.address) <= _ADDRESS_WIDTH for c in found.channels)
    console.print(channels)
    console.print()
    if found.keys:
        keys = [
            (k.use, k.kid[:12], when(k.exp), k.status, ", ".join(k.vouchers) or "nobody any more")
            for k in found.keys
        ]
        console.print(table("use", "key", "good until (UTC)", "status", "vouched for by", rows=keys))
    else:
        console.print("It lists no keys yet: nothing can be sealed for it before it is enrolled.")
    if found.requirements is not None:
        _show_requirements(console, found.requirements)


def _show_requirements(console: Console, published: Mapping[str, Any]) -> None:
    since = text(published.get("valid_from"))
    title = f"[bold]Published requirements[/bold], issue {text(issue(published))}, in force from {since}"
    console.print(f"\n{title}")
    grid = _grid()
    for _, row in fields.rows(published, "languages"):
        said = f"{text(row.get('language'))}: {words(row.get('handling'))} ({words(row.get('part'))})"
        grid.add_row("language", said)
    for kind in fields.texts(published, "scope"):
        for n, asked in enumerate(asked_for(published, kind)):
            grid.add_row("" if n else words(kind), text(asked))
    notes = published.get("notes")
    for language, said in notes.items() if isinstance(notes, dict) else ():
        grid.add_row(f"notes ({text(language)})", text(said))
    console.print(Padding(grid, (0, 0, 0, 2)))


def show_list(console: Console, rows: Sequence[DirectoryEntryView]) -> None:
    """Show the authorities listed: as a table, or one below the other where there is no room for one."""
    if console.width < _TABLE_WIDTH:
        grid = _grid()
        for row in rows:
            grid.add_row(text(row.authority_id), _entry(row))
        console.print(grid)
        return
    cells = [
        (
            row.authority_id + (" (we)" if row.own else ""),
            row.state,
            row.name,
            in_words(", ".join(row.channels)),
            str(row.keys),
            row.status,
            _confirmed(row),
            _last_answers(row),
        )
        for row in rows
    ]
    headings = ("authority", "State", "name", "channels", "keys", "status", "confirmed", "last answers")
    console.print(table(*headings, rows=cells))


def _entry(row: DirectoryEntryView) -> str:
    whose = "we ourselves, " if row.own else ""
    lines = [f"{whose}{row.state}, {row.status}; {counted(row.keys, 'key')}; confirmed {_confirmed(row)}"]
    lines.append(in_words(", ".join(row.channels)) or "no channel")
    if row.lives:
        lines.append(f"last answers: {_last_answers(row)}")
    return "\n".join([f"[bold]{text(row.name)}[/bold]", *(text(line) for line in lines)])


def _confirmed(row: DirectoryEntryView) -> str:
    """Return the day of the last confirmation; nobody has to confirm to us what we say of ourselves."""
    if row.own:
        return row.verified_at or "–"
    return (row.verified_at or "never") + (" (unconfirmed)" if row.is_unconfirmed and row.verified_at else "")


def _last_answers(row: DirectoryEntryView) -> str:
    return ", ".join(f"{in_words(life.channel)} {age(life)}" for life in row.lives)


def _show_designations(console: Console, rows: Iterable[DesignationView]) -> None:
    cells = [
        (row.role, row.instrument, row.article + (" (provisional)" if row.provisional else ""))
        for row in rows
    ]
    if cells:
        console.print()
        console.print(table("designated as", "under", "article", rows=cells))


def _show_notes(console: Console, notes: Iterable[NoteView]) -> None:
    marks = {True: "[dim]i[/dim]", False: "[yellow]![/yellow]"}
    _show_marked(console, [(marks[note.code in _CALM], note.sentence) for note in notes])


def _show_marked(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Show sentences behind their marks; long ones go on below themselves."""
    if rows:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for mark, sentence in rows:
            grid.add_row(mark, text(sentence))
        console.print(Padding(grid, (0, 0, 0, 2)))


def _grid() -> Table:
    """Return a grid of a label and what it says; long lines go on below themselves."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _hours(hours: HoursView) -> str:
    there = f"{hours.local_time:%a %H:%M}" if hours.local_time else "not known"
    now = f"there it is {there} ({text(hours.time_zone)})"
    if hours.always:
        return f"day and night; {now}"
    if hours.is_open is None:
        return f"not said; {now}"
    if hours.is_open:
        return f"[green]open now[/green]; {now}"
    opens = f", opens {hours.next_opening:%a %Y-%m-%d %H:%M}" if hours.next_opening else ""
    return f"[yellow]closed now{opens}[/yellow]; {now}"


def _phones(phones: Iterable[PhoneView]) -> str:
    return ", ".join(text(f"{phone.number} ({phone.use})") for phone in phones)


def _resource(resource: ResourceView) -> str:
    return " – ".join(text(part) for part in (resource.title, resource.url, resource.note) if part)
