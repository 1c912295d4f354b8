"""Acts in a preservation: each from its officer to both cases; a rule that is broken changes nothing."""

import hashlib
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.sending.handin import Attachment
from tests.gateway.services.preservation.night import (
    DAY,
    RO,
    US,
    asked,
    everything,
    iso,
    reported,
    say,
    states,
)
from tests.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US) as world:
        yield world


async def test_a_preservation_runs_from_acknowledgement_to_release(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(minutes=20))
    await say(world, US, ref, "preservation_acknowledgement", {})
    assert await states(world, ref) == ("preservation_acknowledged",) * 2
    world.advance(timedelta(hours=1))
    await reported(world, ref)
    assert await states(world, ref) == ("preserved",) * 2
    await say(
        world,
        RO,
        ref,
        "preservation_extension_request",
        {"reason": "The request is being translated.", "mla_expected_by": "2027-03-05"},
    )
    await say(world, US, ref, "preservation_extension_report", {"granted": True})
    assert await states(world, ref) == ("preservation_extended",) * 2
    ro, us = [await world[aid].desk.preservation.standing(ref) for aid in (RO, US)]
    assert ro.ends == us.ends
    assert all(end - ro.effected[n] == 180 * DAY for n, end in ro.ends.items())
    await say(
        world,
        RO,
        ref,
        "mla_follow_up_notice",
        {
            "mla_reference": "RO-MJ/1",
            "from_authority": "ro-mj",
            "to_authority": "us-oia",
            "sent_at": iso(world.clock.now()),
            "channel": "gateway_https",
        },
    )
    assert await states(world, ref) == ("held_pending_decision",) * 2
    await say(world, RO, ref, "preservation_release", {"reason": "The data was handed over."})
    assert await states(world, ref) == ("preservation_released",) * 2
    await world.check()


async def test_a_risk_is_told_and_decided_on(world: World) -> None:
    ref = await asked(world)
    said = {"risk": "confidentiality", "explanation": "The provider tells its users.", "question": "Go on?"}
    await say(world, US, ref, "preservation_risk_notice", said)
    assert await states(world, ref) == ("preservation_at_risk",) * 2
    await say(world, RO, ref, "preservation_risk_decision", {"decision": "go_on"})
    assert await states(world, ref) == ("preservation_acknowledged",) * 2


REFUSAL = {
    "ground": "essential_interests",
    "legal_source": "Budapest Convention 29(5)(b)",
    "reasons": "Preservation would prejudice an operation.",
    "alternative": "A request after that date would be examined.",
    "data_may_vanish": True,
}


async def test_a_refusal_is_drafted_by_one_officer_and_signed_by_an_approver(world: World) -> None:
    ref = await asked(world)
    await say(world, US, ref, "refusal", REFUSAL, approver="us-ap-01")
    assert await states(world, ref) == ("preservation_refused",) * 2


async def test_a_disclosure_of_traffic_data_brings_its_documents(world: World) -> None:
    ref = await asked(world)
    await reported(world, ref)
    said = {"provider": {"state": "NL", "name": "Example Transit BV"}, "path": "AS64500 to AS64501"}
    flows = b"2026-11-15T00:58:12Z,198.51.100.77,443\n"
    file = Attachment(filename="flows.csv", open=lambda: io.BytesIO(flows), size=len(flows))
    sent = await say(world, US, ref, "traffic_data_disclosure", said, approver="us-ap-01", attachments=[file])
    assert await states(world, ref) == ("preserved",) * 2
    form = await world[RO].desk.preservation.form_of(US, sent.bid)
    (row,) = form["attachments"]
    assert (row["role"], row["sha256"]) == ("digital_evidence", hashlib.sha256(flows).hexdigest())
    assert form["content"]["attachment_ids"] == [row["attachment_id"]]
    assert form["author"]["role"] == "approver"


async def test_a_return_names_where_it_was_forwarded(world: World) -> None:
    ref = await asked(world)
    said = {"return_reason": "not_competent", "explanation": "The data lies with a State authority."}
    await say(world, US, ref, "competence_notice", said)
    assert await states(world, ref) == ("preservation_returned",) * 2


async def test_questions_and_reports_on_progress_are_filed_and_change_nothing(world: World) -> None:
    ref = await asked(world)
    await say(world, RO, ref, "status_query", {"question": "When is the report to be expected?"})
    await say(world, US, ref, "status_report", {"stage": "The provider was written to."})
    assert await states(world, ref) == ("preservation_requested",) * 2
    await reported(world, ref)
    await say(world, US, ref, "preservation_expiry_warning", {})
    assert await states(world, ref) == ("preserved",) * 2


Row = tuple[str, str, str, dict[str, Any], str, str]

#: What is wrong, who says it, the act, its content, the rule and the article it rests on.
BEFORE_REPORT: list[Row] = [
    ("less than 60 days", US, "preservation_report", {"days": 59}, "sixty_days", "29(7)"),
    (
        "in effect before the request came",
        US,
        "preservation_report",
        {"effected_at": "2026-11-21T08:59:00Z"},
        "effect_not_backdated",
        "29(7)",
    ),
    (
        "in effect tomorrow",
        US,
        "preservation_report",
        {"effected_at": "2026-11-22T09:00:00Z"},
        "effect_not_ahead",
        "29(7)",
    ),
    ("an item nobody asked for", US, "preservation_report", {"items": [{"item_no": 9}]},
     "items_known", "29(2)"),
    (
        "one item twice, each time otherwise",
        US,
        "preservation_report",
        {"items": [{"item_no": 1}, {"item_no": 1, "ends_at": "2027-08-01T00:00:00Z"}, {"item_no": 2}]},
        "items_known",
        "29(2)",
    ),
    ("all, though one is impossible", US, "preservation_report",
     {"coverage": "all", "items": [{"item_no": 1, "status": "impossible", "reason": "Gone."}]},
     "coverage_fits", "29(3)"),
    ("renewal after the end", US, "preservation_report",
     {"renewable": True, "renewal_must_be_requested_by": "2028-01-01"}, "renewal_stated", "16(2)"),
    ("refused for lack of dual criminality", US, "refusal",
     {**REFUSAL, "ground": "no_dual_criminality"}, "preservation_ground_only", "29(3)"),
    ("refused as trivial", US, "refusal", {**REFUSAL, "ground": "de_minimis"},
     "preservation_ground_only", "29(3)"),
    ("refused under a reservation that is not declared", US, "refusal",
     {**REFUSAL, "ground": "preservation_dual_criminality_reserved"}, "reservation_declared", "29(4)"),
    ("refused without words", US, "refusal", {**REFUSAL, "reasons": " "}, "reason_given", "27(7)"),
    ("refused in part", US, "refusal", {**REFUSAL, "coverage": "some", "item_nos": [1]},
     "refusal_whole", "29(5)"),
    ("answer wanted yesterday", US, "preservation_risk_notice",
     {"risk": "prejudice", "explanation": "x", "question": "y", "answer_by": "2026-11-20T00:00:00Z"},
     "answer_time_ahead", "29(6)"),
    ("next report already past", US, "preservation_acknowledgement",
     {"next_report_by": "2026-11-20T00:00:00Z"}, "next_report_ahead", "35"),
    ("read before it came", US, "preservation_acknowledgement",
     {"read_at": "2026-11-20T00:00:00Z"}, "times_in_order", "35"),
    ("decided where nothing was asked", RO, "preservation_risk_decision", {"decision": "stop"},
     "state_allows", "design rule"),
    ("a disclosure before anything is preserved", US, "traffic_data_disclosure",
     {"provider": {"state": "NL", "name": "Example"}, "path": "x"}, "state_allows", "design rule"),
    ("the requesting side reports", RO, "preservation_report", {}, "act_of_side", "29"),
    ("the requested side releases", US, "preservation_release", {"reason": "x"}, "act_of_side", "29"),
]  # fmt: skip

FOLLOW_UP = {
    "mla_reference": "RO-MJ/1",
    "from_authority": "ro-mj",
    "to_authority": "us-oia",
    "sent_at": "2026-11-21T09:30:00Z",
    "channel": "gateway_https",
}
AFTER_REPORT: list[Row] = [
    ("a report that takes an item back", US, "preservation_report",
     {"items": [{"item_no": 1, "status": "impossible", "reason": "Gone."}], "coverage": "some"},
     "reports_agree", "29(7)"),
    ("a report with an earlier end", US, "preservation_report", {"days": 70}, "reports_agree", "29(7)"),
    ("a report with another time of effect", US, "preservation_report",
     {"effected_at": "2026-11-21T09:30:00Z"}, "reports_agree", "29(7)"),
    ("prolonged from an end nobody reported", RO, "preservation_extension_request",
     {"current_ends_at": "2027-02-01T00:00:00Z", "reason": "x"}, "present_end_known", "42(9)"),
    ("prolonged to an earlier day", RO, "preservation_extension_request",
     {"requested_until": "2027-01-01T00:00:00Z", "reason": "x"}, "end_later", "42(9)"),
    ("granted until an earlier day", US, "preservation_extension_report",
     {"granted": True, "until": "2027-01-01T00:00:00Z"}, "end_later", "42(9)"),
    ("followed up from a third State", RO, "mla_follow_up_notice", {**FOLLOW_UP, "from_authority": "fr-mj"},
     "follows_preservation", "29(7)"),
    ("followed up tomorrow", RO, "mla_follow_up_notice", {**FOLLOW_UP, "sent_at": "2026-11-22T12:00:00Z"},
     "follows_preservation", "29(7)"),
    ("disclosed of a provider at home", US, "traffic_data_disclosure",
     {"provider": {"state": "US", "name": "Example"}, "path": "x"}, "other_provider_involved", "30(1)"),
    ("a document that is not attached", US, "traffic_data_disclosure",
     {"provider": {"state": "NL", "name": "Example"}, "path": "x", "attachment_ids": ["A9"]},
     "documents_listed", "30(1)"),
    ("an item nobody asked for is released", RO, "preservation_release", {"reason": "x", "item_nos": [9]},
     "items_known", "29(2)"),
    ("refused after it was preserved", US, "refusal", REFUSAL, "state_allows", "design rule"),
]  # fmt: skip
AFTER_END: list[Row] = [
    ("prolonged too late", RO, "preservation_extension_request", {"reason": "x"},
     "consigned_before_end", "29(7)"),
    ("followed up too late", RO, "mla_follow_up_notice", FOLLOW_UP, "consigned_before_end", "29(7)"),
]  # fmt: skip

SAID_OF_ALL = {
    "measure": "preservation letter",
    "effected_at": "2026-11-21T10:00:00Z",
    "custodian": "Example Hosting LLC",
    "custodian_reference": "EX-1",
}


async def refused(world: World, ref: str, row: Row) -> None:
    """Let an officer say what breaks a rule; assert code, article and sentence, and that nothing changed."""
    name, aid, act, said, code, article = row
    before = [await everything(world, each) for each in (RO, US)]
    approver = "us-ap-01" if act in {"refusal", "traffic_data_disclosure"} else None
    said = {**SAID_OF_ALL, **said} if act == "preservation_report" else said
    with pytest.raises(GatewayRefusal) as caught:
        await say(world, aid, ref, act, said, approver=approver)
    assert caught.value.code == "rule-broken", (name, caught.value.items)
    for item in caught.value.items:
        assert (item["code"], article in item["source"]) == (code, True), name
        assert item["sentence"].endswith(".")
    assert [await everything(world, each) for each in (RO, US)] == before, name


async def test_what_breaks_a_rule_before_a_report_is_refused_and_changes_nothing(
    world: World,
) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    for row in BEFORE_REPORT:
        await refused(world, ref, row)


async def test_what_breaks_a_rule_after_a_report_is_refused_and_changes_nothing(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    await reported(world, ref, effected_at=SAID_OF_ALL["effected_at"])
    for row in AFTER_REPORT:
        await refused(world, ref, row)
    world.advance(91 * DAY)
    for row in AFTER_END:
        await refused(world, ref, row)


async def test_nobody_refuses_or_sets_conditions_alone(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    condition = {"condition_no": 1, "type": "confidentiality", "text": "Keep it to yourselves."}
    before = [await everything(world, each) for each in (RO, US)]
    for act, said in (
        ("refusal", REFUSAL),
        ("preservation_report", {**SAID_OF_ALL, "conditions": [condition]}),
    ):
        for approver in (None, "night-01"):
            with pytest.raises(GatewayRefusal) as caught:
                await say(world, US, ref, act, said, approver=approver)
            assert [item["code"] for item in caught.value.items] == ["four_eyes"]
    assert [await everything(world, each) for each in (RO, US)] == before
