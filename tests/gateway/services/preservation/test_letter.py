"""The letter to the holder of the data: it names the data, in six languages, and nothing of the case."""

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.documents.typeset import CannotPrint, Typesetter
from gateway.services.preservation.letter import LANGUAGES, TEMPLATE, Letter, Sender, letter_data
from gateway.services.preservation.letters import Wanted
from gateway.storage import audit
from tests.gateway.services.preservation.night import RO, US, asked
from tests.sampledata import request
from tests.world import World

SENDER = Sender(
    state="United States",
    authority="Department of Justice",
    office="Duty officer desk",
    email="duty@us-ccips.example.org",
    phone="+999 115 0001",
    is_lab=True,
)


def letter(language: str = "en", form: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "language": language,
        "sender": SENDER,
        "reference": "US-24-7-2026-8841",
        "custodian": "",
        "legal_basis": "",
        "on": datetime(2026, 11, 18, 23, 0, tzinfo=UTC),
        "until": date(2027, 2, 16),
    }
    return letter_data(Letter(**{**said, **changed}), form or request(3))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    made, english = letter(language), letter()
    assert made["words"].keys() == english["words"].keys()
    assert all(made["words"].values())
    assert "2027-02-16" in made["ask"]
    assert "duty@us-ccips.example.org" in made["confirm"]
    assert [len(item["identifiers"]) for item in made["items"]] == [1, 1]
    # A label that was left in English would be the same as there.
    same = {name for name in made["words"] if made["words"][name] == english["words"][name]}
    assert language == "en" or same <= {"date", "page", "port", "signature"}, same


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_case_stands_in_it(language: str) -> None:
    form = request(3)
    made = json.dumps(letter(language), ensure_ascii=False)
    for secret in (
        form["reference_requesting"],
        form["requesting_authority"]["name"],
        form["offences"][0]["title"],
        form["facts_summary"],
        form["proceeding"]["national_case_number"],
        form["proceeding"]["subject_matter"],
        form["kind_details"]["relationship_to_offence"],
        "Romania",
        "RO-DIICOT",
        "ro-diicot",
    ):
        assert secret not in made


def test_what_identifies_the_data_stands_in_it_to_the_second() -> None:
    made = letter()
    identifier = made["items"][1]["identifiers"][0]["value"]
    assert all(part in identifier for part in ("198.51.100.77", "port 443", "2026-11-15 00:58:12 UTC"))
    assert [item["name"] for item in letter(items=(2,))["items"]] == ["Item 2"]


def test_a_text_from_outside_cannot_turn_the_line_or_become_source() -> None:
    form = request(3)
    form["kind_details"]["data_items"][0]["description"] = '#panic("x") \u202eevil'
    made = letter(form=form)["items"][0]["description"]
    assert made == '\u2068#panic("x") \\u{202E}evil\u2069'


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_can_be_set_and_read_again(language: str, tmp_path: Path) -> None:
    try:
        printed = Typesetter(TEMPLATE, cjk=language == "zh").pdf(letter(language))
    except CannotPrint as missing:
        pytest.skip(str(missing))
    path = tmp_path / "letter.pdf"
    path.write_bytes(printed)
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    found = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "calm.harbour.77@mail.example.com" in found
    assert "2027-02-16" in found
    assert found.count("\f") == 2


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US) as world:
        yield world


@pytest.mark.slow
async def test_the_requested_side_writes_it_once_and_the_log_names_who(world: World, tmp_path: Path) -> None:
    ref = await asked(world)
    path, letters = tmp_path / "letter.pdf", world[US].desk.letters
    written = await letters.write(ref, path, Wanted(items=(2,)), officer="us-do-05")
    assert (path.read_bytes()[:5], written.items) == (b"%PDF-", (2,))
    assert path.stat().st_mode & 0o077 == 0
    rows = await world[US].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    noted = [body for row in rows if (body := json.loads(row.body))["ev"] == "person.opened"]
    assert [body["officer"] for body in noted] == ["us-do-05"]
    with pytest.raises(GatewayRefusal) as refused:
        await letters.write(ref, path, Wanted(), officer="us-do-05")
    assert refused.value.code == "file-unusable"


@pytest.mark.slow
async def test_nobody_writes_it_for_others_or_for_data_nobody_named(world: World, tmp_path: Path) -> None:
    ref = await asked(world)
    path = tmp_path / "letter.pdf"
    for aid, wanted, code in ((RO, Wanted(), "act_of_side"), (US, Wanted(items=(7,)), "items_known")):
        with pytest.raises(GatewayRefusal) as refused:
            await world[aid].desk.letters.write(ref, path, wanted, officer="night-01")
        assert [item["code"] for item in refused.value.items] == [code]
    assert not path.exists()
