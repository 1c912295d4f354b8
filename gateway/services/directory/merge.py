"""One view of many directories: what several sources say of each authority, and who vouches for each key.

Pure: verified statements in, one view out. Decides who is believed where sources differ. Each was verified
before it comes here; nothing in here makes a key trusted that no source lists.

Invariants: an authority whose sources have no active ``sig`` key in common is ``unverifiable``: none of its
keys is trusted but those that were before, and those only for what they signed before. A source that has
ended stands against none that speaks. A revocation in one source holds in all. A key that two authorities
claim is the one's who had it first, or nobody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations

from crypto.keys import KeyUse, PublicKey
from gateway.model.authority import DirectoryEntry
from gateway.model.revoked import KeyNotice, as_revoked, with_notices
from gateway.model.states import StateRecord
from gateway.services.directory.trustedkeys import listed_keys, load_key, past_keys, with_contradicted
from gateway.services.directory.views import (
    BILATERAL,
    EVIDENCE_USES,
    OWN,
    RANKS,
    Claim,
    Decision,
    Imported,
    MergedAuthority,
    MergedKey,
    MergedView,
    Remembered,
    SourceView,
    Voucher,
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
        before: The view until now: keys it trusted and nobody lists any more are remembered as of ``now``;
            whose a key was, his it stays.
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
        for row in past_keys(before, sources, claims, remembered, now)
    ]
    authorities = {
        aid: MergedAuthority(claims=tuple(rows), is_contradicted=_contradict(rows, now))
        for aid, rows in claims.items()
    }
    loaded: dict[Imported, PublicKey] = {}
    listed, holders, contested = listed_keys(authorities, sources, before, loaded)
    keys = dict(listed)
    if before.keys:
        past = with_contradicted(past, before, authorities, now)
    for row in past:
        slot = (row.authority_id, row.key.use, row.key.kid)
        if slot not in keys and row.key.use in EVIDENCE_USES:
            in_force = load_key(row.key, before, loaded)
            if in_force is not None:
                keys[slot] = MergedKey(in_force=in_force, vouchers=())
    return MergedView(
        sources=tuple(sources),
        authorities=authorities,
        states=_states(sources),
        keys=keys,
        remembered=tuple(past),
        holders=holders,
        contested=contested,
        loaded=loaded,
        made_at=now,
    )


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
                RANKS[claim.voucher.assurance] if chosen is None else claim.voucher.source != chosen.source,
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


def _states(sources: Iterable[SourceView]) -> dict[str, StateRecord]:
    """Return the States; where several speak of one, a network's word counts more than an enrolment's."""
    found: dict[str, StateRecord] = {}
    for source in sorted(sources, key=lambda s: (s.name == BILATERAL, s.name), reverse=True):
        found.update(source.states)
    return found
