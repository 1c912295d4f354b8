"""``rogatory registers accept``, ``draft`` and ``sources``: what persons decide about differences.

Nothing is taken without a name and a clear word: ``accept`` asks for each difference, or is told number by
number. ``draft`` hands what changed to a network, where others sign it.
"""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from gateway.cli.output import Answer, CommandFailed, Common, counted, run, table, text
from gateway.cli.registers import json_object
from gateway.cli.registershown import ask
from gateway.services.publishing.desk import PublishingDesk
from gateway.services.registers import acceptance
from gateway.services.registers.differences import Proposal
from gateway.services.registers.drafting import draft_changes
from gateway.services.registers.recordfolder import RecordFolder

_PROPOSAL_MAX_BYTES = 64 * 1024 * 1024


def accept(
    proposal: Path,
    *,
    records: Path,
    by: str | None = None,
    take: str | None = None,
    leave: str | None = None,
    by_hand: Path | None = None,
    common: Common | None = None,
) -> int:
    """Take differences into our records, as a named person decides: number by number, or when asked.

    Parameters
    ----------
    proposal:
        File that rogatory registers compare has written.
    records:
        Folder of records.
    by:
        Who decides: name and office. It is kept with every value.
    take:
        Numbers to take, such as 1,4,7-9, or all.
    leave:
        Numbers that were looked at and are not taken.
    by_hand:
        JSON file: identifier of a new authority to the members that no register says.
    """
    common = common or Common()

    async def work() -> Answer:
        with proposal.open("rb") as opened:
            shown = Proposal.from_json(opened.read(_PROPOSAL_MAX_BYTES + 1))
        asking = take is None and leave is None
        if asking and (common.json or not (sys.stdin.isatty() and sys.stderr.isatty())):
            raise CommandFailed("usage", "Say --take and --leave, or run this at a terminal to be asked.")
        who, decided = by, {} if asking else _decisions(take, leave, shown)
        if asking:
            who, decided = ask(shown, by)
        if not who:
            raise CommandFailed("usage", "Say --by NAME: who decides.")
        done = acceptance.accept(
            RecordFolder(records),
            shown,
            take=decided,
            by=who,
            completions={} if by_hand is None else json_object(by_hand),
            now=datetime.now(UTC),
        )
        undecided = len(shown.differences) - len(decided)

        def show(console: Console) -> None:
            console.print(
                f"[green]{len(done.taken)} taken[/green], {len(done.left)} left, {undecided} undecided."
            )
            if done.targets:
                console.print(f"Changed: {text(', '.join(done.targets))}. They count once they are signed.")

        return Answer(data={**msgspec.to_builtins(done), "undecided": undecided, "by": who}, show=show)

    return run(common, work)


def draft(*, records: Path, publication: Path, by: str, common: Common | None = None) -> int:
    """Propose what has changed to a network, for the holders of its States to sign.

    Parameters
    ----------
    records:
        Folder of records.
    publication:
        The network's folder.
    by:
        Who proposes it; somebody else has to sign.
    """
    common = common or Common()

    async def work() -> Answer:
        with PublishingDesk.open(publication) as desk:
            drafted = draft_changes(RecordFolder(records).read(), desk, by=by, now=datetime.now(UTC))

        def show(console: Console) -> None:
            if drafted.roles:
                console.print(
                    f"Drafted {counted(len(drafted.authorities), 'record')}: {_names(drafted.authorities)}."
                )
                console.print(f"To be signed: [bold]{_names(drafted.roles)}[/bold]. Next:")
                console.print(f"  rogatory directory publish take-out {text(publication)} --to FOLDER")
            else:
                console.print("Nothing has changed; nobody has to sign.")
            if drafted.undelegated:
                console.print(f"Nobody speaks for these States yet: {_names(drafted.undelegated)}.")

        return Answer(data=drafted, show=show)

    return run(common, work)


def _names(names: Sequence[str]) -> str:
    return text(", ".join(names[:12]) + (" …" if len(names) > 12 else ""))


def sources(target: str, *, records: Path, common: Common | None = None) -> int:
    """Show where the values of a State or an authority come from.

    Parameters
    ----------
    target:
        Two-letter code of a State, or identifier of an authority.
    records:
        Folder of records.
    """
    common = common or Common()

    async def work() -> Answer:
        found = RecordFolder(records).read()
        if target not in found.states and target not in found.authorities:
            raise CommandFailed(
                "not-listed", "Neither a State nor an authority of these records is called so."
            )
        known = found.sources.get(target, {"target": target, "values": {}, "entries": {}})

        def show(console: Console) -> None:
            rows = [
                (
                    where or "whole record",
                    row.get("register", "by hand"),
                    row.get("as_of"),
                    row.get("source"),
                    row.get("taken_by") or row.get("by_hand"),
                )
                for where, row in known["values"].items()
            ]
            if not rows:
                console.print("Nothing here was taken from a register.")
                return
            console.print(table("value", "register", "of", "source", "taken by", rows=rows))

        return Answer(data=known, show=show)

    return run(common, work)


def _decisions(take: str | None, leave: str | None, proposal: Proposal) -> dict[int, bool]:
    everything = [difference.number for difference in proposal.differences]
    chosen = everything if take == "all" else _numbers(take or "")
    left = [n for n in everything if n not in chosen] if leave == "all" else _numbers(leave or "")
    if both := sorted(set(chosen) & set(left)):
        raise CommandFailed("usage", f"{both[0]} is both taken and left.")
    return {**dict.fromkeys(chosen, True), **dict.fromkeys(left, False)}


def _numbers(given: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, given.split(",")):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if match is None:
            raise CommandFailed("usage", "Write numbers like 1,4,7-9, or all.")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found
