"""The fold: every crossing pair of the domain, any order of arrival, both sides alike."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.case import CaseStart, CaseView, Effect, fold
from gateway.model.case_message import CaseMessage, MessageFacts, case_message, facts_of
from gateway.model.codes import Side, Track, data
from gateway.model.transitions import implied_order, senders, transitions
from tests.sampledata import MESSAGE_FILES, REQUEST_FILES, request, sample

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
LIMIT = NOON + timedelta(days=14)
PAIRS = data("state_machine.json")["crossing"]["pairs"]
ASKED = "rd-x/" + "a" * 32
ITEMS = (1, 2, 3)


def message(
    side: Side,
    seq: int,
    seen: int,
    message_type: str,
    *,
    re: str | None = None,
    after: timedelta = timedelta(hours=1),
    consigned: bool = True,
    **facts: Any,
) -> CaseMessage:
    at = NOON + after
    prefix = "rq-x" if side is Side.REQUESTING else "rd-x"
    return CaseMessage(
        message_id=f"{prefix}/{seq:032x}",
        side=side,
        seq=seq,
        seen=seen,
        message_type=message_type,
        in_reply_to=re,
        at=at,
        consigned_at=at if consigned else None,
        facts=MessageFacts(**facts),
    )


def rq(seq: int, seen: int, message_type: str, **more: Any) -> CaseMessage:
    return message(Side.REQUESTING, seq, seen, message_type, **more)


def rd(seq: int, seen: int, message_type: str, **more: Any) -> CaseMessage:
    return message(Side.REQUESTED, seq, seen, message_type, **more)


def of_pair(side: Side, name: str, state: str) -> CaseMessage:
    """Build the message a row of the table speaks of, as it would be sent in that state."""
    message_type, _, how = name.partition(":")
    facts: dict[str, Any] = {}
    if message_type in {"withdrawal", "refusal", "postponement"}:
        facts = {"items": ITEMS if how != "some" else (3,), "coverage": how or "all"}
    if message_type == "refusal":
        facts["ground"] = "essential_interests"
    if message_type in {"result", "execution_completed"}:
        facts = {"items": ITEMS, "statuses": dict.fromkeys(ITEMS, "executed")}
    if message_type == "partial_result":
        facts = {"items": (1,), "statuses": {1: "executed"}}
    if message_type == "supplementary_request":
        facts = {"items": (4,)}
    if message_type == "confidentiality_decision":
        facts = {"decision": how}
    if message_type == "request":
        facts = {"relation": how}
    if message_type == "preservation_report":
        facts = {"items": ITEMS, "coverage": how}
    if message_type == "preservation_extension_report":
        facts = {"decision": how}
    is_answer = message_type in {
        "additional_information",
        "conditions_accepted",
        "conditions_declined",
        "consultation_reply",
    }
    re = (
        ASKED
        if is_answer and state in {"info_requested", "refusal_consultation", "conditions_offered"}
        else None
    )
    # Decisions come after the time limit of the consultation; an answer comes in time unless it is late.
    after = timedelta(days=16)
    if side is Side.REQUESTING:
        after = timedelta(days=15) if how == "late" else timedelta(days=1)
    return message(side, 1, 0, message_type, re=re, after=after, **facts)


def start_of(state: str) -> CaseStart:
    asked = {ASKED: LIMIT} if state in {"refusal_consultation", "conditions_offered"} else {}
    questions = frozenset({ASKED}) if state in {"info_requested"} else frozenset()
    return CaseStart(
        state=state,
        items=dict.fromkeys(ITEMS, "open"),
        asked=asked,
        questions=questions,
        consulted=True,
        waiting=True,
    )


@pytest.mark.parametrize(
    ("row", "state"),
    [(row, state) for row in PAIRS for state in row["from"]],
    ids=lambda value: value if isinstance(value, str) else f"{value['requested']}*{value['requesting']}",
)
def test_every_crossing_pair_ends_as_the_domain_says_in_both_orders_of_arrival(
    row: dict[str, Any], state: str
) -> None:
    ours = of_pair(Side.REQUESTED, row["requested"], state)
    theirs = of_pair(Side.REQUESTING, row["requesting"], state)
    views = [
        fold(Track(row["track"]), both, start=start_of(state)) for both in ((ours, theirs), (theirs, ours))
    ]
    names = {ours.message_id: row["requested"], theirs.message_id: row["requesting"]}
    for view in views:
        overtaken = [names[e.message.message_id] for e in view.effects if e.effect is Effect.OVERTAKEN]
        assert (view.state, overtaken) == (row["result"], row["overtaken"])
        assert Effect.OUT_OF_STATE not in {e.effect for e in view.effects}
    assert views[0] == views[1]


def test_the_table_of_pairs_is_whole() -> None:
    assert len(PAIRS) == 147


OPENING = rq(1, 0, "request", items=ITEMS, after=timedelta(0))


def story(*messages: CaseMessage, track: Track = Track.REQUEST, **how: Any) -> CaseView:
    return fold(track, (OPENING, *messages), **how)


def test_a_request_is_transmitted_then_delivered_by_its_machine_receipt_then_received_by_a_person() -> None:
    sent = replace(OPENING, consigned_at=None)
    assert fold(Track.REQUEST, [sent]).state == "transmitted"
    view = fold(Track.REQUEST, [OPENING])
    assert (view.state, view.next_step.actor) == ("delivered", "requested")
    view = story(rd(1, 1, "acknowledgement"))
    assert (view.state, view.next_step.actor) == ("received", "requested")
    assert [entry.state for entry in view.history] == ["transmitted", "delivered", "received"]
    assert not any(entry.is_implied for entry in view.history)


def test_an_acknowledgement_counts_even_where_the_receipt_never_came() -> None:
    view = fold(Track.REQUEST, [replace(OPENING, consigned_at=None), rd(1, 1, "acknowledgement")])
    assert view.state == "received"


def test_earlier_steps_nobody_told_are_implied_and_marked() -> None:
    view = story(rd(1, 1, "acceptance_notice"))
    assert view.state == "in_execution"
    assert view.effects[-1].effect is Effect.IMPLIED
    assert [entry.state for entry in view.history if entry.is_implied] == ["received", "under_review"]


def test_a_preservation_runs_to_its_acknowledgement() -> None:
    opening = rq(1, 0, "preservation_request", items=(1, 2), instruments=("budapest",))
    view = fold(Track.PRESERVATION, [rd(1, 1, "preservation_acknowledgement"), opening])
    assert (view.state, view.next_step.action) == ("preservation_acknowledged", "report")


def test_a_message_behind_a_gap_is_held_and_the_gap_is_named() -> None:
    view = story(rd(2, 1, "review_started"), rq(4, 0, "withdrawal", items=ITEMS, coverage="all"))
    assert view.state == "delivered"
    assert [e.effect for e in view.effects] == [Effect.APPLIED, Effect.HELD, Effect.HELD]
    assert view.missing == {Side.REQUESTING: (2, 3), Side.REQUESTED: (1,)}
    assert view.next_step.action == "ask_for_missing"
    assert [m.message_type for m in view.early_stops] == ["withdrawal"]


def test_a_number_that_only_the_other_side_has_seen_is_missing_too() -> None:
    assert story(rd(1, 3, "acknowledgement")).missing[Side.REQUESTING] == (2, 3)


def test_a_hostile_counter_makes_no_endless_list() -> None:
    assert len(story(rd(1, 2**53 - 1, "acknowledgement")).missing[Side.REQUESTING]) <= 1000


def test_an_unknown_type_uses_its_number_changes_nothing_and_goes_to_a_person() -> None:
    view = story(rd(1, 1, "a_type_of_next_year"), rd(2, 1, "acknowledgement"))
    assert view.state == "received"
    assert view.effects[1].effect is Effect.UNKNOWN


def test_an_unknown_deciding_code_changes_nothing_and_goes_to_a_person() -> None:
    asked = rd(1, 1, "refusal_consultation", items=ITEMS, answer_by=NOON)
    for facts in (
        {"ground": "a_ground_of_next_year", "coverage": "all"},
        {"coverage": "a_coverage_of_next_year"},
    ):
        view = story(asked, rd(2, 1, "refusal", items=ITEMS, after=timedelta(days=20), **facts))
        assert (view.state, view.effects[-1].effect) == ("refusal_consultation", Effect.UNKNOWN)


def test_two_different_messages_with_one_number_are_a_fork_until_their_side_names_one() -> None:
    one, other = (
        rd(1, 1, "acknowledgement"),
        replace(rd(1, 1, "review_started"), message_id="rd-x/" + "f" * 32),
    )
    later = rd(2, 1, "review_started")
    view = story(one, other, later)
    assert (view.state, view.next_step.action) == ("delivered", "resolve_fork")
    assert {view.effect_of(m.message_id) for m in (one, other)} == {Effect.FORKED}
    assert view.effect_of(later.message_id) is Effect.HELD
    view = story(one, other, later, rd(3, 1, "correction", corrects=one.message_id))
    assert view.state == "under_review"
    assert view.effect_of(other.message_id) is Effect.FORKED
    assert view.next_step.action == "decide"
    # The other side cannot choose.
    view = story(one, other, later, rq(2, 0, "correction", corrects=one.message_id))
    assert view.state == "delivered"


def test_the_same_message_twice_counts_once() -> None:
    acknowledged = rd(1, 1, "acknowledgement")
    assert story(acknowledged, acknowledged) == story(acknowledged)


def test_only_the_side_that_may_speak_is_heard() -> None:
    view = story(rd(1, 1, "withdrawal", items=ITEMS, coverage="all"))
    assert (view.state, view.effects[-1].effect) == ("delivered", Effect.OUT_OF_STATE)
    view = story(rq(2, 0, "refusal", items=ITEMS, coverage="all"))
    assert view.effects[-1].effect is Effect.OUT_OF_STATE


def test_a_refusal_without_consultation_has_no_effect() -> None:
    refusal = rd(1, 1, "refusal", items=ITEMS, coverage="all", ground="essential_interests")
    view = story(refusal)
    assert (view.state, view.effects[-1].effect) == ("delivered", Effect.OUT_OF_STATE)


CONSULTED = rd(1, 1, "refusal_consultation", items=ITEMS, answer_by=LIMIT)


def refuse(seen: int, *, days: int, **facts: Any) -> CaseMessage:
    facts = {"ground": "essential_interests", "coverage": "all", "items": ITEMS, **facts}
    return rd(2, seen, "refusal", after=timedelta(days=days), **facts)


def reply(days: int) -> CaseMessage:
    return rq(2, 1, "consultation_reply", re=CONSULTED.message_id, after=timedelta(days=days))


def test_a_refusal_waits_for_the_answer_or_the_time_limit() -> None:
    assert story(CONSULTED, refuse(1, days=5)).state == "refusal_consultation"
    assert story(CONSULTED, refuse(1, days=15)).state == "refused"
    assert story(CONSULTED, reply(3), refuse(2, days=5)).state == "refused"
    assert story(CONSULTED, reply(3), refuse(1, days=15)).state == "under_review"
    assert story(CONSULTED, reply(15), refuse(1, days=16)).state == "refused"


def test_a_forbidden_ground_refuses_nothing() -> None:
    assert story(CONSULTED, refuse(1, days=15, ground="bank_secrecy")).state == "refusal_consultation"


def test_a_refusal_of_items_nobody_consulted_on_has_no_effect() -> None:
    consulted = replace(CONSULTED, facts=MessageFacts(items=(1,), answer_by=LIMIT))
    assert story(consulted, refuse(1, days=15)).state == "refusal_consultation"
    view = story(consulted, refuse(1, days=15, items=(1,), coverage="some"))
    assert (view.state, view.items[1], view.items[2]) == ("refusal_consultation", "refused", "open")


def test_some_that_closes_the_last_open_item_is_all() -> None:
    done = rd(1, 1, "partial_result", items=(1, 2), statuses={1: "executed", 2: "nothing_found"})
    view = story(done, rq(2, 1, "withdrawal", items=(3,), coverage="some"))
    assert (view.state, view.items) == ("withdrawn", {1: "done", 2: "done", 3: "withdrawn"})


def test_a_result_that_did_not_know_a_supplement_is_partial() -> None:
    result = rd(1, 1, "result", items=ITEMS, statuses=dict.fromkeys(ITEMS, "executed"))
    view = story(result, rq(2, 0, "supplementary_request", items=(4,)))
    assert (view.state, view.items[4]) == ("partially_executed", "open")


def test_a_case_runs_from_request_to_closure() -> None:
    result = rd(3, 1, "result", items=ITEMS, statuses=dict.fromkeys(ITEMS, "executed"))
    view = story(
        rd(1, 1, "acknowledgement"),
        rd(2, 1, "acceptance_notice", items=ITEMS),
        result,
        rq(2, 3, "result_receipt", integrity="ok"),
        rq(3, 3, "use_consent_request"),
        rd(4, 3, "use_consent_reply", re=f"rq-x/{3:032x}"),
        rd(5, 3, "closure"),
        rq(4, 4, "closure"),
    )
    assert view.state == "closed"
    assert [e.effect for e in view.effects[-2:]] == [Effect.APPLIED, Effect.OVERTAKEN]
    assert view.next_step.actor == "nobody"


def test_of_two_closures_that_cross_the_requested_sides_goes_first() -> None:
    result = rd(1, 1, "result", items=ITEMS, statuses=dict.fromkeys(ITEMS, "executed"))
    checked = rq(2, 1, "result_receipt", integrity="ok")
    theirs, ours = rd(2, 2, "closure"), rq(3, 1, "closure")
    view = story(result, checked, ours, theirs)
    assert (view.effect_of(theirs.message_id), view.effect_of(ours.message_id)) == (
        Effect.APPLIED,
        Effect.OVERTAKEN,
    )


RESULT = rd(1, 1, "result", items=ITEMS, statuses=dict.fromkeys(ITEMS, "executed"))
CHECKED = rq(2, 1, "result_receipt", integrity="ok")
UNFOUNDED: dict[str, tuple[CaseMessage, ...]] = {
    "consent that nobody asked for": (RESULT, CHECKED, rd(2, 2, "use_consent_reply", re=ASKED)),
    "a decision on confidentiality nobody asked for": (
        rq(2, 0, "confidentiality_decision", decision="stop"),
    ),
    "results whose files are damaged": (RESULT, rq(2, 1, "result_receipt", integrity="failed")),
    "a supplement that numbers an item again": (rq(2, 0, "supplementary_request", items=(3, 4)),),
    "an answer to no open question": (
        rd(1, 1, "additional_information_request"),
        rq(2, 1, "additional_information", re=ASKED),
    ),
    "a reply to no consultation": (CONSULTED, rq(2, 1, "consultation_reply", re=ASKED)),
    "a withdrawal of nothing": (rq(2, 0, "withdrawal", coverage="some"),),
}


@pytest.mark.parametrize("what", UNFOUNDED)
def test_what_has_no_ground_in_the_thread_changes_nothing(what: str) -> None:
    *before, last = UNFOUNDED[what]
    view = story(*before, last)
    assert view.effect_of(last.message_id) is Effect.OUT_OF_STATE
    assert (view.state, view.items) == (story(*before).state, story(*before).items)


def test_a_draft_may_be_consulted_on_before_the_request() -> None:
    view = fold(
        Track.REQUEST, [rq(1, 0, "draft_consultation"), rd(1, 1, "draft_comment"), rq(2, 1, "request")]
    )
    assert [entry.state for entry in view.history] == ["pre_consultation", "transmitted", "delivered"]


def test_an_oral_request_is_confirmed_in_writing() -> None:
    view = fold(Track.REQUEST, [rq(1, 0, "oral_request_note"), rq(2, 0, "written_confirmation")])
    assert [entry.state for entry in view.history] == [
        "oral_pending_confirmation",
        "transmitted",
        "delivered",
    ]


PRESERVE = rq(1, 0, "preservation_request", after=timedelta(), items=(1, 2), instruments=("budapest",))
END = NOON + timedelta(days=90)


def report(days: int = 90, **facts: Any) -> CaseMessage:
    given = {"items": (1, 2), "coverage": "all", "statuses": dict.fromkeys((1, 2), "preserved")}
    times = {
        "effected_at": dict.fromkeys((1, 2), NOON),
        "ends_at": dict.fromkeys((1, 2), NOON + timedelta(days=days)),
    }
    return rd(1, 1, "preservation_report", **{**given, **times, **facts})


def preservation(*messages: CaseMessage, **how: Any) -> CaseView:
    return fold(Track.PRESERVATION, (PRESERVE, *messages), **how)


def test_a_term_below_sixty_days_preserves_nothing_under_the_convention() -> None:
    assert preservation(report(60)).state == "preserved"
    short = preservation(report(59)).effects[-1]
    assert (short.effect, short.broken) == (Effect.BREACH, ("sixty_days",))
    free = replace(PRESERVE, facts=replace(PRESERVE.facts, instruments=("bilateral",)))
    assert fold(Track.PRESERVATION, [free, report(59)]).state == "preserved"


def test_a_follow_up_before_the_report_waits_and_applies_right_after_it() -> None:
    early = rq(2, 0, "mla_follow_up_notice", items=(1, 2))
    assert preservation(early).effects[-1].effect is Effect.WAITING
    view = preservation(early, report())
    assert (view.state, view.effect_of(early.message_id)) == ("held_pending_decision", Effect.APPLIED)


@pytest.mark.parametrize(("days", "state"), [(89, "held_pending_decision"), (91, "preservation_lapsed")])
def test_a_follow_up_counts_by_its_consignment(days: int, state: str) -> None:
    notice = rq(2, 1, "mla_follow_up_notice", items=(1, 2), after=timedelta(days=days))
    assert preservation(report(), notice, now=END + timedelta(days=9)).state == state


def test_an_unanswered_extension_request_stops_the_lapse() -> None:
    late = END + timedelta(days=1)
    asked = rq(2, 1, "preservation_extension_request", items=(1, 2), after=timedelta(days=80))
    assert preservation(report(), now=late).state == "preservation_lapsed"
    view = preservation(report(), asked, now=late)
    assert (view.state, view.next_step.action) == ("preserved", "answer_extension")
    no = rd(
        2, 2, "preservation_extension_report", re=asked.message_id, decision="no", after=timedelta(days=91)
    )
    assert preservation(report(), asked, no, now=late).state == "preservation_lapsed"
    yes = replace(no, facts=MessageFacts(decision="yes", ends_at={1: END + timedelta(days=90)}))
    assert preservation(report(), asked, yes, now=late).state == "preservation_extended"


def test_a_preservation_is_refused_only_on_the_grounds_of_the_convention() -> None:
    for ground, state in (
        ("essential_interests", "preservation_refused"),
        ("de_minimis", "preservation_requested"),
    ):
        view = preservation(rd(1, 1, "refusal", items=(1, 2), coverage="all", ground=ground))
        assert view.state == state


def test_a_decision_on_the_linked_request_releases() -> None:
    notice = rq(2, 1, "mla_follow_up_notice", items=(1, 2))
    decided = {notice.message_id: NOON + timedelta(days=30)}
    assert preservation(report(), notice, decided=decided).state == "preservation_released"
    refusal = rd(2, 2, "refusal", items=(1, 2), coverage="all", ground="essential_interests")
    assert preservation(report(), notice, refusal).effects[-1].effect is Effect.OUT_OF_STATE


KNOWN = sorted({name for track in Track for _, name in transitions(track)})
TYPES = [*KNOWN, "a_type_of_next_year", "test_message"]
FACTS = st.builds(
    MessageFacts,
    items=st.sampled_from([(), (1,), (3,), ITEMS, (4,)]),
    coverage=st.sampled_from([None, "all", "some", "none", "?"]),
    decision=st.sampled_from([None, "go_on", "stop", "yes", "no"]),
    relation=st.sampled_from([None, None, "replaces", "follows_preservation"]),
    answer_by=st.sampled_from([None, NOON, LIMIT]),
    ground=st.sampled_from([None, "essential_interests", "bank_secrecy"]),
)


@st.composite
def threads(draw: st.DrawFn) -> list[CaseMessage]:
    """A thread as two honest sides write it, each at its own pace."""
    made = [rq(1, 0, "request", items=ITEMS)]
    count = {Side.REQUESTING: 1, Side.REQUESTED: 0}
    seen = {Side.REQUESTING: 0, Side.REQUESTED: 0}
    for _ in range(draw(st.integers(0, 8))):
        side = draw(st.sampled_from(Side))
        seen[side] = draw(st.integers(seen[side], count[side.other]))
        if side is Side.REQUESTED and seen[side] == 0:
            continue
        count[side] += 1
        name = draw(st.sampled_from([t for t in TYPES if side in senders(t) or t.startswith("a_")]))
        re = draw(st.sampled_from([None, *(m.message_id for m in made if m.side is not side)]))
        made.append(
            replace(
                message(
                    side, count[side], seen[side], name, re=re, after=timedelta(days=draw(st.integers(0, 20)))
                ),
                facts=draw(FACTS),
            )
        )
    return made


@given(threads(), st.sampled_from(Track), st.randoms())
def test_any_order_of_arrival_gives_the_same_case(made: list[CaseMessage], track: Track, random: Any) -> None:
    if track is Track.PRESERVATION:
        made[0] = replace(made[0], message_type="preservation_request")
    shuffled = made + made[:2]
    random.shuffle(shuffled)
    view = fold(track, made)
    assert fold(track, shuffled) == view
    assert len(view.effects) == len(made)
    assert Effect.HELD not in {e.effect for e in view.effects}


@given(threads(), st.randoms())
def test_arriving_one_by_one_ends_where_all_at_once_ends(made: list[CaseMessage], random: Any) -> None:
    arrived: list[CaseMessage] = []
    order = list(made)
    random.shuffle(order)
    for arriving in order:
        arrived.append(arriving)
        fold(Track.REQUEST, arrived)
    assert fold(Track.REQUEST, arrived) == fold(Track.REQUEST, made)


@given(
    st.lists(
        st.builds(
            message,
            st.sampled_from(Side),
            st.integers(1, 6),
            st.integers(0, 6),
            st.sampled_from(TYPES),
            re=st.sampled_from([None, ASKED]),
        ),
        max_size=8,
    ),
    st.sampled_from(Track),
)
def test_a_hostile_thread_never_raises(made: Sequence[CaseMessage], track: Track) -> None:
    view = fold(track, made, now=NOON)
    assert {e.message.message_id for e in view.effects} == {m.message_id for m in made}


def test_no_state_and_message_have_two_transitions() -> None:
    for track in Track:
        rows = [row for row in data("state_machine.json")[track] if row["local_event"] is None]
        pairs = [pair for row in rows for pair in itertools.product(row["from"], row["messages"])]
        assert len(pairs) == len(set(pairs)) == len(transitions(track))
    assert implied_order()[0] == "transmitted"


@pytest.mark.parametrize("name", [*REQUEST_FILES, *(f"messages/{name}" for name in MESSAGE_FILES)])
def test_facts_survive_the_database_and_hold_no_wording(name: str) -> None:
    form = sample(name)
    facts = facts_of(form)
    assert MessageFacts.from_json(facts.as_json()) == facts
    assert MessageFacts.from_json({**facts.as_json(), "a_member_of_next_year": 1}) == facts
    assert max((len(word) for word in str(facts.as_json()).split()), default=0) < 80


def sample_thread(number: int) -> list[CaseMessage]:
    form = request(number)
    forms = [sample(f"messages/{name}") for name in MESSAGE_FILES]
    made = [case_message(form, message_id=form["thread"]["message_id"], consigned_at=NOON)]
    for other in forms:
        if other["thread"]["thread_id"] == form["thread"]["thread_id"]:
            made.append(case_message(other, message_id=other["message_id"], consigned_at=NOON))
    return made


def test_the_sample_preservation_is_preserved_and_its_extension_awaits_an_answer() -> None:
    view = fold(Track.PRESERVATION, sample_thread(3))
    assert {e.effect for e in view.effects} == {Effect.APPLIED}
    assert (view.state, view.next_step.action) == ("preserved", "answer_extension")


def test_the_sample_request_folds_once_the_messages_between_are_there() -> None:
    messages = sample_thread(1)
    view = fold(Track.REQUEST, messages)
    assert (view.state, view.missing[Side.REQUESTED]) == ("received", (2, 4))
    between = [rd(2, 1, "review_started"), rd(4, 2, "acceptance_notice", items=ITEMS)]
    view = fold(Track.REQUEST, [*messages, *between])
    assert {e.effect for e in view.effects} == {Effect.APPLIED}
    # The withdrawal says "some", but item 3 was the last one open: worked out again, it covers all.
    assert (view.state, view.items) == ("withdrawn", {1: "done", 2: "done", 3: "withdrawn"})
