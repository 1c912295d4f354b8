"""What people and programs are told."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from gateway.demo.exchange import Outcome, Verified
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.samples import read_samples, read_states
from gateway.demo.telling import Teller, as_data
from gateway.demo.ways import Way

SAMPLES = read_samples()
LOG = Verified(authority_id="ke-ag", size=18, root="ab" * 32, verified=True, faults=())


def outcome(number: int) -> Outcome:
    return Outcome(
        sample=SAMPLES[number - 1],
        channel="gateway_https",
        lane="routine",
        bid="0" * 32,
        state="received",
        receipts=("submission", "consignment", "handover"),
        size_bytes=92_102,
        seconds=0.4,
    )


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch) -> Teller:
    told = Teller(samples=SAMPLES, states=read_states(), quiet=False)
    told.console = Console(file=io.StringIO(), width=110, highlight=False)
    return told


def text(teller: Teller) -> str:
    return cast(io.StringIO, teller.console.file).getvalue()


def play(teller: Teller, number: int) -> None:
    sample = SAMPLES[number - 1]
    teller.begins(sample)
    teller.step(sample, "{from} seals it for {to}", "submission")
    teller.step(sample, "the gateway of {to} has it", "consignment")
    teller.done(outcome(number))


def test_it_says_first_what_happens_that_it_is_fictional_and_how_long_it_takes(teller: Teller) -> None:
    teller.begin(evidence_size_bytes=8 * 1024**2, way=Way.told)
    said = " ".join(text(teller).split())
    assert "own keys, own database, own process" in said
    assert "fictional" in said
    assert "usually takes about 30 seconds" in said


def test_a_request_says_who_asks_whom_for_what_and_what_proved_each_step(teller: Teller) -> None:
    play(teller, 1)
    first, kind, travels, sealed, stored, *_ = text(teller).splitlines()
    assert first == "1  Kenya asks Singapore for the bank records behind an ivory trade"
    assert "KE-AG/MLA/2026/0147" in kind
    assert "89.9 KiB; routine lane, over HTTPS" in travels
    assert "Kenya seals it for Singapore" in sealed
    assert "submission receipt" in sealed
    assert "The gateway of Singapore has it" in stored


def test_requests_are_told_in_their_order_whichever_ends_first(teller: Teller) -> None:
    play(teller, 2)
    assert text(teller) == ""
    play(teller, 1)
    said = text(teller)
    assert said.index("1  Kenya") < said.index("2  Senegal")


def test_where_a_program_listens_standard_output_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    told = Teller(samples=SAMPLES, states=read_states(), quiet=True)
    told.begin(evidence_size_bytes=1, way=Way.told)
    play(told, 1)
    told.finish([outcome(1)], [LOG], network())
    told.where_to_look(network(), [outcome(1)], serving=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "1 of 6: Kenya asks Singapore for the bank records behind an ivory trade: done\n"


def network() -> LabNetwork:
    stand_in: Any = SimpleNamespace(
        homes="/tmp/a b", home=lambda aid: f"/tmp/a b/{aid}", peak_rss_mib={"ke-ag": 111.6}
    )
    return cast(LabNetwork, stand_in)


def test_the_end_shows_the_proof_and_commands_that_can_be_pasted(teller: Teller) -> None:
    teller.finish([outcome(1)], [LOG], network())
    teller.where_to_look(network(), [outcome(1)], serving=True)
    said = text(teller)
    assert "ke-ag       18        abababababababababababab…   yes        112 MiB" in said
    assert "rogatory audit verify --home '/tmp/a b/sg-agc'" in said
    assert "until you press Ctrl-C" in said


def test_a_failure_shows_the_reason_and_the_last_lines_and_nothing_moves_the_cursor(
    teller: Teller, capsys: pytest.CaptureFixture[str]
) -> None:
    teller.fail(DemoFailed("It broke."), {"ke-ag": ("one \x1b[2J[bold]", "two")})
    err = capsys.readouterr().err
    assert "It broke." in err
    assert "[bold]" in err
    assert "\x1b[2J" not in err


def test_the_answer_for_programs_says_how_far_a_failed_story_came() -> None:
    data = as_data([outcome(1)], [LOG], {"demo": 1.0}, DemoFailed("It broke."))
    assert data["ok"] is False
    assert data["error"] == {"code": "demo-failed", "sentence": "It broke."}
    assert [request["sample"] for request in data["requests"]] == ["01_mla_bank_records_en"]
