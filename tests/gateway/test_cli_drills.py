"""The scorecard as a table on the terminal."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from gateway.cli.drills import _show_card
from gateway.web.calls.drills import ChannelScoreView, PointScoreView, ScorecardResult

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_an_answer_that_nobody_signed_has_words_of_its_own_and_is_not_ready() -> None:
    point = PointScoreView(
        authority_id="ro-diicot",
        name="Fictional office",
        channels=[ChannelScoreView(channel="gateway_https", state="arrived", took_s=3.0)],
        person_took_s=None,
        unsigned_took_s=420.0,
        assurance="local_operator",
        verdict="unsigned",
    )
    card = ScorecardResult(
        drill_id="0" * 32,
        network="bilateral",
        officer="L-1",
        started_at=START,
        ends_at=START + timedelta(hours=24),
        is_over=False,
        ready=0,
        points=[point],
        chart="",
    )
    file = io.StringIO()
    _show_card(Console(file=file, width=140), card)
    said = file.getvalue()
    for words in ("0 of 1 points ready", "unsigned answer 7 min", "local operator", "not signed"):
        assert words in said
    assert "Nobody signed the answer of ro-diicot: it would stop no clock at night." in said
