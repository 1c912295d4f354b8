"""Receipts and notices about keys on their way to peers: over HTTPS where the peer takes calls, else by mail.

Where a peer lists both and the call fails, the mail goes too; HTTPS goes on being tried, because only its
answer says that the body arrived. Which ways there are is the peer's signed record, and which of them this
gateway drives.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from adapters.base import Endpoint, Outcome, Verdict
from adapters.https import HTTPSAdapter
from adapters.replies import Reply
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at, mail_address, push_address


@runtime_checkable
class Mailer(Protocol):
    """Sends small bodies to gateways by mail; ``DISPATCHED`` means that the own mail server took it."""

    async def post_receipts(self, endpoint: Endpoint, body: bytes, *, urgent: bool = False) -> Outcome:
        """Send receipts, or problems."""
        ...

    async def post_notices(self, endpoint: Endpoint, body: bytes) -> Outcome:
        """Send notices about keys."""
        ...

    async def answer_probe(self, endpoint: Endpoint, answer: str) -> Outcome:
        """Send the answer to a probe."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """How posting a body came out.

    Attributes:
        is_taken: The peer has it, by its own answer.
        is_mailed: It left by mail; nobody says that it arrived.
        is_called: The peer takes calls, so that it goes on being called until it has it.
        is_reachable: There is a way at all.
    """

    is_taken: bool = False
    is_mailed: bool = False
    is_called: bool = False
    is_reachable: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be tried."""
        return self.is_taken or (self.is_mailed and not self.is_called)


class PeerPost:
    """Posts to peers; ``mailer`` is ``None`` where this gateway has no mailbox."""

    def __init__(self, *, directory: Directory, https: HTTPSAdapter, mailer: Mailer | None) -> None:
        self._directory = directory
        self._https = https
        self._mailer = mailer

    async def receipts(self, authority_id: str, body: bytes, *, urgent: bool, by_mail: bool = True) -> Posted:
        """Post receipts; without ``by_mail`` they went by mail before."""
        return await self._post(
            authority_id,
            lambda to: self._https.post_receipts(to, body, urgent=urgent),
            lambda mailer, to: mailer.post_receipts(to, body, urgent=urgent),
            by_mail=by_mail,
        )

    async def notices(self, authority_id: str, body: bytes) -> Posted:
        """Post notices about keys."""
        return await self._post(
            authority_id,
            lambda to: self._https.post_notices(to, body),
            lambda mailer, to: mailer.post_notices(to, body),
        )

    async def probe_answer(self, authority_id: str, answer: str) -> Posted:
        """Send the answer to a probe that came by mail, by mail only."""
        return await self._post(authority_id, None, lambda mailer, to: mailer.answer_probe(to, answer))

    async def problem(self, authority_id: str, body: bytes) -> Posted:
        """Tell a sender why its bundle, which came by mail, was not taken; by mail only."""
        return await self._post(authority_id, None, lambda mailer, to: mailer.post_receipts(to, body))

    async def _post(
        self,
        authority_id: str,
        call: Callable[[Endpoint], Awaitable[Reply]] | None,
        mail: Callable[[Mailer, Endpoint], Awaitable[Outcome]],
        *,
        by_mail: bool = True,
    ) -> Posted:
        directory = self._directory
        address = None if call is None else push_address(directory, authority_id)
        mailbox = None if self._mailer is None else mail_address(directory, authority_id)
        if call is not None and address is not None:
            reply = await call(endpoint_at(directory, authority_id, address))
            if reply.ok:
                return Posted(is_taken=True, is_called=True, is_reachable=True)
        is_mailed = False
        if self._mailer is not None and mailbox is not None and by_mail:
            outcome = await mail(self._mailer, endpoint_at(directory, authority_id, mailbox))
            is_mailed = outcome.verdict is Verdict.DISPATCHED
        return Posted(
            is_mailed=is_mailed,
            is_called=address is not None,
            is_reachable=address is not None or mailbox is not None,
        )
