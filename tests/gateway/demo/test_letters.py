"""What the letters say, and in which language, before anything is printed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.demo.letters import compose
from gateway.demo.samples import Sample, read_samples

SAMPLES = read_samples()
PAGES = [
    pytest.param(sample, row, id=f"{sample.number}-{row['attachment_id']}-{row['language']}")
    for sample in SAMPLES
    for row in sample.attachments
    if row["media_type"] == "application/pdf"
]

#: A word that only a text in this language has.
SIGNS = {
    "en": "without any legal effect",
    "fr": "valeur juridique",
    "es": "efecto jurídico",
    "ar": "أثر قانوني",
}


def words(sample: int, attachment_id: str) -> str:
    chosen = SAMPLES[sample - 1]
    row = next(row for row in chosen.attachments if row["attachment_id"] == attachment_id)
    return json.dumps(compose(chosen, row), ensure_ascii=False)


@pytest.mark.parametrize(("sample", "row"), PAGES)
def test_every_document_says_in_its_own_language_that_the_case_is_fictional(
    sample: Sample, row: Mapping[str, Any]
) -> None:
    document = compose(sample, row)
    assert document["language"] == row["language"]
    assert SIGNS[row["language"]] in document["notice"]
    assert document["direction"] == ("rtl" if row["language"] == "ar" else "ltr")
    assert document["sections"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.number))
def test_a_letter_states_what_the_request_states(sample: Sample) -> None:
    letter = words(sample.number, "A1")
    form = sample.form
    for text in (
        form["reference_requesting"],
        form["facts_summary"],
        form["purpose"],
        form["requested_authority"]["name"],
        form["assistance"][0]["description"],
        form["offences"][0]["provisions"],
        form["persons"][0]["names"][0]["full"],
    ):
        assert json.dumps(text, ensure_ascii=False).strip('"') in letter


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.number))
def test_a_letter_is_signed_by_an_office_never_by_a_person(sample: Sample) -> None:
    letter = compose(sample, sample.attachments[0])
    assert letter["signature"]["office"] == sample.form["approval"]["signing_office"]


def test_a_translation_carries_translated_texts_and_names_its_original() -> None:
    arabic = words(2, "A5")
    assert "تهريب المهاجرين" in arabic
    assert "العبرة بالنص الأصلي باللغة الفرنسية" in arabic
    assert SAMPLES[1].form["facts_summary"] not in arabic
    french = words(5, "A3")
    assert "Traite des personnes" in french
    assert "l'original en arabe" in french
    assert SAMPLES[4].form["facts_summary"] not in french


def test_articles_and_references_keep_their_order_inside_arabic_text() -> None:
    arabic = words(5, "A1")
    assert "\u206618(3)(a)\u2069" in arabic
    assert "\u2066EG-PPO/ICD/2026/0209\u2069" in arabic


def test_dates_are_written_as_the_language_writes_them() -> None:
    assert "6 October 2026" in words(1, "A1")
    assert "22 septembre 2026" in words(2, "A1")
    assert "19 de octubre de 2026" in words(4, "A1")
    assert "27 أكتوبر 2026" in words(5, "A1")
