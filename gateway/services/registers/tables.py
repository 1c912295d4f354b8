"""A register's file as a table of text: CSV or JSON, bounded before it is parsed, and never guessed at.

Decides about encodings, delimiters, headings and what a cell may hold. What a column means is the
mapping's. A file that could be read in two ways is refused; nothing is repaired, so that no value
changes between the register and the person who accepts it.
"""

import csv
import io
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from crypto import strictjson
from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.names import display_name

FileForm = Literal["csv", "json"]

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS: Final = 20_000
MAX_COLUMNS: Final = 64
MAX_CELL: Final = 8_000
#: More sentences than this help nobody.
MAX_ITEMS: Final = 20

#: Encodings a person may name for a file that is no Unicode; the names are Python's.
LEGACY_ENCODINGS: Final = ("windows-1250", "windows-1251", "windows-1252", "windows-1256", "iso-8859-1")
_DELIMITERS: Final = ",;\t|"
#: Cells that a spreadsheet would run; a telephone number or a lone dash is none.
_FORMULA: Final = ("=", "@", "\t", "\r")
_NUMBERS: Final = frozenset("0123456789 (")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a register. ``number`` counts from 1 and leaves the headings out."""

    number: int
    cells: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A register's file: its headings as written, without outer space, and its rows."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)


def heading_key(heading: str) -> str:
    """Return a heading as it is compared: one case, single spaces."""
    return " ".join(unicodedata.normalize("NFC", heading).casefold().split())


def read_table(
    data: bytes, form: FileForm, *, is_known: Callable[[str], bool], encoding: str | None = None
) -> Table:
    """Return the table of a file.

    Args:
        data: The whole file; at most ``MAX_BYTES``.
        is_known: Says whether a heading stands in the mapping; a CSV delimiter is recognised by it.
        encoding: One of ``LEGACY_ENCODINGS``, named by a person for a CSV file that is no Unicode.

    Raises ``GatewayRefusal`` ``register-too-large``, ``register-encoding`` or ``register-unreadable``
    with what is wrong in ``items``.
    """
    if len(data) > MAX_BYTES:
        raise GatewayRefusal("register-too-large")
    if form == "json":
        lines = _json_lines(data)
    else:
        lines = _csv_lines(_decode(data, encoding), is_known)
    return _table(lines)


def _unreadable(*sentences: str) -> NoReturn:
    items = [{"sentence": sentence} for sentence in sentences[:MAX_ITEMS]]
    raise GatewayRefusal("register-unreadable", items=items)


def _decode(data: bytes, encoding: str | None) -> str:
    """Return the text. Unicode declares itself; anything else has to be named by a person."""
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decoded(data, codec, "Its first bytes say Unicode, and the rest is none.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding is None:
            where = f"Byte {error.start} is no UTF-8. Spreadsheets can save as “CSV UTF-8”."
            raise GatewayRefusal("register-encoding", items=[{"sentence": where}]) from None
        if encoding not in LEGACY_ENCODINGS:
            known = ", ".join(LEGACY_ENCODINGS)
            raise GatewayRefusal(
                "register-encoding", items=[{"sentence": f"Encodings that can be named: {known}."}]
            ) from None
        return _decoded(data, encoding, f"It does not read as {encoding}.")
    if encoding is not None and not text.isascii():
        # Read as anything else it would give two strange letters for each accent, and no error.
        raise GatewayRefusal(
            "register-encoding", items=[{"sentence": "The file is UTF-8 already; name no encoding."}]
        )
    return text


def _decoded(data: bytes, codec: str, otherwise: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        raise GatewayRefusal("register-encoding", items=[{"sentence": otherwise}]) from None


def _csv_lines(text: str, is_known: Callable[[str], bool]) -> list[list[str]]:
    """Return the lines of a CSV file, headings first."""
    if not text.strip():
        _unreadable("The file is empty.")
    best: list[tuple[int, str]] = []
    for delimiter in _DELIMITERS:
        first = _parse(text, delimiter, 1)[0]
        best.append((sum(is_known(heading) for heading in first), delimiter))
    most = max(count for count, _ in best)
    fitting = [delimiter for count, delimiter in best if count == most]
    if most == 0:
        _unreadable("The first line has no heading that the mapping knows; take away what stands above it.")
    # One heading known is the same heading whatever divides it, as long as nothing else is in the line.
    if len(fitting) > 1 and any(len(_parse(text, d, 1)[0]) > 1 for d in fitting):
        _unreadable("It is not clear what divides the columns; export the file again with commas.")
    return _parse(text, fitting[0], MAX_ROWS + 2)


def _parse(text: str, delimiter: str, most: int) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[list[str]] = []
    try:
        for line in reader:
            if line:
                lines.append(line)
            if len(lines) >= most:
                break
    except csv.Error as error:
        _unreadable(f"Line {reader.line_num} is not well formed ({error}).")
    return lines


def _json_lines(data: bytes) -> list[list[str]]:
    """Return the lines of a JSON file: a list of flat objects that all have the same members."""
    try:
        value = strictjson.loads(data.removeprefix(b"\xef\xbb\xbf"), max_bytes=MAX_BYTES, max_depth=6)
    except Refusal as refusal:
        _unreadable(f"It is no JSON within the limits ({refusal.detail}).")
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        _unreadable("It must be a list of objects, one for each entry of the register.")
    objects = [row for row in value if isinstance(row, dict)]
    headings = list(objects[0])
    lines = [headings]
    for number, row in enumerate(objects, 1):
        if set(row) != set(headings):
            odd = sorted(set(row) ^ set(headings))
            _unreadable(f"Entry {number} has other members than the first one ({_shown(odd[0])}).")
        lines.append([_cell_text(row[heading], number, heading) for heading in headings])
    return lines


def _cell_text(value: strictjson.JSONValue, number: int, heading: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return str(value)
        case list() if all(isinstance(entry, str) for entry in value):
            # What a list holds is divided by line breaks, which no entry may have itself.
            entries = [entry for entry in value if isinstance(entry, str)]
            if not any("\n" in entry for entry in entries):
                return "\n".join(entries)
    _unreadable(f"Entry {number}: {_shown(heading)} must be text, a number, yes or no, or a list of texts.")


def _table(lines: Sequence[Sequence[str]]) -> Table:
    headings = tuple(" ".join(heading.split()) for heading in lines[0])
    if len(headings) > MAX_COLUMNS:
        _unreadable(f"It has {len(headings)} columns; at most {MAX_COLUMNS} are read.")
    keys = [heading_key(heading) for heading in headings]
    if twice := sorted({h for h, k in zip(headings, keys, strict=True) if keys.count(k) > 1}):
        _unreadable(*(f"Two columns are headed {_shown(heading)}." for heading in twice))
    if len(lines) - 1 > MAX_ROWS:
        raise GatewayRefusal("register-too-large", items=[{"sentence": f"At most {MAX_ROWS} rows are read."}])
    rows: list[Row] = []
    wrong: list[str] = []
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(headings):
            wrong.append(f"Row {number} has {len(line)} cells and there are {len(headings)} columns.")
            continue
        cells = {}
        for key, heading, cell in zip(keys, headings, line, strict=True):
            cleaned = _clean(cell)
            if fault := _fault(cleaned):
                wrong.append(f"Row {number}, {_shown(heading)}: the cell {fault}.")
            cells[key] = cleaned
        if any(cells.values()):
            rows.append(Row(number=number, cells=cells))
    if wrong:
        _unreadable(*wrong)
    if not rows:
        _unreadable("There is no row under the headings.")
    return Table(headings=headings, rows=tuple(rows))


def _clean(cell: str) -> str:
    """Return a cell with one kind of line break and without outer space; no-break spaces are spaces."""
    text = unicodedata.normalize("NFC", cell).replace("\r\n", "\n").replace("\u00a0", " ")
    return "\n".join(line.strip() for line in text.split("\n")).strip()


def _fault(cell: str) -> str | None:
    """Return what no cell may be, as half a sentence."""
    if not cell:
        return None
    if len(cell) > MAX_CELL:
        return f"has more than {MAX_CELL} characters"
    if "\ufffd" in cell:
        return "has lost characters in an earlier conversion"
    flat = cell.replace("\n", " ")
    if display_name(flat) != flat:
        return "holds control characters or characters that show nothing"
    if cell.startswith(_FORMULA) or (cell[0] in "+-" and len(cell) > 1 and cell[1] not in _NUMBERS):
        return "starts like a formula"
    return None


def _shown(heading: str) -> str:
    short = heading if len(heading) <= 60 else heading[:60] + "…"
    return f"“{display_name(short)}”" if short else "a column without heading"
