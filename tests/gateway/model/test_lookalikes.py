"""Names that could be taken for others."""

import pytest

from gateway.model.lookalikes import disguise, look_alike, plain
from tests.sampledata import sample

RECORDS = sample("directory.json")["authorities"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Ministry of Justiсe", "mixes alphabets"),  # Cyrillic с
        ("Μinistry of Justice", "mixes alphabets"),  # Greek capital mu
        ("Министерствo юстиции", "mixes alphabets"),  # Latin o
        ("Ministry of Ju\u200bstice", "show nothing"),
        ("Ministry of \u202eecitsuJ", "show nothing"),
        ("Ministry of Ｊustice", "pictures"),
        ("𝐌inistry of Justice", "pictures"),
    ],
)
def test_a_disguised_name_is_named_as_such(name: str, said: str) -> None:
    assert said in (disguise(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        "Ministério Público, 2ª Secção",
        "Министерство юстиции (Ministry of Justice)",
        "法務省 24時間 Duty desk",
        "대검찰청 國際協力",
        "النيابة العامة",
        "Υπουργείο Δικαιοσύνης",
        "Bundesministerium für Justiz",
        "دادستانی کل\u200cکشور",
    ],
)
def test_an_honest_name_in_its_own_alphabet_passes(name: str) -> None:
    assert disguise(name) is None


def test_an_english_name_has_latin_letters_only() -> None:
    assert disguise("Министерство юстиции", latin_only=True) is not None
    assert disguise("Côte d'Ivoire, Direction des affaires pénales", latin_only=True) is None


@pytest.mark.parametrize("row", RECORDS, ids=lambda row: row["authority_id"])
def test_no_sample_name_is_a_disguise(row: dict[str, str]) -> None:
    assert disguise(row["name_en"], latin_only=True) is None
    assert disguise(row.get("name_local", "x")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ministry of Justice", "Minlstry of Justice"),
        ("Ministry of Justice", "Ministry of Just1ce"),
        ("Attorney General", "Attomey General"),
        ("Ministério da Justiça", "Ministerio da Justica"),
        ("COPE", "СОРЕ"),
    ],
)
def test_names_of_one_shape_look_alike(one: str, other: str) -> None:
    assert look_alike(one, other)


def test_spelling_of_quotes_dashes_and_case_is_no_difference() -> None:
    assert plain("Prosecutor-General’s  OFFICE") == plain("prosecutor general's office")
    assert not look_alike("Prosecutor-General’s Office", "Prosecutor General's office")


def test_no_two_sample_authorities_of_a_state_look_alike() -> None:
    for one in RECORDS:
        for other in RECORDS:
            if one["state"] == other["state"]:
                assert not look_alike(one["name_en"], other["name_en"])
