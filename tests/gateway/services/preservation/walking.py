"""Two authorities with one preservation, on a link that loses, doubles and reorders, with a second channel.

Everything that decides is the product's own: the fold, the links between threads, the clock of every item.
The link, the officers and their clocks are drawn from one random number: a walk is told again by its seed.
"""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from gateway.model.case import CaseView, fold
from gateway.model.case_message import CaseMessage, MessageFacts
from gateway.model.codes import Side, Track
from gateway.model.preservation_clock import ItemState, Mark, due_marks, marks
from gateway.services.casework.clockrows import at_rest, work_out
from gateway.services.casework.threadlinks import decided_at
from gateway.storage.cases import CaseRow
from gateway.storage.preservation import ClockRow

START = datetime(2027, 1, 4, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ITEMS = (1, 2, 3)
RQ, RD = Side.REQUESTING, Side.REQUESTED
ZONE = "America/New_York"
ARMED = {ItemState.RUNNING, ItemState.AWAITING}


@dataclass(frozen=True)
class Letter:
    """One bundle: a message of the preservation, of the request that follows it, or of both."""

    kept: CaseMessage | None = None
    mla: CaseMessage | None = None


@dataclass
class Telling:
    """That people of one side were told of a mark of an item's end."""

    item: int
    end: datetime
    mark: Mark


@dataclass
class Peer:
    """One side: what it holds, what its clock shows, and the clocks of its items."""

    side: Side
    kept: dict[str, CaseMessage] = field(default_factory=dict)
    mla: dict[str, CaseMessage] = field(default_factory=dict)
    rows: dict[int, ClockRow] = field(default_factory=dict)
    told: list[Telling] = field(default_factory=list)
    lapses: list[tuple[int, datetime]] = field(default_factory=list)
    restored: list[tuple[int, datetime]] = field(default_factory=list)
    learnt: dict[tuple[int, datetime], datetime] = field(default_factory=dict)
    skew: timedelta = timedelta()
    was_ahead: bool = False
    view: CaseView | None = None

    @property
    def case(self) -> CaseRow:
        """The row of the case, as far as a clock needs it."""
        return CaseRow(
            thread_id="0" * 32,
            peer="rd-x" if self.side is RQ else "rq-x",
            side=str(self.side),
            track="preservation",
            request_kind="preservation",
            urgency_level="urgent",
            confidentiality_level="confidential",
            state="",
            state_at=START,
            reference_requesting=None,
            reference_requested=None,
            language="en",
            next_actor="nobody",
            next_action="none",
            next_action_at=None,
            opened_at=START,
        )

    def place(self, thread: Mapping[str, CaseMessage]) -> tuple[int, int]:
        """Return the next number of ours in a thread, and the last of theirs before a gap."""
        ours = max((m.seq for m in thread.values() if m.side is self.side), default=0)
        theirs = {m.seq for m in thread.values() if m.side is not self.side}
        seen = 0
        while seen + 1 in theirs:
            seen += 1
        return ours + 1, seen

    def decided(self) -> dict[str, datetime]:
        """Return which follow-ups had their request decided, as the links between threads say."""
        moment = decided_at(fold(Track.REQUEST, self.mla.values())) if self.mla else None
        follow_ups = [m for m in self.kept.values() if m.message_type in {"mla_follow_up_notice", "request"}]
        return {} if moment is None else {m.message_id: moment for m in follow_ups}

    def look(self, at: datetime) -> None:
        """Fold by the own clock, work the clocks out, and tell what has come; then no mark is left behind."""
        now = at + self.skew
        passed = {n: row.passed_at for n, row in self.rows.items() if row.passed_at is not None}
        view = fold(Track.PRESERVATION, self.kept.values(), now=now, passed=passed, decided=self.decided())
        self.view = view
        for number, clock in view.clocks.items():
            if clock.ends_at is None:
                if number in self.rows:
                    self.rows[number] = at_rest(self.rows[number], clock, now)
                continue
            self.learnt.setdefault((number, clock.ends_at), at)
            before = self.rows.get(number)
            row, come = work_out(self.case, clock, before, zone=ZONE, now=now)
            self.rows[number] = row
            self.told += [Telling(item=number, end=clock.ends_at, mark=mark) for mark in come]
            if clock.state is not ItemState.LAPSED and before is not None and before.standing == "lapsed":
                self.restored.append((number, clock.ends_at))
            if clock.state is ItemState.LAPSED and (before is None or before.standing != "lapsed"):
                self.lapses.append((number, clock.ends_at))
            if clock.state in ARMED:
                assert row.next_action_at is not None
                found = marks(clock.ends_at, renew_by=clock.renew_by, zone=ZONE)
                assert not due_marks(found[:-1], now=now, told=row.told_at)
                assert row.next_action_at > now or row.next_action_at == row.ends_at
            else:
                assert row.next_action_at is None or now < clock.ends_at

    def due(self) -> datetime | None:
        """Return when this side's clock calls next, in true time."""
        return min(
            (row.next_action_at - self.skew for row in self.rows.values() if row.next_action_at), default=None
        )


class Walk:
    """One walk from its seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.peers = {side: Peer(side=side) for side in Side}
        self.at = START
        self.acts = 0
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._receipts: dict[str, datetime] = {}
        self._is_calm = False
        self.has_wrong_clocks = self.random.random() < 0.3

    def run(self) -> None:
        """Let officers act for as long as the walk lasts, then everything arrive, then all ends pass."""
        self._send(RQ, "preservation_request", items=ITEMS, instruments=("budapest",))
        for _ in range(self.random.randint(6, 20)):
            self._until_idle(self.at + self._pause())
            self._act(self.random.choice(tuple(Side)))
        self._is_calm = True
        for peer in self.peers.values():
            peer.skew = timedelta()
        self._until_idle(self.at + 30 * DAY)
        last = max((end for p in self.peers.values() for _, end in p.learnt), default=self.at)
        self._until_idle(max(last, self.at) + 3 * DAY)
        for peer in self.peers.values():
            peer.look(self.at)

    # Time

    def _at(self, moment: datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(moment, self.at), next(self._order), what))

    def _until_idle(self, until: datetime) -> None:
        """Let time pass: whatever arrives arrives, and every clock that calls is looked at."""
        while True:
            calls = [(peer.due() or until, peer) for peer in self.peers.values()]
            call, peer = min(calls, key=lambda pair: pair[0])
            following = self._queue[0][0] if self._queue else until
            if min(call, following) >= until:
                break
            if following <= call:
                self.at, _, what = heapq.heappop(self._queue)
                what()
            else:
                # The watch looks every half minute, and a lapse is only past the end.
                self.at = max(self.at, call) + timedelta(seconds=30)
                peer.look(self.at)
                following_call = peer.due()
                assert following_call is None or following_call >= self.at, "a clock calls in vain"
        self.at = max(self.at, until)

    def _pause(self) -> timedelta:
        """Return how long until somebody acts: minutes, days, or until just before or after an end."""
        ends = [end for _, end in self.peers[RQ].learnt if end > self.at - 2 * DAY]
        if ends and self.random.random() < 0.35:
            near = self.random.choice(ends) + self.random.choice((-31, -2, -0.2, 0, 0.2, 2)) * DAY
            return max(near - self.at, timedelta(minutes=1))
        return self.random.choice((timedelta(minutes=20), 6 * HOUR, 2 * DAY, 15 * DAY))

    # The link

    def _carry(self, sender: Side, letter: Letter, attempt: int = 0) -> None:
        """Try once; again on the other channel, until the receipt is here."""
        name = (letter.kept or letter.mla).message_id  # type: ignore[union-attr]
        if name in self._receipts:
            return
        channel_is_bad = (attempt % 2 == 0) and not self._is_calm and attempt < 12
        for _ in range(2 if self.random.random() < 0.3 else 1):
            if not self.random.random() < (0.5 if channel_is_bad else 0.15) or attempt > 12:
                slow = self.random.choice((0.01, 0.2, 3, 40)) * HOUR
                self._at(self.at + slow, lambda: self._arrive(sender, letter, name))
        self._at(
            self.at + self.random.choice((1, 5, 20)) * HOUR, lambda: self._carry(sender, letter, attempt + 1)
        )

    def _arrive(self, sender: Side, letter: Letter, name: str) -> None:
        """The other gateway takes it in, once, and answers every copy with the one receipt it issued."""
        receiver = self.peers[sender.other]
        known = receiver.kept.get(name) or receiver.mla.get(name)
        at = known.consigned_at if known is not None else self.at + receiver.skew
        if known is None:
            for thread, message in ((receiver.kept, letter.kept), (receiver.mla, letter.mla)):
                if message is not None:
                    thread[name] = replace(message, consigned_at=at)
            receiver.look(self.at)
        if at is not None and self.random.random() < 0.7:
            self._at(self.at + self.random.choice((0, 1, 9)) * HOUR, lambda: self._file(sender, name, at))

    def _file(self, sender: Side, name: str, at: datetime) -> None:
        """The sender files the receipt, once."""
        if name in self._receipts:
            return
        peer = self.peers[sender]
        self._receipts[name] = at
        for thread in (peer.kept, peer.mla):
            if name in thread and thread[name].consigned_at is None:
                thread[name] = replace(thread[name], consigned_at=at)
        peer.look(self.at)

    # The officers

    def _send(self, side: Side, message_type: str, *, re: str | None = None, **facts: Any) -> None:
        self._post(side, kept=self._message(side, self.peers[side].kept, message_type, re, facts))

    def _message(
        self,
        side: Side,
        thread: Mapping[str, CaseMessage],
        message_type: str,
        re: str | None,
        facts: Mapping[str, Any],
        name: str | None = None,
    ) -> CaseMessage:
        seq, seen = self.peers[side].place(thread)
        self.acts += 1
        return CaseMessage(
            message_id=name or f"{'rq' if side is RQ else 'rd'}-x/{self.acts:032x}",
            side=side,
            seq=seq,
            seen=seen,
            message_type=message_type,
            in_reply_to=re,
            at=self.at + self.peers[side].skew,
            consigned_at=None,
            facts=MessageFacts(**facts),
        )

    def _post(self, side: Side, *, kept: CaseMessage | None = None, mla: CaseMessage | None = None) -> None:
        peer = self.peers[side]
        for thread, message in ((peer.kept, kept), (peer.mla, mla)):
            if message is not None:
                thread[message.message_id] = message
        peer.look(self.at)
        self._carry(side, Letter(kept=kept, mla=mla))

    def _act(self, side: Side) -> None:
        peer = self.peers[side]
        if self.has_wrong_clocks and self.random.random() < 0.15:
            peer.skew = self.random.choice((timedelta(), -3 * DAY, -40 * DAY, 2 * DAY))
            peer.was_ahead = peer.was_ahead or peer.skew > timedelta()
            peer.look(self.at)
            return
        if side is RD and not any(m.side is RQ for m in peer.kept.values()):
            return
        peer.look(self.at)
        view = peer.view
        assert view is not None
        getattr(self, f"_act_of_{side}")(peer, view)

    def _some(self) -> tuple[int, ...]:
        return self.random.choice((ITEMS, ITEMS, (1,), (2, 3), (1, 2)))

    def _act_of_requesting(self, peer: Peer, view: CaseView) -> None:
        what = self.random.choice(
            ("extend", "notice", "notice", "link", "release", "decide", "query", "stop")
        )
        questions = [m for m in peer.kept.values() if m.message_type == "preservation_risk_notice"]
        if what == "extend":
            self._send(RQ, "preservation_extension_request", items=self._some())
        elif what == "notice":
            self._send(RQ, "mla_follow_up_notice", items=self._some())
        elif what == "link" and not peer.mla:
            name = f"rq-x/{self.acts + 1:032x}"
            mla = self._message(RQ, peer.mla, "request", None, {"items": (1, 2)}, name)
            linked = {"relation": "follows_preservation"}
            self._post(RQ, mla=mla, kept=self._message(RQ, peer.kept, "request", None, linked, name))
        elif what == "release" and self.random.random() < 0.4:
            self._send(RQ, "preservation_release", items=self._some())
        elif what == "decide" and questions:
            answer = self.random.choice(("go_on", "go_on", "stop"))
            self._send(RQ, "preservation_risk_decision", re=questions[-1].message_id, decision=answer)
        elif what == "stop" and peer.mla and self.random.random() < 0.3:
            self._post(RQ, mla=self._message(RQ, peer.mla, "withdrawal", None, {"coverage": "all"}))
        else:
            self._send(RQ, "status_query")

    def _act_of_requested(self, peer: Peer, view: CaseView) -> None:
        what = self.random.choice(
            ("ack", "risk", "report", "report", "report", "answer", "answer", "decide", "other")
        )
        asked = [m for m in peer.kept.values() if m.message_type == "preservation_extension_request"]
        now = self.at + peer.skew
        if what == "report":
            self._report(peer, view, now)
        elif what == "answer" and asked:
            granted = self.random.random() < 0.6
            ends = [c.ends_at for c in view.clocks.values() if c.ends_at is not None]
            until = max(ends, default=now) + self.random.choice((30, 90)) * DAY
            named = asked[-1].facts.items
            facts = {"decision": "yes", "items": named, "ends_at": dict.fromkeys(named, until)}
            said = facts if granted else {"decision": "no"}
            self._send(RD, "preservation_extension_report", re=asked[-1].message_id, **said)
        elif what == "risk" and self.random.random() < 0.4:
            self._send(RD, "preservation_risk_notice")
        elif what == "decide" and peer.mla:
            done = dict.fromkeys((1, 2), "executed")
            self._post(
                RD, mla=self._message(RD, peer.mla, "result", None, {"items": (1, 2), "statuses": done})
            )
        elif what == "other" and self.random.random() < 0.2:
            rare = self.random.choice(("refusal", "competence_notice", "traffic_data_disclosure"))
            ground = {"ground": "essential_interests", "coverage": "all"} if rare == "refusal" else {}
            self._send(RD, rare, **ground)
        else:
            self._send(RD, self.random.choice(("preservation_acknowledgement", "status_report")))

    def _report(self, peer: Peer, view: CaseView, now: datetime) -> None:
        open_items = [n for n in ITEMS if view.items.get(n, "open") == "open"] or list(ITEMS)
        named = tuple(self.random.sample(open_items, self.random.randint(1, len(open_items))))
        statuses = {
            n: self.random.choice(("preserved", "preserved", "preserved", "impossible")) for n in named
        }
        kept = [n for n in named if statuses[n] == "preserved"]
        after = {**dict.fromkeys(ITEMS, "open"), **view.items, **statuses}
        held = [s for s in after.values() if s in {"preserved", "partly_preserved"}]
        coverage = "none" if not held else "all" if len(held) == len(after) else "some"
        days = self.random.choice((60, 61, 75, 90, 120, 59))
        self._send(
            RD,
            "preservation_report",
            items=named,
            coverage=coverage,
            statuses=statuses,
            effected_at=dict.fromkeys(kept, now),
            ends_at={n: now + (days + n) * DAY for n in kept},
            renew_by=(now + 50 * DAY).date() if self.random.random() < 0.5 else None,
        )
