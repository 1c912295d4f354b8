"""``rogatory registers``: published registers set against our records, every difference shown.

Nothing is taken here: ``compare`` only writes down what it found. Deciding is ``registerdecisions``.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from crypto import strictjson
from gateway.cli.output import Answer, CommandFailed, Common, run, table, text
from gateway.cli.registershown import show_proposal
from gateway.services.publishing.desk import PublishingDesk
from gateway.services.registers.compare import RegisterFile
from gateway.services.registers.compare import compare as set_against
from gateway.services.registers.drafting import published_records
from gateway.services.registers.mapping import (
    RegisterMapping,
    known_registers,
    packaged_mapping,
    read_mapping,
)
from gateway.services.registers.recordfolder import RecordFolder
from gateway.services.registers.tables import MAX_BYTES

_JSON_MAX_BYTES = 8 * 1024 * 1024


def start(
    records: Path,
    *,
    publication: Path | None = None,
    directory: Path | None = None,
    sample: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Make a folder of records to set registers against.

    Parameters
    ----------
    records:
        New folder.
    publication:
        Take what this network lists: its publisher's folder.
    directory:
        Take the States and authorities of a directory file.
    sample:
        Take the fictional sample directory of 43 States and 99 authorities.
    """
    common = common or Common()

    async def work() -> Answer:
        if (publication is not None) + (directory is not None) + sample != 1:
            raise CommandFailed("usage", "Say one of --publication FOLDER, --directory FILE and --sample.")
        states, authorities, requirements = _start_from(publication, directory)
        RecordFolder.create(records, states=states, authorities=authorities, requirements=requirements)
        made = {"records": str(records), "states": len(states), "authorities": len(authorities)}

        def show(console: Console) -> None:
            console.print(
                f"{made['states']} States and {made['authorities']} authorities are in {text(records)}."
            )

        return Answer(data=made, show=show)

    return run(common, work)


def _start_from(
    publication: Path | None, directory: Path | None
) -> tuple[list[Any], list[Any], Mapping[str, Mapping[str, Any]]]:
    if publication is not None:
        with PublishingDesk.open(publication) as desk:
            found = published_records(desk.publication)
        return list(found.states.values()), list(found.authorities.values()), found.requirements
    if directory is not None:
        given = json_object(directory)
        states, authorities = given.get("states"), given.get("authorities")
        if not isinstance(states, list) or not isinstance(authorities, list):
            raise CommandFailed("records-invalid", "The file has no list of states and of authorities.")
        return states, authorities, {}
    from gateway.demo.samples import read_sample_directory, read_sample_requirements

    sampled = read_sample_directory()
    return sampled["states"], sampled["authorities"], read_sample_requirements()


def list_mappings(register: str | None = None, *, common: Common | None = None) -> int:
    """List the registers that can be read, or the columns of one.

    Parameters
    ----------
    register:
        Show the columns of this register and what becomes of them.
    """
    common = common or Common()

    async def work() -> Answer:
        names = known_registers() if register is None else (register,)
        mappings = [packaged_mapping(name) for name in names]
        data = {
            "registers": [
                {
                    "register": m.register,
                    "title": m.title,
                    "publisher": m.publisher,
                    "kind": m.kind,
                    "layout": m.layout,
                    "instruments": list(m.instruments),
                    "columns": [msgspec.to_builtins(column) for column in m.columns],
                }
                for m in mappings
            ]
        }

        def show(console: Console) -> None:
            if register is None:
                rows = [(m.register, m.kind, m.publisher, m.title) for m in mappings]
                console.print(table("register", "about", "publisher", "title", rows=rows))
                console.print("\nrogatory registers list REGISTER shows its columns.")
                return
            (m,) = mappings
            console.print(f"[bold]{text(m.title)}[/bold], {text(m.publisher)}\n{text(m.layout)}\n")
            columns = [
                (
                    " / ".join(name or "(no heading)" for name in c.headings),
                    c.value or "left out",
                    c.left_out or ("needed" if c.needed else ""),
                )
                for c in m.columns
            ]
            console.print(table("column", "becomes", "", rows=columns))

        return Answer(data=data, show=show)

    return run(common, work)


def compare(
    file: Path,
    *,
    records: Path,
    register: str | None = None,
    mapping: Path | None = None,
    source: str,
    as_of: str,
    instrument: str | None = None,
    encoding: str | None = None,
    link: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    to: Path | None = None,
    common: Common | None = None,
) -> int:
    """Show what a register says differently from our records, and write it down for a decision.

    Nothing is changed.

    Parameters
    ----------
    file:
        The register's file, .csv or .json.
    records:
        Folder of records.
    register:
        Register whose layout the file has: see rogatory registers list.
    mapping:
        Own mapping file instead, for another register or layout.
    source:
        Where the file was got from: an address, or the letter it came with.
    as_of:
        Day of what the file says, YYYY-MM-DD.
    instrument:
        For lists of participation: the treaty, such as budapest.
    encoding:
        For a CSV file that is no Unicode, such as windows-1252.
    link:
        ROW=AUTHORITY: the row is this authority of ours, under another name.
    to:
        File for the differences; without it, proposals/ in the folder of records.
    """
    common = common or Common()

    async def work() -> Answer:
        if (register is None) == (mapping is None):
            raise CommandFailed("usage", "Say --register NAME, or --mapping FILE for an own layout.")
        chosen: RegisterMapping = packaged_mapping(register) if register else read_mapping(mapping or Path())
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        given = RegisterFile(
            name=file.name,
            data=data,
            form="json" if file.suffix.lower() == ".json" else "csv",
            source=source,
            as_of=_day(as_of),
            encoding=encoding,
        )
        proposal = set_against(
            given,
            chosen,
            RecordFolder(records).read(),
            instrument=instrument,
            links=_links(link or []),
            now=datetime.now(UTC),
        )
        place = to or records / "proposals" / (
            f"{proposal.register}-{proposal.as_of}-{proposal.file_sha256[:8]}.json"
        )
        RecordFolder(records).put_proposal(place, proposal.to_json(), at=proposal.made_at)

        def show(console: Console) -> None:
            show_proposal(console, proposal)
            if proposal.differences:
                decide = f"rogatory registers accept {text(place)} --records {text(records)}"
                console.print("\nNothing was taken. Decide with:")
                console.print(f"  {decide}", soft_wrap=True)

        return Answer(data={"proposal": str(place), **msgspec.to_builtins(proposal)}, show=show)

    return run(common, work)


def _links(given: Sequence[str]) -> dict[int, str]:
    links = {}
    for entry in given:
        row, _, target = entry.partition("=")
        if not row.isascii() or not row.isdecimal() or not target:
            raise CommandFailed("usage", "Write --link ROW=AUTHORITY, such as --link 12=ke-ag.")
        links[int(row)] = target
    return links


def _day(given: str) -> date:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            pass
    raise CommandFailed("usage", "Write the day of the file as YYYY-MM-DD.")


def json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file that a person hands over."""
    with path.open("rb") as opened:
        return dict(strictjson.loads_object(opened.read(_JSON_MAX_BYTES + 1), max_bytes=_JSON_MAX_BYTES))
