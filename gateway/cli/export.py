"""``rogatory directory export``: the own record and requirements, as data and as a document for people.

For whoever asks for them in writing, such as a secretariat that keeps a directory. Written into a new
folder; holds no secret, and no number of a 24/7 point.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from crypto import strictjson
from gateway.cli.output import Answer, CommandFailed, Common, run, text
from gateway.cli.session import call
from gateway.errors import GatewayRefusal
from gateway.services.documents.statement import TEMPLATE, as_data, as_text, make_statement
from gateway.services.documents.typeset import CannotPrint, Typesetter
from gateway.services.durablefile import write_durably
from gateway.services.forms import check_form
from gateway.services.registers.recordfolder import RecordFolder
from gateway.web import calls as api

_REQUIREMENTS_MAX_BYTES = 256 * 1024
#: Members of a record that are not for everybody.
_DUTY_MEMBERS = ("phones", "fax", "contacts")


def export(
    *,
    to: Path,
    requirements: Path | None = None,
    records: Path | None = None,
    authority: str | None = None,
    pdf: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Write the own record and requirements, for machines and for people.

    Parameters
    ----------
    to:
        New folder for the files.
    requirements:
        Requirements file, where they are not published in a network yet.
    records:
        Take the record from this folder of records instead of a home.
    authority:
        With --records: identifier of the authority.
    pdf:
        Also as PDF; needs rogatory[pdf] and the Noto fonts.
    """
    common = common or Common()

    async def work() -> Answer:
        if (records is None) != (authority is None):
            raise CommandFailed("usage", "Say --records and --authority together, or neither.")
        if records is not None:
            record, state, published = _from_folder(records, authority or "")
        else:
            own = await call(common, api.DIRECTORY_OWN, api.Nothing(), label="Reading the directory")
            record, state, published = own.record, own.state, own.requirements
        if requirements is not None:
            published = _read_requirements(requirements, str(record["authority_id"]))
        made = _write(to, _for_everybody(record), state, published, pdf=pdf)

        def show(console: Console) -> None:
            console.print(f"[green]{len(made)} files[/green] are in {text(to)}:")
            for name, digest in made.items():
                console.print(f"  {text(name)}  [dim]{digest[:16]}…[/dim]")

        data = {
            "folder": str(to),
            "authority_id": record["authority_id"],
            "files": [{"name": name, "sha256": digest} for name, digest in made.items()],
        }
        return Answer(data=data, show=show)

    return run(common, work)


def _from_folder(
    records: Path, authority: str
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any] | None]:
    found = RecordFolder(records).read()
    record = found.authorities.get(authority)
    if record is None:
        raise CommandFailed("not-listed", "No authority of these records is called so.")
    return record, found.states.get(record["state"]), found.requirements.get(authority)


def _read_requirements(path: Path, authority_id: str) -> Mapping[str, Any]:
    with path.open("rb") as opened:
        value = strictjson.loads(opened.read(_REQUIREMENTS_MAX_BYTES + 1), max_bytes=_REQUIREMENTS_MAX_BYTES)
    problems = check_form(value, "requirements")
    if problems or not isinstance(value, dict) or value.get("authority_id") != authority_id:
        items = [{"path": problem.path, "sentence": problem.sentence} for problem in problems]
        raise CommandFailed(
            "requirements-invalid",
            "These are no requirements of this authority; correct the file.",
            items=items,
        )
    return value


def _for_everybody(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record without what is for enrolled authorities only."""
    given = dict(record)
    if given["hours"]["always"]:
        # Who is reached at all times is reached at a duty desk.
        return {name: value for name, value in given.items() if name not in _DUTY_MEMBERS}
    if "phones" in given:
        given["phones"] = [row for row in given["phones"] if row.get("use") == "office"]
    return given


def _write(
    to: Path,
    record: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None,
    *,
    pdf: bool,
) -> dict[str, str]:
    """Write every file and return name → SHA-256. Nothing is written where one cannot be made."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise GatewayRefusal("folder-not-empty")
    aid = str(record["authority_id"])
    files = {f"{aid}.json": _as_json(record)}
    if requirements is not None:
        files[f"{aid}.requirements.json"] = _as_json(requirements)
    statement = make_statement(
        record,
        state=state,
        requirements=requirements,
        handed_over=[(name, hashlib.sha256(data).hexdigest()) for name, data in files.items()],
        now=datetime.now(UTC),
    )
    files[f"{aid}.txt"] = as_text(statement).encode()
    if pdf:
        try:
            files[f"{aid}.pdf"] = Typesetter(TEMPLATE).pdf(as_data(statement))
        except CannotPrint as missing:
            raise CommandFailed("cannot-print", str(missing)) from None
    to.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_durably(to / name, data, mode=0o644)
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _as_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
