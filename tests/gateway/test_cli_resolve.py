"""``rogatory directory resolve``, ``show``, ``list``: from the sample, from a home, and refused well."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.cli import main
from gateway.cli.output import terminal
from gateway.cli.resolveshown import show_authority, show_list, show_resolution
from gateway.demo.samples import read_sample_directory
from gateway.model.authority import LookupStatus, parse_entry
from gateway.model.listing import Query, Requester, listing_of
from gateway.model.resolution import resolve
from gateway.model.states import parse_state
from gateway.web.authorities import authority_view
from gateway.web.calls import DirectoryEntryView
from gateway.web.calls.addressees import ListedKeyView
from gateway.web.choosing import resolution_view
from tests.sampledata import entry, sample

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("ROGATORY_HOME", raising=False)

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["directory", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.delenv("ROGATORY_HOME", raising=False)

    def call(*words: str) -> str:
        capsys.readouterr()
        main(["directory", *words])
        return capsys.readouterr().out

    return call


def test_an_urgent_preservation_gets_the_24_7_point_with_channels_in_order(run: Run) -> None:
    code, found = run(
        "resolve",
        "--state",
        "US",
        "--kind",
        "preservation",
        "--instrument",
        "budapest",
        "--urgency",
        "urgent",
    )
    assert (code, found["ok"], found["source"], found["outcome"]) == (0, True, "sample", "one")
    (point,) = found["candidates"]
    assert (point["authority_id"], point["match"], point["designation"]["article"]) == (
        "us-ccips",
        "exact",
        "35",
    )
    assert [row["channel"] for row in point["channels"]] == [
        "gateway_https",
        "email_sealed",
        "email_smime",
        "interpol",
    ]
    assert point["channels"][0]["address"] == "https://gw.us-ccips.example.org"
    assert (point["requirements_issue"], bool(point["asks_for"])) == (7, True)


@pytest.mark.parametrize("state", ["EG", "KE", "MX", "CN"])
def test_without_a_24_7_point_the_fallback_and_its_reason_are_told(run: Run, state: str) -> None:
    words = ("--kind", "preservation", "--instrument", "budapest", "--urgency", "urgent", "--from", "RO")
    code, found = run("resolve", "--state", state.lower(), *words)
    assert code == 0
    assert {row["match"] for row in found["candidates"]} == {"fallback"}
    assert all("lists no 24/7 point" in row["reasons"][0] for row in found["candidates"])
    assert all(row["statement"] for row in found["candidates"])
    assert found["basis"]["binds_both"] is False
    assert (found["outcome"] == "ask") == (len(found["candidates"]) > 1)


def test_scotland_the_diplomatic_channel_and_an_unknown_state(run: Run) -> None:
    code, found = run(
        "resolve", "--state", "GB", "--kind", "mla", "--instrument", "untoc", "--region", "scotland"
    )
    assert (code, [row["authority_id"] for row in found["candidates"]]) == (0, ["gb-copfs"])
    code, found = run("resolve", "--state", "GB", "--region", "scotland")
    assert (code, [row["authority_id"] for row in found["candidates"]]) == (0, ["gb-copfs"])
    code, found = run("resolve", "--state", "FR", "--kind", "extradition")
    (ministry,) = found["candidates"]
    assert (code, ministry["required_channel"]) == (0, "diplomatic")
    assert [(row["channel"], row["carries"]) for row in ministry["channels"]] == [
        ("diplomatic", "formal"),
        ("gateway_https", "advance_copy"),
    ]
    assert [task["code"] for task in ministry["tasks"]] == ["formal-route"]
    code, found = run("resolve", "--state", "XX", "--kind", "mla")
    assert (code, found["ok"], found["status"], found["outcome"]) == (1, False, "not_listed", "none")


@pytest.mark.parametrize(
    "words",
    [
        ("resolve", "--state", "USA", "--kind", "mla"),
        ("resolve", "--state", "U1", "--kind", "mla"),
        ("resolve", "--state", "US", "--kind", "M L A"),
        ("resolve", "--state", "US", "--kind", "mla", "--instrument", *["untoc"] * 17),
        ("resolve", "--state", "US", "--kind", "mla", "--instrument", "untoc; drop"),
        ("resolve", "--state", "US", "--kind", "mla", "--language", "klingonese"),
        ("resolve", "--state", "US", "--kind", "mla", "--region", "x" * 129),
        ("show", "us"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_what_to_write(
    run: Run, words: tuple[str, ...]
) -> None:
    code, answer = run(*words)
    assert (code, answer["error"]["code"]) == (1, "params-invalid")
    assert "regex" not in answer["error"]["sentence"]


@pytest.mark.parametrize(
    "words", [("show", "xx-nobody"), ("resolve", "--state", "US", "--kind", "mla", "--from", "zz-abc")]
)
def test_an_unknown_authority_is_not_listed(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words)[1]["error"]["code"] == "not-listed"


def test_a_home_that_is_named_wrongly_is_never_replaced_by_the_sample(run: Run, tmp_path: Path) -> None:
    for words in (("resolve", "--state", "US", "--kind", "mla"), ("show", "us-ccips"), ("list",)):
        code, answer = run(*words, "--home", str(tmp_path / "nothing"))
        assert (code, answer["error"]["code"]) == (1, "settings-invalid")


def test_the_sample_is_said_each_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROGATORY_HOME", raising=False)
    for words in (["resolve", "--state", "US", "--kind", "mla"], ["show", "us-ccips"], ["list"]):
        capsys.readouterr()
        main(["directory", *words])
        assert "every address in it is fictional" in capsys.readouterr().err


def test_a_person_reads_question_reason_channels_and_what_to_do(show: Callable[..., str]) -> None:
    told = show(
        "resolve",
        "--state",
        "CN",
        "--kind",
        "preservation",
        "--instrument",
        "budapest",
        "--from",
        "ro-diicot",
    )
    for said in (
        "3 candidates: choose one",
        "Hong Kong SAR and Macao SAR have authorities of their own",
        "China lists no 24/7 point",
        "1. gateway_https  https://gw.cn-moj.example.org",
        "+999 191 0001 (office)",
        "for the form",
    ):
        assert said in " ".join(told.split()) or said in told


def test_show_tells_published_requirements_in_words(show: Callable[..., str]) -> None:
    told = " ".join(show("show", "sg-agc").split())
    for said in (
        "Published requirements, issue 3, in force from 2026-09-01",
        "language fr: with translation (all)",
        "Annex: question_list, if a statement or evidence of a person is asked for.",
        "Notice wanted before a date, days: 45 (For a hearing date).",
    ):
        assert said in told


def test_show_and_list_tell_the_record(run: Run, show: Callable[..., str]) -> None:
    told = " ".join(show("show", "gb-hmrc").split())
    assert "Direct tax, VAT and customs matters only" in told
    assert "Europe/London" in told
    assert "It lists no keys yet" in told
    assert run("list")[1]["source"] == "sample"
    rows = show("list", "--state", "gb").splitlines()
    assert {line.split()[0] for line in rows if line.startswith("gb-")} == {
        "gb-ukca",
        "gb-copfs",
        "gb-hmrc",
        "gb-nca",
    }
    assert "no authority of XX" in show("list", "--state", "xx")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_list_breaks_no_word_apart_however_narrow_the_terminal_is(columns: int) -> None:
    row = DirectoryEntryView(
        authority_id="ke-ag",
        state="KE",
        name="Office of the Attorney-General, Extradition and International Cooperation",
        channels=["gateway_https", "email_sealed", "offline_media"],
        keys=1,
        own=True,
        status="active",
    )
    console = Console(width=columns, record=True, file=io.StringIO(), color_system=None)
    show_list(console, [row])
    shown = console.export_text()
    for word in ("Attorney-General,", "Extradition", "International", "Cooperation", "gateway", "https,"):
        assert word in shown
    assert "unconfirmed" not in shown, "nobody has to confirm to us what we say of ourselves"


def test_nothing_from_a_record_moves_the_cursor_or_starts_markup(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[2J[bold]\u202eevil[/bold]\n"
    record = {
        **entry("gb-hmrc"),
        "name_en": bad,
        "region": bad,
        "procedural_notes": {"en": bad},
        "urgent_procedure": bad,
        "phones": [{"use": bad, "number": bad}],
        "contacts": [{"office": bad, "email": bad}],
        "agreements": [{"title": bad, "url": bad, "note": bad}, bad],
        "address": {"postal": bad},
        "channels": [{**entry("gb-hmrc")["channels"][0], "address": bad, "channel": bad}],
    }
    states = {row["state"]: parse_state(row) for row in read_sample_directory()["states"]}
    parsed = parse_entry(record)
    found = resolve(
        Query(state="GB", request_kind="preservation", instruments=(bad,), region=bad, urgency="urgent"),
        listing_of([parsed], states, requirements={"gb-hmrc": {"annexes": [{"document_role": bad}]}}),
        requester=Requester(state="RO"),
        now=NOW,
    )
    show_resolution(terminal(), resolution_view(found, source="home", now=NOW))
    view = authority_view(
        parsed,
        source="home",
        status=LookupStatus.STALE,
        state=states["GB"],
        vouchers=[(bad, bad)],
        keys=[
            ListedKeyView(use=bad, alg=bad, kid=bad, nbf=NOW, exp=NOW, status=bad, vouchers=[bad]),
        ],
        requirements={
            **sample("requirements/us-ccips.json"),
            "notes": {bad: bad},
            "languages": [{"language": bad, "part": bad, "handling": bad}],
        },
        contacts=None,
        now=NOW,
    )
    show_authority(terminal(), view)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "[bold]" in told


@pytest.mark.parametrize("status", [LookupStatus.STALE, LookupStatus.UNVERIFIABLE])
def test_doubt_about_the_directory_is_shown_in_words(
    capsys: pytest.CaptureFixture[str], status: LookupStatus
) -> None:
    listing = replace(listing_of([parse_entry(entry("ke-ag"))], {}), doubtful={"ke-ag": status})
    query = Query(state="KE", request_kind="mla", instruments=("untoc",))
    found = resolve(query, listing, requester=Requester(state="RO"), now=NOW)
    show_resolution(terminal(), resolution_view(found, source="home", now=NOW))
    told = capsys.readouterr().out
    assert ("cannot be verified" in told) == (status is LookupStatus.UNVERIFIABLE)
    assert ("no longer fresh" in told) == (status is LookupStatus.STALE)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "requirements-invalid"),
        (b"[]", "requirements-invalid"),
        (b"[" * 70_000, "requirements-invalid"),
    ],
)
def test_a_file_that_holds_no_requirements_is_refused(
    run: Run, tmp_path: Path, data: bytes, code: str
) -> None:
    file = tmp_path / "requirements.json"
    file.write_bytes(data)
    assert run("require", str(file), "--home", str(tmp_path))[1]["error"]["code"] == code
    assert (
        run("require", str(tmp_path / "nothing.json"), "--home", str(tmp_path))[1]["error"]["code"] == "file"
    )
