"""Which keys of a merged directory are trusted: those that sources list, and past ones for what they signed.

Pure. A key that two authorities claim is one's or nobody's (``holders``); the shorter life and any
revocation hold; a key that left every source stays good for evidence from before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from crypto.bundle import KeyInForce
from crypto.errors import KeyRefused
from crypto.keys import PublicKey
from gateway.model.record_parts import KeyRecord
from gateway.services.directory.keyholders import Contested, KeyHolder, holder_of, key_digest
from gateway.services.directory.views import (
    EVIDENCE_USES,
    RANKS,
    Claim,
    Imported,
    MergedAuthority,
    MergedKey,
    MergedView,
    Remembered,
    Slot,
    SourceView,
    Voucher,
)

#: By how much a peer's clock may be ahead (docs/peer-api.md section 2), and a second.
_CLOCKS_APART = timedelta(seconds=121)


def past_keys(
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


def with_contradicted(
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


def listed_keys(
    authorities: Mapping[str, MergedAuthority],
    sources: Sequence[SourceView],
    before: MergedView,
    loaded: dict[Imported, PublicKey],
) -> tuple[dict[Slot, MergedKey], dict[str, KeyHolder], tuple[Contested, ...]]:
    """Return the keys that sources list, by slot; whose each key is; and those that are somebody else's."""
    keys: dict[Slot, MergedKey] = {}
    claimed: dict[bytes, dict[KeyHolder, tuple[int, list[Slot]]]] = {}
    for aid, merged in authorities.items():
        if merged.is_contradicted:
            continue
        for claim in merged.claims:
            for row in claim.entry.keys:
                key = load_key(row, before, loaded)
                if key is None:
                    # A key that cannot be imported is as good as absent; the others stay usable.
                    continue
                slot = (aid, row.use, row.kid)
                keys[slot] = _joined(keys.get(slot), key, claim.voucher)
                listing = claimed.setdefault(key.public.pub, {})
                rank, slots = listing.get((aid, row.use), (len(RANKS), []))
                listing[aid, row.use] = min(rank, RANKS[claim.voucher.assurance]), [*slots, slot]

    def has_given_up(authority_id: str) -> bool:
        """Nothing is given up that a source may list unreadably, or that is in doubt for now."""
        merged = authorities.get(authority_id)
        is_open = any(source.leaves_open(authority_id) for source in sources)
        return not is_open and (merged is None or not merged.is_contradicted)

    known, contested = dict(before.holders), []
    for pub, listing in claimed.items():
        digest = key_digest(pub)
        whose = holder_of({h: rank for h, (rank, _) in listing.items()}, known.get(digest), has_given_up)
        if whose is not None:
            known[digest] = whose
        for claimant, (_, slots) in listing.items():
            if claimant != whose:
                for slot in dict.fromkeys(slots):
                    del keys[slot]
                    holder = known.get(digest, (None,))[0]
                    contested.append(Contested(kid=slot[2], claimant=slot[0], holder=holder))
    return keys, known, tuple(contested)


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


def load_key(row: KeyRecord, before: MergedView, loaded: dict[Imported, PublicKey]) -> KeyInForce | None:
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


def load_keys(source: SourceView, before: MergedView) -> dict[Imported, PublicKey]:
    """Return the keys of a source, imported and checked; what the next view takes over costs it nothing."""
    loaded: dict[Imported, PublicKey] = {}
    for entry in source.entries.values():
        for row in entry.keys:
            load_key(row, before, loaded)
    return loaded
