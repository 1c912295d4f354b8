"""What a preservation keeps, item by item: each ends, is prolonged, held and lapses by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.case import CaseView, Effect, fold
from gateway.model.case_message import CaseMessage, MessageFacts, facts_of
from gateway.model.codes import Side, Track, data
from gateway.model.preservation_clock import ItemState, first_end
from tests.gateway.model.test_case import message, rd, rq
from tests.sampledata import sample

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ITEMS = (1, 2)
ENDS = {1: NOON + 70 * DAY, 2: NOON + 90 * DAY}
ASKED = rq(1, 0, "preservation_request", items=ITEMS, instruments=("budapest",), after=timedelta())


def report(seq: int = 1, seen: int = 1, items: tuple[int, ...] = ITEMS, **more: Any) -> CaseMessage:
    facts: dict[str, Any] = {
        "items": items,
        "coverage": "all" if items == ITEMS else "some",
        "statuses": dict.fromkeys(items, "preserved"),
        "effected_at": dict.fromkeys(items, NOON + timedelta(hours=1)),
        "ends_at": {n: ENDS[n] for n in items},
    }
    return rd(seq, seen, "preservation_report", **{**facts, **more})


def notice(
    seq: int, days: float, items: tuple[int, ...] = ITEMS, *, seen: int = 1, **how: Any
) -> CaseMessage:
    return rq(seq, seen, "mla_follow_up_notice", items=items, after=days * DAY, **how)


def extension(seq: int, days: float, items: tuple[int, ...] = ITEMS, *, seen: int = 1) -> CaseMessage:
    return rq(seq, seen, "preservation_extension_request", items=items, after=days * DAY)


def answer(seq: int, seen: int, days: float, re: CaseMessage | None, **facts: Any) -> CaseMessage:
    name = None if re is None else re.message_id
    return rd(seq, seen, "preservation_extension_report", re=name, after=days * DAY, **facts)


def story(*said: CaseMessage, at: float = 0, **how: Any) -> CaseView:
    return fold(Track.PRESERVATION, (ASKED, *said), now=NOON + at * DAY, **how)


def items(view: CaseView) -> dict[int, ItemState]:
    return {number: clock.state for number, clock in view.clocks.items()}


RUNNING, AWAITING, HELD, LAPSED, RELEASED = (
    ItemState.RUNNING,
    ItemState.AWAITING,
    ItemState.HELD,
    ItemState.LAPSED,
    ItemState.RELEASED,
)


def test_each_item_lapses_at_its_own_end_and_the_thread_with_the_last() -> None:
    assert (story(report(), at=69).state, first_end(story(report(), at=69).clocks)) == ("preserved", ENDS[1])
    view = story(report(), at=80)
    assert (view.state, items(view)) == ("preserved", {1: LAPSED, 2: RUNNING})
    view = story(report(), at=91)
    assert (view.state, items(view)) == ("preservation_lapsed", {1: LAPSED, 2: LAPSED})
    assert (view.state_at, view.next_step.actor) == (ENDS[2], "nobody")


def test_at_the_very_end_it_is_kept_and_a_moment_later_it_is_not() -> None:
    assert fold(Track.PRESERVATION, (ASKED, report()), now=ENDS[2]).state == "preserved"
    late = ENDS[2] + timedelta(milliseconds=1)
    assert fold(Track.PRESERVATION, (ASKED, report()), now=late).state == "preservation_lapsed"


@pytest.mark.parametrize(("delay", "state"), [(0, "held_pending_decision"), (1, "preservation_lapsed")])
def test_consigned_in_the_very_second_of_the_end_is_in_time(delay: int, state: str) -> None:
    said = replace(notice(2, 89), consigned_at=ENDS[2] + timedelta(seconds=delay))
    assert story(report(), said, at=200).state == state


def test_a_follow_up_holds_the_items_it_names_and_no_others() -> None:
    view = story(report(), notice(2, 30, (1,)), at=80)
    assert (view.state, items(view)) == ("held_pending_decision", {1: HELD, 2: RUNNING})
    assert first_end(view.clocks) == ENDS[2]
    view = story(report(), notice(2, 30, (1,)), at=91)
    assert (view.state, items(view)) == ("held_pending_decision", {1: HELD, 2: LAPSED})


def test_an_item_that_is_not_held_is_followed_up_prolonged_and_reported_by_itself() -> None:
    held = notice(2, 30, (1,))
    view = story(report(), held, notice(3, 40, (2,)), at=200)
    assert items(view) == {1: HELD, 2: HELD}
    asked = extension(3, 40, (2,))
    assert items(story(report(), held, asked, at=200)) == {1: HELD, 2: AWAITING}
    yes = answer(2, 3, 50, asked, decision="yes", items=(2,), ends_at={2: ENDS[2] + 90 * DAY})
    view = story(report(), held, asked, yes, at=120)
    assert (view.state, items(view)) == ("held_pending_decision", {1: HELD, 2: RUNNING})
    later = report(2, 2, (2,), coverage="all", after=35 * DAY)
    view = story(report(items=(1,)), held, later, at=50)
    assert (view.state, items(view)) == ("held_pending_decision", {1: HELD, 2: RUNNING})


def test_a_follow_up_before_the_report_of_an_item_waits_for_it() -> None:
    first, early = report(items=(1,)), notice(2, 20, (2,))
    view = story(first, early, at=21)
    assert (view.state, view.effect_of(early.message_id)) == ("partly_preserved", Effect.WAITING)
    rest = report(2, 2, (2,), coverage="all", after=25 * DAY)
    view = story(first, early, rest, at=30)
    assert (view.state, items(view)) == ("held_pending_decision", {1: RUNNING, 2: HELD})


def test_what_has_no_proof_of_arrival_holds_nothing_until_the_proof_is_there() -> None:
    for said in (notice(2, 30, consigned=False), replace(extension(2, 30), consigned_at=None)):
        view = story(report(), said, at=30)
        assert (view.state, view.effect_of(said.message_id)) == ("preserved", Effect.WAITING)
        assert story(report(), said, at=91).state == "preservation_lapsed"
        proved = replace(said, consigned_at=NOON + 31 * DAY)
        assert story(report(), proved, at=91).state != "preservation_lapsed"


def test_where_no_receipts_come_the_other_side_shows_by_what_it_says_that_it_has_it() -> None:
    said = notice(2, 30, consigned=False)
    seen = rd(2, 2, "status_report", after=31 * DAY)
    assert story(report(), said, seen, at=91).state == "held_pending_decision"
    late = rd(2, 2, "status_report", after=95 * DAY)
    assert story(report(), said, late, at=96).state == "preservation_lapsed"


def test_an_extension_that_is_not_answered_keeps_its_items_beyond_their_end() -> None:
    asked = extension(2, 60, (1,))
    view = story(report(), asked, at=200)
    assert (view.state, items(view)) == ("preserved", {1: AWAITING, 2: LAPSED})
    assert view.next_step.action == "answer_extension"
    no = answer(2, 2, 80, asked, decision="no")
    assert items(story(report(), asked, no, at=81)) == {1: LAPSED, 2: RUNNING}
    assert story(report(), asked, no, at=91).state == "preservation_lapsed"


def test_an_answer_settles_no_request_that_was_under_way_when_it_was_written() -> None:
    first, second = extension(2, 60), extension(3, 65)
    no = answer(2, 2, 66, first, decision="no")
    assert items(story(report(), first, second, no, at=200)) == {1: AWAITING, 2: AWAITING}
    loose = answer(2, 2, 66, None, decision="no")
    assert items(story(report(), first, second, loose, at=200)) == {1: AWAITING, 2: AWAITING}
    both = answer(2, 3, 66, second, decision="no")
    assert story(report(), first, second, both, at=200).state == "preservation_lapsed"
    narrow = answer(2, 3, 66, extension(3, 65, (2,)), decision="no")
    assert items(story(report(), first, extension(3, 65, (2,)), narrow, at=200))[1] is AWAITING


def test_a_no_after_the_end_lapses_what_nothing_else_keeps() -> None:
    asked = extension(2, 60)
    no = answer(2, 2, 95, asked, decision="no")
    view = fold(Track.PRESERVATION, (ASKED, report(), asked, no))
    assert (view.state, items(view)) == ("preservation_lapsed", {1: LAPSED, 2: LAPSED})
    # What was consigned in time undoes it, however late it comes to be read.
    view = story(report(), asked, no, notice(3, 85), at=200)
    assert (view.state, items(view)) == ("held_pending_decision", {1: LAPSED, 2: HELD})


def test_what_has_lapsed_is_not_prolonged_without_a_request_that_was_in_time() -> None:
    grant = {"decision": "yes", "items": ITEMS, "ends_at": dict.fromkeys(ITEMS, NOON + 200 * DAY)}
    late = answer(2, 1, 95, None, **grant)
    view = story(report(), late, at=96)
    assert (view.state, view.effect_of(late.message_id)) == ("preservation_lapsed", Effect.OUT_OF_STATE)
    # Said in time it counts, asked for or not, whenever it arrives.
    said = replace(answer(2, 1, 60, None, **grant), consigned_at=NOON + 95 * DAY)
    assert story(report(), said, at=96).state == "preservation_extended"
    asked = extension(2, 60)
    assert story(report(), asked, answer(2, 2, 95, asked, **grant), at=96).state == "preservation_extended"


def test_a_follow_up_that_was_late_counts_where_the_end_is_prolonged_beyond_it() -> None:
    asked, late = extension(2, 60), notice(3, 95)
    view = story(report(), asked, late, at=96)
    assert (view.state, view.effect_of(late.message_id)) == ("preserved", Effect.OUT_OF_STATE)
    grant = {"decision": "yes", "items": ITEMS, "ends_at": dict.fromkeys(ITEMS, NOON + 200 * DAY)}
    view = story(report(), asked, late, answer(2, 3, 97, asked, **grant), at=98)
    assert (view.state, view.effect_of(late.message_id)) == ("held_pending_decision", Effect.APPLIED)


def test_a_release_of_some_items_leaves_the_others_running() -> None:
    some = rq(2, 1, "preservation_release", items=(1,), after=20 * DAY)
    view = story(report(), some, at=30)
    assert (view.state, items(view)) == ("preserved", {1: RELEASED, 2: RUNNING})
    assert story(report(), some, at=91).state == "preservation_lapsed"
    rest = rq(3, 1, "preservation_release", items=(2,), after=21 * DAY)
    assert story(report(), some, rest, at=30).state == "preservation_released"
    whole = rq(2, 1, "preservation_release", after=20 * DAY)
    assert story(report(), whole, at=30).state == "preservation_released"


def test_a_decision_releases_what_its_follow_up_held_and_the_thread_with_the_last_item() -> None:
    held = notice(2, 30, (1,))
    decided = {held.message_id: NOON + 50 * DAY}
    view = story(report(), held, at=51, decided=decided)
    assert (view.state, items(view)) == ("held_pending_decision", {1: RELEASED, 2: RUNNING})
    view = story(report(), held, at=91, decided=decided)
    assert (view.state, items(view)) == ("preservation_released", {1: RELEASED, 2: LAPSED})
    both = notice(2, 30)
    view = story(report(), both, at=51, decided={both.message_id: NOON + 50 * DAY})
    assert (view.state, view.state_at) == ("preservation_released", NOON + 50 * DAY)
    # Two requests hold it: it is kept until both are decided.
    again = notice(3, 31)
    assert items(story(report(), both, again, at=200, decided={both.message_id: NOON})) == {1: HELD, 2: HELD}


def test_two_contradictory_reports_change_nothing_and_the_first_one_stands() -> None:
    first = report(items=(1,))
    for wrong in (
        {"ends_at": {1: ENDS[1] - DAY, 2: ENDS[2]}},
        {"statuses": {1: "impossible", 2: "preserved"}, "ends_at": {2: ENDS[2]}},
        {"effected_at": {1: NOON + timedelta(hours=2), 2: NOON + timedelta(hours=2)}},
    ):
        second = report(2, 1, after=5 * DAY, **wrong)
        view = story(first, second, at=6)
        (entry,) = [e for e in view.effects if e.message is second]
        assert (entry.effect, entry.broken) == (Effect.BREACH, ("reports_agree",))
        assert (view.state, view.items) == (story(first, at=6).state, story(first, at=6).items)
        assert view.clocks == story(first, at=6).clocks


def test_a_clock_here_that_saw_the_end_pass_is_not_set_back_by_the_machine() -> None:
    view = story(report(), at=10, passed=ENDS)
    assert (view.state, items(view)) == ("preservation_lapsed", {1: LAPSED, 2: LAPSED})
    # What was in time, and a later end, count all the same: it never lapses again for what is over.
    assert story(report(), notice(2, 30), at=40, passed=ENDS).state == "held_pending_decision"
    grant = {"decision": "yes", "items": ITEMS, "ends_at": dict.fromkeys(ITEMS, NOON + 200 * DAY)}
    view = story(report(), answer(2, 1, 40, None, **grant), at=41, passed=ENDS)
    assert (view.state, items(view)) == ("preservation_extended", {1: RUNNING, 2: RUNNING})


def test_an_end_with_a_status_of_a_newer_version_is_still_watched() -> None:
    view = story(report(statuses=dict.fromkeys(ITEMS, "kept_in_a_cloud")), at=10)
    assert items(view) == {1: RUNNING, 2: RUNNING}
    assert (
        story(report(statuses=dict.fromkeys(ITEMS, "kept_in_a_cloud")), at=91).state == "preservation_lapsed"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2027-03-28T03:30:00+03:00", "2027-03-28T00:30:00+00:00"),
        ("2028-02-29T23:59:59Z", "2028-02-29T23:59:59+00:00"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59+00:00"),
        ("0001-01-01T00:00:00+14:00", "1900-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-12:00", "9900-01-01T00:00:00+00:00"),
    ],
)
def test_no_end_is_lost_because_of_how_it_is_written(written: str, read: str) -> None:
    form = sample("messages/09_preservation_report_en.json")
    form["content"]["items"][0]["ends_at"] = written
    assert facts_of(form).ends_at[1].isoformat() == read


def test_sixty_days_are_days_of_twenty_four_hours_whatever_the_clocks_there_do() -> None:
    # Sixty days by the calendar of New York, over the night that has 23 hours: one hour short.
    effected = datetime.fromisoformat("2027-02-01T10:00:00-05:00").astimezone(UTC)
    end = datetime.fromisoformat("2027-04-02T10:00:00-04:00").astimezone(UTC)
    said = {"effected_at": dict.fromkeys(ITEMS, effected), "ends_at": dict.fromkeys(ITEMS, end)}
    view = story(report(after=80 * DAY, **said), at=81)
    assert [e.broken for e in view.effects][-1] == ("sixty_days",)
    said["ends_at"] = dict.fromkeys(ITEMS, end + timedelta(hours=1))
    assert story(report(after=80 * DAY, **said), at=81).state == "preserved"


def test_facts_of_an_empty_thread_have_no_clock() -> None:
    view = fold(Track.PRESERVATION, [message(Side.REQUESTED, 1, 0, "preservation_report")], now=NOON)
    assert (view.state, dict(view.clocks)) == (None, {})
    assert MessageFacts.from_json({"renew_by": "2027-02-10"}).renew_by is not None


ACK = rd(1, 1, "preservation_acknowledgement")
GRANT = {"decision": "yes", "items": ITEMS, "ends_at": dict.fromkeys(ITEMS, NOON + 150 * DAY)}
#: How a thread comes to each state, by messages of both sides; then the two cross.
WAYS: dict[str, tuple[CaseMessage, ...]] = {
    "preservation_requested": (),
    "preservation_acknowledged": (ACK,),
    "partly_preserved": (report(items=(1,)),),
    "preserved": (report(),),
    "preservation_extended": (report(), answer(2, 1, 20, None, **GRANT)),
    "held_pending_decision": (report(), notice(2, 20)),
}


def crossing(side: Side, name: str, state: str, seq: int, seen: int) -> CaseMessage:
    """Build what a row of the table of crossings speaks of, as it would be sent in that state."""
    message_type, _, how = name.partition(":")
    facts: dict[str, Any] = {}
    if message_type == "preservation_report":
        rest = (2,) if state == "partly_preserved" else ITEMS
        status = {"all": "preserved", "some": "partly_preserved", "none": "impossible"}[how]
        facts = {
            "items": rest,
            "coverage": how,
            "statuses": dict.fromkeys(rest, status),
            "effected_at": dict.fromkeys(rest if how != "none" else (), NOON + timedelta(hours=1)),
            "ends_at": {n: ENDS[n] for n in rest if how != "none"},
        }
    elif message_type == "preservation_extension_report":
        facts = {**GRANT, "ends_at": dict.fromkeys(ITEMS, NOON + 200 * DAY)}
    elif message_type == "refusal":
        facts = {"items": ITEMS, "coverage": "all", "ground": "essential_interests"}
    elif side is Side.REQUESTING:
        facts = {"items": ITEMS}
    return message(side, seq, seen, message_type, after=30 * DAY, **facts)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (row, state)
        for row in data("state_machine.json")["crossing"]["pairs"]
        for state in row["from"]
        if row["track"] == "preservation"
        # A report of none after one of some contradicts it: see two_contradictory_reports.
        and (row["requested"], state) != ("preservation_report:none", "partly_preserved")
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value['requested']}*{value['requesting']}",
)
def test_every_crossing_of_the_domain_ends_alike_where_items_have_ends(
    row: dict[str, Any], state: str
) -> None:
    before = WAYS[state]
    ours = {side: max((m.seq for m in (ASKED, *before) if m.side is side), default=0) for side in Side}
    names, pair = {}, []
    for side, name in ((Side.REQUESTED, row["requested"]), (Side.REQUESTING, row["requesting"])):
        said = crossing(side, name, state, ours[side] + 1, ours[side.other])
        names[said.message_id] = name
        pair.append(said)
    assert story(*before, at=31).state == state
    for arrived in (pair, pair[::-1]):
        view = story(*before, *arrived, at=31)
        overtaken = [names[e.message.message_id] for e in view.effects if e.effect is Effect.OVERTAKEN]
        assert (view.state, overtaken) == (row["result"], row["overtaken"])
        assert Effect.OUT_OF_STATE not in {e.effect for e in view.effects}
