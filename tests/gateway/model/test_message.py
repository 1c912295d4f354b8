"""Acknowledgements: valid forms, deterministic, and refused where something essential is missing."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.model.codes import Assurance, Side, Track
from gateway.model.message import (
    Human,
    MessageInvalid,
    Office,
    Place,
    ThreadParties,
    acknowledgement_type,
    build_acknowledgement,
    build_preservation_acknowledgement,
    wire_time,
)
from gateway.services.forms import check_form

NOW = datetime(2026, 11, 18, 22, 49, 0, 500_000, tzinfo=UTC)
PARTIES = ThreadParties(
    thread_id="029b56a4319a7ac8eca005a22a448f8a",
    requesting="ro-diicot",
    requested="us-ccips",
    reference_requesting="RO-DIICOT/247/2026/0562",
    reference_requested="US-24-7-2026-8841",
)
PLACE = Place(bid="0" * 32, side=Side.REQUESTED, seq=1, seen=1, in_reply_to="ro-diicot/" + "a" * 32)
OFFICE = Office(
    authority_id="us-ccips",
    office="24/7 duty desk",
    function="Duty officer, 24/7 contact point",
    role="duty_officer",
    email="duty@us-ccips.example.org",
    phone="+999 100 0001",
)
HUMAN = Human(assurance=Assurance.LOCAL_OPERATOR, officer="us-do-05")
COMMON: dict[str, Any] = {
    "parties": PARTIES,
    "place": PLACE,
    "author": OFFICE,
    "now": NOW,
    "language": "en",
    "received_at": NOW - timedelta(minutes=16),
    "human": HUMAN,
}
PRESERVATION: dict[str, Any] = {**COMMON, "read_at": NOW, "next_report_by": NOW + timedelta(hours=7)}

#: The acknowledgement of ``COMMON``, member for member in the order in which it is written and sealed.
STORED: dict[str, Any] = {
    "schema_version": "1.0",
    "message_type": "acknowledgement",
    "message_id": "us-ccips/00000000000000000000000000000000",
    "thread": {
        "thread_id": "029b56a4319a7ac8eca005a22a448f8a",
        "requesting": {"authority_id": "ro-diicot", "reference": "RO-DIICOT/247/2026/0562"},
        "requested": {"authority_id": "us-ccips", "reference": "US-24-7-2026-8841"},
    },
    "in_reply_to": "ro-diicot/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "side": "requested",
    "seq": 1,
    "seen": 1,
    "author": {
        "authority_id": "us-ccips",
        "office": "24/7 duty desk",
        "function": "Duty officer, 24/7 contact point",
        "role": "duty_officer",
    },
    "addressee": {"authority_id": "ro-diicot"},
    "created_at": "2026-11-18T22:49:00Z",
    "language": "en",
    "translations": [],
    "attachments": [],
    "human": {"assurance": "local_operator", "officer": "us-do-05", "assertion": None},
    "content": {
        "received_at": "2026-11-18T22:33:00Z",
        "handling_office": {
            "office": "24/7 duty desk",
            "email": "duty@us-ccips.example.org",
            "phone": "+999 100 0001",
        },
        "completeness": "not_checked",
        "paper_original_wanted": False,
        "next_step_by": None,
    },
}


def test_an_acknowledgement_is_a_valid_form_for_writer_and_reader() -> None:
    form = build_acknowledgement(
        **COMMON, completeness="complete", next_step_by=date(2026, 12, 1), note="Received."
    )
    assert check_form(form, "message") == check_form(form, "message", reader=True) == ()
    assert form["message_id"] == f"us-ccips/{'0' * 32}"
    assert form["created_at"] == "2026-11-18T22:49:00Z"


def test_a_preservation_acknowledgement_is_a_valid_form_for_writer_and_reader() -> None:
    form = build_preservation_acknowledgement(**PRESERVATION, blocking_questions=["Which time zone?"])
    assert check_form(form, "message") == check_form(form, "message", reader=True) == ()
    form = build_preservation_acknowledgement(
        **PRESERVATION, competent=False, forwarded_to="National police, 24/7"
    )
    assert check_form(form, "message") == ()


def test_an_act_gives_exactly_this_form() -> None:
    assert json.dumps(build_acknowledgement(**COMMON)) == json.dumps(STORED)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"parties": replace(PARTIES, reference_requested=None)}, "reference"),
        ({"author": replace(OFFICE, office="")}, "office"),
        ({"author": replace(OFFICE, email="")}, "e-mail"),
        ({"author": replace(OFFICE, authority_id="us-oia")}, "does not belong"),
        ({"place": replace(PLACE, side=Side.REQUESTING)}, "does not belong"),
        ({"completeness": "perhaps"}, "completeness"),
    ],
)
def test_an_acknowledgement_without_the_essential_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(MessageInvalid, match=what):
        build_acknowledgement(**{**COMMON, **changes})


@pytest.mark.parametrize(
    ("changes", "what"), [({"next_report_by": NOW}, "ahead"), ({"competent": False}, "forwarded")]
)
def test_a_preservation_acknowledgement_without_the_essential_is_refused(
    changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(MessageInvalid, match=what):
        build_preservation_acknowledgement(**{**PRESERVATION, **changes})


def test_each_track_has_its_acknowledgement() -> None:
    assert [acknowledgement_type(track) for track in Track] == [
        "acknowledgement",
        "preservation_acknowledgement",
    ]


def test_a_naive_time_is_a_defect() -> None:
    with pytest.raises(ValueError, match="aware"):
        wire_time(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
