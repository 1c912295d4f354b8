"""From one channel to the next: what the addressee's record, the past and people's answers ask for.

The decision is pure (``model.channel_choice``); here its ground is read, and only where there is one: a first
attempt reads nothing but the directory in memory, and one that ends in a consignment reads nothing after it.
What comes of it becomes rows in ``book``. The bundle and its identity are the same on every channel.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from gateway.model.authority import DirectoryEntry, channels_for
from gateway.model.channel_choice import (
    CHANNEL_CODES,
    Answer,
    Choice,
    Outlook,
    Patience,
    Situation,
    Use,
    choose,
    look_ahead,
)
from gateway.model.channel_choice import planned as first_planned
from gateway.model.channels import CARRIER, LETTERS, PULL
from gateway.model.codes import Lane
from gateway.model.receipt import ReceiptType
from gateway.model.record_parts import Channel
from gateway.model.transmission import TransmissionKey
from gateway.services.directory import Directory
from gateway.services.proofs.evidence import CheckedReceipt
from gateway.storage import channels
from gateway.storage.database import Connection, Database
from gateway.storage.transmissions import find_transmission

#: On these a bundle stands here and waits: the peer comes for it, or a person writes it to a medium.
STANDING = frozenset({PULL, CARRIER})

#: These end a transmission, so that no other channel is needed. A relay receipt does not.
_SETTLES = frozenset({ReceiptType.CONSIGNMENT, ReceiptType.HANDOVER, ReceiptType.REJECTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One attempt before it is made: where it goes, and why there.

    Attributes:
        hold: Why nothing can be sent at all now; there is no channel then.
        urgency: Level of the case, ``None`` where it was not looked up.
    """

    key: TransmissionKey
    lane: str
    situation: Situation
    choice: Choice
    hold: str | None = None
    urgency: str | None = None

    @property
    def channel(self) -> Channel | None:
        """Where the attempt goes."""
        return self.choice.channel

    @property
    def awaits_answer(self) -> bool:
        """Whether a person was asked about a channel and has not answered yet."""
        return bool(self.choice.ask) or Answer.ASKED in self.situation.answers.values()


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What a record allows for a lane, and what follows from that alone: worked out once per record."""

    entry: DirectoryEntry
    channels: tuple[Channel, ...]
    _untried: dict[str | None, tuple[Situation, Choice | None]] = field(default_factory=dict)

    @cached_property
    def planned(self) -> Channel | None:
        """The channel that a bundle is meant for, if there is one."""
        return first_planned(self.channels) if self.channels else None

    @cached_property
    def is_letters_only(self) -> bool:
        """Whether only letters to people are carried to the addressee."""
        return bool(self.channels) and all(channel.channel == LETTERS for channel in self.channels)

    def untried(self, planned: str | None) -> tuple[Situation, Choice | None]:
        """Return where a bundle stands that was not tried yet; the choice where nothing else need be known.

        That is the ordinary case: the first channel of the list, if it needs no consent.
        """
        kept = self._untried.get(planned)
        if kept is None:
            situation = Situation(channels=self.channels, planned=planned)
            is_plain = bool(self.channels) and not situation.needs_consent(self.channels[0].channel)
            kept = situation, Choice(channel=self.channels[0]) if is_plain else None
            self._untried[planned] = kept
        return kept


class Failover:
    """Chooses channels. ``carried`` names those that this gateway can drive."""

    def __init__(
        self, *, database: Database, directory: Directory, patience: Patience, carried: Collection[str]
    ) -> None:
        self._database = database
        self._directory = directory
        self._patience = patience
        self._carried = frozenset(carried)
        #: What a record allows, worked out once per record and lane: a bundle asks several times.
        self._listed: dict[tuple[str, str], _Listed] = {}

    def _list(self, to: str, lane: str) -> _Listed | None:
        """Return what the addressee's signed record allows for the lane, ``None`` without a record."""
        entry = self._directory.lookup(to).entry
        if entry is None:
            return None
        kept = self._listed.get((to, lane))
        if kept is None or kept.entry is not entry:
            kept = _Listed(entry=entry, channels=channels_for(entry, lane, self._carried))
            self._listed[to, lane] = kept
        return kept

    def channels(self, to: str, lane: str) -> tuple[Channel, ...]:
        """Return the channels that the addressee's signed record allows for the lane, best first."""
        listed = self._list(to, lane)
        return () if listed is None else listed.channels

    def planned(self, to: str, lane: str) -> Channel | None:
        """Return the channel that a bundle is meant for, ``None`` where the record allows none."""
        listed = self._list(to, lane)
        return None if listed is None else listed.planned

    def is_letters_only(self, to: str, lane: str) -> bool:
        """Tell whether only letters to people are carried to an addressee: nothing is sealed for it then."""
        listed = self._list(to, lane)
        return listed is not None and listed.is_letters_only

    def lesser(self, to: str, lane: str) -> frozenset[str]:
        """Return the channels of the record with which confidentiality falls, before anything was tried."""
        listed = self.channels(to, lane)
        found = Situation(channels=listed, planned=listed[0].channel if listed else None)
        return frozenset(c.channel for c in found.channels if found.needs_consent(c.channel))

    async def situation(self, key: TransmissionKey, lane: str, *, planned: str | None) -> Situation:
        """Return what is known of a bundle's way to one authority, its past included."""
        found, _ = await self._past(Situation(channels=self.channels(key[2], lane), planned=planned), key)
        return found

    async def choose(
        self,
        key: TransmissionKey,
        lane: str,
        *,
        attempts: int,
        planned: str | None,
        now: datetime,
        only: str | None = None,
    ) -> Leg:
        """Return where the attempt goes that is due now; only one that is not the first reads the past.

        ``only`` names the one channel that a drill tests.
        """
        hold = self._directory.hold(key[2], lane)
        listed = None if hold else self._list(key[2], lane)
        if listed is not None and only is not None:
            channels = tuple(c for c in listed.channels if c.channel == only)
            listed = _Listed(entry=listed.entry, channels=channels)
        if listed is None or not listed.channels:
            return self.held(key, lane, planned=planned, hold=hold or "channel-none")
        situation, ordinary = listed.untried(planned)
        if not attempts and ordinary is not None:
            return Leg(key=key, lane=lane, situation=situation, choice=ordinary)
        situation, urgency = await self._past(situation, key)
        choice = choose(situation, self._patience.pace(lane, urgency), now)
        hold = "consent-needed" if choice.channel is None else None
        return Leg(key=key, lane=lane, situation=situation, choice=choice, hold=hold, urgency=urgency)

    @staticmethod
    def held(key: TransmissionKey, lane: str, *, planned: str | None, hold: str) -> Leg:
        """Return the attempt that cannot be made on any channel now, and why."""
        situation = Situation(channels=(), planned=planned)
        return Leg(key=key, lane=lane, situation=situation, choice=Choice(channel=None), hold=hold)

    async def outlook(
        self,
        leg: Leg,
        *,
        started_at: datetime,
        is_refused: bool,
        code: str | None,
        receipts: Sequence[CheckedReceipt],
    ) -> Outlook | None:
        """Return what comes after an attempt, ``None`` where its receipts leave nothing to be done."""
        if any(receipt.claims.type in _SETTLES for receipt in receipts):
            return None
        situation, urgency = leg.situation, leg.urgency
        if leg.channel is not None:
            is_closed = is_refused and code in CHANNEL_CODES
            situation = situation.tried(leg.channel.channel, started_at, is_closed=is_closed)
        if urgency is None and leg.lane == Lane.URGENT and len(situation.channels) > 1:
            sender, bid, _ = leg.key
            urgency = await self._database.read(lambda c: channels.urgency_of(c, sender, bid))
        if leg.choice.ask:
            answers = {**situation.answers, **dict.fromkeys(leg.choice.ask, str(Answer.ASKED))}
            situation = replace(situation, answers=answers)
        return look_ahead(situation, self._patience.pace(leg.lane, urgency or ""), started_at)

    async def goes_on_without(self, key: TransmissionKey, now: datetime) -> bool:
        """Tell whether a channel is left for a bundle that the last one cannot carry, as its peer reports."""
        row = await self._database.read(lambda c: find_transmission(c, *key))
        if row is None or row.channel is None or row.only_channel is not None:
            return False
        found = await self.situation(key, row.lane, planned=row.channel)
        closed = found.tried(row.channel, now, is_closed=True)
        return look_ahead(closed, self._patience.pace(row.lane), now).goes_on

    async def _past(self, situation: Situation, key: TransmissionKey) -> tuple[Situation, str]:
        def query(connection: Connection) -> tuple[list[channels.UseRow], dict[str, str], str]:
            return (
                channels.uses_of(connection, *key, closing=CHANNEL_CODES),
                channels.answers_of(connection, *key),
                channels.urgency_of(connection, *key[:2]),
            )

        rows, answers, urgency = await self._database.read(query)
        uses = {
            row.channel: Use(
                tries=row.tries,
                first_at=row.first_at,
                last_at=row.last_at,
                is_closed=row.is_closed,
                is_bounced=row.is_bounced,
            )
            for row in rows
        }
        uses.pop("none", None)
        return replace(situation, uses=uses, answers=answers), urgency
