"""Running a drill, its scorecard, and acknowledging the tests of others.

A test is sealed and sent like an urgent message, on the one channel it tests: the ordinary workers carry it,
so a drill tests what a real night uses. Its row is made in the transaction that sends it. Crash points: a
drill begun whose tests were not all sent shows the others as not tested; another drill tests all of them.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.authority import DirectoryEntry, channels_for
from gateway.model.channels import CARRIER, LETTERS
from gateway.model.codes import Lane, Side, Track
from gateway.model.drills import (
    DRILL_LASTS,
    NEXT_DRILL_AFTER,
    Answer,
    ChannelScore,
    PointScore,
    Scorecard,
    TestState,
    best_answer,
    tested_channels,
    verdict_of,
)
from gateway.model.escalation import is_signed
from gateway.model.message import Place, ThreadParties, build_message
from gateway.model.opening import TEST_MESSAGE
from gateway.services.acts.acts import Acts, PreparedAct
from gateway.services.casework.acknowledgement import own_office
from gateway.services.directory import Directory
from gateway.services.sending.submit import Submission, Submitter, Vouched
from gateway.storage import drills, transmissions
from gateway.storage.database import Connection, Database, Transaction

_POINT = "contact_24_7"
_NETWORK = "network:"

#: A machine at the other end takes no letter to people, and a courier is no drill of a night.
_NOT_TESTED = frozenset({LETTERS, CARRIER})

_PROVED = frozenset({"CONSIGNED", "HANDED_OVER"})
_LANGUAGE = "en"


class DrillDesk:
    """Drills of one authority. ``carried``: channels that this gateway drives."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        submitter: Submitter,
        acts: Acts,
        carried: Collection[str],
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._submitter = submitter
        self._acts = acts
        self._driven = frozenset(carried) - _NOT_TESTED
        self._clock = clock

    def points(self, network: str) -> list[DirectoryEntry]:
        """Return the 24/7 points of a network, without ourselves; ``bilateral``: those enrolled by hand.

        Raises ``GatewayRefusal`` ``network-unknown``.
        """
        names = {network, _NETWORK + network}
        source = next((each for each in self._directory.sources() if each.name in names), None)
        if source is None:
            raise GatewayRefusal("network-unknown", field="network")
        own = self._directory.own.authority_id
        return [
            entry
            for aid in sorted(source.entries)
            if aid != own
            and (entry := self._directory.lookup(aid).entry) is not None
            and _POINT in entry.roles
        ]

    async def run(self, network: str, *, officer: str) -> Scorecard:
        """Send a test through every channel of every 24/7 point of a network; durable when it returns.

        Raises ``GatewayRefusal`` ``network-unknown``, ``drill-no-points``, ``drill-too-soon``.
        """
        found, now = self.points(network), self._clock.now()
        if not found:
            raise GatewayRefusal("drill-no-points")
        row = drills.DrillRow(
            id=secrets.token_hex(16),
            network=network,
            officer=officer,
            started_at=now,
            ends_at=now + DRILL_LASTS,
            ended_at=None,
            next_action_at=now + DRILL_LASTS,
        )
        await self._database.write(lambda tx: _begin(tx, row))
        for entry in found:
            for channel in self._tested(entry):
                await self._send(row, entry, channel)
        return await self.report(row.id)

    def _tested(self, entry: DirectoryEntry) -> tuple[str, ...]:
        listed = [each.channel for each in channels_for(entry, Lane.URGENT, self._driven)]
        return tested_channels(listed, self._driven)

    async def _send(self, row: drills.DrillRow, entry: DirectoryEntry, channel: str) -> None:
        """Send one test; what cannot be sent at all is shown as not tested and stops no other."""
        thread_id, bid, peer = secrets.token_hex(16), secrets.token_hex(16), str(entry.authority_id)
        form = self._form(
            ThreadParties(
                thread_id=thread_id,
                requesting=self._directory.own.authority_id,
                requested=peer,
                reference_requesting=f"DRILL/{row.id[:8].upper()}",
                reference_requested=None,
            ),
            Place(bid=bid, side=Side.REQUESTING, seq=1, seen=0, in_reply_to=None),
            {"drill_id": row.id, "answer_wanted": True, "note": "This is a drill. No case is behind it."},
            officer=row.officer,
        )

        def also(tx: Transaction) -> None:
            sent = drills.TestRow(
                sender=self._directory.own.authority_id,
                bid=bid,
                drill_id=row.id,
                peer=peer,
                channel=channel,
                thread_id=thread_id,
                sent_at=self._clock.now(),
                answered_at=None,
                assurance=None,
            )
            drills.add_test(tx, sent)
            body = {"from": sent.sender, "bid": bid, "to": peer, "channel": channel, "drill": row.id}
            tx.audit(PendingAuditEntry(event="drill.tested", body=body, at=sent.sent_at))

        vouched = Vouched.by_operator(row.officer)
        try:
            draft = await self._submitter.drafter.draft_message(form, attachments=())
            await self._submitter.dispatch(
                draft,
                Vouched(officer=vouched.officer, human=vouched.human, also=also),
                only_channel=channel,
            )
        except GatewayRefusal:
            return

    def _form(
        self, parties: ThreadParties, place: Place, content: dict[str, Any], *, officer: str
    ) -> dict[str, Any]:
        form = build_message(
            TEST_MESSAGE,
            parties=parties,
            place=place,
            author=own_office(self._directory.own, Track.PRESERVATION),
            now=self._clock.now(),
            language=_LANGUAGE,
            content=content,
        )
        return {**form, "human": {"assurance": "local_operator", "officer": officer, "assertion": None}}

    # What came of it

    async def report(self, drill_id: str | None = None) -> Scorecard:
        """Return the scorecard of a drill, of the newest one by default. Raises ``drill-unknown``."""
        now = self._clock.now()
        return await self._database.read_slow(lambda c: self._scorecard(c, drill_id, now))

    def _scorecard(self, connection: Connection, drill_id: str | None, now: datetime) -> Scorecard:
        if drill_id is None:
            newest = drills.newest_drills(connection, 1)
            row = newest[0] if newest else None
        else:
            row = drills.find_drill(connection, drill_id)
        if row is None:
            raise GatewayRefusal("drill-unknown")
        is_over = now >= row.ends_at
        by_peer: dict[str, list[drills.TestRow]] = {}
        for test in drills.tests_of(connection, row.id):
            by_peer.setdefault(test.peer, []).append(test)
        try:
            peers = {str(entry.authority_id) for entry in self.points(row.network)} | set(by_peer)
        except GatewayRefusal:
            peers = set(by_peer)
        return Scorecard(
            drill_id=row.id,
            network=row.network,
            officer=row.officer,
            started_at=row.started_at,
            ends_at=row.ends_at,
            is_over=is_over,
            points=[
                self._point(connection, peer, by_peer.get(peer, []), row, is_over=is_over)
                for peer in sorted(peers)
            ],
        )

    def _point(
        self,
        connection: Connection,
        peer: str,
        tests: Sequence[drills.TestRow],
        row: drills.DrillRow,
        *,
        is_over: bool,
    ) -> PointScore:
        entry = self._directory.lookup(peer).entry
        scores = [_score(connection, test, row, is_over=is_over) for test in tests]
        tested = {score.channel for score in scores}
        listed = () if entry is None else tuple(dict.fromkeys(c.channel for c in entry.channels))
        scores += [
            ChannelScore(channel=name, state=TestState.BY_HAND) for name in listed if name not in tested
        ]
        answer = best_answer(
            Answer(
                took=test.answered_at - min(each.sent_at for each in tests),
                assurance=test.assurance,
            )
            for test in tests
            if test.answered_at is not None and test.answered_at <= row.ends_at
        )
        took = None if answer is None else answer.took
        signed, unsigned = (took, None) if answer and is_signed(answer.assurance) else (None, took)
        return PointScore(
            authority_id=peer,
            name="" if entry is None else entry.name_en,
            channels=scores,
            person_took=signed,
            unsigned_took=unsigned,
            assurance=None if answer is None else answer.assurance,
            verdict=verdict_of(scores, signed, unsigned, is_over=is_over),
        )

    # The tests of others

    async def received(self) -> list[drills.ReceivedRow]:
        """Return the tests of others that wait for a person, oldest first."""
        return await self._database.read(drills.open_received)

    async def acknowledge(self, peer: str, *, officer: str) -> Submission | PreparedAct:
        """Answer the oldest open drill of a peer as a person; one answer stands for all its channels.

        Raises ``GatewayRefusal`` ``drill-nothing`` and what ``Acts.perform`` refuses.
        """
        rows = [row for row in await self.received() if row.sender == peer]
        if not rows:
            raise GatewayRefusal("drill-nothing")
        row, own = rows[0], self._directory.own.authority_id
        form = self._form(
            ThreadParties(
                thread_id=row.thread_id,
                requesting=peer,
                requested=own,
                reference_requesting=f"DRILL/{row.drill_id[:8].upper()}",
                reference_requested=None,
            ),
            Place(
                bid=secrets.token_hex(16),
                side=Side.REQUESTED,
                seq=1,
                seen=1,
                in_reply_to=f"{row.sender}/{row.bid}",
            ),
            {"drill_id": row.drill_id, "answer_wanted": False},
            officer=officer,
        )
        return await self._acts.perform(form, officer=officer)


def _begin(tx: Transaction, row: drills.DrillRow) -> None:
    last = drills.last_drill_of(tx.view(("drills", row.network)), row.network)
    if last is not None and row.started_at - last < NEXT_DRILL_AFTER:
        raise GatewayRefusal("drill-too-soon")
    drills.add_drill(tx, row)
    body = {"drill": row.id, "network": row.network}
    tx.audit(PendingAuditEntry(event="drill.started", body=body, at=row.started_at))


def _score(
    connection: Connection, test: drills.TestRow, row: drills.DrillRow, *, is_over: bool
) -> ChannelScore:
    """Return how one test came out; what came after the drill's end does not count."""
    sent = transmissions.find_transmission(connection, test.sender, test.bid, test.peer)
    state, took = TestState.UNDER_WAY, None
    if sent is not None and sent.state in _PROVED and sent.changed_at <= row.ends_at:
        state, took = TestState.ARRIVED, max(sent.changed_at - test.sent_at, timedelta())
    elif sent is not None and sent.state == "REJECTED":
        state = TestState.REFUSED
    elif is_over or (sent is not None and sent.state == "FAILED"):
        state = TestState.SILENT
    return ChannelScore(channel=test.channel, state=state, took=took)
