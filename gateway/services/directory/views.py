"""What sources of the directory say, each by itself and merged: the types, and what can be read off them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from crypto.bundle import KeyInForce
from crypto.keys import KeyUse, PublicKey
from crypto.revocation import Quorum
from gateway.model.addressee import Asked, DirectoryFacts
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.freshness import Freshness, freshest, freshness
from gateway.model.record_parts import KeyRecord
from gateway.model.states import StateRecord
from gateway.services.directory.keyholders import Contested, KeyHolder

OWN, BILATERAL = "own", "bilateral"

#: Whose record is in force where several sources list an authority: the own one, a State's holders, the
#: authority itself by telephone, a secretariat on a State's behalf.
RANKS: Mapping[str, int] = {OWN: 0, "state": 1, BILATERAL: 2, "attested": 3}

#: Uses that old evidence needs: kept for ever once they were trusted.
EVIDENCE_USES = frozenset({KeyUse.SIG, KeyUse.RCPT, KeyUse.LOG, KeyUse.WIT})

#: Authority, use and kid: how a key is looked up.
Slot = tuple[str, str, str]

#: Use, algorithm, kid and bytes of a key: how one that was imported already is found again.
Imported = tuple[str, str, str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """Who says so, and how: the source's name, its assurance, and until when it speaks (``None``: no end)."""

    source: str
    assurance: str
    fresh_until: datetime | None = None

    def is_ended(self, now: datetime) -> bool:
        """Tell whether its time is over, that of grace too: it then stands against nobody who speaks."""
        return freshness(self.fresh_until, now) is Freshness.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """What one verified source says.

    Attributes:
        name: ``bilateral``, or ``network:`` and its name.
        assurance: Per authority: ``own``, ``bilateral``, ``state`` or ``attested``.
        fresh_until: Until when it speaks; ``None``: no end.
        ends: Per authority where its own signers speak for a shorter time.
        stated_at: Per authority when its record was stated, where that is known.
        quorums: Per State (lower case) whose signatures speak for it.
        refused: Authorities, and States in upper case, of which it says something that cannot be believed.
        is_readable: False where nothing of it could be verified: that it lists nobody then says nothing.
        requirements, contacts: Per authority, where there are any.
    """

    name: str
    entries: Mapping[str, DirectoryEntry] = field(default_factory=dict, repr=False)
    states: Mapping[str, StateRecord] = field(default_factory=dict, repr=False)
    assurance: Mapping[str, str] = field(default_factory=dict, repr=False)
    fresh_until: datetime | None = None
    ends: Mapping[str, datetime] = field(default_factory=dict, repr=False)
    stated_at: Mapping[str, datetime] = field(default_factory=dict, repr=False)
    quorums: Mapping[str, Quorum] = field(default_factory=dict, repr=False)
    refused: frozenset[str] = frozenset()
    is_readable: bool = True
    requirements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    contacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def leaves_open(self, authority_id: str) -> bool:
        """Tell whether an authority that it does not list may be listed all the same, unreadably."""
        return not self.is_readable or not self.refused.isdisjoint({authority_id, authority_id[:2].upper()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A key of an authority that sources listed once and list no more; good for what it signed before."""

    authority_id: str
    key: KeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's word on a conflict: believe ``source``, whatever keys in ``against`` the others list."""

    source: str
    against: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedKey:
    """One key with its validity over all sources, and who vouches for it; nobody does for a past one."""

    in_force: KeyInForce
    vouchers: tuple[Voucher, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source says of one authority."""

    voucher: Voucher
    entry: DirectoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Outcome of looking up an authority; only ``not_listed`` may ever fail a send.

    Attributes:
        entry: The record in force; ``None`` unless found, or stale and listed when it was last known.
        vouchers: Who lists it, best first.
        fresh_until: Until when somebody speaks for it; ``None``: no end, or not listed.
    """

    status: LookupStatus
    entry: DirectoryEntry | None
    vouchers: tuple[Voucher, ...] = ()
    fresh_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MergedAuthority:
    """One authority: what its sources claim, best first, and whether they contradict each other."""

    claims: tuple[Claim, ...]
    is_contradicted: bool

    @cached_property
    def vouchers(self) -> tuple[Voucher, ...]:
        """Who lists it, best first."""
        return tuple(claim.voucher for claim in self.claims)

    @cached_property
    def fresh_until(self) -> datetime | None:
        """Until when at least one source speaks for it."""
        return freshest(voucher.fresh_until for voucher in self.vouchers)

    def entry(self, now: datetime) -> DirectoryEntry:
        """Return the record in force: of the best source that still speaks, else of the last that did."""
        for claim in self.claims:
            if claim.voucher.fresh_until is None or now <= claim.voucher.fresh_until:
                return claim.entry
        last = self.fresh_until
        return next(claim.entry for claim in self.claims if claim.voucher.fresh_until == last)

    def lookup(self, now: datetime) -> Lookup:
        """Return what a look-up finds, and how sure that is."""
        best = self.claims[0].voucher.fresh_until
        if self.is_contradicted or freshness(best, now) is Freshness.FRESH:
            return self._lookup_at_best
        end = self.fresh_until
        is_fresh = freshness(end, now) is Freshness.FRESH
        return Lookup(
            status=LookupStatus.FOUND if is_fresh else LookupStatus.STALE,
            entry=self.entry(now),
            vouchers=self.vouchers,
            fresh_until=end,
        )

    @cached_property
    def _lookup_at_best(self) -> Lookup:
        """What a look-up finds as long as the best source speaks: the same each time, so made once."""
        if self.is_contradicted:
            return Lookup(status=LookupStatus.UNVERIFIABLE, entry=None, vouchers=self.vouchers)
        return Lookup(
            status=LookupStatus.FOUND,
            entry=self.claims[0].entry,
            vouchers=self.vouchers,
            fresh_until=self.fresh_until,
        )


@dataclass(frozen=True, kw_only=True)
class MergedView:
    """All sources as one, indexed for look-ups.

    ``holders`` says whose each key is, by digest, listed or not; ``contested`` ones are listed by others too.
    """

    sources: tuple[SourceView, ...] = ()
    authorities: Mapping[str, MergedAuthority] = field(default_factory=dict)
    states: Mapping[str, StateRecord] = field(default_factory=dict)
    keys: Mapping[Slot, MergedKey] = field(default_factory=dict)
    remembered: tuple[Remembered, ...] = ()
    holders: Mapping[str, KeyHolder] = field(default_factory=dict, repr=False)
    contested: tuple[Contested, ...] = ()
    loaded: Mapping[Imported, PublicKey] = field(default_factory=dict, repr=False)
    made_at: datetime | None = None

    @cached_property
    def facts(self) -> dict[tuple[str, Asked], tuple[DirectoryEntry, DirectoryFacts]]:
        """What was said of an addressee, with the record it was read from; good as long as the view is."""
        return {}

    @cached_property
    def by_name(self) -> Mapping[str, SourceView]:
        """Sources by their names."""
        return {source.name: source for source in self.sources}

    @cached_property
    def by_use(self) -> Mapping[tuple[str, str], tuple[KeyInForce, ...]]:
        """Keys by authority and use, in the order of the records; past ones last."""
        found: dict[tuple[str, str], list[KeyInForce]] = {}
        for (aid, use, _), key in self.keys.items():
            found.setdefault((aid, use), []).append(key.in_force)
        return {slot: tuple(keys) for slot, keys in found.items()}

    @cached_property
    def tls(self) -> Mapping[bytes, str]:
        """Certificate (DER) → authority, of those that may be used."""
        return {
            key.in_force.public.pub: aid
            for (aid, use, _), key in self.keys.items()
            if use == KeyUse.TLS and key.in_force.status == "active"
        }

    @property
    def contradicted(self) -> frozenset[str]:
        """Authorities that are unverifiable because their sources contradict each other."""
        return frozenset(aid for aid, merged in self.authorities.items() if merged.is_contradicted)

    def is_overtaken(self, now: datetime) -> bool:
        """Tell whether one of several sources of an authority has ended since, or had not after all."""
        made_at = self.made_at
        return made_at is not None and any(
            claim.voucher.is_ended(made_at) is not claim.voucher.is_ended(now)
            for merged in self.authorities.values()
            if len(merged.claims) > 1
            for claim in merged.claims
        )
