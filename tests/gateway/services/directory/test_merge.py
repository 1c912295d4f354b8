"""Many directories as one: who is believed, what a contradiction does, and what old evidence may rely on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from crypto.bundle import key_verdict
from crypto.errors import Refusal
from crypto.keys import ED25519, GW_HYB1, KeyUse, PrivateKey
from gateway.model.authority import DirectoryEntry, parse_entry
from gateway.model.freshness import GRACE, URGENT_GRACE, Freshness, freshness, may_send
from gateway.model.record_parts import KeyRecord
from gateway.model.revoked import KeyNotice
from gateway.services.directory.keyholders import Contested
from gateway.services.directory.merge import merge
from gateway.services.directory.views import Decision, MergedView, SourceView
from tests import sampledata

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SG, KE = "sg-agc", "ke-ag"
#: After this the clocks of two honest peers cannot be the reason.
APART = timedelta(minutes=3)


@cache
def key(name: str, use: KeyUse = KeyUse.SIG) -> KeyRecord:
    """Return a key of its own for each name."""
    public = PrivateKey.generate(use, GW_HYB1 if use == KeyUse.SIG else ED25519).public
    return KeyRecord(
        use=use,
        alg=public.alg,
        kid=public.kid,
        material=public.pub,
        nbf=NOW - timedelta(days=30),
        exp=NOW + timedelta(days=365),
        status="active",
        revoked_at=None,
        reason=None,
        invalid_since=None,
    )


@cache
def plain(aid: str) -> DirectoryEntry:
    return parse_entry({**sampledata.entry(aid), "keys": []})


def entry(*keys: KeyRecord, aid: str = SG, **members: Any) -> DirectoryEntry:
    return replace(plain(aid), keys=keys, **members)


def source(
    name: str, *entries: DirectoryEntry, assurance: str = "state", until: datetime | None = None
) -> SourceView:
    if name == "bilateral":
        assurance = "bilateral"
    else:
        name, until = f"network:{name}", until or NOW + timedelta(days=1)
    return SourceView(
        name=name,
        entries={str(e.authority_id): e for e in entries},
        assurance={str(e.authority_id): assurance for e in entries},
        fresh_until=until,
    )


def trusted(view: MergedView, aid: str = SG, use: str = KeyUse.SIG) -> set[str]:
    """Return the keys that sign now."""
    return {k.public.kid for k in view.by_use.get((aid, use), ()) if k.status == "active"}


def test_each_key_knows_who_vouches_for_it() -> None:
    view = merge([source("bilateral", entry(key("a"))), source("un", entry(key("a"), key("b")))], now=NOW)
    vouchers = {kid: [v.source for v in k.vouchers] for (_, _, kid), k in view.keys.items()}
    assert vouchers == {key("a").kid: ["network:un", "bilateral"], key("b").kid: ["network:un"]}
    assert not view.contradicted


@pytest.mark.parametrize(("assurance", "first"), [("state", "network:un"), ("attested", "bilateral")])
def test_a_states_own_word_comes_before_an_enrolment_and_that_before_an_attestation(
    assurance: str, first: str
) -> None:
    view = merge(
        [
            source("bilateral", entry(key("a"), name_en="By telephone")),
            source("un", entry(key("a"), name_en="By network"), assurance=assurance),
        ],
        now=NOW,
    )
    claims = view.authorities[SG].claims
    assert claims[0].voucher.source == first
    assert view.authorities[SG].entry(NOW) is claims[0].entry


def test_keys_that_have_nothing_in_common_are_trusted_by_nobody() -> None:
    view = merge([source("bilateral", entry(key("a"))), source("un", entry(key("b")))], now=NOW)
    assert view.contradicted == {SG}
    assert view.keys == {}
    assert view.tls == {}


def test_two_networks_contradict_each_other_like_any_two_sources() -> None:
    view = merge([source("un", entry(key("a"))), source("coe", entry(key("b")))], now=NOW)
    assert view.contradicted == {SG}


def test_what_was_trusted_before_a_contradiction_still_verifies_what_it_signed_before() -> None:
    bilateral = source("bilateral", entry(key("a")))
    before = merge([bilateral], now=NOW)
    later = NOW + timedelta(days=3)
    view = merge([bilateral, source("un", entry(key("b")))], now=later, before=before)
    assert view.contradicted == {SG}
    kept = view.keys[SG, KeyUse.SIG, key("a").kid].in_force
    key_verdict(kept, later, later)
    with pytest.raises(Refusal, match="sig-revoked"):
        key_verdict(kept, later + APART, later + APART)
    assert (SG, KeyUse.SIG, key("b").kid) not in view.keys


def test_an_ended_enrolment_contradicts_nobody() -> None:
    over = replace(key("a"), exp=NOW - timedelta(days=1))
    view = merge([source("bilateral", entry(over)), source("un", entry(key("b")))], now=NOW)
    assert not view.contradicted


def ended(*entries: DirectoryEntry, days: int = 400) -> SourceView:
    return source("un", *entries, until=NOW - timedelta(days=days))


def test_a_network_that_has_ended_contradicts_nobody_who_still_speaks() -> None:
    bilateral = source("bilateral", entry(key("a")))
    at_its_end = source("un", entry(key("b"), key("e", KeyUse.REQ)), until=NOW - URGENT_GRACE)
    assert merge([bilateral, at_its_end], now=NOW).contradicted == {SG}
    view = merge([bilateral, at_its_end], now=NOW + timedelta(seconds=1))
    assert not view.contradicted
    assert {kid for _, _, kid in view.keys} == {key("a").kid}


def test_what_an_ended_network_revoked_stays_revoked() -> None:
    revoked = replace(key("a"), status="revoked", revoked_at=NOW - timedelta(days=500), reason="compromise")
    view = merge([source("bilateral", entry(key("a"))), ended(entry(revoked, key("b")))], now=NOW)
    assert trusted(view) == set()
    assert view.keys[SG, KeyUse.SIG, key("a").kid].in_force.reason == "compromise"


def test_keys_of_an_ended_network_that_were_trusted_verify_what_they_signed_before() -> None:
    network = ended(entry(key("b")), days=1)
    before = merge([network], now=NOW)
    later = NOW + URGENT_GRACE
    view = merge([network, source("bilateral", entry(key("a")))], now=later, before=before)
    assert trusted(view) == {key("a").kid}
    kept = view.keys[SG, KeyUse.SIG, key("b").kid].in_force
    key_verdict(kept, NOW, later)
    with pytest.raises(Refusal, match="sig-revoked"):
        key_verdict(kept, later + APART, later + APART)


def test_where_all_networks_have_ended_none_is_believed_against_another() -> None:
    late = source("coe", entry(key("a")), until=NOW - timedelta(days=300))
    view = merge([late, ended(entry(key("b")))], now=NOW)
    assert view.contradicted == {SG}
    assert view.keys == {}


def test_a_view_is_overtaken_when_one_of_several_sources_ends_or_the_clock_was_wrong() -> None:
    network, after = source("un", entry(key("b")), until=NOW), NOW + URGENT_GRACE + timedelta(seconds=1)
    view = merge([source("bilateral", entry(key("a"))), network], now=NOW)
    assert not view.is_overtaken(NOW + URGENT_GRACE)
    assert view.is_overtaken(after)
    ahead = merge(view.sources, now=after, before=view)
    assert not ahead.is_overtaken(after)
    assert ahead.is_overtaken(NOW)


def test_a_rotation_contradicts_nobody_and_a_key_that_replaces_the_enrolled_one_does() -> None:
    bilateral = source("bilateral", entry(key("a")))
    rotated = merge([bilateral, source("un", entry(key("a"), key("b")))], now=NOW)
    assert trusted(rotated) == {key("a").kid, key("b").kid}
    replaced = merge([bilateral, source("un", entry(key("b")))], now=NOW, before=rotated)
    assert replaced.contradicted == {SG}
    # Nor is the enrolled key taken to be revoked because a network says so: a person looks at it.
    ended = replace(key("a"), status="revoked", revoked_at=NOW, reason="superseded")
    assert merge([bilateral, source("un", entry(ended, key("b")))], now=NOW).contradicted == {SG}


def test_a_decision_believes_one_side_until_the_other_lists_yet_another_key() -> None:
    bilateral, un = source("bilateral", entry(key("a"))), source("un", entry(key("b")))
    decision = {SG: Decision(source="bilateral", against=frozenset({key("b").kid}))}
    view = merge([bilateral, un], now=NOW, decisions=decision)
    assert not view.contradicted
    assert trusted(view) == {key("a").kid}
    other = source("un", entry(key("c")))
    assert merge([bilateral, other], now=NOW, decisions=decision).contradicted == {SG}


def test_a_revocation_in_one_source_holds_in_all() -> None:
    revoked = replace(key("a"), status="revoked", revoked_at=NOW, reason="compromise", invalid_since=NOW)
    for rows in ([key("a")], [revoked]), ([revoked], [key("a")]):
        view = merge(
            [source("bilateral", entry(*rows[0], key("b"))), source("un", entry(*rows[1], key("b")))], now=NOW
        )
        assert trusted(view) == {key("b").kid}
        assert view.keys[SG, KeyUse.SIG, key("a").kid].in_force.reason == "compromise"


@pytest.mark.parametrize("reason", ["superseded", "compromise"])
def test_a_status_that_is_not_known_here_gives_no_key_back(reason: str) -> None:
    ended = replace(
        key("a"), status="revoked", reason=reason, revoked_at=NOW, invalid_since=NOW - timedelta(days=9)
    )
    unknown = replace(key("a"), status="suspended")
    later = NOW + timedelta(hours=1)
    for listed in (
        [source("un", entry(ended)), source("other", entry(unknown))],
        [source("un", entry(unknown))],
    ):
        (held,) = merge(listed, now=NOW).by_use[SG, KeyUse.SIG]
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(held, later, later)


def test_an_emergency_notice_ends_a_key_that_sources_still_list() -> None:
    notice = KeyNotice(
        aid=SG,
        kid=key("a").kid,
        reason="compromise",
        at=NOW,
        received_at=NOW,
        invalid_since=NOW,
        by_state=False,
    )
    view = merge([source("un", entry(key("a"), key("b")))], now=NOW, notices={(SG, key("a").kid): notice})
    assert trusted(view) == {key("b").kid}


def test_the_shorter_life_of_a_key_holds() -> None:
    short = replace(key("a"), exp=NOW + timedelta(days=1))
    view = merge([source("bilateral", entry(key("a"))), source("un", entry(short))], now=NOW)
    assert view.keys[SG, KeyUse.SIG, key("a").kid].in_force.exp == short.exp


def test_a_key_that_is_listed_no_more_verifies_what_it_signed_before_and_nothing_after() -> None:
    before = merge([source("un", entry(key("a"), key("b"), key("r", KeyUse.RCPT)))], now=NOW)
    later = NOW + timedelta(hours=1)
    view = merge([source("un", entry(key("b")))], now=later, before=before)
    for row in (key("a"), key("r", KeyUse.RCPT)):
        kept = view.keys[SG, row.use, row.kid]
        assert kept.vouchers == ()
        # What was taken in the very second in which the key went stays good.
        key_verdict(kept.in_force, later, later)
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(kept.in_force, later + APART, later + APART)
    # The last one too, when the authority itself is listed no more.
    gone = merge([source("un")], now=later, before=view)
    assert {kid for _, _, kid in gone.keys} == {key("a").kid, key("b").kid, key("r", KeyUse.RCPT).kid}
    assert gone.authorities == {}


def test_a_request_key_that_is_listed_no_more_is_forgotten() -> None:
    before = merge([source("un", entry(key("a"), key("q", KeyUse.REQ)))], now=NOW)
    view = merge([source("un", entry(key("a")))], now=NOW, before=before)
    assert {use for _, use, _ in view.keys} == {KeyUse.SIG}


def test_a_source_that_cannot_be_read_makes_nobody_forget() -> None:
    before = merge([source("un", entry(key("a")))], now=NOW)
    dark = replace(source("un"), is_readable=False)
    assert merge([dark], now=NOW, before=before).remembered == ()


def test_a_key_that_two_authorities_claim_is_his_who_had_it() -> None:
    theirs = source("un", entry(key("a")), entry(key("k"), aid=KE))
    before = merge([theirs], now=NOW)
    stolen = source("un", entry(key("a")), entry(key("k"), key("a"), aid=KE))
    view = merge([stolen], now=NOW, before=before)
    assert (trusted(view), trusted(view, KE)) == ({key("a").kid}, {key("k").kid})
    assert view.contested == (Contested(kid=key("a").kid, claimant=KE, holder=SG),)
    # Nobody had it, and both claim it with the same right: it is nobody's.
    assert trusted(merge([stolen], now=NOW)) == set()


def test_nobody_tells_us_who_we_are() -> None:
    own = replace(source("bilateral", entry(key("a"))), assurance={SG: "own"})
    view = merge([own, source("un", entry(key("b")))], now=NOW)
    assert [c.voucher.assurance for c in view.authorities[SG].claims] == ["own"]
    assert trusted(view) == {key("a").kid}


def test_a_fresh_source_speaks_before_a_better_one_that_is_late() -> None:
    late = source("un", entry(key("a"), name_en="Late"), until=NOW - timedelta(days=1))
    view = merge([late, source("bilateral", entry(key("a"), name_en="Here"))], now=NOW)
    assert view.authorities[SG].entry(NOW).name_en == "Here"
    assert view.authorities[SG].fresh_until is None


END = NOW
JUST = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "state", "routine", "urgent", "urgent_allowed"),
    [
        (END, Freshness.FRESH, True, True, True),
        (END + JUST, Freshness.GRACE, True, True, True),
        (END + GRACE, Freshness.GRACE, True, True, True),
        (END + GRACE + JUST, Freshness.URGENT_ONLY, False, False, True),
        (END + URGENT_GRACE, Freshness.URGENT_ONLY, False, False, True),
        (END + URGENT_GRACE + JUST, Freshness.ENDED, False, False, False),
    ],
)
def test_grace_is_three_days_and_two_weeks_for_what_is_urgent_and_allowed(
    at: datetime, state: Freshness, routine: bool, urgent: bool, urgent_allowed: bool
) -> None:
    assert freshness(END, at) is state
    assert may_send(state, "routine", is_allowed=True) is routine
    assert may_send(state, "urgent", is_allowed=False) is urgent
    assert may_send(state, "urgent", is_allowed=True) is urgent_allowed


def test_what_a_person_enrolled_has_no_end() -> None:
    assert freshness(None, END + timedelta(days=3650)) is Freshness.FRESH


XX = "ke-odpp"


def squatter(*keys: KeyRecord, aid: str = KE, network: str = "a") -> SourceView:
    return source(network, entry(*keys, aid=aid))


def test_what_another_network_lists_first_at_a_start_takes_no_key_from_its_holder() -> None:
    owner = source("b", entry(key("a")))
    known = merge([owner], now=NOW).holders
    for order in ((squatter(key("k"), key("a")), owner), (owner, squatter(key("k"), key("a")))):
        # A new process: nothing is in memory but whose keys were.
        view = MergedView(holders=known)
        for count in (1, 2):
            view = merge(order[:count], now=NOW, before=view)
            assert trusted(view, KE) <= {key("k").kid}
        assert (trusted(view), trusted(view, KE)) == ({key("a").kid}, {key("k").kid})
        assert view.contested == (Contested(kid=key("a").kid, claimant=KE, holder=SG),)


def test_a_key_stays_its_holders_while_his_network_cannot_be_read_is_late_or_contradicts_another() -> None:
    owner = source("b", entry(key("a")))
    before = merge([owner], now=NOW)
    for theirs in (
        [replace(source("b"), is_readable=False)],
        [replace(source("b"), refused=frozenset({SG}))],
        [replace(source("b"), refused=frozenset({"SG"}))],
        [owner, source("bilateral", entry(key("other")))],
        [source("b")],
        [],
    ):
        view = merge([squatter(key("a")), *theirs], now=NOW, before=before)
        assert trusted(view, KE) == set()
        again = merge([squatter(key("a")), owner], now=NOW, before=view)
        assert (trusted(again), trusted(again, KE)) == ({key("a").kid}, set())


def test_within_a_state_a_key_passes_on_where_it_was_given_up() -> None:
    before = merge([source("un", entry(key("a"), aid=KE))], now=NOW)
    both = source("un", entry(key("a"), aid=KE), entry(key("a"), aid=XX))
    assert trusted(merge([both], now=NOW, before=before), XX) == set()
    dark = replace(source("un"), is_readable=False)
    assert trusted(merge([dark, squatter(key("a"), aid=XX)], now=NOW, before=before), XX) == set()
    heir = merge([source("un", entry(key("a"), aid=XX))], now=NOW, before=before)
    assert trusted(heir, XX) == {key("a").kid}
    # From then on it is the heir's.
    assert trusted(merge([both], now=NOW, before=heir)) == set()
    assert trusted(merge([both], now=NOW, before=heir), XX) == {key("a").kid}


def test_a_key_under_another_use_is_another_holders_matter_too() -> None:
    before = merge([source("un", entry(key("r", KeyUse.REQ)))], now=NOW)
    public = PrivateKey.generate(KeyUse.REQ, ED25519).public
    twin = replace(key("r", KeyUse.REQ), use=KeyUse.RCPT)
    twin = replace(twin, kid=type(public).load(KeyUse.RCPT, ED25519, twin.material).kid)
    view = merge([squatter(twin), source("un", entry(key("r", KeyUse.REQ)))], now=NOW, before=before)
    assert {slot[:2] for slot in view.keys} == {(SG, "req")}
