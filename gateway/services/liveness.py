"""Whether authorities can still be reached on the channels their records list: probes, their answers' age.

Puts signed questions, checks signed answers, answers those of others. What it finds is shown to people; it
changes no order of channels and moves no transmission, because a peer that is away now may be there at night.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.base import Adapter, ProbeOutcome, Prober
from crypto import probe as signed
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.opener import key_verdict
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, from_refusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.authority import DirectoryEntry, channels_for
from gateway.model.codes import Lane
from gateway.model.record_parts import Channel
from gateway.services.directory import Directory
from gateway.services.failover import PULL
from gateway.services.keyring import Keyring
from gateway.services.peers import endpoint_at
from gateway.storage import channels, peers
from gateway.storage.database import Connection, Database, Transaction
from gateway.telemetry import get_log

#: How often a running gateway probes each channel by itself, and how often it looks which are due.
PROBE_EVERY = timedelta(days=1)
_LOOK_EVERY_S = 900.0

#: Probes under way at once.
_AT_ONCE = 8


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
        """Probe each channel once a day until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.probe_due()
            except GatewayError as error:
                self._log.warning("probe.unavailable", code=error.code)

    async def probe_due(self) -> int:
        """Probe every channel whose last probe is a day old; return how many that were."""
        now = self._clock.now()
        asked = {(row.authority_id, row.channel): row.asked_at for row in await self._rows()}
        due = [
            (entry, channel)
            for entry, channel in self._listed(())
            if now - asked.get((entry.authority_id, channel.channel), now - PROBE_EVERY) >= PROBE_EVERY
        ]
        await asyncio.gather(*(self._probe(entry, channel) for entry, channel in due))
        return len(due)

    async def probe(self, authorities: Collection[str] = ()) -> Sequence[ChannelLife]:
        """Probe the channels of these peers, or of all, and return what is known of them then; durable.

        Raises ``GatewayRefusal`` ``not-listed`` before anything is sent.
        """
        if any(self._directory.lookup(aid).entry is None for aid in authorities):
            raise GatewayRefusal("not-listed")
        await asyncio.gather(*(self._probe(entry, channel) for entry, channel in self._listed(authorities)))
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
        found = _Keys(self._directory)
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
                await self._store(row.authority_id, row.channel, row.asked_at, answered_at=now)
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

    async def _probe(self, entry: DirectoryEntry, channel: Channel) -> None:
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
            await self._conclude(aid, name, question, asked_at, outcome)

    async def _conclude(
        self, aid: str, channel: str, question: str, asked_at: datetime, outcome: ProbeOutcome
    ) -> None:
        now, digest = self._clock.now(), signed.question_digest(question)
        if outcome.answer is None:
            code = None if outcome.is_sent else outcome.code or "unreachable"
            await self._store(aid, channel, asked_at, question=digest if outcome.is_sent else None, code=code)
            return
        try:
            answered = self._checked(outcome.answer, now)
        except Refusal as refusal:
            await self._store(aid, channel, asked_at, code=refusal.code)
            return
        if (answered.sender, answered.channel, answered.question) != (aid, channel, digest):
            await self._store(aid, channel, asked_at, code="answer-mismatch")
            return
        await self._store(aid, channel, asked_at, answered_at=now)

    def _checked(self, text: str, now: datetime) -> signed.Probe:
        found = _Keys(self._directory)
        answered = signed.read_answer(text, own=self._keyring.authority_id, find_key=found)
        found.check(answered.at, now)
        return answered

    async def _rows(self) -> list[channels.ProbeRow]:
        return await self._database.read(channels.probes)

    async def _store(
        self,
        aid: str,
        channel: str,
        asked_at: datetime,
        *,
        answered_at: datetime | None = None,
        question: str | None = None,
        code: str | None = None,
    ) -> None:
        row = channels.ProbeRow(
            authority_id=aid,
            channel=channel,
            asked_at=asked_at,
            answered_at=answered_at,
            question=question,
            code=code,
        )
        body = {"peer": aid, "channel": channel, "code": code}

        def unit(tx: Transaction) -> None:
            channels.store_probe(tx, row)
            tx.audit(PendingAuditEntry(event="channel.probed", body=body, at=answered_at or asked_at))

        await self._database.write(unit)


class _Keys:
    """Finds one ``req`` key of an authority, and says afterwards whether it was in force."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._used: tuple[str, str] | None = None

    def __call__(self, authority_id: str, kid: str) -> PublicKey:
        self._used = authority_id, kid
        return self._directory.key(authority_id, KeyUse.REQ, kid)

    def check(self, signed_at: datetime, now: datetime) -> None:
        """Return if the key was in force when it signed. Raises ``Refusal`` ``sig-revoked``."""
        assert self._used is not None
        key_verdict(self._directory.key_in_force(self._used[0], KeyUse.REQ, self._used[1]), signed_at, now)


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
