"""Register files that could be read in two ways, or not at all."""

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registers import tables
from gateway.services.registers.tables import read_table

KNOWN = {"country", "name of authority", "telephone", ""}


def known(heading: str) -> bool:
    return tables.heading_key(heading) in KNOWN


def refused(data: bytes, form: tables.FileForm = "csv", encoding: str | None = None) -> tuple[str, str]:
    with pytest.raises(GatewayRefusal) as caught:
        read_table(data, form, is_known=known, encoding=encoding)
    return caught.value.code, " ".join(item["sentence"] for item in caught.value.items)


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_declares_itself(mark: str) -> None:
    data = "Country,Name of authority\nTürkiye,وزارة العدل\n".encode(mark)
    table = read_table(data, "csv", is_known=known)
    assert table.rows[0].cells == {"country": "Türkiye", "name of authority": "وزارة العدل"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_known_headings(delimiter: str) -> None:
    line = delimiter.join(["Country", "Name of authority", "Telephone"])
    row = delimiter.join(["Kenya", "Ministry", '"+254 20, ext. 5"' if delimiter == "," else "+254 20"])
    table = read_table(f"{line}\n{row}\n".encode(), "csv", is_known=known)
    assert table.headings == ("Country", "Name of authority", "Telephone")


def test_letters_of_unclear_meaning_are_refused_until_a_person_names_them() -> None:
    data = "Country;Name of authority\nCôte;Ministère\n".encode("windows-1252")
    assert refused(data)[0] == "register-encoding"
    assert refused(data, encoding="utf-7")[0] == "register-encoding"
    table = read_table(data, "csv", is_known=known, encoding="windows-1252")
    assert table.rows[0].cells["name of authority"] == "Ministère"


def test_a_unicode_file_is_not_read_as_anything_else() -> None:
    data = "Country,Name of authority\nCôte,Ministère\n".encode()
    assert refused(data, encoding="windows-1252")[0] == "register-encoding"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"Status as at 1 Nov\nCountry,Name of authority\n", "no heading"),
        (b"Country,Name of authority\n", "no row"),
        (b"Country,Country\nKenya,Kenya\n", "Two columns"),
        (b"Country,Name of authority\nKenya\n", "1 cells"),
        (b"Country,Name of authority\nKenya,A,B\n", "3 cells"),
        (b'Country,Name of authority\nKenya,"A\n', "not well formed"),
        (b'Country,Name of authority\nKenya,"A"B\n', "not well formed"),
        (b"Country,Name of authority\nKenya,=HYPERLINK(1)\n", "formula"),
        (b"Country,Name of authority\nKenya,@SUM(1)\n", "formula"),
        (b"Country,Name of authority\nKenya,+cmd|calc\n", "formula"),
        (b"Country,Name of authority\nKenya,A\x00B\n", "control"),
        (b"Country,Name of authority\nKenya,A\x1b[2J\n", "control"),
        ("Country,Name of authority\nKenya,\u202eA\n".encode(), "show nothing"),
        ("Country,Name of authority\nKenya,Minist\ufffdre\n".encode(), "lost"),
        (b"Country,Name of authority\nKenya," + b"x" * 8001 + b"\n", "8000"),
        (b"Country," + b",".join(b"c%d" % n for n in range(70)) + b"\nx" + b"," * 70 + b"\n", "64"),
    ],
)
def test_what_cannot_be_read_without_guessing_is_refused(data: bytes, said: str) -> None:
    code, sentences = refused(data)
    assert code == "register-unreadable"
    assert said in sentences


def test_a_huge_file_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"x" * (tables.MAX_BYTES + 1))[0] == "register-too-large"
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    rows = b"Country,Name of authority\n" + b"Kenya,A\n" * 5
    assert refused(rows)[0] == "register-too-large"


def test_telephone_numbers_dashes_and_line_breaks_in_a_cell_are_no_formulas() -> None:
    data = b'Country,Name of authority,Telephone\r\nKenya,"Ministry\r\nof Justice",+254 20 1\r\nEgypt,-,-\r\n'
    table = read_table(data, "csv", is_known=known)
    assert table.rows[0].cells["name of authority"] == "Ministry\nof Justice"
    assert [row.cells["telephone"] for row in table.rows] == ["+254 20 1", "-"]


def test_empty_lines_are_no_rows_and_no_break_spaces_are_spaces() -> None:
    data = "Country,Name of authority\n\n,\n Kenya ,Ministry\u00a0of Justice\n".encode()
    (row,) = read_table(data, "csv", is_known=known).rows
    assert (row.number, row.cells) == (2, {"country": "Kenya", "name of authority": "Ministry of Justice"})


def test_json_is_a_list_of_flat_objects_with_the_same_members() -> None:
    data = b'\xef\xbb\xbf{"entries": [{"Country": "Kenya", "Telephone": ["1", "2"]}]}'
    assert read_table(data, "json", is_known=known).rows[0].cells == {"country": "Kenya", "telephone": "1\n2"}


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"[1]",
        b"{",
        b'[{"Country": "Kenya", "Country": "Egypt"}]',
        b'[{"Country": {"name": "Kenya"}}]',
        b'[{"Country": 1.5}]',
        b'[{"Country": "Kenya"}, {"Telephone": "1"}]',
        b"[" * 100,
    ],
)
def test_other_json_is_refused(data: bytes) -> None:
    assert refused(data, "json")[0] == "register-unreadable"
