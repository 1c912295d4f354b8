"""Which keys of a merged directory are trusted: those that sources list, and past ones for what they signed.

Pure. A key that two authorities claim is the one's who had it first, or nobody's; the shorter life and any
revocation hold; a key that left every source stays good for evidence from before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from crypto.bundle import KeyInForce
from crypto.errors import KeyRefused
from crypto.keys import PublicKey
from gateway.model.record_parts import KeyRecord
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
    before: MergedView,
    loaded: dict[Imported, PublicKey],
) -> tuple[dict[Slot, MergedKey], frozenset[str]]:
    """Return the keys that sources list, by slot, and the kids that more than one authority or use claims."""
    keys: dict[Slot, MergedKey] = {}
    holders: dict[bytes, dict[tuple[str, str], int]] = {}
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
                held = keys.get(slot)
                keys[slot] = _joined(held, key, claim.voucher)
                rank = RANKS[claim.voucher.assurance]
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
