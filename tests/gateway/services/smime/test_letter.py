"""What the addressee reads: two languages at most, every file with its digest, and all of the form."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.services.documents.typeset import CannotPrint, Typesetter
from gateway.services.smime.letter import Facts, ListedFile, cover_text, subject_of, title_of
from gateway.services.smime.sheet import (
    LANGUAGES,
    TEMPLATE,
    as_data,
    as_text,
    can_be_set,
    language_of,
    make_sheet,
    needs_cjk,
)
from tests.sampledata import request

FACTS = Facts(
    language="fr",
    is_request=True,
    kind="Mutual legal assistance request",
    sender="Ministry of Justice of Xland (fictional)",
    sender_address="gw@xx-moj.example.org",
    recipient="Ministry of Justice of Yland (fictional)",
    reference="XX/2026/1",
    created=datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
    urgency="urgent",
    answer_by=datetime(2026, 11, 30, 23, 59, tzinfo=UTC),
    confidentiality="confidential",
    code="7K2M-9QX4-0000-AAAA",
    total=2,
    files=(ListedFile(name="a.pdf", size=1234567, sha256="ab" * 32, mail=2),),
    readable="request.pdf",
    machine="request.json",
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_in_the_addressees_language_and_in_english(language: str) -> None:
    text = cover_text(replace(FACTS, language=language), 1)
    assert text.count(FACTS.code) == (1 if language == "en" else 2)
    assert text.count("ab" * 32) == (1 if language == "en" else 2)
    assert "Request for international cooperation" in text
    others = {title_of(replace(FACTS, language=each)) for each in LANGUAGES if each not in (language, "en")}
    assert not any(title in text for title in others)
    assert not set("{}") & set(text)


def test_the_code_stands_alone_in_its_line() -> None:
    assert f"    {FACTS.code}" in cover_text(FACTS, 1).split("\n")


def test_a_letter_says_by_when_and_how_urgent() -> None:
    text = cover_text(FACTS, 1)
    assert all(each in text for each in ("30 novembre 2026, 23:59 UTC", "URGENT", "1 234 567 octets"))


def test_one_of_several_mails_says_which() -> None:
    assert "courriel 2 sur 2" in cover_text(FACTS, 2)
    assert "This is mail" not in cover_text(replace(FACTS, total=1), 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_subject_names_no_case_even_inside(language: str) -> None:
    subject = subject_of(replace(FACTS, language=language), 1, "0123456789abcdef" * 2)
    assert "XX/2026/1" not in subject
    assert "01234567 1/2" in subject
    assert "\n" not in subject


def test_an_addressee_without_any_of_the_languages_reads_english() -> None:
    assert language_of(("de",)) == "en"
    assert language_of(("ka", "fr-FR", "en")) == "fr"


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in _leaves(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in _leaves(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("number", range(1, 7))
def test_nothing_of_a_request_is_left_out_of_what_people_read(number: int) -> None:
    form = request(number)
    text = as_text(make_sheet(form, language="ar", title="t", reference="r", form_name="request.json"))
    flat = " ".join(text.split())
    missing = [each for each in _leaves(form) if " ".join(each.split()) not in flat]
    assert missing == []


def test_letters_that_the_fonts_lack_are_known_beforehand() -> None:
    form = {"facts_summary": "ok", "purpose": "ok"}
    plain = make_sheet(form, language="fr", title="t", reference="r", form_name="f")
    assert can_be_set(plain)
    assert not needs_cjk(plain)
    georgian = make_sheet({"purpose": "მიზანი"}, language="fr", title="t", reference="r", form_name="f")
    assert not can_be_set(georgian)
    assert needs_cjk(make_sheet(form, language="zh", title="t", reference="r", form_name="f"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "language"), [(5, "ar"), (2, "fr")])
def test_a_request_is_printed(number: int, language: str) -> None:
    sheet = make_sheet(request(number), language=language, title="t", reference="r", form_name="f")
    try:
        printed = Typesetter(TEMPLATE).pdf(as_data(sheet))
    except CannotPrint as missing:
        pytest.skip(str(missing))
    assert printed.startswith(b"%PDF")
