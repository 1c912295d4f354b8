"""Emergency notices: taken from anybody by any channel, kept, applied to the directory, passed on to peers.

A notice can only remove trust, so its bearer needs none: what counts is that the key itself or holders of its
State signed it. It is durable before it is answered, and each peer has a row with a time until the peer has
it. A peer that only calls out finds it with its outbox, and confirms by handing it back.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crypto import strictjson
from crypto.errors import Refusal
from crypto.revocation import NOTICE_LIMIT, Notice, read_notice
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, from_refusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.revoked import KeyNotice
from gateway.services.delivery.post import PeerPost
from gateway.services.directory import Directory
from gateway.services.directory.views import MergedView, Voucher
from gateway.services.rounds import go_round
from gateway.services.tokens import request_token
from gateway.storage import revocations as store
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.queue import LeaseLost, NoticeClaim, claim_notices, hold_notice
from gateway.telemetry import get_log

#: Notices in one body, at most.
MOST_NOTICES = 20

_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=30)
#: A peer that cannot be called finds it in its outbox; its row is looked at again after this time.
_PULL_PATIENCE = timedelta(days=1)
_LEASE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of one notice: ``is_new`` is false where it, or a weightier one, was known, and where every
    record of the key was stated later."""

    notice: KeyNotice
    is_new: bool


class Revocations:
    """The notices of one home. ``load`` before use; ``run`` passes them on until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        post: PeerPost,
        authority_id: str,
        clock: Clock,
        rng: random.Random,
        on_waiting: Callable[[str], None],
        on_own: Callable[[KeyNotice], Awaitable[object]],
    ) -> None:
        self._database = database
        self._directory = directory
        self._post = post
        self._authority_id = authority_id
        self._clock = clock
        self._rng = rng
        self._on_waiting = on_waiting
        self._on_own = on_own
        self._notices: dict[tuple[str, str], KeyNotice] = {}
        #: Directory version and number of notices for which every peer has its row.
        self._addressed: tuple[int, int] | None = None
        self._worker = secrets.token_hex(8)
        self._wake = asyncio.Event()
        self._log = get_log("revocations")

    @property
    def notices(self) -> Mapping[tuple[str, str], KeyNotice]:
        """Every notice in force, by authority and key."""
        return self._notices

    async def load(self) -> None:
        """Take the notices in force from the database into the directory."""
        rows = await self._database.read(store.all_revocations)
        self._notices = {(row.aid, row.kid): _notice(row) for row in rows}
        self._directory.set_notices(self._notices)

    async def end_own(self) -> None:
        """End the own keys that notices name, should the last process not have come to it."""
        for notice in [*self._notices.values()]:
            if notice.aid == self._authority_id:
                await self._on_own(notice)

    async def take(self, data: bytes, *, bearer: str | None = None) -> Taken:
        """Take one notice; durable, and in force, when it returns. ``bearer`` is the peer that brought it.

        Raises ``GatewayRefusal``: ``malformed``, ``version``, ``clock``, ``sig-invalid``, ``unknown-sender``
        or ``unknown-key``; nothing is changed then.
        """
        now = self._clock.now()
        try:
            read = read_notice(data, now)
            said, text = read.revocation, read.text.decode("ascii")
            if bearer is not None and text in await self.waiting(bearer):
                # Handed back, as what comes with an outbox is; by now the key may be listed no more.
                await self._database.write(
                    lambda tx: store.notice_told(tx, aid=said.aid, kid=said.kid, to_aid=bearer)
                )
                return Taken(notice=self._notices[said.aid, said.kid], is_new=False)
            source = self._verify(read)
        except Refusal as refusal:
            raise from_refusal(refusal) from None
        notice = KeyNotice(
            aid=said.aid,
            kid=said.kid,
            reason=said.reason,
            at=said.at,
            received_at=now,
            invalid_since=said.invalid_since,
            by_state=source is not None,
            source=source,
        )
        view = self._directory.view
        counts, is_ended = _counts(view, notice), _is_ended(view, notice)

        def unit(tx: Transaction) -> bool:
            return self._store(tx, notice, text, bearer, counts=counts, is_ended=is_ended, now=now)

        is_new = await self._database.write(unit)
        if is_new:
            self._notices[notice.aid, notice.kid] = notice
            self._directory.set_notices(self._notices)
            self._log.warning("key.revoked", authority=notice.aid, kid=notice.kid, reason=notice.reason)
            self._wake.set()
            for aid in self._peers():
                self._on_waiting(aid)
            if notice.aid == self._authority_id:
                await self._on_own(notice)
        return Taken(notice=self._notices.get((notice.aid, notice.kid), notice), is_new=is_new)

    def _verify(self, notice: Notice) -> str | None:
        """Return the network whose holders signed, ``None`` if the key itself did. Raises ``Refusal``."""
        said = notice.revocation
        public = self._directory.listed_key(said.aid, said.kid)
        quorums = self._directory.quorums(said.aid)
        if public is None:
            raise Refusal("unknown-key" if self._directory.lookup(said.aid).vouchers else "unknown-sender")
        # Where several networks name the same holders, one that lists the key speaks for it.
        listing = {voucher.source for voucher in self._vouchers(said.aid, said.kid)}
        for source, quorum in sorted(quorums.items(), key=lambda each: (each[0] not in listing, each[0])):
            try:
                notice.verify_by_holders(quorum)
            except Refusal:
                continue
            return source
        notice.verify_by_key(public)
        return None

    def _vouchers(self, aid: str, kid: str) -> Sequence[Voucher]:
        keys = self._directory.view.keys
        return [v for slot, key in keys.items() if (slot[0], slot[2]) == (aid, kid) for v in key.vouchers]

    def _store(
        self,
        tx: Transaction,
        notice: KeyNotice,
        text: str,
        bearer: str | None,
        *,
        counts: bool,
        is_ended: bool,
        now: datetime,
    ) -> bool:
        known = store.find_revocation(tx.view(("notice", notice.aid, notice.kid)), notice.aid, notice.kid)
        is_known = known is not None and _notice(known).weight >= notice.weight
        if known is not None and is_known and not is_ended:
            # One that a record has overtaken holds no later one up.
            is_known = known.at >= notice.at
        # Kept, one dated back would stand in the way of one of today, and who has the key can date one so.
        if is_known or not counts:
            if bearer is not None and known is not None and notice.weight == _notice(known).weight:
                # Whoever brings it has it; whoever brings a lesser one has not.
                store.notice_told(tx, aid=notice.aid, kid=notice.kid, to_aid=bearer)
            return False
        store.put_revocation(
            tx,
            store.RevocationRow(
                aid=notice.aid,
                kid=notice.kid,
                reason=notice.reason,
                at=notice.at,
                invalid_since=notice.invalid_since,
                by_state=notice.by_state,
                notice=text,
                received_at=now,
                source=notice.source,
            ),
        )
        for aid in self._peers():
            store.add_notice_push(tx, aid=notice.aid, kid=notice.kid, to_aid=aid, at=now, known=aid == bearer)
        body = {
            "authority": notice.aid,
            "kid": notice.kid,
            "code": notice.reason,
            "basis": "state" if notice.by_state else "key",
        }
        tx.audit(PendingAuditEntry(event="key.revoked", body=body, at=now))
        return True

    def _peers(self) -> list[str]:
        own = self._authority_id
        return [str(e.authority_id) for e in self._directory.entries() if e.authority_id != own]

    # The peer API

    async def take_all(
        self, *, caller: str, jti: str | None, exp: datetime | None, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Take what a peer passes on; the answer names the code of each that was refused, in order.

        Raises ``GatewayRefusal`` ``malformed``, ``too-large`` or ``auth-replay``.
        """
        offered = body.get("notices")
        if not isinstance(offered, list) or not all(isinstance(row, str) for row in offered):
            raise GatewayRefusal("malformed")
        if len(offered) > MOST_NOTICES or any(len(row) > NOTICE_LIMIT for row in offered):
            raise GatewayRefusal("too-large")
        token = request_token(caller, jti, exp)
        if token is not None:
            try:
                await self._database.write(token.spend)
            except IntegrityError:
                raise GatewayRefusal("auth-replay") from None
        refused: list[str | None] = []
        for row in offered:
            try:
                await self.take(row.encode("utf-8", "replace"), bearer=caller)
            except GatewayRefusal as refusal:
                refused.append(refusal.code)
            else:
                refused.append(None)
        return {"refused": refused}

    async def waiting(self, caller: str) -> list[str]:
        """Return the notices that a peer has not confirmed yet."""
        if not self._notices:
            return []
        return [row.notice for row in await self._database.read(lambda c: store.notices_waiting(c, caller))]

    # Passing on

    def wake(self) -> None:
        """A peer was heard of, or is new."""
        self._wake.set()

    async def run(self) -> None:
        """Tell peers what is due until cancelled."""

        async def tell() -> int:
            await self.address_new_peers()
            return await self.tell_due()

        await go_round(
            tell,
            self._wake,
            on_trouble=lambda error: self._log.warning("notices.unavailable", code=error.code),
        )

    async def address_new_peers(self) -> None:
        """Let peers that came later be told of the notices in force too."""
        state = (self._directory.version, len(self._notices))
        if not self._notices or state == self._addressed:
            return

        def missing(connection: Connection) -> list[tuple[str, str, str]]:
            there = store.addressed(connection)
            wanted = ((aid, kid, peer) for aid, kid in self._notices for peer in self._peers())
            return [row for row in wanted if row not in there]

        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            for aid, kid, peer in missing(tx.view("notices")):
                store.add_notice_push(tx, aid=aid, kid=kid, to_aid=peer, at=now, known=False)

        if await self._database.read(missing):
            await self._database.write(unit)
        self._addressed = state

    async def tell_due(self) -> int:
        """Tell each peer what is due, one body per peer, and return how many notices were tried."""
        now = self._clock.now()
        # Reading first: an idle gateway must not write.
        if not await self._database.read(lambda c: store.is_notice_due(c, now)):
            return 0

        def claim(tx: Transaction) -> list[tuple[NoticeClaim, str]]:
            claims = claim_notices(tx, now=now, until=now + _LEASE, worker=self._worker, limit=MOST_NOTICES)
            found = ((c, store.find_revocation(tx.connection, c.aid, c.kid)) for c in claims)
            return [(c, row.notice) for c, row in found if row is not None]

        by_peer: dict[str, list[tuple[NoticeClaim, str]]] = {}
        for notice_claim, text in await self._database.write(claim):
            by_peer.setdefault(notice_claim.to_aid, []).append((notice_claim, text))
        outcomes = await asyncio.gather(
            *(self._tell(aid, rows) for aid, rows in by_peer.items()), return_exceptions=True
        )
        for aid, outcome in zip(by_peer, outcomes, strict=True):
            if isinstance(outcome, GatewayError):
                self._log.warning("notices.unavailable", code=outcome.code, peer=aid)
            elif outcome is not None:
                self._log.error("notices.defect", code=type(outcome).__name__, peer=aid)
        return sum(len(rows) for rows in by_peer.values())

    async def _tell(self, aid: str, rows: Sequence[tuple[NoticeClaim, str]]) -> None:
        # What a peer refuses it cannot use: it does not know the key, and has nothing to distrust.
        posted = await self._post.notices(aid, strictjson.dumps({"notices": [text for _, text in rows]}))
        # A notice that left by mail counts as told: every peer that has it passes it on.
        done = posted.is_taken or posted.is_mailed
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            for claim, _ in rows:
                hold_notice(tx, claim)
                key = {"aid": claim.aid, "kid": claim.kid, "to_aid": claim.to_aid}
                if done:
                    store.notice_told(tx, **key)
                else:
                    at = now + self._pause(claim.attempts, is_called=posted.is_reachable)
                    store.notice_later(tx, **key, attempts=claim.attempts + 1, at=at)

        try:
            await self._database.write(unit)
        except LeaseLost:
            self._log.warning("notices.taken_over", peer=aid)

    def _pause(self, attempts: int, *, is_called: bool) -> timedelta:
        if not is_called:
            return _PULL_PATIENCE
        step: timedelta = _FIRST_PAUSE * 2 ** min(attempts, 16)
        return min(step, _LONGEST_PAUSE) * (0.5 + self._rng.random() / 2)


def _counts(view: MergedView, notice: KeyNotice) -> bool:
    """Tell whether a notice ends anything: some record of the key was stated before, or nobody knows when."""
    stated = [
        source.stated_at.get(notice.aid)
        for source in view.sources
        if (entry := source.entries.get(notice.aid)) is not None
        and notice.kid in {key.kid for key in entry.keys}
    ]
    return not stated or any(at is None or at <= notice.at for at in stated)


def _is_ended(view: MergedView, notice: KeyNotice) -> bool:
    """Tell whether the key of a notice is ended already."""
    return any(
        key.in_force.status != "active"
        for (aid, _, kid), key in view.keys.items()
        if (aid, kid) == (notice.aid, notice.kid)
    )


def _notice(row: store.RevocationRow) -> KeyNotice:
    return KeyNotice(
        aid=row.aid,
        kid=row.kid,
        reason=row.reason,
        at=row.at,
        received_at=row.received_at,
        invalid_since=row.invalid_since,
        by_state=row.by_state,
        source=row.source,
    )
