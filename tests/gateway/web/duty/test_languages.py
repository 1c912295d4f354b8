"""Six languages: every text is translated, in the script of its language, with its values in place."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.model.codes import code_list
from gateway.model.escalation import Stage
from gateway.model.paging import Audience, PageReason
from gateway.model.sender_card import _MARKS
from gateway.web.duty.languages import LANGUAGES, chosen, language
from gateway.web.duty.words import OTHERWISE, TABLES, refusal
from tests.gateway.web.duty.catalogues import catalogue, texts

OTHERS = sorted(set(LANGUAGES) - {"en"})
TEXTS = frozenset(texts())

SCRIPT = {"ar": r"[\u0600-\u06ff]", "zh": r"[\u4e00-\u9fff]", "ru": r"[\u0400-\u04ff]"}
#: Words that are the same in two languages, each looked at.
SAME = {
    "fr": {"Confiscation"},
    "es": {"Normal", "auditor"},
}
#: Letters of another script that a translation may hold.
LATIN = re.compile(r"INTERPOL|JavaScript|PIN|24/7|%\(\w+\)s")


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated_and_nothing_else_lies_in_the_catalogue(code: str) -> None:
    held = {entry.id: entry for entry in catalogue(code) if entry.id}
    assert {text for text in TEXTS if not held.get(text) or not held[text].string} == set()
    assert set(held) - TEXTS == set()
    assert [entry.id for entry in held.values() if entry.fuzzy] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_is_in_the_script_of_its_language(code: str) -> None:
    for entry in catalogue(code):
        if not entry.id:
            continue
        assert entry.string.strip() == entry.string
        if code in SCRIPT:
            assert re.search(SCRIPT[code], entry.string), entry.id
            assert re.findall(r"[A-Za-z]+", LATIN.sub("", entry.string)) == [], entry.id
        else:
            assert entry.string != entry.id or entry.id in SAME[code], entry.id
            assert not re.search("|".join(SCRIPT.values()), entry.string), entry.id


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_keeps_values_marks_and_punctuation_of_its_language(code: str) -> None:
    value = re.compile(r"%\((\w+)\)s")
    for entry in catalogue(code):
        if not entry.id:
            continue
        assert Counter(value.findall(entry.id)) == Counter(value.findall(entry.string)), entry.id
        assert entry.id.endswith(".") == entry.string.endswith((".", "。")), entry.id
        if entry.id.endswith("?"):
            assert entry.string.endswith({"zh": "？", "ar": "؟"}.get(code, "?")), entry.id
        if code == "es" and entry.string.endswith("?"):
            assert "¿" in entry.string, entry.id
        if code == "fr":
            assert not re.search(r"[^ \u00a0\u202f][:;?!](\s|$)", entry.string), entry.id
        if code == "zh":
            assert not re.search(r"[\u4e00-\u9fff][,.:;?!](?!\w)", entry.string), entry.id
        if code == "ar":
            assert not re.search(r"[,;?]", value.sub("", entry.string)), entry.id


def test_every_code_that_the_page_may_meet_has_words() -> None:
    assert set(TABLES["level"]) == set(code_list("urgency_level"))
    assert set(TABLES["confidentiality"]) == set(code_list("confidentiality_level"))
    assert set(TABLES["state"]) >= set(code_list("preservation_state"))
    assert set(TABLES["assurance"]) >= set(code_list("assurance_level"))
    assert set(TABLES["stage"]) == set(Stage)
    assert set(TABLES["reason"]) == set(PageReason)
    assert set(TABLES["part"]) == set(Audience)
    assert set(TABLES["mark"]) == set(_MARKS)


def test_a_refusal_is_told_in_the_language_of_the_page_whatever_its_code() -> None:
    assert refusal("something-new") == OTHERWISE
    assert refusal("human-challenge") == refusal("human-signature") != OTHERWISE
    for code in OTHERS:
        assert language(code).say(OTHERWISE) != OTHERWISE


@pytest.mark.parametrize(
    ("wanted", "accepted", "shown"),
    [
        (("ar", "fr"), "zh", "ar"),
        ((None, "fr"), "zh", "fr"),
        (("xx", None), "de, zh-CN;q=0.9, en", "zh"),
        (("../en",), "", "en"),
        ((), "," * 5000, "en"),
        ((), "RU-ru", "ru"),
    ],
)
def test_the_language_is_the_one_chosen_then_the_officers_then_the_browsers(
    wanted: tuple[str | None, ...], accepted: str, shown: str
) -> None:
    assert chosen(*wanted, accepted=accepted).code == shown


def test_arabic_runs_from_right_to_left_and_only_arabic() -> None:
    assert {code for code in LANGUAGES if language(code).direction == "rtl"} == {"ar"}


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "1 minute"),
        (timedelta(minutes=84, seconds=59), "1 hour, 24 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(days=1, hours=3, minutes=5), "1 day, 3 hours"),
        (timedelta(days=2, minutes=5), "2 days"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(span: timedelta, said: str) -> None:
    assert language("en").span(span) == said


def test_spans_and_days_are_told_as_each_language_counts() -> None:
    at, zone = datetime(2026, 11, 22, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Bucharest")
    assert language("ru").span(timedelta(minutes=84)) == "1 час 24 минуты"
    assert language("ar").span(timedelta(minutes=122)) == "ساعتان ودقيقتان"
    assert language("zh").span(timedelta(minutes=84)) == "1小时24分钟"
    assert language("es").span(timedelta(days=1, hours=21)) == "1 día y 21 horas"
    told = {code: language(code).local(at, zone) for code in LANGUAGES}
    assert told == {
        "ar": "الأحد 22 نوفمبر، 03:12",
        "zh": "11月22日 周日 03:12",
        "en": "Sun 22 Nov, 03:12",
        "fr": "dim. 22 nov., 03:12",
        "ru": "вс, 22 нояб., 03:12",
        "es": "dom 22 nov, 03:12",
    }


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_span_and_every_month_can_be_told(code: str) -> None:
    spoken = language(code)
    for count in (1, 2, 3, 5, 11, 21, 22, 100):
        for unit in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)):
            told = spoken.span(count * unit)
            assert "duration" not in told
            if code in SCRIPT:
                assert not re.search("[A-Za-z]", told)
    for month in range(1, 13):
        assert spoken.local(datetime(2027, month, 28, 22, 5, tzinfo=UTC), ZoneInfo("UTC")).endswith("22:05")
    assert spoken.tongue("ro") not in {"ro", ""}
    assert spoken.tongue("not-a-language!") == "not-a-language!"


def test_local_time_follows_the_clocks_of_the_zone_over_the_night_on_which_they_change() -> None:
    zone = ZoneInfo("Europe/Bucharest")
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    told = [language("en").local(before + timedelta(hours=hours), zone)[-5:] for hours in range(3)]
    assert told == ["03:30", "03:30", "04:30"]
