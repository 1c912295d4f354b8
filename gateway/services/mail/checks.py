"""What the doctor says of mail: whether it leaves, whether it comes, and what waits for a person."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path

from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.mail.quarantine import AsideMail

#: Connects and leaves; returns what is wrong, ``None`` if nothing is.
Try = Callable[[], Awaitable[str | None]]

_CHECK = "mail"
#: What the libraries call a trouble, and what it is.
_WORDS = {
    "ConnectionRefusedError": "nothing listens at that host and port",
    "SMTPConnectError": "no connection to that host and port",
    "SMTPConnectTimeoutError": "no connection to that host and port in time",
    "SMTPAuthenticationError": "the server refuses the name or the password",
    "LoginError": "the server refuses the name or the password",
    "SSLCertVerificationError": "the server's certificate is of another host, or not vouched for by ca_file",
    "TimeoutError": "the server does not answer in time",
    "gaierror": "the host's name is not known",
}
_MEND = "Look at [mail] in the settings file, and at the server's own log."


async def check_mail(
    *,
    submission: Try,
    mailbox: Try | None,
    lmtp_socket: Path | None,
    set_aside: Iterable[AsideMail],
    taken_at: datetime | None,
) -> list[Diagnosis]:
    """Outgoing mail is taken, the mailbox opens or the socket is there, and nobody's mail waits for long."""
    found = [await _tried("Outgoing mail", submission)]
    if mailbox is not None:
        found.append(await _tried("The mailbox", mailbox))
    if lmtp_socket is not None and not await asyncio.to_thread(lmtp_socket.exists):
        sentence = "Nothing takes the mail that the site's server hands over."
        action = f"Run rogatory serve; its socket is {lmtp_socket}."
        found.append(Diagnosis(check=_CHECK, level=Level.RED, sentence=sentence, action=action))
    waiting = sum(1 for mail in set_aside if not mail.automatic)
    if waiting:
        sentence = f"{waiting} {'mail waits' if waiting == 1 else 'mails wait'} for a person to look at."
        action = "Run: rogatory mail list"
        found.append(Diagnosis(check=_CHECK, level=Level.YELLOW, sentence=sentence, action=action))
    if taken_at is not None:
        found.append(good(_CHECK, f"The last mail was taken at {taken_at:%Y-%m-%d %H:%M} UTC."))
    return found


def _in_words(trouble: str) -> str:
    kind = trouble.partition(" ")[0]
    known = _WORDS.get(kind)
    return f"the server cannot be used ({trouble})" if known is None else f"{known} ({trouble})"


async def _tried(what: str, attempt: Try) -> Diagnosis:
    try:
        trouble = await attempt()
    except OSError as error:
        trouble = f"an own file cannot be read: {error.strerror}"
    if trouble is None:
        return good(_CHECK, f"{what}: the server lets us in, under TLS.")
    return Diagnosis(
        check=_CHECK,
        level=Level.RED,
        sentence=f"{what}: {_in_words(trouble)}.",
        action=_MEND,
    )
