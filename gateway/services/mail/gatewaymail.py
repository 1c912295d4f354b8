"""The mails of other gateways: the token first, then the content, then whoever deals with its kind.

Nothing in the content is parsed before the token verified under a listed key that was in force, and before
the content's own digest is the token's. A mail that is refused changes nothing but what a peer is told.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.mailformat import checked_content, open_mail
from adapters.mimeread import MailUnreadable, MimePart
from crypto import strictjson
from crypto.encoding import b64u, lp, wire_time
from crypto.errors import Refusal
from crypto.mailtoken import LEEWAY, OLDEST, MailClaims, MailKind, Segment, read_mail_token
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, from_refusal
from gateway.services.arrivals.arrival import Arrivals, Head, Read, read_head
from gateway.services.delivery.receipts import ReceiptDesk
from gateway.services.directory import Directory
from gateway.services.health.liveness import Liveness
from gateway.services.mail.answers import MailAnswers
from gateway.services.mail.segments import Segments
from gateway.services.requestkeys import RequestKeys
from gateway.services.revocations import Revocations
from gateway.telemetry import get_log

#: Largest body of receipts or notices that is parsed.
MOST_JSON_BYTES = 4 * 1024 * 1024

_PIECE = 1 << 20

#: Mails of one peer in a minute, at most; more wait in the mailbox.
MOST_PER_MINUTE = 240

#: An older mail says nothing of whether its sender is there now.
_FRESH = timedelta(hours=1)

#: What passes by itself: the mail is left where it is and taken again, and its sender is told nothing.
PASSING = frozenset(
    {"busy", "unavailable", "quota", "rate", "storage-full", "directory-stale", "mail-full", "offset"}
)


class GatewayMails:
    """Takes mails with a token."""

    def __init__(
        self,
        *,
        directory: Directory,
        arrivals: Arrivals,
        desk: ReceiptDesk,
        revocations: Revocations,
        liveness: Liveness,
        segments: Segments,
        answers: MailAnswers,
        heard: Callable[[str, datetime], None],
        authority_id: str,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._arrivals = arrivals
        self._desk = desk
        self._revocations = revocations
        self._liveness = liveness
        self._segments = segments
        self._answers = answers
        self._heard = heard
        self._authority_id = authority_id
        self._clock = clock
        self._minute: tuple[int, dict[str, int]] = (0, {})
        self._log = get_log("mail")

    async def take(self, tree: MimePart) -> str | None:
        """Take one mail, durably; return ``None``, or the reason for which it is to be set aside.

        Raises ``GatewayRefusal`` of ``PASSING`` and ``StorageError``: it is to be taken again later.
        """
        try:
            mail = open_mail(tree)
            claims = self._verified(mail.token)
            self._pace(claims.sender)
            content = await asyncio.to_thread(checked_content, mail, claims)
        except Refusal as refusal:
            self._log.warning("mail.not_verified", code=refusal.code)
            return refusal.code
        except MailUnreadable as unreadable:
            return unreadable.reason
        now = self._clock.now()
        if now - claims.at <= _FRESH:
            self._heard(claims.sender, now)
        try:
            await self._dispose(claims, content)
        except GatewayRefusal as refusal:
            if refusal.code in PASSING:
                raise
            self._log.warning("mail.refused", code=refusal.code, peer=claims.sender, detail=refusal.detail)
            return refusal.code
        return None

    def _verified(self, token: bytes) -> MailClaims:
        now, keys = self._clock.now(), RequestKeys(self._directory)
        claims = read_mail_token(token, own=self._authority_id, find_key=keys, now=now)
        if claims.sender == self._authority_id:
            raise Refusal("not-for-us", "a mail of our own")
        keys.check(claims.at, now)
        return claims

    def _pace(self, sender: str) -> None:
        """Raise ``GatewayRefusal`` ``rate`` for a peer that sends more than it may in this minute."""
        minute = int(self._clock.now().timestamp() // 60)
        if self._minute[0] != minute:
            self._minute = (minute, {})
        count = self._minute[1]
        count[sender] = count.get(sender, 0) + 1
        if count[sender] > MOST_PER_MINUTE:
            raise GatewayRefusal("rate", detail="mails of one peer in a minute")

    async def _dispose(self, claims: MailClaims, content: bytes) -> None:
        if claims.segment is not None:
            await self._take_bundle(claims, claims.segment, content)
        elif claims.kind is MailKind.RECEIPTS:
            await self._take_receipts(claims, _json(content))
        elif claims.kind is MailKind.NOTICES:
            body = _json(content)
            await self._revocations.take_all(caller=claims.sender, jti=None, exp=None, body=body)
        elif claims.kind is MailKind.PROBE:
            await self._answers.answer_probe(claims.sender, _text(content))
        elif claims.kind is MailKind.PROBE_ANSWER:
            await self._liveness.take_answer(_text(content))

    async def _take_receipts(self, claims: MailClaims, body: Mapping[str, Any]) -> None:
        """File receipts; what stands unsigned beside them counts once for each mail that its sender wrote.

        Receipts may come as often as they like. Problems may not: whoever repeats a mail must not be able to
        say three times what a peer said once, because then a bundle is given up.
        """
        jti = exp = None
        if body.get("problems"):
            jti, exp = _once(claims), claims.at + OLDEST + 2 * LEEWAY
        try:
            await self._desk.take(caller=claims.sender, jti=jti, exp=exp, body=body)
        except GatewayRefusal as refusal:
            if refusal.code != "auth-replay":
                raise

    async def _take_bundle(self, claims: MailClaims, segment: Segment, content: bytes) -> None:
        sender, bid = claims.sender, segment.bid
        known = await self._arrivals.known(sender, bid, segment.envelope_sha256)
        if known is not None:
            await self._repeat(known)
            # A crash may have come between taking the container in and this.
            await self._segments.drop(sender, bid)
            return
        read: Read = content_reader(content)
        try:
            if segment.n > 1:
                whole = await self._segments.take(claims, segment, content)
                if whole is None:
                    return
                read = whole.read
            head = await read_head(read)
            if (head.sender, head.bid, head.envelope) != (sender, bid, segment.envelope_sha256):
                raise GatewayRefusal("malformed", detail="the container is not the token's")
            if (await self._arrivals.take(size=segment.total, read=read)).is_repeat:
                await self._repeat(head)
        except GatewayRefusal as refusal:
            if refusal.code in PASSING:
                raise
            await self._answers.tell_problem(
                sender, bid=bid, envelope=segment.envelope_sha256, code=refusal.code
            )
            self._log.warning("mail.bundle_refused", code=refusal.code, peer=sender, detail=refusal.detail)
        await self._segments.drop(sender, bid)

    async def _repeat(self, head: Head) -> None:
        """A bundle came again: its receipt may be lost, so it goes out once more, but not each time."""
        if await self._answers.may_repeat_receipts(head.sender, head.bid):
            await self._arrivals.push_again(head)


def content_reader(content: bytes) -> Read:
    """Return what gives a container that lies in memory."""

    async def read(offset: int) -> AsyncIterator[bytes]:
        for at in range(offset, len(content), _PIECE):
            yield content[at : at + _PIECE]

    return read


def _once(claims: MailClaims) -> str:
    """Return what names a mail as its sender wrote it, however a server writes it out again."""
    said = lp(b"mail", claims.sha256.encode(), wire_time(claims.at).encode())
    return b64u(hashlib.sha256(said).digest()[:16])


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        return strictjson.loads_object(content, max_bytes=MOST_JSON_BYTES)
    except Refusal as refusal:
        raise from_refusal(refusal) from None


def _text(content: bytes) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise GatewayRefusal("malformed", detail="a probe that is not ASCII") from None
