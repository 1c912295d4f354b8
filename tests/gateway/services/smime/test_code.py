"""The acknowledgement code: what people make of it is read, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.services.quotedcode import acknowledgement_code, codes_in, new_key

KEY = bytes(range(32))
CODE = acknowledgement_code(KEY, sender="xx-moj", bid="0" * 31 + "1", to="yy-moj")


def test_a_code_has_sixteen_letters_in_four_groups() -> None:
    assert [len(group) for group in CODE.split("-")] == [4, 4, 4, 4]
    assert not set(CODE) & set("ILOU")


def test_every_part_of_the_identity_changes_the_code() -> None:
    others = [
        acknowledgement_code(KEY, sender="xx-moi", bid="0" * 31 + "1", to="yy-moj"),
        acknowledgement_code(KEY, sender="xx-moj", bid="0" * 31 + "2", to="yy-moj"),
        acknowledgement_code(KEY, sender="xx-moj", bid="0" * 31 + "1", to="yy-ag"),
        acknowledgement_code(new_key(), sender="xx-moj", bid="0" * 31 + "1", to="yy-moj"),
    ]
    assert len({CODE, *others}) == 5


def test_a_code_is_found_however_a_person_types_it() -> None:
    plain = CODE.replace("-", "")
    for typed in (
        CODE.lower(),
        plain,
        CODE.replace("-", " "),
        CODE.replace("-", " - "),
        CODE.replace("-", "\u2013"),
        CODE.replace("0", "O").replace("1", "l"),
        plain.replace("0", "o").replace("1", "I").lower(),
        "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in CODE),
        CODE.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        f"> Your code\r\n> {CODE}.",
        f"(code {CODE})",
        f"With kind regards, this also says that code {CODE}",
    ):
        assert CODE in codes_in(f"We have it. {typed}\nRegards"), typed


def test_a_code_that_differs_by_one_letter_is_another() -> None:
    for at in (0, 7, 18):
        letter = "2" if CODE[at] != "2" else "3"
        assert CODE not in codes_in(CODE[:at] + letter + CODE[at + 1 :])


def test_a_part_of_the_code_or_a_longer_text_is_none() -> None:
    assert CODE not in codes_in(CODE[:-1])
    assert CODE not in codes_in("A" + CODE.replace("-", ""))
    assert CODE not in codes_in(CODE.replace("-", "") + "7")
    assert CODE not in codes_in("")


@given(st.text(max_size=400))
def test_any_text_is_searched_without_trouble(text: str) -> None:
    assert all(len(found) == 19 for found in codes_in(text))
