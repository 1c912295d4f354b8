"""When a second person is owed for an emergency, and who counts as one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.second_signature import (
    SecondSigner,
    StoodBy,
    due_at,
    is_owed,
    is_second,
    second_signers,
    standing_bid,
    standing_content,
    stood_by,
)


def form(level: str) -> dict[str, Any]:
    return {"urgency": {"level": level}}


@pytest.mark.parametrize("message_type", ["request", "preservation_request", "written_confirmation"])
@pytest.mark.parametrize("assurance", ["passkey", "token", "local_operator", None])
def test_an_emergency_that_one_person_sent_owes_a_second_one(
    message_type: str, assurance: str | None
) -> None:
    assert is_owed(form("emergency"), message_type, assurance)
    assert not is_owed(form("urgent"), message_type, assurance)


def test_two_persons_on_the_telephone_are_two_persons_already() -> None:
    assert not is_owed(form("emergency"), "request", "second_person_telephone")


def test_an_oral_emergency_owes_one_to_the_side_that_asks_only() -> None:
    asked = {"side": "requesting", "content": {"urgency_level": "emergency"}}
    assert is_owed(asked, "oral_request_note", "passkey")
    assert not is_owed({**asked, "side": "requested"}, "oral_request_note", "passkey")


def test_answers_and_forms_of_the_wrong_shape_owe_nothing() -> None:
    assert not is_owed({"content": {}}, "preservation_acknowledgement", "passkey")
    assert not is_owed({"urgency": "emergency"}, "request", "passkey")


def test_sixty_minutes_are_counted_in_elapsed_time() -> None:
    # The night on which clocks in Bucharest are put back.
    sent = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert due_at(sent) - sent == timedelta(minutes=60)


def test_the_same_officer_spelled_otherwise_is_no_second_one() -> None:
    assert not is_second("d-1", "D-1")
    assert is_second("D-2", "D-1")


# The message of the second officer

ID, DIGEST = "ro-diicot/" + "1" * 32, "a" * 64


def standing(**changes: Any) -> dict[str, Any]:
    form = {"message_type": "additional_information", "in_reply_to": ID, "attachments": []}
    return form | {"content": standing_content(ID, DIGEST)} | changes


def said(answer: object, **more: object) -> dict[str, Any]:
    return {"answers": [{"point_no": None, "answer": answer} | more]}


WORDS = standing_content(ID, DIGEST)["answers"][0]["answer"]


def test_the_fixed_words_name_the_emergency_and_what_was_sent() -> None:
    assert stood_by(standing()) == StoodBy(message_id=ID, manifest_sha256=DIGEST)
    assert ID in WORDS
    assert DIGEST in WORDS


@pytest.mark.parametrize(
    "form",
    [
        {},
        standing(message_type="correction"),
        standing(in_reply_to="ro-diicot/" + "2" * 32),
        standing(in_reply_to=None),
        standing(attachments=[{"attachment_id": "A1"}]),
        standing(content=[]),
        standing(content={"answers": "x"}),
        standing(content={"answers": [WORDS]}),
        standing(content={"answers": standing_content(ID, DIGEST)["answers"] * 2}),
        standing(content=said(WORDS + " And more.")),
        standing(content=said("I think: " + WORDS)),
        standing(content=said(WORDS.replace("a" * 64, "A" * 64))),
        standing(content=said(WORDS, point_no=1)),
        standing(content=said(WORDS, not_available_reason="x")),
        standing(content=said(None)),
    ],
)
def test_whatever_else_is_said_stands_by_nothing(form: dict[str, Any]) -> None:
    assert stood_by(form) is None


def test_an_officer_who_asks_twice_makes_one_message() -> None:
    assert standing_bid(ID, "A-7") == standing_bid(ID, "A-7") != standing_bid(ID, "A-8")
    assert re.fullmatch("[0-9a-f]{32}", standing_bid(ID, "A-7"))


def signer(officer: str, assurance: str, n: int = 0) -> SecondSigner:
    at = datetime(2026, 11, 21, 9, n, tzinfo=UTC)
    return SecondSigner(officer=officer, assurance=assurance, at=at, message_id=f"x/{n}")


def test_signers_are_others_once_each_and_the_passkey_first() -> None:
    found = [signer("D-1", "passkey"), signer("A-7", "local_operator", 1), signer("a-7", "passkey", 2)]
    found.append(signer("A-8", "local_operator", 3))
    seen = [(each.officer, each.assurance) for each in second_signers("d-1", found)]
    assert seen == [("a-7", "passkey"), ("A-8", "local_operator")]
    assert second_signers(None, found) == (), "of nobody nobody is another"
