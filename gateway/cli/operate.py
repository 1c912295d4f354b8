"""Commands of the administrator and the auditor: doctor, the log, keys, taking peers in."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from crypto import strictjson
from crypto.errors import Refusal
from gateway.cli.output import Answer, CommandFailed, Common, indented, run, table, text, when
from gateway.cli.session import call
from gateway.errors import sentence_of
from gateway.web import calls as api

_COLOURS = {"red": "bold red", "yellow": "yellow", "green": "green"}
_MARKS = {"red": "✗", "yellow": "!", "green": "✓"}

#: An enrolment file is a few tens of KiB.
_ENROLMENT_MAX_BYTES = 1024 * 1024

_REQUIREMENTS_MAX_BYTES = 64 * 1024


def doctor(*, common: Common | None = None) -> int:
    """Check keys, clock, database, disk, directory, peers and the log, and say what to do.

    Exit code 1 if anything is red.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.DOCTOR, api.Nothing(), label="Examining")

        def show(console: Console) -> None:
            for finding in found.findings:
                colour = _COLOURS[finding.level]
                mark = _MARKS[finding.level]
                console.print(f"[{colour}]{mark} {text(finding.check)}[/{colour}]  {text(finding.sentence)}")
                if finding.action:
                    console.print(indented(f"→ {text(finding.action)}", 4))

        return Answer(data=found, show=show, ok=found.healthy)

    return run(common, work)


def verify(*, common: Common | None = None) -> int:
    """Check every entry of the audit log, the tree over them, and its signed heads.

    Exit code 1 if anything is wrong; the entry or head concerned is named.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(
            common, api.AUDIT_VERIFY, api.Nothing(), label="Verifying the log", counts="entries"
        )

        def show(console: Console) -> None:
            if found.verified:
                console.print(
                    f"[green]✓ The log of {text(found.authority)} is whole[/green]: {found.size} entries."
                )
                console.print(f"  root {text(found.root)}")
                return
            console.print(f"[bold red]✗ The log of {text(found.authority)} does not verify.[/bold red]")
            for fault in found.faults:
                console.print(f"  • {text(fault.sentence)}")
            console.print(
                "  → Send nothing more. Keep this database as it is, and restore the newest good copy."
            )

        return Answer(data=found, show=show, ok=found.verified)

    return run(common, work)


def list_keys(*, common: Common | None = None) -> int:
    """List the keys of this authority and until when they are good."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.KEYS_LIST, api.Nothing(), label="Reading keys")

        def show(console: Console) -> None:
            rows = [
                (
                    key.use,
                    key.alg,
                    key.kid[:12],
                    when(key.exp),
                    key.status,
                    "yes" if key.held else "destroyed",
                )
                for key in found.keys
            ]
            console.print(
                table("use", "algorithm", "key", "good until (UTC)", "status", "private part", rows=rows)
            )
            console.print("\nWords that stand for all of them: [bold]" + " ".join(found.words) + "[/bold]")

        return Answer(data=found, show=show)

    return run(common, work)


def rotate(
    *,
    use: Annotated[
        list[Literal["sig", "enc", "req", "rcpt", "log", "wit", "tls", "smime_sig", "smime_enc"]] | None,
        Parameter(consume_multiple=True),
    ] = None,
    common: Common | None = None,
) -> int:
    """Make new keys, list them in the own record and renew the enrolment file.

    Old keys stay held; an old enc key is destroyed 60 days after its end, by the running service. What was
    received stays readable and what was signed still verifies.

    Parameters
    ----------
    use:
        Which keys: sig, enc, req, rcpt, log, wit, tls; all of these if it is not said. And smime_sig,
        smime_enc, for the mailbox that the own record lists under email_smime, only if they are named.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.RotateParams(uses=use or ["sig", "enc", "req", "rcpt", "log", "wit", "tls"])
        made = await call(common, api.KEYS_ROTATE, params, label="Making keys")

        def show(console: Console) -> None:
            rows = [(key.use, key.alg, key.kid[:12], when(key.exp)) for key in made.made]
            console.print(table("use", "algorithm", "new key", "good until (UTC)", rows=rows))
            console.print(f"\nNext: send {text(made.enrolment)} to your peers, and have them enrol it.")
            console.print("It is signed by a key they already know, so nobody needs to telephone.")

        return Answer(data=made, show=show)

    return run(common, work)


def enrol(
    peer: Path, *, replace: Annotated[bool, Parameter(negative=())] = False, common: Common | None = None
) -> int:
    """Take a peer's enrolment file into the directory, and show the words to compare by telephone.

    Parameters
    ----------
    peer:
        The enrolment file, as the peer sent it.
    replace:
        The peer has new keys and the words were compared by telephone again.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.EnrolParams(statement=_read_enrolment(peer), replace=replace)
        done = await call(common, api.DIRECTORY_ENROL, params, label="Enrolling")

        def show(console: Console) -> None:
            console.print(f"{text(done.authority_id)}, {text(done.name)}, is in the directory now.")
            console.print("\nTelephone it, on a number you already had, and compare these words:\n")
            console.print("  [bold]" + " ".join(done.words) + "[/bold]\n")
            console.print(
                "If they differ, somebody else made this file: send nothing and enrol the right one."
            )

        return Answer(data=done, show=show)

    return run(common, work)


def require(requirements: Path, *, common: Common | None = None) -> int:
    """Publish what this authority asks of requests, and renew the enrolment file.

    Parameters
    ----------
    requirements:
        File in the form of the published requirements (docs/directory.md).
    """
    common = common or Common()

    async def work() -> Answer:
        with requirements.open("rb") as file:
            data = file.read(_REQUIREMENTS_MAX_BYTES + 1)
        try:
            form = strictjson.loads(data, max_bytes=_REQUIREMENTS_MAX_BYTES)
        except Refusal:
            raise CommandFailed("requirements-invalid", "This is no JSON of bounded size.") from None
        if not isinstance(form, dict):
            raise CommandFailed("requirements-invalid", sentence_of("requirements-invalid"))
        params = api.RequirementsParams(requirements=form)
        done = await call(common, api.DIRECTORY_REQUIRE, params, label="Publishing")

        def show(console: Console) -> None:
            console.print(f"Issue {done.issue} is published; it applies from {text(done.valid_from)}.")
            console.print(f"\nNext: send {text(done.enrolment)} to your peers, and have them enrol it.")

        return Answer(data=done, show=show)

    return run(common, work)


def _read_enrolment(path: Path) -> str:
    with path.open("rb") as file:
        statement = file.read(_ENROLMENT_MAX_BYTES + 1)
    if len(statement) > _ENROLMENT_MAX_BYTES:
        raise CommandFailed("enrolment-invalid", "This file is too large for an enrolment file.")
    try:
        return statement.decode("ascii")
    except UnicodeDecodeError:
        raise CommandFailed("enrolment-invalid", "This is no enrolment file.") from None
