"""Notices speak the officer's language, say how to answer, and have room for nothing else."""

import json
from pathlib import Path

import pytest

from adapters.alarm import NoticeKind
from gateway.services.paging import wording
from gateway.services.paging.codes import Codes, code_digest, read_codes
from gateway.services.paging.wording import compose

WORDS = json.loads(Path(wording.__file__).with_name("wording.json").read_text(encoding="utf-8"))
CODE = "ABCD-EFGH-JKMN-PQRS"


def test_the_six_languages_say_the_same_things() -> None:
    assert set(WORDS) == {"en", "fr", "es", "ar", "zh", "ru"}
    for words in WORDS.values():
        assert words.keys() == WORDS["en"].keys()
        assert words["levels"].keys() == {"routine", "urgent", "emergency"}
        assert all(len(words[f"{kind}_title"].format(level="x", count=1)) < 60 for kind in NoticeKind)


@pytest.mark.parametrize("language", ["en", "fr", "es", "ar", "zh", "ru"])
@pytest.mark.parametrize("kind", list(NoticeKind))
def test_link_and_code_stand_in_every_notice_and_the_code_can_be_read_out_of_it(
    language: str, kind: NoticeKind
) -> None:
    title, text = compose(
        kind, level="urgent", count=3, link="https://duty.example/", code=CODE, language=language
    )
    assert CODE in read_codes(text)
    assert "https://duty.example/" in text
    assert CODE not in title
    assert "\n" not in title
    assert ("3" in title) is (kind is not NoticeKind.TEST)


def test_an_unknown_language_or_level_is_no_reason_to_be_silent() -> None:
    title, text = compose(NoticeKind.PAGE, level="unheard-of", count=1, link="", code=CODE, language="xx-YY")
    assert "unheard-of" in title
    assert "duty page" not in text


def test_a_region_does_not_change_the_language() -> None:
    assert (
        compose(NoticeKind.TEST, level="urgent", count=1, link="", code=CODE, language="fr-CH")[1]
        == (compose(NoticeKind.TEST, level="urgent", count=1, link="", code=CODE, language="fr")[1])
    )


def test_codes_of_another_home_or_notice_differ_and_only_a_digest_is_kept() -> None:
    made = {Codes(kek).of(notice, "path") for kek in (bytes(32), bytes([1]) * 32) for notice in ("a", "b")}
    assert len(made) == 4
    assert all(read_codes(code) == [code] and code not in code_digest(code) for code in made)
