"""Sealed mail, ``email_sealed``: bundles, receipts, notices and probes as mail from gateway to gateway.

A container travels as it is, cut into mails where it is long; every mail has a token of ours (section 3 of
docs/mail.md). That the own mail server took the mails says only that they left: the receipt comes back as a
mail, or another way. Nothing is remembered between attempts; a repeat sends the same bytes again.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

from adapters.base import Endpoint, Outcome, Parcel, ProbeOutcome, Verdict
from adapters.mailformat import SEGMENT_BYTES, check_mailbox, compose
from adapters.smtp import SmtpSender, Submission, in_memory
from crypto.encoding import sha256_hex
from crypto.errors import Refusal
from crypto.mailtoken import MOST_SEGMENTS, MailKind, Segment


class MailTokenMaker(Protocol):
    """Makes the token of one mail: ``crypto.mailtoken.sign_mail`` with the own key."""

    def __call__(
        self, to: str, kind: MailKind, *, sha256: str, size: int, segment: Segment | None = None
    ) -> str: ...


class SealedMailAdapter:
    """The transport ``email_sealed``. An endpoint's address is a mailbox.

    Args:
        mailbox: The own one: what the mails are from, and where delivery notices come.
        token: Makes the token of one mail.
        now: For the ``Date`` of mails.
        segment_bytes: Of a container in one mail, at most.
    """

    scheme = "email_sealed"

    def __init__(
        self,
        *,
        sender: SmtpSender,
        mailbox: str,
        token: MailTokenMaker,
        now: Callable[[], datetime],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._sender = sender
        self._mailbox = check_mailbox(mailbox)
        self._token = token
        self._now = now
        self._segment_bytes = segment_bytes

    @property
    def most_bytes(self) -> int:
        """The largest container that this channel carries."""
        return MOST_SEGMENTS * self._segment_bytes

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Send the whole container, one mail after another; see ``Adapter``."""
        if parcel.size_bytes > self.most_bytes:
            return Outcome(verdict=Verdict.REFUSED, code="too-large", detail="more than mail may carry")
        n = -(-parcel.size_bytes // self._segment_bytes)
        outcome = Outcome(verdict=Verdict.RETRY, detail="an empty container")
        source = parcel.read(0)
        rest = b""
        try:
            for i in range(1, n + 1):
                offset = (i - 1) * self._segment_bytes
                size = min(self._segment_bytes, parcel.size_bytes - offset)
                content, rest = await _exactly(source, rest, size)
                segment = Segment(
                    bid=parcel.bid,
                    envelope_sha256=parcel.envelope_sha256,
                    offset=offset,
                    total=parcel.size_bytes,
                    i=i,
                    n=n,
                )
                outcome = await self._post(
                    endpoint, MailKind.BUNDLE, content, segment=segment, urgent=parcel.urgent
                )
                if outcome.verdict is not Verdict.DISPATCHED:
                    return outcome
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
        return outcome

    async def post_receipts(self, endpoint: Endpoint, body: bytes, *, urgent: bool = False) -> Outcome:
        """Send receipts and problems, the JSON of ``POST /receipts``; nothing comes back for it."""
        return await self._post(endpoint, MailKind.RECEIPTS, body, urgent=urgent)

    async def post_notices(self, endpoint: Endpoint, body: bytes) -> Outcome:
        """Send emergency notices, the JSON of ``POST /revocations``."""
        return await self._post(endpoint, MailKind.NOTICES, body, urgent=True)

    async def probe(self, endpoint: Endpoint, question: str) -> ProbeOutcome:
        """Send a probe; its answer comes as a mail."""
        outcome = await self._post(endpoint, MailKind.PROBE, question.encode("ascii"))
        return ProbeOutcome(is_sent=outcome.verdict is Verdict.DISPATCHED, code=outcome.code)

    async def answer_probe(self, endpoint: Endpoint, answer: str) -> Outcome:
        """Send the answer to a probe."""
        return await self._post(endpoint, MailKind.PROBE_ANSWER, answer.encode("ascii"))

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as ``RETRY``."""
        await self._sender.aclose()

    async def _post(
        self,
        endpoint: Endpoint,
        kind: MailKind,
        content: bytes,
        *,
        segment: Segment | None = None,
        urgent: bool = False,
    ) -> Outcome:
        try:
            to = check_mailbox(endpoint.address)
        except Refusal:
            return Outcome(verdict=Verdict.RETRY, detail="the listed address is no mailbox")
        token = self._token(
            endpoint.authority_id, kind, sha256=sha256_hex(content), size=len(content), segment=segment
        )
        bid = None if segment is None else segment.bid
        mail = compose(
            kind=kind, content=content, token=token, sender=self._mailbox, to=to, now=self._now(), bid=bid
        )
        submission = Submission(
            # What answers something is never answered: the null sender gets no notice of any kind.
            sender=None if kind in (MailKind.RECEIPTS, MailKind.PROBE_ANSWER) else self._mailbox,
            recipients=(to,),
            read=in_memory(mail.data),
            envid=bid,
        )
        return await self._sender.send(submission, urgent=urgent)


async def _exactly(source: AsyncIterator[bytes], rest: bytes, size: int) -> tuple[bytes, bytes]:
    """Return the next ``size`` bytes, and what was read beyond them."""
    chunks, held = [rest], len(rest)
    while held < size:
        try:
            chunk = await anext(source)
        except StopAsyncIteration:
            raise ValueError("the container is shorter than its parcel says") from None
        chunks.append(chunk)
        held += len(chunk)
    over = held - size
    last = chunks[-1]
    chunks[-1] = last[: len(last) - over]
    return b"".join(chunks), last[len(last) - over :]
