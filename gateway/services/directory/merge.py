"""One view of many directories: what several sources say of each authority, and who vouches for each key.

Pure: verified statements in, one view out. Decides who is believed where sources differ. Each was verified
before it comes here; nothing in here makes a key trusted that no source lists.

Invariants: an authority whose sources have no active ``sig`` key in common is ``unverifiable``: none of its
keys is trusted but those that were before, and those only for what they signed before. A source that has
ended stands against none that speaks. A revocation in one source holds in all. A key that two authorities
claim is the one's who had it first, or nobody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import combinations
from typing import Any

from crypto.bundle import KeyInForce
from crypto.errors import KeyRefused
from crypto.keys import KeyUse, PublicKey
from crypto.revocation import Quorum
from gateway.model.authority import DirectoryEntry
from gateway.model.freshness import Freshness, freshest, freshness
from gateway.model.record_parts import KeyRecord
from gateway.model.revoked import KeyNotice, as_revoked, with_notices
from gateway.model.states import StateRecord

OWN, BILATERAL = "own", "bilateral"

#: Whose record is in force where several sources list an authority: the own one, a State's holders, the
#: authority itself by telephone, a secretariat on a State's behalf.
_RANKS: Mapping[str, int] = {OWN: 0, "state": 1, BILATERAL: 2, "attested": 3}

#: Uses that old evidence needs: kept for ever once they were trusted.
EVIDENCE_USES = frozenset({KeyUse.SIG, KeyUse.RCPT, KeyUse.LOG, KeyUse.WIT})

#: By how much a peer's clock may be ahead (docs/peer-api.md section 2), and a second.
_CLOCKS_APART = timedelta(seconds=121)

Slot = tuple[str, str, str]


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
class MergedAuthority:
    """One authority: what its sources claim, best first, and whether they contradict each other."""

    claims: tuple[Claim, ...]
    is_contradicted: bool

    @property
    def fresh_until(self) -> datetime | None:
        """Until when at least one source speaks for it."""
        return freshest(claim.voucher.fresh_until for claim in self.claims)

    def entry(self, now: datetime) -> DirectoryEntry:
        """Return the record in force: of the best source that still speaks, else of the last that did."""
        for claim in self.claims:
            if claim.voucher.fresh_until is None or now <= claim.voucher.fresh_until:
                return claim.entry
        last = self.fresh_until
        return next(claim.entry for claim in self.claims if claim.voucher.fresh_until == last)


@dataclass(frozen=True, kw_only=True)
class MergedView:
    """All sources as one, indexed for look-ups. ``doubtful`` keys are claimed by two authorities."""

    sources: tuple[SourceView, ...] = ()
    authorities: Mapping[str, MergedAuthority] = field(default_factory=dict)
    states: Mapping[str, StateRecord] = field(default_factory=dict)
    keys: Mapping[Slot, MergedKey] = field(default_factory=dict)
    remembered: tuple[Remembered, ...] = ()
    doubtful: frozenset[str] = frozenset()
    loaded: Mapping[tuple[str, str, str, bytes], PublicKey] = field(default_factory=dict, repr=False)
    made_at: datetime | None = None

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


def merge(
    sources: Sequence[SourceView],
    *,
    now: datetime,
    before: MergedView | None = None,
    remembered: Sequence[Remembered] = (),
    decisions: Mapping[str, Decision] | None = None,
    notices: Mapping[tuple[str, str], KeyNotice] | None = None,
) -> MergedView:
    """Return the view of these sources.

    Args:
        before: The view until now: keys it trusted and nobody lists any more are remembered as of ``now``.
        remembered: Keys that were listed once, from earlier views.
        decisions: What persons decided about contradictions, per authority.
        notices: Emergency notices by authority and key; they end keys that sources still list.
    """
    before = before or MergedView()
    notices = notices or {}
    claims = {
        aid: _against_who_speaks(rows, now)
        for aid, rows in _claims_by_authority(sources, decisions or {}, notices).items()
    }
    past = [
        replace(row, key=as_revoked(row.key, notices.get((row.authority_id, row.key.kid))))
        for row in _past(before, sources, claims, remembered, now)
    ]
    authorities = {
        aid: MergedAuthority(claims=tuple(rows), is_contradicted=_contradict(rows, now))
        for aid, rows in claims.items()
    }
    loaded: dict[tuple[str, str, str, bytes], PublicKey] = {}
    listed, doubtful = _listed_keys(authorities, before, loaded)
    keys = dict(listed)
    if before.keys:
        past = _with_contradicted(past, before, authorities, now)
    for row in past:
        slot = (row.authority_id, row.key.use, row.key.kid)
        if slot not in keys and row.key.use in EVIDENCE_USES:
            in_force = _load(row.key, before, loaded)
            if in_force is not None:
                keys[slot] = MergedKey(in_force=in_force, vouchers=())
    return MergedView(
        sources=tuple(sources),
        authorities=authorities,
        states=_states(sources),
        keys=keys,
        remembered=tuple(past),
        doubtful=doubtful,
        loaded=loaded,
        made_at=now,
    )


def load_keys(source: SourceView, before: MergedView) -> dict[tuple[str, str, str, bytes], PublicKey]:
    """Return the keys of a source, imported and checked; what the next view takes over costs it nothing."""
    loaded: dict[tuple[str, str, str, bytes], PublicKey] = {}
    for entry in source.entries.values():
        for row in entry.keys:
            _load(row, before, loaded)
    return loaded


def _claims_by_authority(
    sources: Sequence[SourceView],
    decisions: Mapping[str, Decision],
    notices: Mapping[tuple[str, str], KeyNotice],
) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = {}
    for source in sources:
        for aid, entry in source.entries.items():
            voucher = Voucher(
                source=source.name,
                assurance=source.assurance[aid],
                fresh_until=source.ends.get(aid, source.fresh_until),
            )
            told = with_notices(entry, notices, source.stated_at.get(aid))
            found.setdefault(aid, []).append(Claim(voucher=voucher, entry=told))
    for aid, rows in found.items():
        chosen = decisions.get(aid)
        rows.sort(
            key=lambda claim, chosen=chosen: (  # type: ignore[misc]
                _RANKS[claim.voucher.assurance] if chosen is None else claim.voucher.source != chosen.source,
                claim.voucher.source,
            )
        )
        # Nobody tells us who we are, and a decision silences those it was taken against.
        if rows[0].voucher.assurance == OWN:
            del rows[1:]
        elif chosen is not None and rows[0].voucher.source == chosen.source:
            rows[1:] = [c for c in rows[1:] if not _active_sig(c.entry, None) <= chosen.against]
    return found


def _active_sig(entry: DirectoryEntry, now: datetime | None) -> set[str]:
    """Return the ``sig`` keys a record relies on: not revoked, and not over where ``now`` is given."""
    return {
        key.kid
        for key in entry.keys_for(KeyUse.SIG)
        if key.status == "active" and (now is None or now <= key.exp)
    }


def _against_who_speaks(claims: list[Claim], now: datetime) -> list[Claim]:
    """Return the claims, those of ended sources without keys that would contradict one who still speaks.

    What an ended source revoked stays revoked. Where none speaks any more, all stay as they are.
    """
    speaking = [
        kids
        for claim in claims
        if not claim.voucher.is_ended(now) and (kids := _active_sig(claim.entry, now))
    ]
    return [
        _revocations_of(claim)
        if claim.voucher.is_ended(now)
        and any(kids.isdisjoint(_active_sig(claim.entry, now)) for kids in speaking)
        else claim
        for claim in claims
    ]


def _revocations_of(claim: Claim) -> Claim:
    """Return a claim that only says which keys are not to be trusted."""
    revoked = tuple(key for key in claim.entry.keys if key.status != "active")
    return replace(claim, entry=replace(claim.entry, keys=revoked))


def _contradict(claims: Sequence[Claim], now: datetime) -> bool:
    """Tell whether two sources list active ``sig`` keys and have none of them in common.

    A rotation contradicts nobody: the old key stays listed until its end, beside the new one.
    """
    speaking = [kids for claim in claims if (kids := _active_sig(claim.entry, now))]
    return any(ours.isdisjoint(theirs) for ours, theirs in combinations(speaking, 2))


def _past(
    before: MergedView,
    sources: Sequence[SourceView],
    claims: Mapping[str, Sequence[Claim]],
    remembered: Sequence[Remembered],
    now: datetime,
) -> list[Remembered]:
    """Return the keys that sources listed once and do not now: those known, and those that just left."""
    readable = {source.name for source in sources if source.is_readable}
    listing = {
        (aid, claim.voucher.source, key.use, key.kid)
        for aid, rows in claims.items()
        for claim in rows
        for key in claim.entry.keys
    }
    rows = {(r.authority_id, r.key.use, r.key.kid): r for r in (*remembered, *before.remembered)}
    for aid, merged in before.authorities.items():
        if merged.is_contradicted:
            continue
        for claim in merged.claims:
            for key in claim.entry.keys:
                slot, source = (aid, key.use, key.kid), claim.voucher.source
                gone = source in readable and (aid, source, key.use, key.kid) not in listing
                if gone and key.use in EVIDENCE_USES and slot in before.keys:
                    rows.setdefault(slot, Remembered(authority_id=aid, key=_ended(key, now)))
    return list(rows.values())


def _with_contradicted(
    past: list[Remembered], before: MergedView, authorities: Mapping[str, MergedAuthority], now: datetime
) -> list[Remembered]:
    """Keep what was trusted of authorities that have become unverifiable, as of ``now``."""
    known = {(r.authority_id, r.key.use, r.key.kid) for r in past}
    kept = list(past)
    for aid, merged in authorities.items():
        was = before.authorities.get(aid)
        if not merged.is_contradicted or was is None or was.is_contradicted:
            continue
        for claim in was.claims:
            for key in claim.entry.keys:
                slot = (aid, key.use, key.kid)
                if key.use in EVIDENCE_USES and slot in before.keys and slot not in known:
                    known.add(slot)
                    kept.append(Remembered(authority_id=aid, key=_ended(key, now)))
    return kept


def _ended(key: KeyRecord, now: datetime) -> KeyRecord:
    """Return a key as one that was given up at ``now``: good for what it signed before.

    Whatever was taken until now, from a peer whose clock is ahead of ours too, stays provable.
    """
    if key.status == "revoked":
        return key
    ended = now.replace(microsecond=0) + _CLOCKS_APART
    return replace(key, status="revoked", revoked_at=ended, reason="superseded", invalid_since=None)


def _listed_keys(
    authorities: Mapping[str, MergedAuthority],
    before: MergedView,
    loaded: dict[tuple[str, str, str, bytes], PublicKey],
) -> tuple[dict[Slot, MergedKey], frozenset[str]]:
    """Return the keys that sources list, by slot, and the kids that more than one authority or use claims."""
    keys: dict[Slot, MergedKey] = {}
    holders: dict[bytes, dict[tuple[str, str], int]] = {}
    for aid, merged in authorities.items():
        if merged.is_contradicted:
            continue
        for claim in merged.claims:
            for row in claim.entry.keys:
                key = _load(row, before, loaded)
                if key is None:
                    # A key that cannot be imported is as good as absent; the others stay usable.
                    continue
                slot = (aid, row.use, row.kid)
                held = keys.get(slot)
                keys[slot] = _joined(held, key, claim.voucher)
                rank = _RANKS[claim.voucher.assurance]
                ranks = holders.setdefault(key.public.pub, {})
                ranks[aid, row.use] = min(rank, ranks.get((aid, row.use), rank))
    doubtful = set()
    for pub, ranks in holders.items():
        if len(ranks) > 1:
            owner = _owner(pub, ranks, before)
            for slot in [s for s, k in keys.items() if k.in_force.public.pub == pub and s[:2] != owner]:
                doubtful.add(slot[2])
                del keys[slot]
    return keys, frozenset(doubtful)


def _owner(pub: bytes, ranks: Mapping[tuple[str, str], int], before: MergedView) -> tuple[str, str] | None:
    """Return whose a key is that several claim: who had it before, else who is better vouched for."""
    had = {slot[:2] for slot, key in before.keys.items() if key.in_force.public.pub == pub} & ranks.keys()
    if len(had) == 1:
        return had.pop()
    best = min(ranks.values())
    first = [holder for holder, rank in ranks.items() if rank == best]
    return first[0] if len(first) == 1 else None


def _joined(held: MergedKey | None, key: KeyInForce, voucher: Voucher) -> MergedKey:
    """Add what another source says of a key: the shorter life and any revocation hold."""
    if held is None:
        return MergedKey(in_force=key, vouchers=(voucher,))
    first = held.in_force
    worse = max(first, key, key=_severity)
    return MergedKey(
        in_force=replace(worse, nbf=max(first.nbf, key.nbf), exp=min(first.exp, key.exp)),
        vouchers=(*held.vouchers, voucher),
    )


def _severity(key: KeyInForce) -> tuple[bool, bool, float]:
    """Order by how much a row takes away: revoked, for a compromise, since when."""
    since = key.invalid_since or key.revoked_at
    return (
        key.status != "active",
        key.reason not in ("superseded", "cessation"),
        -since.timestamp() if since is not None else 0.0,
    )


def _load(
    row: KeyRecord, before: MergedView, loaded: dict[tuple[str, str, str, bytes], PublicKey]
) -> KeyInForce | None:
    """Return the checked key of a row, ``None`` if it cannot be imported; a known one at no cost."""
    known = (row.use, row.alg, row.kid, row.material)
    public = loaded.get(known) or before.loaded.get(known)
    if public is None:
        try:
            public = PublicKey.load(row.use, row.alg, row.material, kid=row.kid)
        except KeyRefused:
            return None
    loaded[known] = public
    return KeyInForce(
        public=public,
        nbf=row.nbf,
        exp=row.exp,
        status=row.status,
        revoked_at=row.revoked_at,
        reason=row.reason,
        invalid_since=row.invalid_since,
    )


def _states(sources: Iterable[SourceView]) -> dict[str, StateRecord]:
    """Return the States; where several speak of one, a network's word counts more than an enrolment's."""
    found: dict[str, StateRecord] = {}
    for source in sorted(sources, key=lambda s: (s.name == BILATERAL, s.name), reverse=True):
        found.update(source.states)
    return found
