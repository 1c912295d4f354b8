"""Rules of acts in a preservation: what a form breaks by itself, and what at its place in the thread."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.case import fold
from gateway.model.case_message import CaseMessage, MessageFacts, case_message
from gateway.model.codes import Side, Track, code_list
from gateway.model.message import MessageInvalid, Office
from gateway.model.preservation_form_rules import form_breaches
from gateway.model.preservation_forms import ACTS, Act, Known, needs_approver
from gateway.model.preservation_rules import RULES
from gateway.model.preservation_sender_rules import sender_breaches
from gateway.model.preservation_thread_rules import Standing, asked_at, thread_breaches
from gateway.model.refusal_grounds import grounds
from tests.sampledata import sample

Form = dict[str, Any]
ASKED = datetime(2026, 11, 18, 22, 33, 10, tzinfo=UTC)
EFFECT = datetime(2026, 11, 19, 1, 10, tzinfo=UTC)
END = datetime(2027, 2, 17, 1, 10, tzinfo=UTC)

ACKNOWLEDGEMENT = sample("messages/08_preservation_acknowledgement_en.json")
REPORT = sample("messages/09_preservation_report_en.json")
EXTENSION = sample("messages/10_preservation_extension_request_en.json")


def message(message_type: str, content: Form, **envelope: Any) -> Form:
    form = sample("messages/09_preservation_report_en.json")
    return {**form, "message_type": message_type, "content": content, **envelope}


RISK = message(
    "preservation_risk_notice",
    {"risk": "prejudice", "explanation": "x", "question": "y", "answer_by": "2026-11-19T06:00:00Z"},
)
NO_EXTENSION = message("preservation_extension_report", {"granted": False, "reason": "x"})
FOLLOW_UP = message(
    "mla_follow_up_notice",
    {
        "mla_reference": "RO-MJ/1",
        "from_authority": "ro-mj",
        "to_authority": "us-oia",
        "sent_at": "2026-11-19T01:00:00Z",
        "channel": "gateway_https",
        "item_nos": [1, 2],
    },
)
DISCLOSURE = message(
    "traffic_data_disclosure",
    {"provider": {"state": "NL", "name": "Example"}, "path": "x", "attachment_ids": []},
    author={**REPORT["author"], "role": "approver"},
)
REFUSAL = message(
    "refusal",
    {"ground": "essential_interests", "legal_source": "29(5)(b)", "reasons": "x", "item_nos": [1, 2],
     "coverage": "all", "data_may_vanish": True, "consultation_ref": None},
    author={**REPORT["author"], "role": "approver"},
)  # fmt: skip
RELEASE = message("preservation_release", {"reason": "x", "on": "2026-11-19", "item_nos": [1, 2]})
RETURN = message("competence_notice", {"action": "returned", "return_reason": "other", "explanation": "x"})
SOUND = [
    ACKNOWLEDGEMENT,
    REPORT,
    EXTENSION,
    RISK,
    NO_EXTENSION,
    FOLLOW_UP,
    DISCLOSURE,
    REFUSAL,
    RELEASE,
    RETURN,
]


def put(*path: str | int, value: Any) -> Callable[[Form], None]:
    def change(form: Form) -> None:
        place: Any = form
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


#: What was changed in a form that keeps all rules, and the rule it breaks then.
BROKEN: list[tuple[str, Form, Callable[[Form], None]]] = [
    ("times_in_order", ACKNOWLEDGEMENT, put("content", "read_at", value="2026-11-18T22:00:00Z")),
    ("times_in_order", ACKNOWLEDGEMENT, put("content", "read_at", value="2026-11-18T23:00:00Z")),
    ("next_report_ahead", ACKNOWLEDGEMENT, put("content", "next_report_by", value="2026-11-18T22:49:00Z")),
    ("effect_not_ahead", REPORT, put("content", "items", 0, "effected_at", value="2026-11-19T01:25:01Z")),
    ("end_after_effect", REPORT, put("content", "items", 0, "ends_at", value="2026-11-19T01:10:00Z")),
    ("items_known", REPORT, put("content", "items", 0, "item_no", value=2)),
    ("renewal_stated", REPORT, put("content", "renewal_must_be_requested_by", value=None)),
    ("renewal_stated", REPORT, put("content", "renewal_must_be_requested_by", value="2027-02-18")),
    ("renewal_stated", REPORT, put("content", "renewable", value=False)),
    ("reason_given", REPORT, put("content", "items", 0, value={"item_no": 1, "status": "impossible"})),
    ("four_eyes", REPORT, put("content", "conditions", value=[{"condition_no": 1}])),
    ("answer_time_ahead", RISK, put("content", "answer_by", value="2026-11-19T01:25:00Z")),
    ("reason_given", RISK, put("content", "question", value=" ")),
    ("end_later", EXTENSION, put("content", "requested_until", value="2027-02-17T01:10:00Z")),
    ("reason_given", EXTENSION, put("content", "reason", value="\t")),
    ("reason_given", NO_EXTENSION, put("content", "reason", value=" ")),
    ("follows_preservation", FOLLOW_UP, put("content", "from_authority", value="fr-mj")),
    ("follows_preservation", FOLLOW_UP, put("content", "to_authority", value="ro-mj")),
    ("follows_preservation", FOLLOW_UP, put("content", "sent_at", value="2026-11-19T02:00:00Z")),
    ("follows_preservation", FOLLOW_UP, put("content", "mla_reference", value=" ")),
    ("other_provider_involved", DISCLOSURE, put("content", "provider", "state", value="US")),
    ("other_provider_involved", DISCLOSURE, put("content", "path", value=" ")),
    ("documents_listed", DISCLOSURE, put("content", "attachment_ids", value=["A1"])),
    ("four_eyes", DISCLOSURE, put("author", "role", value="duty_officer")),
    ("four_eyes", REFUSAL, put("author", "role", value="operator")),
    ("reason_given", REFUSAL, put("content", "reasons", value=" ")),
    ("reason_given", RELEASE, put("content", "reason", value=" ")),
    ("reason_given", RETURN, put("content", "explanation", value=" ")),
]  # fmt: skip


@pytest.mark.parametrize("form", SOUND, ids=lambda form: form["message_type"])
def test_a_sound_form_breaks_nothing(form: Form) -> None:
    assert form_breaches(form) == ()


@pytest.mark.parametrize(("code", "form", "change"), BROKEN)
def test_a_form_shows_by_itself_which_rule_it_breaks(
    code: str, form: Form, change: Callable[[Form], None]
) -> None:
    changed = deepcopy(form)
    change(changed)
    found = form_breaches(changed)
    assert {breach.code for breach in found} == {code}
    assert all(breach.field.startswith("$.") and breach.rule.sentence for breach in found)
    assert case_message(changed, message_id="us-ccips/" + "a" * 32, consigned_at=None).facts.broken == (code,)


@pytest.mark.parametrize(
    "junk", [None, [], "x", 1, {"items": "x"}, {"items": [1, {"item_no": "1"}]}, {"conditions": 1}]
)
@pytest.mark.parametrize("message_type", sorted(ACTS))
def test_forms_of_any_shape_are_read_without_raising(message_type: str, junk: Any) -> None:
    form_breaches({"message_type": message_type, "content": junk, "author": junk, "thread": junk})


def standing(**changed: Any) -> Standing:
    known: dict[str, Any] = {
        "asked_at": ASKED,
        "instruments": frozenset({"budapest"}),
        "items": {1: "open", 2: "open"},
        "effected": {},
        "ends": {},
    }
    return Standing(**{**known, **changed})


def told(form: Form = REPORT, **facts: Any) -> CaseMessage:
    said = case_message(form, message_id="us-ccips/" + "a" * 32, consigned_at=None)
    return replace(said, facts=replace(said.facts, **facts))


KEPT = standing(
    items={1: "preserved", 2: "preserved"}, effected={1: EFFECT, 2: EFFECT}, ends={1: END, 2: END}
)
DAY = timedelta(days=1)
GRANTED = message(
    "preservation_extension_report", {"granted": True, "items": [{"item_no": 1, "ends_at": "x"}]}
)

AT_ITS_PLACE: list[tuple[str, CaseMessage, Standing]] = [
    ("sixty_days", told(ends_at={1: EFFECT + 60 * DAY - timedelta(seconds=1)}), standing()),
    ("effect_not_backdated", told(effected_at={1: ASKED.replace(minute=32)}), standing()),
    ("items_known", told(items=(1, 3)), standing()),
    ("items_known", told(RELEASE, items=(9,)), KEPT),
    ("coverage_fits", told(coverage="some"), standing()),
    ("coverage_fits", told(coverage="none"), standing()),
    ("coverage_fits", told(statuses={1: "preserved", 2: "partly_preserved"}), standing()),
    ("reports_agree", told(statuses={1: "impossible", 2: "preserved"}), KEPT),
    ("reports_agree", told(statuses={1: "partly_preserved", 2: "preserved"}), KEPT),
    ("reports_agree", told(ends_at={1: END - DAY, 2: END}), KEPT),
    ("reports_agree", told(effected_at={1: EFFECT + DAY, 2: EFFECT}), KEPT),
    ("end_later", told(GRANTED, decision="yes", ends_at={1: END}), KEPT),
    ("preservation_ground_only", told(REFUSAL, ground="no_dual_criminality"), standing()),
    ("preservation_ground_only", told(REFUSAL, ground="bank_secrecy"), standing()),
    ("preservation_ground_only", told(REFUSAL, ground="domestic_prohibition"), standing()),
    ("refusal_whole", told(REFUSAL, coverage="some"), standing()),
    ("refusal_whole", told(REFUSAL, items=(1,)), standing()),
]


@pytest.mark.parametrize(("code", "said", "place"), AT_ITS_PLACE)
def test_the_thread_shows_which_rule_a_message_breaks_at_its_place(
    code: str, said: CaseMessage, place: Standing
) -> None:
    assert thread_breaches(said, place) == (code,)


def test_at_its_place_the_sample_report_breaks_nothing_and_neither_does_its_repeat() -> None:
    assert thread_breaches(told(), standing()) == ()
    assert thread_breaches(told(), KEPT) == ()


def test_people_state_minutes_so_the_minute_of_arrival_is_in_time() -> None:
    assert thread_breaches(told(effected_at={1: ASKED.replace(second=0)}), standing()) == ()


def test_a_measure_may_go_back_to_an_oral_request() -> None:
    request = replace(told(), consigned_at=ASKED, facts=MessageFacts(oral_at=ASKED - 2 * timedelta(hours=1)))
    assert asked_at(request) == ASKED - timedelta(hours=2)
    early = told(effected_at={1: ASKED - timedelta(hours=1)})
    assert thread_breaches(early, standing(asked_at=asked_at(request))) == ()


def test_sixty_days_bind_under_the_two_conventions_only() -> None:
    short = told(ends_at={1: EFFECT + DAY})
    for codes, found in (
        (("uncc",), ("sixty_days",)),
        (("bilateral", "budapest"), ("sixty_days",)),
        (("bilateral",), ()),
    ):
        assert thread_breaches(short, standing(instruments=frozenset(codes))) == found


def test_grounds_are_those_of_the_instrument() -> None:
    def of(*codes: str) -> frozenset[str]:
        return grounds("preservation", frozenset(codes))

    assert "political_offence" in of("budapest")
    assert "political_offence" not in of("uncc")
    assert of("bilateral") == of("budapest", "uncc")
    assert all(code in code_list("refusal_ground") for code in of())


@pytest.mark.parametrize(
    ("kind", "ground", "state"),
    [
        ("preserved_traffic_data_disclosure", "no_dual_criminality", "refusal_consultation"),
        (
            "preserved_traffic_data_disclosure",
            "preservation_dual_criminality_reserved",
            "refusal_consultation",
        ),
        ("preserved_traffic_data_disclosure", "essential_interests", "refused"),
        (None, "no_dual_criminality", "refused"),
    ],
)
def test_preserved_traffic_data_is_withheld_on_the_grounds_of_article_30_only(
    kind: str | None, ground: str, state: str
) -> None:
    opening = replace(
        told(), side=Side.REQUESTING, seq=1, seen=0, message_type="request", in_reply_to=None,
        facts=MessageFacts(items=(1,), instruments=("budapest",), kind=kind),
    )  # fmt: skip
    refusing = replace(
        told(REFUSAL, ground=ground, items=(1,)), seq=1, seen=1, message_id="us-oia/" + "b" * 32
    )
    asked = replace(refusing, message_type="refusal_consultation", message_id="us-oia/" + "c" * 32)
    view = fold(Track.REQUEST, [opening, asked, replace(refusing, seq=2)])
    assert view.state == state


def test_a_ground_of_a_newer_version_is_left_to_a_person() -> None:
    assert thread_breaches(told(REFUSAL, ground="a_ground_of_next_year"), standing()) == ()


def refusal(**said: Any) -> Form:
    return message("refusal", {**REFUSAL["content"], **said}, author=REFUSAL["author"])


UNSAID = refusal(data_may_vanish=None)
RESERVED = refusal(ground="preservation_dual_criminality_reserved")
OWN: list[tuple[str, Form, dict[str, Any]]] = [
    ("four_eyes", REFUSAL, {"drafter": None}),
    ("four_eyes", REFUSAL, {"drafter": "us-ap-01"}),
    ("four_eyes", REFUSAL, {"drafter": "US-ap-01"}),
    ("vanishing_stated", UNSAID, {}),
    ("reservation_declared", RESERVED, {}),
    ("present_end_known", EXTENSION, {"ends": {1: END - DAY}}),
    ("consigned_before_end", EXTENSION, {"ends": {1: EFFECT, 2: EFFECT}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "form", "known"), OWN)
def test_the_sender_sees_what_nobody_else_could(code: str, form: Form, known: Mapping[str, Any]) -> None:
    given = {
        "officer": "us-ap-01",
        "drafter": "us-do-05",
        "ends": {1: END, 2: END},
        "reservation": None,
        **known,
    }
    assert {breach.code for breach in sender_breaches(form, **given)} == {code}
    sound = {"officer": "us-ap-01", "drafter": "us-do-05", "ends": {1: END, 2: END}, "reservation": True}
    assert sender_breaches(REFUSAL, **sound) == ()


def test_a_declared_reservation_may_be_used() -> None:
    assert sender_breaches(RESERVED, officer="a", drafter="b", ends={}, reservation=True) == ()


def test_every_rule_has_a_sentence_that_ends_and_an_article() -> None:
    for rule in RULES.values():
        assert rule.sentence.endswith(".")
        assert rule.source == "design rule" or any(name in rule.source for name in ("Budapest", "UNCC"))


def test_every_rule_is_tested_here_or_at_the_desk() -> None:
    here = {row[0] for row in (*BROKEN, *AT_ITS_PLACE, *OWN)}
    # Found by the fold (test_case.py), the desk and the casebook (services/preservation).
    elsewhere = {
        "allowed_ground",
        "act_of_side",
        "asked_authority",
        "state_allows",
        "answers_open_question",
        "linked_decision_seen",
    }
    assert here | elsewhere == set(RULES)


def test_every_side_has_its_acts() -> None:
    assert {act.side for act in ACTS.values()} == set(Side)
    assert {name for name, act in ACTS.items() if act.needs_approver} == {
        "refusal",
        "traffic_data_disclosure",
    }
    assert needs_approver("preservation_report", {"conditions": [{}]})


OFFICE = Office(authority_id="us-ccips", office="Desk", function="24/7 point", email="duty@example.org")
KNOWN = Known(
    now=EFFECT,
    office=OFFICE,
    received_at=ASKED,
    read_at=None,
    statuses={1: "open", 2: "open"},
    ends={},
    renewable=True,
    term_days=90,
)


SAID = (
    "items",
    "days",
    "effected_at",
    "ends_at",
    "item_nos",
    "current_ends_at",
    "granted",
    "until",
    "renewable",
)
ODD = [
    None,
    True,
    -1,
    10**400,
    1.5,
    "",
    "x",
    "9999-12-31T23:59:59Z",
    [],
    [1],
    [None],
    {},
    {"item_no": 1},
    [{"item_no": []}],
]


@pytest.mark.parametrize("act", ACTS.values(), ids=lambda act: act.message_type)
def test_whatever_is_said_becomes_a_form_or_is_refused_in_words(act: Act) -> None:
    known = replace(KNOWN, statuses={1: "preserved"}, ends={1: END}, asked_until=END)
    for member in SAID:
        for odd in ODD:
            with suppress(MessageInvalid):
                form = message(act.message_type, act.complete({"reason": "x", member: odd}, known))
                form_breaches(form)


def test_what_is_said_of_all_items_holds_for_those_not_listed() -> None:
    said = {
        "effected_at": "2026-11-19T01:10:00Z",
        "measure": "m",
        "custodian": "c",
        "custodian_reference": "r",
    }
    gone = {"item_no": 2, "status": "impossible", "reason": "Gone."}
    content = ACTS["preservation_report"].complete({**said, "items": [gone]}, KNOWN)
    assert content["coverage"] == "some"
    assert content["items"][0] == gone
    assert content["items"][1]["ends_at"] == "2027-02-17T01:10:00Z"
    assert content["renewal_must_be_requested_by"] == "2027-02-10"
