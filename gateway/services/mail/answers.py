"""What goes back by mail without anybody asking a person: refusals of bundles, answers to probes.

At most one answer for each subject, and few for each peer, however often the mail comes: noted durably before
it leaves, so that a crash loses an answer and never doubles one. An answer goes to the mailbox that the
peer's signed record lists, never to one that stood in a mail.
"""

from datetime import timedelta

from crypto import strictjson
from crypto.mailtoken import OLDEST
from crypto.probe import question_digest
from gateway.clock import Clock
from gateway.model.audit import PendingAuditEntry
from gateway.services.arrivals.arrival import problem_body
from gateway.services.delivery.post import PeerPost, Posted
from gateway.services.health.liveness import Liveness
from gateway.storage import mail as store
from gateway.storage.database import Database, Transaction
from gateway.telemetry import get_log

#: Answers to one peer in an hour, at most.
MOST_IN_HOUR = 120
_HOUR = timedelta(hours=1)

#: How often the receipts of one bundle go out once more at most, however often its mail comes.
_AGAIN = timedelta(minutes=10)


class MailAnswers:
    """Gives automatic answers by mail."""

    def __init__(
        self,
        *,
        database: Database,
        liveness: Liveness,
        post: PeerPost,
        clock: Clock,
    ) -> None:
        self._database = database
        self._liveness = liveness
        self._post = post
        self._clock = clock
        self._log = get_log("mail")

    async def may_repeat_receipts(self, peer: str, bid: str) -> bool:
        """Note that the receipts of a bundle go out once more, and return whether they may now."""
        return await self._note(peer, "receipts", bid, again_after=_AGAIN)

    async def tell_problem(self, peer: str, *, bid: str, envelope: str, code: str) -> None:
        """Enter that a bundle was refused and tell its sender why, once for each code and day.

        A mail that comes again, however often, and a flood of refused ones fill no log.
        """
        now = self._clock.now()
        refused = {"from": peer, "bid": bid, "envelope": envelope, "code": code}
        entry = PendingAuditEntry(event="mail.refused", body=refused, at=now)
        kind = f"problem:{code}"[:40]
        if await self._note(peer, kind, bid, again_after=timedelta(days=1), entry=entry):
            body = problem_body(sender=peer, bid=bid, envelope=envelope, code=code)
            self._told(peer, await self._post.problem(peer, strictjson.dumps(body)))

    async def answer_probe(self, peer: str, question: str) -> None:
        """Answer a question whether we are there, once. Raises ``GatewayRefusal`` for a bad one."""
        answer = self._liveness.answer(question, caller=peer)
        if await self._note(peer, "probe", question_digest(question), again_after=OLDEST):
            self._told(peer, await self._post.probe_answer(peer, answer))

    def _told(self, peer: str, posted: Posted) -> None:
        # One that did not leave is not tried again: the peer asks again, or its bundle is overdue.
        if not posted.is_mailed:
            self._log.warning("mail.answer_lost", peer=peer, is_reachable=posted.is_reachable)

    async def _note(
        self,
        peer: str,
        kind: str,
        subject: str,
        *,
        again_after: timedelta,
        entry: PendingAuditEntry | None = None,
    ) -> bool:
        now = self._clock.now()

        def unit(tx: Transaction) -> bool:
            may = store.note_answer(
                tx,
                authority_id=peer,
                kind=kind,
                subject=subject,
                at=now,
                forget_at=now + OLDEST + timedelta(days=1),
                again_after=now - again_after,
                since=now - _HOUR,
                most=MOST_IN_HOUR,
            )
            if may and entry is not None:
                tx.audit(entry)
            return may

        may = await self._database.write(unit)
        if not may:
            self._log.info("mail.not_answered", peer=peer, kind=kind)
        return may
