"""What the command line says of an acknowledgement: who reads it must know whether the clock goes on."""

from typing import Any

import pytest

from gateway.cli import said
from gateway.web import calls as api


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
