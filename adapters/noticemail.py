"""Notices by e-mail, through the own mail server: a few lines of plain text to one person.

They take the lane that urgent mail has to itself. The subject says no more than the notice's title does.
"""

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol

from adapters.alarm import Notice
from adapters.base import Outcome, Verdict
from adapters.mailformat import check_mailbox
from adapters.smtp import Submission, in_memory
from crypto.errors import Refusal

_PRIORITY = {"emergency": "1 (Highest)", "urgent": "2 (High)"}


class Sender(Protocol):
    """What hands mail to the own server: ``adapters.smtp.SmtpSender``."""

    async def send(self, mail: Submission, *, urgent: bool = False) -> Outcome:
        """Make one attempt."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class MailPath:
    """Calls people by e-mail. ``mailbox`` is what stands in From; reports of failure go there."""

    def __init__(self, *, sender: Sender, mailbox: str, now: Callable[[], datetime]) -> None:
        self._sender = sender
        self._mailbox = check_mailbox(mailbox)
        self._now = now

    async def ring(self, target: str, notice: Notice) -> Outcome:
        """Make one attempt; ``target`` is a mailbox."""
        try:
            to = check_mailbox(target)
        except Refusal:
            return Outcome(verdict=Verdict.RETRY, code="address-refused")
        data = self._compose(to, notice)
        mail = Submission(sender=self._mailbox, recipients=(to,), read=in_memory(data))
        try:
            outcome = await self._sender.send(mail, urgent=True)
        except OSError as error:
            # The own certificate or password file: nothing that waiting mends, but the next path is there.
            return Outcome(verdict=Verdict.RETRY, code="mail-settings", detail=type(error).__name__)
        if outcome.verdict is Verdict.DISPATCHED:
            return outcome
        return Outcome(verdict=Verdict.RETRY, code="no-answer", detail=outcome.detail)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._sender.aclose()

    def _compose(self, to: str, notice: Notice) -> bytes:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._mailbox
        mail["To"] = to
        mail["Subject"] = notice.title
        mail["Date"] = format_datetime(self._now())
        mail["Message-ID"] = f"<{notice.id}@{self._mailbox.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        if notice.level in _PRIORITY:
            mail["X-Priority"] = _PRIORITY[notice.level]
        mail.set_content(notice.text, cte="base64")
        return mail.as_bytes()
