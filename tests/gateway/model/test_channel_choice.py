"""Which channel comes next: the signed order, the time without a consignment, and consent."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.channel_choice import Pace, Patience, Situation, choose, look_ahead, planned
from gateway.model.record_parts import Channel

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
PACE = Pace(after=FIVE)
EMERGENCY = Pace(after=timedelta(minutes=2), all_at_once=True)


def listed(*names: str) -> list[Channel]:
    return [
        Channel(channel=name, priority=i, use=frozenset({"urgent"}), address=f"{name}{i}", status="accepted")
        for i, name in enumerate(names, 1)
    ]


def situation(*names: str, planned: str | None = None, **answers: str) -> Situation:
    return Situation(channels=listed(*names), answers=answers, planned=planned or names[0])


def chosen(found: Situation, at: timedelta, pace: Pace = PACE) -> str | None:
    channel = choose(found, pace, START + at).channel
    return None if channel is None else channel.channel


def test_the_first_of_the_signed_list_comes_first_and_goes_on_until_its_time_is_over() -> None:
    found = situation("gateway_https", "email_sealed")
    assert chosen(found, timedelta(0)) == "gateway_https"
    found = found.tried("gateway_https", START)
    assert chosen(found, FIVE - timedelta(seconds=1)) == "gateway_https"
    assert not choose(found, PACE, START).takes_over


def test_a_channel_without_a_consignment_for_five_minutes_brings_the_next_one() -> None:
    found = situation("gateway_https", "email_sealed", "offline_media").tried("gateway_https", START)
    assert look_ahead(found, PACE, START).turn_at == START + FIVE
    choice = choose(found, PACE, START + FIVE)
    assert choice.takes_over
    assert choice.channel is not None
    assert choice.channel.channel == "email_sealed"
    found = found.tried("email_sealed", START + FIVE)
    assert look_ahead(found, PACE, START + FIVE).turn_at == START + 2 * FIVE
    assert chosen(found, 2 * FIVE) == "offline_media"


def test_the_time_of_a_channel_begins_with_its_own_first_attempt_and_not_with_a_relay_or_a_repeat() -> None:
    found = situation("gateway_https", "email_sealed").tried("gateway_https", START + timedelta(hours=1))
    found = found.tried("gateway_https", START + timedelta(hours=1, minutes=4))
    assert chosen(found, timedelta(hours=1, minutes=4)) == "gateway_https"
    assert chosen(found, timedelta(hours=1, minutes=5)) == "email_sealed"


def test_the_first_channel_goes_on_beside_the_second_and_mail_is_not_sent_at_every_try() -> None:
    found = situation("gateway_https", "email_sealed").tried("gateway_https", START)
    found = found.tried("email_sealed", START + FIVE)
    outlook = look_ahead(found, PACE, START + FIVE)
    assert (outlook.turn_at, outlook.resend_at, outlook.retries) == (None, START + 2 * FIVE, True)
    assert chosen(found, FIVE + timedelta(minutes=1)) == "gateway_https"
    found = found.tried("gateway_https", START + timedelta(minutes=9))
    assert chosen(found, 2 * FIVE) == "email_sealed"
    found = found.tried("email_sealed", START + 2 * FIVE)
    # The pause before the same mail goes out once more doubles.
    assert chosen(found, 3 * FIVE) == "gateway_https"
    assert look_ahead(found, PACE, START + 2 * FIVE).resend_at == START + 4 * FIVE


def test_in_an_emergency_all_allowed_channels_are_taken_after_two_minutes() -> None:
    found = situation("gateway_https", "https_pull", "email_sealed").tried("gateway_https", START)
    after = START + EMERGENCY.after
    assert look_ahead(found, EMERGENCY, START).turn_at == after
    for name in ("https_pull", "email_sealed"):
        choice = choose(found, EMERGENCY, after)
        assert choice.channel is not None
        assert choice.channel.channel == name
        found = found.tried(name, after)
    assert look_ahead(found, EMERGENCY, after).turn_at is None


def test_a_channel_of_lower_protection_is_asked_about_and_nobody_waits_for_the_answer() -> None:
    found = situation("gateway_https", "email_smime", "email_sealed").tried("gateway_https", START)
    choice = choose(found, PACE, START + FIVE)
    assert choice.ask == ("email_smime",)
    assert choice.channel is not None
    assert choice.channel.channel == "email_sealed"


@pytest.mark.parametrize(("answer", "channel"), [("given", "email_smime"), ("refused", "gateway_https")])
def test_a_persons_answer_decides_about_it(answer: str, channel: str) -> None:
    found = situation("gateway_https", "email_smime", email_smime=answer).tried("gateway_https", START)
    assert chosen(found, FIVE) == channel
    assert choose(found, PACE, START + FIVE).ask == ()


def test_consent_given_beforehand_is_used_only_once_the_turn_has_come() -> None:
    found = situation("gateway_https", "email_smime", email_smime="given").tried("gateway_https", START)
    assert chosen(found, timedelta(minutes=4)) == "gateway_https"


def test_while_an_answer_is_awaited_the_channels_in_use_go_on_and_nobody_is_asked_again() -> None:
    found = situation("gateway_https", "email_smime", email_smime="asked").tried("gateway_https", START)
    choice = choose(found, PACE, START + FIVE)
    assert (choice.channel, choice.ask) == (found.channels[0], ())
    assert look_ahead(found, PACE, START + FIVE).turn_at is None


def test_a_record_that_now_lists_only_less_than_was_submitted_to_needs_consent() -> None:
    found = situation("email_smime", planned="gateway_https")
    assert choose(found, PACE, START).channel is None
    assert choose(found, PACE, START).ask == ("email_smime",)
    assert choose(situation("email_smime"), PACE, START).channel is not None
    # Nobody could name a channel at submission: a sealed one was meant.
    assert choose(Situation(channels=listed("email_smime")), PACE, START).ask == ("email_smime",)
    assert situation("email_smime").tried("email_sealed", START).needs_consent("email_smime")


#: What the record lists in order, what the bundle is meant for, and about which channels a person is asked.
PLANS = [
    (("gateway_https", "email_smime"), "gateway_https", {"email_smime"}),
    (("email_smime", "gateway_https"), "gateway_https", {"email_smime"}),
    (("email_smime", "email_sealed"), "email_sealed", {"email_smime"}),
    (("email_smime", "https_pull"), "https_pull", {"email_smime"}),
    (("email_smime", "offline_media"), "offline_media", {"email_smime"}),
    (("guest_pickup", "email_smime", "gateway_https"), "gateway_https", {"guest_pickup", "email_smime"}),
    (("email_sealed", "gateway_https"), "email_sealed", set[str]()),
    (("email_smime",), "email_smime", set[str]()),
    (("email_smime", "guest_pickup"), "email_smime", {"guest_pickup"}),
    (("guest_pickup", "email_smime"), "email_smime", {"guest_pickup"}),
    (("guest_pickup",), "guest_pickup", {"guest_pickup"}),
    (("telex", "email_smime"), "email_smime", {"telex"}),
]


@pytest.mark.parametrize(("names", "meant", "lesser"), PLANS)
def test_where_it_can_go_sealed_at_all_less_is_asked_about_in_whatever_order_the_record_lists(
    names: tuple[str, ...], meant: str, lesser: set[str]
) -> None:
    plan = planned(listed(*names)).channel
    assert plan == meant
    found = Situation(channels=listed(*names), planned=plan)
    assert {name for name in names if found.needs_consent(name)} == lesser
    # The first attempt goes where no consent is needed, and beforehand nobody waits for an answer.
    assert chosen(found, timedelta(0)) == (None if meant in lesser else meant)
    assert set(choose(found, PACE, START).ask) == set(names[: names.index(meant)]) | ({meant} & lesser)
    # With consent the record's own order holds.
    agreed = Situation(channels=listed(*names), planned=plan, answers=dict.fromkeys(lesser, "given"))
    assert chosen(agreed, timedelta(0)) == names[0]


def test_a_browser_and_a_channel_nobody_knows_need_consent_wherever_they_stand() -> None:
    for name in ("guest_pickup", "telex"):
        assert choose(situation(name), PACE, START).ask == (name,)
        assert choose(situation(name, **{name: "given"}), PACE, START).channel is not None


def test_a_channel_that_cannot_take_the_bundle_makes_room_for_the_next_at_once() -> None:
    found = situation("gateway_https", "offline_media").tried("gateway_https", START, is_closed=True)
    outlook = look_ahead(found, PACE, START)
    assert (outlook.goes_on, outlook.turn_at) == (True, START)
    assert chosen(found, timedelta(0)) == "offline_media"
    alone = situation("gateway_https").tried("gateway_https", START, is_closed=True)
    assert not look_ahead(alone, PACE, START).goes_on


def test_a_question_that_nobody_has_answered_yet_keeps_the_bundle_from_being_given_up() -> None:
    found = situation("gateway_https", "email_smime", email_smime="asked")
    assert look_ahead(found.tried("gateway_https", START, is_closed=True), PACE, START).goes_on


def test_the_pace_follows_lane_urgency_and_settings() -> None:
    patience = Patience(urgent=timedelta(seconds=40))
    assert patience.pace("routine", "emergency").after == timedelta(hours=6)
    assert patience.pace("urgent", "urgent") == Pace(after=timedelta(seconds=40))
    assert patience.pace("urgent", "emergency").all_at_once


def test_a_courier_is_sent_after_days_and_not_for_a_fault_of_some_hours() -> None:
    routine, urgent = Patience().pace("routine"), Patience().pace("urgent")
    found = situation("gateway_https", "offline_media").tried("gateway_https", START)
    assert look_ahead(found, routine, START).turn_at == START + timedelta(days=3)
    assert chosen(found, timedelta(days=3) - timedelta(seconds=1), routine) == "gateway_https"
    assert chosen(found, timedelta(days=3), routine) == "offline_media"
    # Where the record takes urgent matters on a medium, its turn comes like that of any other channel.
    assert chosen(found, urgent.after, urgent) == "offline_media"
    # With nothing before it, it is the first channel like any other.
    assert chosen(situation("offline_media", "email_sealed"), timedelta(0), routine) == "offline_media"


def test_a_medium_may_be_under_way_for_weeks_before_it_is_asked_for_again() -> None:
    routine = Patience().pace("routine")
    found = situation("offline_media", "email_smime").tried("offline_media", START)
    outlook = look_ahead(found, routine, START)
    assert (outlook.turn_at, outlook.resend_at, outlook.retries) == (
        START + timedelta(days=30),
        START + timedelta(days=30),
        False,
    )
    assert choose(found, routine, START + timedelta(days=29)).ask == ()
    assert choose(found, routine, START + timedelta(days=30)).ask == ("email_smime",)
    found = found.tried("offline_media", START + timedelta(days=30))
    assert look_ahead(found, routine, START + timedelta(days=30)).resend_at == START + timedelta(days=60)
