"""The demonstration on other channels, a request or two on each: real mail servers, media, openssl."""

import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.cli.demoplace import ask as _ask
from gateway.demo.carried import CarriedWay
from gateway.demo.documents import Enclosed, print_all
from gateway.demo.letterway import LetterWay
from gateway.demo.mailed import FailingWay, MailedWay
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import read_directory, read_samples, read_states
from gateway.demo.story import Story
from gateway.demo.telling import Teller, as_data
from gateway.demo.ways import Way
from gateway.services.documents.typeset import CannotPrint

#: No authority is in two of the tests: they share a directory, in which its keys stay what they were.
BANK, PRESERVATION, FREEZING, HEARING, TRANSFER = (
    "01_mla_bank_records_en",
    "03_preservation_budapest_en",
    "04_asset_freezing_es",
    "05_videoconference_hearing_ar",
    "06_transfer_of_proceedings_en",
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Enclosed, ...]:
    try:
        return print_all(tmp_path_factory.mktemp("documents"), 100_000)[0]
    except CannotPrint as missing:
        pytest.skip(str(missing))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def directory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DemoDirectory]:
    made = await DemoDirectory.start(tmp_path_factory.mktemp("directory") / "network")
    yield made
    await made.aclose()


@pytest.fixture
def stage(tmp_path: Path, directory: DemoDirectory, documents: tuple[Enclosed, ...]) -> "Stage":
    return Stage(tmp_path, directory, documents)


class Stage:
    """A place where chosen requests are played; directory and documents are those of the module."""

    def __init__(self, folder: Path, directory: DemoDirectory, documents: tuple[Enclosed, ...]) -> None:
        self.folder, self.directory, self.documents = folder, directory, documents

    def enclosed(self, chosen: set[str]) -> tuple[Enclosed, ...]:
        """Return the chosen requests with copies of their documents, which the story uses up."""
        found = []
        for request in self.documents:
            if request.sample.name in chosen:
                copies = []
                for enclosure in request.enclosures:
                    path = self.folder / request.sample.name / enclosure.path.name
                    path.parent.mkdir(exist_ok=True)
                    shutil.copyfile(enclosure.path, path)
                    copies.append(replace(enclosure, path=path))
                found.append(replace(request, enclosures=tuple(copies)))
        return tuple(found)

    async def play(self, way: Way, chosen: set[str]) -> list[Mapping[str, Any]]:
        """Return what the demonstration answers for the chosen requests, once every log was verified."""
        lab = LabNetwork(
            homes=self.folder / "homes",
            logs=self.folder / "logs",
            directory=read_directory(),
            ask=_ask,
            settings=way.settings,
            channels=way.channels,
            follows=self.directory.settings,
        )
        try:
            await way.open(self.folder, lab, self.directory)
            story = Story(
                network=lab,
                directory=self.directory,
                way=way,
                enclosed=self.enclosed(chosen),
                opened=self.folder / "opened",
                watcher=Teller(samples=read_samples(), states=read_states(), quiet=True),
            )
            await story.tell()
        except DemoFailed as failed:
            tails = lab.log_tails(failed.authorities)
            raise AssertionError(f"{failed}: {tails}") from failed
        finally:
            await lab.close()
            await way.aclose()
        assert all(log.verified for log in story.logs)
        requests: list[Mapping[str, Any]] = as_data(story.outcomes, story.logs, {}, None)["requests"]
        return requests


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_sealed_mail_alone_carries_a_request_and_its_acknowledgement(stage: Stage) -> None:
    (request,) = await stage.play(MailedWay(), {FREEZING})
    assert (request["channel"], request["state"]) == ("email_sealed", "received")
    assert request["receipts"] == ["submission", "consignment", "handover"]


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_a_person_with_an_ordinary_mail_program_reads_and_acknowledges(stage: Stage) -> None:
    (request,) = await stage.play(LetterWay(), {HEARING})
    assert (request["channel"], request["state"]) == ("email_smime", "received")
    assert request["receipts"] == ["submission", "mailed", "mail_reply"]


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_while_https_is_down_the_urgent_request_goes_by_mail_and_is_there_once(stage: Stage) -> None:
    (request,) = await stage.play(FailingWay(), {PRESERVATION})
    assert request["state"] == "preservation_acknowledged"
    assert "HTTPS down" in request["met"][0]


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_media_arrive_although_one_was_damaged_and_one_75_days_under_way(stage: Stage) -> None:
    damaged, late = await stage.play(CarriedWay(), {BANK, TRANSFER})
    assert (damaged["channel"], damaged["met"]) == ("offline_media", ["a damaged medium"])
    assert (late["channel"], late["met"]) == ("offline_media", ["75 days under way"])
    assert {damaged["state"], late["state"]} == {"received"}


def test_a_channel_and_a_failure_are_not_asked_for_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", "--channel", "email_sealed", "--fail", "https"]) == 2
    assert "not both" in capsys.readouterr().out
