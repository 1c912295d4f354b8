"""Commands about the life of keys: renewed ahead of time, and ended in an emergency."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.output import Answer, CommandFailed, Common, run, table, text, when, words
from gateway.cli.session import call
from gateway.web import calls as api

#: A notice is a few KiB for each of its signatures.
_NOTICE_MAX_BYTES = 128 * 1024

#: The identifier of a key, or the beginning of one: base64url, so one in 64 begins with a hyphen.
KeyIdentifier = Annotated[str, Parameter(allow_leading_hyphen=True)]


def renew(
    *,
    use: Annotated[
        list[Literal["sig", "enc", "req", "rcpt", "log", "wit", "tls", "smime_sig", "smime_enc"]] | None,
        Parameter(consume_multiple=True),
    ] = None,
    early: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Make the next keys ahead of time and list them, without a break in traffic.

    A key that ends within 60 days (enc: 30) gets a successor that is listed now and used from 30 days on.
    Until then the present key goes on. Where none is needed nothing happens: run it as often as you like.

    Parameters
    ----------
    use:
        Which keys: sig, enc, req, rcpt, log, wit, tls, smime_sig, smime_enc; all that there are if it is
        not said.
    early:
        However long the present keys still last.
    """
    common = common or Common()

    async def work() -> Answer:
        uses = use or ["sig", "enc", "req", "rcpt", "log", "wit", "tls", "smime_sig", "smime_enc"]
        params = api.RenewParams(uses=uses, early=early)
        made = await call(common, api.KEYS_RENEW, params, label="Making keys")

        def show(console: Console) -> None:
            if not made.made:
                console.print(
                    "Every key lasts long enough, or has its successor already. Nothing was changed."
                )
                return
            rows = [(key.use, key.alg, key.kid[:12], when(key.begins), when(key.exp)) for key in made.made]
            console.print(
                table("use", "algorithm", "next key", "used from (UTC)", "good until (UTC)", rows=rows)
            )
            console.print(
                f"\nNext: hand {text(made.enrolment)} to your State's holders for the directory, "
                "and to the peers you are enrolled with by hand. Traffic goes on meanwhile."
            )

        return Answer(data=made, show=show)

    return run(common, work)


def revoke(
    kid: KeyIdentifier,
    *,
    reason: Literal["superseded", "cessation", "compromise"],
    since: str | None = None,
    to: Path | None = None,
    common: Common | None = None,
) -> int:
    """Tell everybody that a key of ours is not to be trusted any more, and make another in its place.

    This cannot be taken back. The notice is signed by the key itself and passed on to every peer at once.

    Parameters
    ----------
    kid:
        The key: at least the first eight characters of its identifier, from `rogatory keys list`.
    reason:
        compromise: others may have used it. superseded, cessation: nobody did.
    since:
        For a compromise: since when others may have signed, as 2026-11-21T09:00:00Z.
    to:
        New file for the notice, to be sent by any other way as well.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.RevokeKeyParams(kid=kid, reason=reason, since=instant(since))
        done = await call(common, api.KEYS_REVOKE, params, label="Revoking")
        if to is not None:
            with to.open("x", encoding="ascii") as file:
                file.write(done.notice + "\n")

        def show(console: Console) -> None:
            console.print(f"[bold]{text(done.kid)}[/bold] is revoked ({text(done.reason)}).")
            console.print("Every peer that can be reached is being told.")
            for key in done.made:
                console.print(f"  new {text(key.use)} key  {text(key.kid)}")
            console.print(
                "\nNext: give the renewed enrolment file to your State's holders and to your peers."
            )

        return Answer(data=done, show=show)

    return run(common, work)


def notice(file: Path, *, common: Common | None = None) -> int:
    """Take a notice that a key is not to be trusted any more, and pass it on.

    It does not matter who brought it: only the key itself or its State's holders can make one.

    Parameters
    ----------
    file:
        The notice, as it was received.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.NoticeParams(notice=_read(file))
        done = await call(common, api.DIRECTORY_NOTICE, params, label="Checking")

        def show(console: Console) -> None:
            by = "holders of its State" if done.by_state else "the key itself"
            if not done.is_new:
                console.print("This was known already; nothing was changed.")
                return
            console.print(
                f"The key [bold]{text(done.kid)}[/bold] of {text(done.authority_id)} is revoked "
                f"({words(done.reason)}), signed by {by}."
            )
            console.print("Nothing it signs from now on is believed. Every peer is being told.")

        return Answer(data=done, show=show)

    return run(common, work)


def instant(value: str | None) -> datetime | None:
    """Return the instant a person wrote; without a zone it is UTC. Raises ``CommandFailed``."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        sentence = "This is no time: write it as 2026-11-21T09:00:00Z."
        raise CommandFailed("usage", sentence, field="since") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_NOTICE_MAX_BYTES + 1)
    if len(data) > _NOTICE_MAX_BYTES or not data.isascii():
        raise CommandFailed("malformed", "This is no notice.", field=str(path))
    return data.decode("ascii")
