"""Mail to people, ``email_smime``: hands finished, signed and encrypted mails to the own mail server.

What a parcel holds here is one whole mail, headers and body, encrypted before it comes: the adapter sees what
everybody on the way sees. That the server took it says only that it left. No gateway is at the other end, so
nothing comes back as a receipt, and no probe is answered.
"""

from collections.abc import AsyncIterator

from adapters.base import Endpoint, Outcome, Parcel, Verdict
from adapters.mailformat import check_mailbox
from adapters.smtp import SmtpSender, Submission
from crypto.errors import Refusal


class SmimeMailAdapter:
    """The transport ``email_smime``. An endpoint's address is the mailbox of an office.

    Args:
        mailbox: The own one: envelope sender, and where delivery notices come.
        most_bytes: Of one mail.
    """

    scheme = "email_smime"

    def __init__(self, *, sender: SmtpSender, mailbox: str, most_bytes: int) -> None:
        self._sender = sender
        self._mailbox = check_mailbox(mailbox)
        self._most_bytes = most_bytes

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Send the parcel's mail, asking for delivery notices under the bundle's identifier; see ``Adapter``.

        The same mail again has the same Message-ID, by which programs know it.
        """
        if parcel.size_bytes > self._most_bytes:
            return Outcome(verdict=Verdict.REFUSED, code="too-large", detail="more than a mail may be")
        try:
            to = check_mailbox(endpoint.address)
        except Refusal:
            return Outcome(verdict=Verdict.RETRY, detail="the listed address is no mailbox")
        submission = Submission(
            sender=self._mailbox,
            recipients=(to,),
            read=lambda: _lines(parcel.read(0)),
            envid=parcel.bid,
        )
        return await self._sender.send(submission, urgent=parcel.urgent)

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as ``RETRY``."""
        await self._sender.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a mail in stretches of whole lines; it is large, and never joined."""
    rest = b""
    async for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
    if rest:
        yield rest
