"""Sender cards: the facts about whoever is at the other end of a bundle, put together from what is held here.

Reads the directory in memory and, within bounds, what the peer sent before; asks nobody. The judgement is
pure (``model.sender_card``).
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crypto.keys import KeyUse
from crypto.officer import is_officer
from gateway.clock import Clock
from gateway.model.authority import DirectoryEntry
from gateway.model.case_message import MessageFacts
from gateway.model.codes import Assurance
from gateway.model.escalation import is_signed
from gateway.model.opening import ASKING
from gateway.model.profile import Phone
from gateway.model.second_signature import EMERGENCY, SecondSigner, second_signers
from gateway.model.sender_card import (
    HISTORY,
    KnownVoucher,
    Mark,
    SenderCard,
    SenderFacts,
    sender_card,
)
from gateway.services.casework.casefile import BundleRef
from gateway.services.directory import Directory
from gateway.services.trust.callback import CONFIRMED
from gateway.services.trust.callwords import signing_key_at, words_for
from gateway.services.trust.script import listed_numbers
from gateway.storage import bundles, cases, trust
from gateway.storage.database import Connection, Database

#: As much of a peer's past is read as this; a flood makes no look-up long.
_PAST_MOST = 500

#: So many messages that stand by one emergency are looked at; a flood makes no look-up long.
_SIGNERS_MOST = 20

_CENTRAL, _POINT = "part_1_central", "contact_24_7"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A sender card as people and programs see it; it holds nothing of the content.

    Attributes:
        weight: Of the heaviest mark: ``note``, ``caution`` or ``warning``.
        key_since: From when the key is good that signed it, or that is good now for one of our own.
        usual_hours: Local hours at which its messages came so far, empty while there were too few.
        check_words: To be compared by telephone, ``None`` where a key is not known.
        numbers: From the directory's record, for duty officers first.
        second: What one officer's emergency owes, of our own bundles.
        stood_by: Who else of the sending authority signed that this emergency stands, as verified here.
        is_alone: An emergency of one officer: nobody else's signature was verified, no call confirmed it.
    """

    sender: str
    bid: str
    authority_id: str
    name: str
    state: str
    roles: Sequence[str]
    listed: str
    vouchers: Sequence[KnownVoucher]
    is_first_contact: bool
    key: str | None
    key_since: datetime | None
    time_zone: str
    there: datetime | None
    usual_hours: Sequence[int]
    last_day: int
    busiest_day: int
    urgency_level: str
    assurance: str | None
    officer: str | None
    weight: str
    marks: Sequence[Mark]
    check_words: str | None = field(repr=False)
    numbers: Sequence[Phone]
    calls: Sequence[trust.CallRow]
    second: trust.SecondRow | None
    stood_by: Sequence[SecondSigner]
    is_alone: bool


class SenderCards:
    """Makes cards. ``resolve`` finds the bundle that a reference names."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        authority_id: str,
        resolve: Callable[[str], Awaitable[BundleRef]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._authority_id = authority_id
        self._resolve = resolve
        self._clock = clock

    async def card(self, ref: str) -> CardView:
        """Return the card of the authority at the other end of a bundle. Raises as ``Cases.resolve``."""
        found, now = await self._resolve(ref), self._clock.now()
        return await self._database.read_slow(lambda c: self.card_of(c, found, now))

    def card_of(self, connection: Connection, found: BundleRef, now: datetime) -> CardView:
        """Return the card of a bundle's other end, in the caller's view of the database."""
        peer, is_theirs = found.peer, found.sender != self._authority_id
        message = cases.find_message(connection, found.sender, found.bid)
        case = cases.find_case(connection, found.thread_id, peer)
        at = message.stored_at if message is not None and is_theirs else None
        past = trust.past_of(connection, peer, at or now, _PAST_MOST)
        said = words_for(
            connection,
            self._directory,
            sender=found.sender,
            bid=found.bid,
            other=self._authority_id if is_theirs else peer,
        )
        words, signed_by = said if said is not None else (None, None)
        key = signed_by if is_theirs and said is not None else signing_key_at(self._directory, peer, now)
        listing = self._directory.lookup(peer)
        entry = listing.entry
        keys = self._directory.keys(peer, KeyUse.SIG)
        held = next((each for each in keys if each.public.kid == key), None)
        facts = SenderFacts(
            authority_id=peer,
            listed=listing.status,
            vouchers=[
                KnownVoucher(source=v.source, assurance=v.assurance, fresh_until=v.fresh_until)
                for v in listing.vouchers
            ],
            is_point=entry is not None and (entry.part == _CENTRAL or _POINT in entry.roles),
            is_unconfirmed=entry is None or entry.is_unconfirmed(now.date()),
            key_since=None if held is None else held.nbf,
            is_key_revoked=held is not None and held.status != "active",
            time_zone="UTC" if entry is None else entry.hours.time_zone,
            urgency_level="routine" if case is None else case.urgency_level,
            arrived_at=at,
            before=sorted(row.stored_at for row in past if row.is_request and _is_recent(row, at or now)),
            is_first=not past,
            assurance=message.assurance if message is not None and is_theirs else None,
            officer=message.officer if message is not None and is_theirs else None,
        )
        judged = sender_card(facts, now)
        return self._view(connection, found, entry, judged, message, key=key, words=words, now=now)

    def _view(
        self,
        connection: Connection,
        found: BundleRef,
        entry: DirectoryEntry | None,
        card: SenderCard,
        message: cases.MessageRow | None,
        *,
        key: str | None,
        words: str | None,
        now: datetime,
    ) -> CardView:
        facts, peer = card.facts, found.peer
        signers = () if message is None else _signers(connection, message)
        calls = trust.calls_about(connection, found.sender, found.bid)
        is_asked = message is not None and message.message_type in ASKING
        is_theirs = is_asked and found.sender != self._authority_id
        # A name that only the authority's word puts there is shown, and is no second person.
        has_two = any(is_signed(each.assurance) for each in signers)
        has_two = has_two or facts.assurance == Assurance.SECOND_PERSON_TELEPHONE
        has_two = has_two or any(call.outcome == CONFIRMED for call in calls)
        return CardView(
            sender=found.sender,
            bid=found.bid,
            authority_id=peer,
            name="" if entry is None else entry.name_en,
            state=peer[:2].upper() if entry is None else entry.state,
            roles=() if entry is None else tuple(sorted(entry.roles)),
            listed=str(facts.listed),
            vouchers=facts.vouchers,
            is_first_contact=facts.is_first,
            key=key,
            key_since=facts.key_since,
            time_zone=facts.time_zone,
            there=None if entry is None else entry.hours.local(now),
            usual_hours=[hour for hour, _ in card.habits.hours],
            last_day=card.habits.last_day,
            busiest_day=card.habits.busiest_day,
            urgency_level=facts.urgency_level,
            assurance=facts.assurance,
            officer=facts.officer,
            weight=str(card.weight),
            marks=card.marks,
            check_words=words,
            numbers=() if entry is None else listed_numbers(entry, self._directory.contacts(peer)),
            calls=calls,
            second=trust.find_second(connection, found.sender, found.bid),
            stood_by=signers,
            is_alone=is_theirs and facts.urgency_level == EMERGENCY and not has_two,
        )


def _signers(connection: Connection, about: cases.MessageRow) -> tuple[SecondSigner, ...]:
    """Return who else signed that a message stands: by name in this thread, over what we hold of it."""
    held = bundles.find_bundle(connection, about.sender, about.bid)
    said = trust.standing_by(
        connection,
        sender=about.sender,
        bid=about.bid,
        thread_id=about.thread_id,
        peer=about.peer,
        limit=_SIGNERS_MOST,
    )
    return second_signers(
        about.officer,
        [
            SecondSigner(
                officer=row.officer,
                assurance=row.assurance or Assurance.LOCAL_OPERATOR,
                at=row.made_at,
                message_id=f"{about.sender}/{row.bid}",
            )
            for row in said
            if row.officer is not None
            and is_officer(row.officer)
            and held is not None
            and MessageFacts.from_json(json.loads(row.facts)).stands_by == held.manifest_sha256
        ],
    )


def _is_recent(row: trust.PastRow, at: datetime) -> bool:
    return at - row.stored_at <= HISTORY
