"""Whether authorities can still be reached on the channels their records list: probes, their answers' age.

Puts signed questions, checks signed answers, answers those of others. What it finds is shown to people; it
changes no order of channels and moves no transmission, because a peer that is away now may be there at night.
Of itself it asks only whom it deals with, and no host more than a few times a day, whatever records say.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from adapters.base import Adapter, ProbeOutcome, Prober
from crypto import probe as signed
from crypto.errors import Refusal
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, from_refusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.authority import DirectoryEntry, channels_for
from gateway.model.channels import PULL
from gateway.model.codes import Lane
from gateway.model.record_parts import Channel
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at
from gateway.services.following.dealings import DEALT_WITH, PER_HOST, dealt_with, host_of
from gateway.services.keys.keyring import Keyring
from gateway.services.requestkeys import RequestKeys
from gateway.storage import channels, peers
from gateway.storage.database import Connection, Database, Transaction
from gateway.telemetry import get_log

#: How often a running gateway probes each channel by itself, and how often it looks which are due.
PROBE_EVERY = timedelta(days=1)
_LOOK_EVERY_S = 900.0

#: Probes under way at once.
_AT_ONCE = 8

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLife:
    """What is known of one channel of a peer.

    Attributes:
        asked_at: Last probe; ``None`` if there was none, and where the peer calls us.
        answered_at: Last signed answer, or last signed call; ``None`` if there never was one.
        code: Why the last probe was not answered, ``None`` if it was or its answer may still come.
    """

    authority_id: str
    channel: str
    asked_at: datetime | None
    answered_at: datetime | None
    code: str | None


class Liveness:
    """Probes peers and answers their probes."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        keyring: Keyring,
        adapters: Mapping[str, Adapter],
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._keyring = keyring
        self._probers = {scheme: each for scheme, each in adapters.items() if isinstance(each, Prober)}
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._log = get_log("liveness")

    async def run(self) -> None:
        """Probe the channels of those we deal with once a day until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.probe_due()
            except GatewayError as error:
                self._log.warning("probe.unavailable", code=error.code)

    async def probe_due(self) -> int:
        """Probe channels whose last probe is a day old, of those we deal with; return how many that were.

        Those that waited longest come first where a host has more of them than ``PER_HOST``.
        """
        now = self._clock.now()
        asked = {(row.authority_id, row.channel): row.asked_at for row in await self._rows()}
        known = await dealt_with(self._directory, self._database, now - DEALT_WITH)
        asked_of: Counter[str] = Counter()
        waiting: list[tuple[datetime, DirectoryEntry, Channel]] = []
        for entry, channel in self._listed(()):
            last = asked.get((entry.authority_id, channel.channel), _NEVER)
            if now - last < PROBE_EVERY:
                asked_of[host_of(channel.address)] += 1
            elif entry.authority_id in known:
                waiting.append((last, entry, channel))
        due: list[tuple[DirectoryEntry, Channel]] = []
        for _, entry, channel in sorted(waiting, key=lambda each: each[0]):
            host = host_of(channel.address)
            if asked_of[host] < PER_HOST:
                asked_of[host] += 1
                due.append((entry, channel))
        await asyncio.gather(*(self._probe(entry, channel) for entry, channel in due))
        return len(due)

    async def probe(self, authorities: Collection[str] = ()) -> Sequence[ChannelLife]:
        """Probe the channels of these peers, or of all, and return what is known of them then; durable.

        One that was named and answers is one we deal with from then on: a person wants to be in touch.
        Raises ``GatewayRefusal`` ``not-listed`` before anything is sent.
        """
        if any(self._directory.lookup(aid).entry is None for aid in authorities):
            raise GatewayRefusal("not-listed")
        named = frozenset(authorities)
        listed = self._listed(authorities)
        await asyncio.gather(
            *(self._probe(entry, channel, by_person=True, named=named) for entry, channel in listed)
        )
        return [life for life in await self.known() if not authorities or life.authority_id in authorities]

    async def known(self) -> Sequence[ChannelLife]:
        """Return what is known of every channel that this gateway can drive, by authority and order."""

        def query(connection: Connection) -> tuple[list[channels.ProbeRow], dict[str, datetime]]:
            return channels.probes(connection), peers.all_heard(connection)

        rows, heard = await self._database.read(query)
        probed = {(row.authority_id, row.channel): row for row in rows}
        return [
            _life(str(entry.authority_id), channel.channel, probed, heard)
            for entry, channel in self._listed((), with_pull=True)
        ]

    def answer(self, question: str, *, caller: str) -> str:
        """Return the signed answer to a peer's question. Changes nothing.

        Raises ``GatewayRefusal``: ``malformed``, ``version``, ``sig-invalid``, ``sig-revoked``,
        ``unknown-*``, ``not-for-us``, ``clock``; ``auth-invalid`` if another authority than the caller
        signed it.
        """
        now, own = self._clock.now(), self._keyring.authority_id
        found = RequestKeys(self._directory)
        try:
            asked = signed.read_question(question, own=own, find_key=found, now=now)
            found.check(asked.at, now)
        except Refusal as refusal:
            raise from_refusal(refusal) from None
        if asked.sender != caller:
            raise GatewayRefusal("auth-invalid", detail="a probe of another authority")
        return signed.answer(self._keyring.signer(KeyUse.REQ, now), asked, now)

    async def take_answer(self, text: str) -> bool:
        """Note an answer that came later, by mail say; return whether it is to the last question put."""
        now = self._clock.now()
        try:
            answered = self._checked(text, now)
        except Refusal as refusal:
            raise from_refusal(refusal) from None
        for row in await self._rows():
            same = (row.authority_id, row.channel) == (answered.sender, answered.channel)
            if same and row.question == answered.question:
                await self._store(replace(row, answered_at=now, question=None, code=None), by_person=False)
                return True
        return False

    def _listed(
        self, authorities: Collection[str], *, with_pull: bool = False
    ) -> list[tuple[DirectoryEntry, Channel]]:
        carried = {*self._probers, *((PULL,) if with_pull else ())}
        found: list[tuple[DirectoryEntry, Channel]] = []
        for entry in self._directory.entries():
            if entry.authority_id == self._keyring.authority_id:
                continue
            if authorities and entry.authority_id not in authorities:
                continue
            both = [c for lane in (Lane.URGENT, Lane.ROUTINE) for c in channels_for(entry, lane, carried)]
            found.extend((entry, channel) for channel in {c.channel: c for c in reversed(both)}.values())
        return found

    async def _probe(
        self,
        entry: DirectoryEntry,
        channel: Channel,
        *,
        by_person: bool = False,
        named: Collection[str] = (),
    ) -> None:
        aid, name = str(entry.authority_id), channel.channel
        async with self._places:
            asked_at = self._clock.now()
            question = signed.ask(
                self._keyring.signer(KeyUse.REQ, asked_at),
                sender=self._keyring.authority_id,
                to=aid,
                channel=name,
                now=asked_at,
            )
            outcome = await self._probers[name].probe(
                endpoint_at(self._directory, aid, channel.address), question
            )
            row = self._concluded(aid, name, question, asked_at, outcome)
            await self._store(row, by_person=by_person, is_named=aid in named)

    def _concluded(
        self, aid: str, channel: str, question: str, asked_at: datetime, outcome: ProbeOutcome
    ) -> channels.ProbeRow:
        now, digest = self._clock.now(), signed.question_digest(question)
        answered_at, code = None, None
        if outcome.answer is None:
            code = None if outcome.is_sent else outcome.code or "unreachable"
        else:
            try:
                answered = self._checked(outcome.answer, now)
            except Refusal as refusal:
                code = refusal.code
            else:
                if (answered.sender, answered.channel, answered.question) == (aid, channel, digest):
                    answered_at = now
                else:
                    code = "answer-mismatch"
        return channels.ProbeRow(
            authority_id=aid,
            channel=channel,
            asked_at=asked_at,
            answered_at=answered_at,
            question=digest if outcome.answer is None and outcome.is_sent else None,
            code=code,
        )

    def _checked(self, text: str, now: datetime) -> signed.Probe:
        found = RequestKeys(self._directory)
        answered = signed.read_answer(text, own=self._keyring.authority_id, find_key=found)
        found.check(answered.at, now)
        return answered

    async def _rows(self) -> list[channels.ProbeRow]:
        return await self._database.read(channels.probes)

    async def _store(self, row: channels.ProbeRow, *, by_person: bool, is_named: bool = False) -> None:
        """Note an outcome; the log tells what a person asked for, and what came out otherwise than before."""
        aid, channel = row.authority_id, row.channel
        body = {"peer": aid, "channel": channel, "code": row.code}

        def unit(tx: Transaction) -> None:
            held = channels.find_probe(tx.view(("probe", aid, channel)), aid, channel)
            channels.store_probe(tx, row)
            if is_named and row.answered_at is not None:
                peers.set_heard(tx, aid, row.answered_at)
            if by_person or _is_news(held, row):
                at = row.answered_at or row.asked_at
                tx.audit(PendingAuditEntry(event="channel.probed", body=body, at=at))

        await self._database.write(unit)


def _is_news(held: channels.ProbeRow | None, row: channels.ProbeRow) -> bool:
    """Tell whether a probe came out otherwise than the one before; an answer still to come is no outcome."""
    if held is None or held.code != row.code:
        return True
    return row.answered_at is not None and held.answered_at is None


def _life(
    aid: str,
    channel: str,
    probed: Mapping[tuple[str, str], channels.ProbeRow],
    heard: Mapping[str, datetime],
) -> ChannelLife:
    if channel == PULL:
        return ChannelLife(
            authority_id=aid, channel=channel, asked_at=None, answered_at=heard.get(aid), code=None
        )
    row = probed.get((aid, channel))
    return ChannelLife(
        authority_id=aid,
        channel=channel,
        asked_at=None if row is None else row.asked_at,
        answered_at=None if row is None else row.answered_at,
        code=None if row is None else row.code,
    )
