"""The conformance suite's peer for ``email_smime``: the mail server of an office, and who reads there.

The suite's bytes stand for an encrypted letter; the product composes one before its adapter sees it, and here
``Composing`` puts a bare mail around them. All authorities and addresses are fictional.
"""

from base64 import encodebytes
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from adapters.base import Endpoint, Outcome, Parcel
from adapters.mimeread import read_mail
from adapters.smimemail import SmimeMailAdapter
from adapters.smtp import MailTimings, SmtpSender
from tests.adapters.mailpeers import OURS, PATIENT, QUICK, SealedMailPeer

OFFICE = "mla@mj.yy.example"


class Composing:
    """The adapter behind what composes for it."""

    def __init__(self, adapter: SmimeMailAdapter) -> None:
        self.scheme = adapter.scheme
        self.aclose = adapter.aclose
        self._adapter = adapter

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        sealed = b"".join([chunk async for chunk in parcel.read(0)])
        mail = _mail(parcel.bid, endpoint.address, sealed)

        async def read(offset: int) -> AsyncIterator[bytes]:
            yield mail[offset:]

        return await self._adapter.deliver(replace(parcel, size_bytes=len(mail), read=read), endpoint)


def _mail(bid: str, to: str, sealed: bytes) -> bytes:
    head = (
        f"From: {OURS}\r\nTo: {to}\r\nSubject: [...]\r\nMessage-ID: <gw1.{bid}@mj.xx.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + encodebytes(sealed).replace(b"\n", b"\r\n")


class LetterPeer(SealedMailPeer):
    """A mail server on the way and a person's mailbox behind it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.endpoint = Endpoint(authority_id="yy-moj", address=OFFICE, certificates=())

    def letter_adapter(
        self, timings: MailTimings = PATIENT, *, most_bytes: int = 64 << 20
    ) -> SmimeMailAdapter:
        sender = SmtpSender(self.server.at(), name="gw.mj.xx.example", timings=timings)
        return SmimeMailAdapter(sender=sender, mailbox=OURS, most_bytes=most_bytes)

    def adapter(self, timings: MailTimings = PATIENT, **options: object) -> Composing:  # type: ignore[override]
        return Composing(self.letter_adapter(timings))

    def quick_adapter(self) -> Composing:  # type: ignore[override]
        return self.adapter(QUICK)

    @property
    def received(self) -> Mapping[tuple[str, str], bytes]:
        """Letters by sender and the bundle's identifier, one for each Message-ID."""
        mails = (read_mail(data) for _, _, data in self.server.handler.mails)
        return {("xx-moj", str(mail.header("message-id"))[5:37]): mail.body() for mail in mails}

    def check_seen(self, parcel: Parcel, sealed: bytes, *, urgent: bool) -> None:
        """The mail as it was composed, under no other sender, with the notices asked for."""
        [(sender, recipients, data)] = self.server.handler.mails
        assert (sender, recipients) == (OURS, [OFFICE])
        assert data == _mail(parcel.bid, OFFICE, sealed)
