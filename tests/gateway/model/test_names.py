"""Names: only what cannot be kept is refused, and what is shown or saved cannot deceive."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.names import UnsafeName, check_name, display_name, safe_alias

KEPT = [
    "Rechtshilfeersuchen_Müller.pdf",
    "طلب المساعدة القانونية.pdf",
    "司法協助請求.pdf",
    "запрос о помощи.pdf",
    "evil\u202egpj.exe",
    ".htaccess",
    "-rf",
    "CON",
    "a:b*c?.txt",
    "x" * 200,
    "ж" * 127,
]


@pytest.mark.parametrize("name", KEPT)
def test_a_name_that_can_be_kept_is_kept(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "empty"),
        (".", "only dots"),
        ("..", "only dots"),
        ("a\0.pdf", "NUL"),
        ("../../etc/passwd", "a slash"),
        ("C:\\boot.ini", "a backslash"),
        ("x" * 201, "201 characters"),
        ("x" * 300, "300 characters"),
        ("ж" * 128, "256 bytes"),
        ("\ud800.pdf", "not valid Unicode"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused_with_what_to_change(name: str, what: str) -> None:
    with pytest.raises(UnsafeName, match=what):
        check_name(name)


@pytest.mark.parametrize(
    "mark", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\ufeff"]
)
def test_direction_marks_are_shown_and_never_acted_on(mark: str) -> None:
    assert display_name(f"a{mark}b") == f"a\\u{{{ord(mark):04X}}}b"


def test_a_name_is_shown_in_composed_form() -> None:
    assert display_name("Mu\u0308ller") == "Müller"


@given(st.text())
def test_nothing_that_is_shown_can_change_direction_or_break_a_line(name: str) -> None:
    shown = display_name(name)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert display_name(shown) == shown


@given(st.text(), st.integers(0, 1000))
def test_an_alias_is_one_harmless_component_of_a_path(name: str, n: int) -> None:
    alias = safe_alias(name, n)
    check_name(alias)
    assert os.path.basename(alias) == alias
    assert Path("folder", alias).resolve().parent == Path("folder").resolve()
    assert alias.startswith(f"{n:04d}-")
    assert not set(alias) & set('<>:"/\\|?* \0')
    assert not alias.endswith((".", " "))


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("Müller & Söhne.PDF", "0002-Müller_Söhne.pdf"),
        ("phone-images.tar.zst", "0002-phone-images.tar.zst"),
        ("invoice.pdf.exe", "0002-invoice_pdf_exe.bin"),
        ("evil\u202egpj.exe", "0002-evil_gpj_exe.bin"),
        ("CON", "0002-CON.bin"),
        ("../../etc/passwd", "0002-etc_passwd.bin"),
        ("...", "0002-file.bin"),
        ("", "0002-file.bin"),
    ],
)
def test_an_alias_keeps_what_is_safe(name: str, alias: str) -> None:
    assert safe_alias(name, 2) == alias


@given(st.text(), st.text(), st.integers(0, 500), st.integers(501, 1000))
def test_two_parts_never_share_an_alias(one: str, other: str, n: int, m: int) -> None:
    assert safe_alias(one, n).casefold() != safe_alias(other, m).casefold()
