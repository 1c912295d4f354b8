"""The demonstration itself, for two of its requests: real gateways, one of which only calls out."""

import json
import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.cli.demoplace import ask as _ask
from gateway.demo.documents import print_all
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import read_directory, read_samples, read_states
from gateway.demo.story import Story
from gateway.demo.telling import Teller, as_data
from gateway.demo.ways import Way
from gateway.services.documents.typeset import CannotPrint
from tests.stories.commandline import rogatory

#: The preservation, and the one that is fetched.
CHOSEN = {"03_preservation_budapest_en", "05_videoconference_hearing_ar"}


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
def lab(tmp_path: Path, way: Way) -> LabNetwork:
    return LabNetwork(
        homes=tmp_path / "homes",
        logs=tmp_path / "logs",
        directory=read_directory(),
        ask=_ask,
        settings=way.settings,
        channels=way.channels,
    )


@pytest_asyncio.fixture
async def directory(lab: LabNetwork, tmp_path: Path) -> AsyncIterator[DemoDirectory]:
    made = await DemoDirectory.start(tmp_path / "directory")
    lab.follows = made.settings
    yield made
    await made.aclose()


async def story(
    lab: LabNetwork, way: Way, directory: DemoDirectory, tmp_path: Path, chosen: set[str]
) -> Story:
    try:
        enclosed, _ = print_all(tmp_path / "documents", 100_000)
    except CannotPrint as missing:
        pytest.skip(str(missing))
    await way.open(tmp_path, lab, directory)
    return Story(
        network=lab,
        directory=directory,
        way=way,
        enclosed=tuple(request for request in enclosed if request.sample.name in chosen),
        opened=tmp_path / "opened",
        watcher=Teller(samples=read_samples(), states=read_states(), quiet=True),
    )


@pytest.mark.slow
async def test_two_requests_end_well_on_both_sides_and_the_answer_says_so(
    lab: LabNetwork, way: Way, directory: DemoDirectory, tmp_path: Path
) -> None:
    assert (directory.states, directory.authorities) == (43, 99)
    played = await story(lab, way, directory, tmp_path, CHOSEN)
    try:
        await played.tell()
        lab.measure()
    finally:
        await lab.close()
    answer = json.loads(json.dumps(as_data(played.outcomes, played.logs, lab.peak_rss_mib, None)))

    assert set(answer) == {"ok", "requests", "audit", "peak_rss_mib"}
    assert answer["ok"] is True
    preservation, hearing = answer["requests"]
    check_request(preservation, "preservation_acknowledged", "gateway_https", "urgent")
    check_request(hearing, "received", "https_pull", "routine")
    assert [log["authority"] for log in answer["audit"]] == ["ro-diicot", "us-ccips", "eg-ppo", "tn-mj"]
    for log in answer["audit"]:
        assert set(log) == {"authority", "size", "root", "verified"}
        assert log["verified"] is True
        assert log["size"] > 0
        assert re.fullmatch("[0-9a-f]{64}", log["root"])
    assert set(answer["peak_rss_mib"]) == {"ro-diicot", "us-ccips", "eg-ppo", "tn-mj", "demo", "audit"}
    assert all(mib < 200 for name, mib in answer["peak_rss_mib"].items() if name != "demo")

    # Nobody was enrolled by hand: every address and key came from the directory.
    listed = rogatory("directory", "status", "--home", lab.home("us-ccips"), "--json").json
    assert listed["enrolled"] == 0
    assert [(n["name"], n["state"], n["states"]) for n in listed["networks"]] == [
        ("demonstration", "fresh", 43)
    ]

    # What was proved while it ran can be proved again from what stayed.
    for log in answer["audit"][-1:]:
        home = lab.home(log["authority"])
        again = rogatory("audit", "verify", "--home", home, "--json").json
        assert (again["size"], again["root"], again["verified"]) == (log["size"], log["root"], True)
        own = tomllib.loads((home / "rogatory.toml").read_text())["authority"]
        assert (own["network"], own["demo"]) == ("lab", True)
    assert list((tmp_path / "documents" / hearing["sample"]).iterdir()) == []


def check_request(request: Mapping[str, Any], state: str, channel: str, lane: str) -> None:
    assert list(request) == [
        *("sample", "from", "to", "channel", "lane", "bid", "state", "receipts", "bytes", "seconds")
    ]
    assert (request["state"], request["channel"], request["lane"]) == (state, channel, lane)
    assert request["receipts"] == ["submission", "consignment", "handover"]
    assert re.fullmatch("[0-9a-f]{32}", request["bid"])
    assert request["bytes"] > 10_000
    assert 0 < request["seconds"] < 60


@pytest.mark.slow
async def test_a_document_that_arrives_changed_ends_the_story_with_the_reason(
    lab: LabNetwork, way: Way, directory: DemoDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = await story(lab, way, directory, tmp_path, {"03_preservation_budapest_en"})
    monkeypatch.setattr("gateway.demo.exchange._sha256", lambda path: "0" * 64)
    try:
        with pytest.raises(
            DemoFailed, match=r"preservation-0562\.pdf arrived with another content"
        ) as failed:
            await played.tell()
    finally:
        await lab.close()
    answer = as_data(played.outcomes, played.logs, lab.peak_rss_mib, failed.value)
    assert (answer["ok"], answer["requests"], answer["audit"]) == (False, [], [])
    assert answer["error"]["sentence"] == failed.value.sentence


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--evidence-size", "much"], "usage", "2GiB"),
        (["--evidence-size", "900000GiB"], "storage-full", "--evidence-size"),
        (["--home", "/nowhere"], "usage", "--keep"),
        (["--keep", str(Path(__file__).parent)], "folder-not-empty", "new one"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_made(
    words: list[str], code: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--json", *words]) == (2 if code == "usage" else 1)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert said in error["sentence"]
