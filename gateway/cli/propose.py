"""Commands that propose a change of a network's directory; others have to sign before it counts.

Each makes or replaces a draft and says what it changes; nothing is published here.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from crypto import strictjson
from crypto.encoding import wire_time
from crypto.errors import KeyRefused, Refusal
from gateway.cli.networkfolder import Holders, moment, open_desk, read_bytes
from gateway.cli.output import Answer, CommandFailed, Common, run, table, text

Flag = Annotated[bool, Parameter(negative=())]
_JSON_MAX_BYTES = 1024 * 1024


def state(
    folder: Path,
    cc: str,
    *,
    holder: Holders,
    needed: int,
    by: str,
    attested: Flag = False,
    common: Common | None = None,
) -> int:
    """Draft who signs for a State: its own holders, or the secretariat's for a State without staff.

    Parameters
    ----------
    folder:
        The network's folder.
    cc:
        The State's two letters.
    holder:
        The public halves of those who sign for it.
    needed:
        How many of them must sign together: more than half.
    by:
        Who proposes it.
    attested:
        The secretariat's holders attest the records; shown to everybody as lower assurance.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.holderfile import read_holder

        holders = [read_holder(path) for path in holder]
        with open_desk(folder) as desk:
            desk.propose_state(cc.lower(), holders, needed, attested=attested, by=by, now=moment())
        rows = [(each.name, " ".join(each.words())) for each in holders]

        def show(console: Console) -> None:
            console.print(
                f"[bold]{text(cc.upper())}[/bold]: {needed} of these sign its records. Compare their words:\n"
            )
            console.print(table("holder", "words", rows=rows))
            _next(console, folder, "targets")

        data = {"state": cc.upper(), "holders": [{"name": n, "words": w.split()} for n, w in rows]}
        return Answer(data=data, show=show)

    return run(common, work)


def remove_state(folder: Path, cc: str, *, by: str, common: Common | None = None) -> int:
    """Draft that a State leaves the network, with all its authorities.

    Parameters
    ----------
    folder:
        The network's folder.
    cc:
        The State's two letters.
    by:
        Who proposes it.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            desk.propose_state_removal(cc.lower(), by=by, now=moment())
        return _drafted(folder, "targets", [f"{cc.upper()} leaves the network."])

    return run(common, work)


def record(
    folder: Path,
    file: Path,
    *,
    by: str,
    state: Path | None = None,
    requirements: Path | None = None,
    certificate: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    keys_lost: Flag = False,
    common: Common | None = None,
) -> int:
    """Draft an authority's record: new, or another one in place of what is published.

    Parameters
    ----------
    folder:
        The network's folder.
    file:
        The authority's enrolment file (enrolment.json), or a record as JSON.
    by:
        Who proposes it; somebody else has to sign.
    state:
        The State's own record as JSON, if it is new or another.
    requirements:
        What the authority asks of requests, as JSON.
    certificate:
        For an authority that has a mailbox and no gateway: the S/MIME certificates (PEM) of the mailbox
        that the record lists under email_smime. They take the place of the record's keys.
    keys_lost:
        The authority has none of its former keys; that was checked by telephone.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.model.authority import parse_entry
        from gateway.services.directory import entry_words

        with open_desk(folder) as desk:
            found, its_state = read_record(read_bytes(file), desk.publication.kind)
            if certificate:
                found = {**found, "keys": _certificate_keys(found, certificate)}
            changes = desk.propose_record(
                found,
                by=by,
                state=its_state if state is None else read_json(state),
                requirements=None if requirements is None else read_json(requirements),
                keys_lost=keys_lost,
                now=moment(),
            )
            role = desk.publication.states()[found["authority_id"][:2]]
        said = list(entry_words(parse_entry(found)))

        def show(console: Console) -> None:
            console.print(f"Drafted for [bold]{text(found['authority_id'])}[/bold]; what it changes:")
            for change in changes:
                console.print(f"  • {text(change.sentence)}")
            console.print(
                "\nTelephone the authority, on a number you already had, and compare these words:\n"
            )
            console.print("  [bold]" + " ".join(said) + "[/bold]")
            _next(console, folder, role)

        data = {
            "authority_id": found["authority_id"],
            "words": said,
            "changes": [change.sentence for change in changes],
        }
        return Answer(data=data, show=show)

    return run(common, work)


def remove_record(folder: Path, authority: str, *, by: str, common: Common | None = None) -> int:
    """Draft that an authority is listed no more.

    Parameters
    ----------
    folder:
        The network's folder.
    authority:
        Its identifier.
    by:
        Who proposes it.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            changes = desk.propose_removal(authority, by=by, now=moment())
            role = desk.publication.states()[authority[:2]]
        return _drafted(folder, role, [change.sentence for change in changes])

    return run(common, work)


def end_key(folder: Path, notice: Path, *, by: str, common: Common | None = None) -> int:
    """Draft a record in which a key is revoked, as an emergency notice says; it need not wait.

    Parameters
    ----------
    folder:
        The network's folder.
    notice:
        The notice, signed by the key itself or by the State's holders.
    by:
        Who proposes it.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.notices import read_statement

        said = read_statement(read_bytes(notice), moment())
        since = None if said.invalid_since is None else wire_time(said.invalid_since)
        with open_desk(folder) as desk:
            changes = desk.propose_ended_key(
                said.aid, said.kid, reason=said.reason, since=since, by=by, now=moment()
            )
            role = desk.publication.states()[said.aid[:2]]
        return _drafted(folder, role, [change.sentence for change in changes])

    return run(common, work)


def renew(folder: Path, role: str, *, common: Common | None = None) -> int:
    """Draft the same again with a later end: what a State signs once a year.

    Parameters
    ----------
    folder:
        The network's folder.
    role:
        root, targets, state-xx or attested-xx.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            desk.propose_renewal(role, now=moment())
        return _drafted(folder, role, [f"{role}: the same again, with a later end."])

    return run(common, work)


def successors(folder: Path, *, holder: Holders, needed: int, by: str, common: Common | None = None) -> int:
    """Draft that others sign for the network from now on; the present holders sign that too.

    Parameters
    ----------
    folder:
        The network's folder.
    holder:
        The public halves of all who sign from now on, also of those who stay.
    needed:
        How many of them must sign together: more than half.
    by:
        Who proposes it.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.holderfile import read_holder

        holders = [read_holder(path) for path in holder]
        with open_desk(folder) as desk:
            desk.propose_successors(holders, needed, by=by, now=moment())
        return _drafted(folder, "root targets", [f"{needed} of {', '.join(h.name for h in holders)} sign."])

    return run(common, work)


def _drafted(folder: Path, role: str, changes: Sequence[str]) -> Answer:
    def show(console: Console) -> None:
        for sentence in changes:
            console.print(f"  • {text(sentence)}")
        _next(console, folder, role)

    return Answer(data={"roles": role.split(), "changes": list(changes)}, show=show)


def _next(console: Console, folder: Path, role: str) -> None:
    console.print(f"\nNext: rogatory directory publish take-out {text(folder)} {role} --to FOLDER")


def _certificate_keys(found: dict[str, Any], files: list[Path]) -> list[dict[str, Any]]:
    """Return the key entries of certificates in files. Raises ``CommandFailed`` naming the one at fault."""
    from gateway.services.publishing.mailboxes import certificate_keys

    rows = []
    for file in files:
        try:
            der = ssl.PEM_cert_to_DER_cert(read_bytes(file).decode("ascii"))
            rows += certificate_keys(found, [der], now=moment())
        except ValueError:
            raise CommandFailed("key-refused", f"{file.name} is no certificate in PEM form.") from None
        except KeyRefused as refusal:
            raise CommandFailed(
                "key-refused", f"{file.name} cannot be listed for this mailbox ({refusal.detail})."
            ) from None
    return rows


def read_record(data: bytes, kind: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a record, and its State's where the file has it: an enrolment file, or JSON."""
    if not data.lstrip().startswith(b"{"):
        from gateway.services.directory.enrolment import read_enrolment

        claim = read_enrolment(data.strip(), kind)
        return claim.record, claim.state
    found = _parse(data)
    inner, its_state = found.get("record", found), found.get("state") if "record" in found else None
    if not isinstance(inner, dict) or not isinstance(its_state, dict | None):
        raise CommandFailed("record-invalid", "This is neither an enrolment file nor a record.")
    return inner, its_state


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raises ``CommandFailed``."""
    return _parse(read_bytes(path))


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return dict(strictjson.loads_object(data, max_bytes=_JSON_MAX_BYTES))
    except Refusal as refusal:
        raise CommandFailed("record-invalid", f"This is no well-formed JSON ({refusal.detail}).") from None
