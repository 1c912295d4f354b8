"""Commands of a State's holders in an emergency: a notice that a key is not to be trusted any more.

None of them needs a gateway or a network; any gateway then takes the notice and tells all others.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console

from gateway.cli.holder import passphrase, read_file
from gateway.cli.keys import KeyIdentifier, instant
from gateway.cli.output import Answer, Common, run, text

_NOTICE_MAX_BYTES = 128 * 1024


def revoke(
    notice: Path,
    *,
    authority: str,
    kid: KeyIdentifier,
    reason: Literal["superseded", "cessation", "compromise"],
    key: Path,
    since: str | None = None,
    passphrase_file: Path | None = None,
    common: Common | None = None,
) -> int:
    """Start a notice that a key of an authority of this State is not to be trusted any more.

    It counts once as many holders have signed it as sign the State's records. It cannot be taken back.

    Parameters
    ----------
    notice:
        New file for the notice.
    authority:
        Whose key it is.
    kid:
        The whole identifier of the key, as the directory lists it.
    reason:
        compromise: others may have used it. superseded, cessation: nobody did.
    key:
        The holder's key file.
    since:
        For a compromise: since when others may have signed, as 2026-11-21T09:00:00Z.
    passphrase_file:
        File with the passphrase; else it is asked for.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.holderfile import read_keys
        from gateway.services.publishing.notices import start_notice

        keys = read_keys(key, passphrase(passphrase_file))
        made = start_notice(
            keys, authority_id=authority, kid=kid, reason=reason, since=instant(since), now=datetime.now(UTC)
        )
        with notice.open("xb") as file:
            file.write(made)
        return _notice_answer(notice, keys.name, 1)

    return run(common, work)


def countersign(
    notice: Path, *, key: Path, passphrase_file: Path | None = None, common: Common | None = None
) -> int:
    """Add a holder's line to a notice that another holder started.

    Parameters
    ----------
    notice:
        The notice; the line is put into it.
    key:
        The holder's key file.
    passphrase_file:
        File with the passphrase; else it is asked for.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.durablefile import write_durably
        from gateway.services.publishing.holderfile import read_keys
        from gateway.services.publishing.notices import add_line

        keys = read_keys(key, passphrase(passphrase_file))
        made = add_line(read_file(notice, _NOTICE_MAX_BYTES), keys, datetime.now(UTC))
        write_durably(notice, made, mode=0o644)
        return _notice_answer(notice, keys.name, len(made.split()))

    return run(common, work)


def _notice_answer(notice: Path, name: str, lines: int) -> Answer:
    def show(console: Console) -> None:
        console.print(f"{text(notice)} is signed by {text(name)}; holders so far: {lines}.")
        console.print("\nOnce there are enough:")
        console.print("  to all gateways, from any of them: rogatory directory notice FILE")
        console.print("  into the directory: rogatory directory publish end-key FOLDER FILE")

    return Answer(data={"notice": str(notice), "holder": name, "signatures": lines}, show=show)
