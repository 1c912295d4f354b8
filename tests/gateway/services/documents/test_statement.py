"""The document an authority hands to others: everything published stands in it, nothing else does."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.services.documents.statement import TEMPLATE, Statement, as_data, as_text, make_statement
from gateway.services.documents.typeset import CannotPrint, Typesetter

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DIRECTORY = read_sample_directory()
RECORDS = {row["authority_id"]: row for row in DIRECTORY["authorities"]}
STATES = {row["state"]: row for row in DIRECTORY["states"]}
FILES = [("ma-mj.json", "ab" * 32)]


def statement_of(authority_id: str, **changed: Any) -> Statement:
    record = {**RECORDS[authority_id], **changed}
    return make_statement(
        record,
        state=STATES[record["state"]],
        requirements=read_sample_requirements().get(authority_id),
        handed_over=FILES,
        now=NOW,
    )


@pytest.mark.parametrize("authority_id", sorted(RECORDS))
def test_every_sample_authority_can_be_described(authority_id: str) -> None:
    statement = statement_of(authority_id)
    assert statement.authority == RECORDS[authority_id]["name_en"]
    assert statement.notice.startswith("Sample")
    assert all(section.says_something for section in statement.sections)
    assert all(len(row) == len(s.columns) for s in statement.sections for row in s.rows)


def test_requirements_stand_in_it_in_words_and_in_their_languages() -> None:
    text = as_text(statement_of("ma-mj"))
    assert "Extradition | Arrest warrant | certified paper | 30 days of sending" in text
    assert "Extradition | Least maximum penalty in months | 12 | Prosecution" in text
    assert "if the person has not been identified by a court" in text
    assert "Longest period asked at once | 90 days |" in as_text(statement_of("us-ccips"))
    assert "[ar] قيم نموذجية" in text
    assert "ma-mj.json | " + "ab" * 32 in text


def test_numbers_of_a_point_reached_at_all_times_are_not_in_it() -> None:
    record = RECORDS["us-ccips"]
    text = as_text(statement_of("us-ccips"))
    assert record["phones"][0]["number"] not in text
    assert "E-mail" not in [name for s in statement_of("us-ccips").sections for name, _ in s.pairs]
    assert "at all times (America/New_York)" in text


def test_a_duty_number_of_an_office_is_not_in_it() -> None:
    phones = [{"use": "office", "number": "+999 1"}, {"use": "duty", "number": "+999 2"}]
    pairs = dict(statement_of("ma-mj", phones=phones).sections[0].pairs)
    assert pairs["Telephone"] == "+999 1"


def test_a_week_is_said_as_people_say_it() -> None:
    pairs = dict(statement_of("eg-moj").sections[0].pairs)
    assert pairs["Hours"].startswith("Sunday to Thursday, ")


def test_texts_come_by_language_where_the_record_has_them_so() -> None:
    statement = statement_of("ma-mj", urgent_procedure={"fr": "Appelez.", "ar": "اتصل"})
    (section,) = [s for s in statement.sections if s.heading == "In urgent cases"]
    assert [(p.language, p.right_to_left) for p in section.passages] == [("fr", False), ("ar", True)]


def test_what_a_record_says_only_stands_on_the_page() -> None:
    acting = "Ministry\u202e of\x1b[31m\x9b Justice\u2066\u2028\u200b\U000e0041"
    shown = "Ministry\\u{202E} of\\u{001B}[31m\\u{009B} Justice\\u{2066}\\u{2028}\\u{200B}\\u{E0041}"
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u200f\nnext line"
    statement = statement_of(
        "ma-mj",
        name_en=acting,
        name_local=acting,
        urgent_procedure={"en": acting, "fa": joined},
        legislation=[{"title": acting, "url": acting}],
    )
    text, data = as_text(statement), str(as_data(statement))
    assert text.count(shown) == 5
    assert joined in text
    for character in "\u202e\x1b\x9b\u2066\u2028\u200b\U000e0041":
        assert character not in text
        assert character not in data


def test_a_column_has_room_for_what_cannot_be_broken() -> None:
    channel = {**RECORDS["ma-mj"]["channels"][0], "address": "https://127.0.0.1:8443"}
    document = as_data(statement_of("ma-mj", channels=[channel]))
    (section,) = [s for s in document["sections"] if s["heading"] == "How requests are sent"]
    assert section["widths"][section["columns"].index("Address")] >= len("https://127.0.0.1:8443")


@pytest.mark.slow
def test_it_prints_with_every_section_and_arabic_in_order(tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    try:
        typesetter = Typesetter(TEMPLATE)
    except CannotPrint as missing:
        pytest.skip(str(missing))
    hostile = '#read("/etc/passwd") *bold* $x$ \\ <b>'
    statement = statement_of("ma-mj", procedural_notes=hostile)
    path = tmp_path / "statement.pdf"
    path.write_bytes(typesetter.pdf(as_data(statement)))
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)
    text = done.stdout.decode()
    for section in statement.sections:
        assert section.heading in text
    assert "*bold* $x$" in text
    assert "root:" not in text
