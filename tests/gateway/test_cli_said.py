"""What the command line says of an act: whether it was sent, and whether the clock goes on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.cli import said, trust
from gateway.web import calls as api
from gateway.web.calls import trust as api_trust


@pytest.mark.parametrize(
    ("lane", "second", "is_said"),
    [("urgent", None, True), ("urgent", "us-07", False), ("routine", None, False)],
)
def test_an_urgent_acknowledgement_that_nobody_signed_says_that_people_go_on_being_called(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lane: str,
    second: str | None,
    is_said: bool,
) -> None:
    async def answered(*_asked: Any, **_how: Any) -> api.SubmissionView:
        return api.SubmissionView(
            sender="us-ccips",
            bid="0" * 32,
            to="ro-diicot",
            thread_id="1" * 32,
            lane=lane,
            channel=None,
            state="",
        )

    monkeypatch.setattr(said, "call", answered)
    assert said.acknowledge("ro-diicot/" + "2" * 32, officer="us-05", second=second) == 0
    assert ("go on being called" in capsys.readouterr().out) is is_said


@pytest.mark.parametrize("is_prepared", [True, False])
def test_a_second_signature_says_whether_it_was_sent_or_is_still_to_be_signed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_prepared: bool
) -> None:
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    there = {"sender": "ro-diicot", "bid": "3" * 32, "to": "us-ccips", "thread_id": "1" * 32}
    act = api.PreparedActView(
        **there,
        id="4" * 32,
        officer="ro-ap-01",
        message_type="additional_information",
        lane="urgent",
        digest="5" * 64,
        challenge="YQ",
        page="https://duty.ro-diicot.example/",
        prepared_at=at,
        expires_at=at,
    )

    async def answered(*_asked: Any, **_how: Any) -> api_trust.SecondSignResult:
        return api_trust.SecondSignResult(
            sender="ro-diicot",
            bid="2" * 32,
            peer="us-ccips",
            officer="ro-do-01",
            sent_at=at,
            due_at=at,
            message=api.SubmissionView(
                **there, lane="urgent", channel=None, state="", act=act if is_prepared else None
            ),
        )

    monkeypatch.setattr(trust, "call", answered)
    assert trust.second_sign("ro-diicot/" + "2" * 32, officer="ro-ap-01") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert ("https://duty.ro-diicot.example/" in told) is is_prepared
    assert ("nothing was sent yet" in told) is is_prepared
    assert ("us-ccips is told" in told) is not is_prepared
