"""What a register's columns mean, declared as data: one mapping for each register, checked before use.

A mapping names every column it knows, also those that are left out and why; a file with another column
is refused. The values a mapping can fill are a closed list: no register can say anything about keys,
sealed channels, form versions or the status of an authority.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from crypto import strictjson
from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.codes import code_list
from gateway.services.registers.tables import MAX_ITEMS, Table, heading_key

MappingKind = Literal["authorities", "participation"]

#: What an entry about an authority can say.
AUTHORITY_VALUES: Final = frozenset(
    {
        "state", "name_en", "name_local", "region", "register_id", "designation", "address", "phones",
        "fax", "website", "emails", "languages", "office_hours", "time_zone", "always", "interpol",
        "forms_of_transmission", "urgent_procedure", "information_needed", "legal_basis_notes",
        "procedural_notes", "networks", "verified_at",
    }
)  # fmt: skip
#: What a depositary's list can say of a State and one instrument.
PARTICIPATION_VALUES: Final = frozenset(
    {"participant", "signature", "consent", "entry_into_force", "denunciation"}
)
#: Values that several columns may fill together, in the order of the mapping.
JOINED_VALUES: Final = frozenset({"designation", "phones", "emails", "address"})
DATE_FORMS: Final = ("yyyy-mm-dd", "dd/mm/yyyy", "d Mon yyyy")

_MAX_BYTES: Final = 256 * 1024
_NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "authorities": frozenset({"state", "name_en", "designation"}),
    "participation": frozenset({"participant", "consent"}),
}
_MEMBERS: Final = {
    "v", "register", "title", "publisher", "kind", "layout", "instruments", "complete", "date_form",
    "marks", "phrases", "columns",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column the mapping knows. ``value`` is ``None`` where it is left out, and ``left_out`` says why."""

    headings: tuple[str, ...]
    value: str | None
    left_out: str
    needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMapping:
    """How one register is read.

    Attributes:
        register: Short name, such as ``unodc_cna``.
        layout: Where the column layout is known from, for people.
        instruments: Instruments the register speaks of; it says nothing about designations under others.
        complete: Whether a State that is not listed is no party.
        date_form: One of ``DATE_FORMS``.
        marks: Marks behind a date and what they mean, such as ``a`` for accession.
        phrases: Value → (phrase of the register, compared as headings are → our codes).
        sha256: Of the mapping file, recorded with every value taken through it.
    """

    register: str
    title: str
    publisher: str
    kind: MappingKind
    layout: str
    instruments: tuple[str, ...]
    complete: bool
    date_form: str
    marks: Mapping[str, str]
    phrases: Mapping[str, Mapping[str, Any]] = field(repr=False)
    columns: tuple[Column, ...] = field(repr=False)
    sha256: str

    def is_known(self, heading: str) -> bool:
        """Say whether a heading stands in the mapping."""
        return heading_key(heading) in self._by_heading()

    def _by_heading(self) -> dict[str, Column]:
        return {heading_key(name): column for column in self.columns for name in column.headings}

    def value_columns(self, table: Table) -> dict[str, tuple[str, ...]]:
        """Return value → keys of the columns that fill it, in the order of the mapping.

        Raises ``GatewayRefusal`` ``register-columns`` if the table has a column the mapping does not know,
        lacks one it needs, or has two that fill one value; ``items`` names them.
        """
        known = self._by_heading()
        wrong = []
        for heading in table.headings:
            if heading_key(heading) not in known:
                shown = f"“{heading[:60]}”" if heading else "without heading"
                wrong.append(f"The column {shown} is not in the mapping; say there what it means or why not.")
        present = {heading_key(heading) for heading in table.headings}
        found: dict[str, list[str]] = {}
        for column in self.columns:
            keys = [key for name in column.headings if (key := heading_key(name)) in present]
            if len(keys) > 1:
                wrong.append(f"Two columns mean the same: {', '.join(sorted(keys))}.")
            if column.needed and not keys:
                wrong.append(f"The column “{column.headings[0]}” is missing.")
            if column.value is not None and keys:
                found.setdefault(column.value, []).extend(keys)
        if wrong:
            raise GatewayRefusal("register-columns", items=[{"sentence": line} for line in wrong[:MAX_ITEMS]])
        return {value: tuple(keys) for value, keys in found.items()}


def known_registers() -> tuple[str, ...]:
    """Return the registers whose mapping comes with the product."""
    folder = files(__package__) / "mappings"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))


@cache
def packaged_mapping(register: str) -> RegisterMapping:
    """Return a mapping that comes with the product. Raises ``GatewayRefusal`` ``register-mapping``."""
    if register not in known_registers():
        _refuse(f"Mappings that come with the product: {', '.join(known_registers())}.")
    return parse_mapping((files(__package__) / "mappings" / f"{register}.json").read_bytes())


def read_mapping(path: Path) -> RegisterMapping:
    """Return the mapping in a file. Raises ``OSError`` or ``GatewayRefusal`` ``register-mapping``."""
    with path.open("rb") as file:
        return parse_mapping(file.read(_MAX_BYTES + 1))


def parse_mapping(data: bytes) -> RegisterMapping:
    """Return the checked mapping. Raises ``GatewayRefusal`` ``register-mapping`` naming what is wrong."""
    try:
        row: Any = strictjson.loads_object(data, max_bytes=_MAX_BYTES)
    except Refusal as refusal:
        _refuse(f"It is no JSON object within the limits ({refusal.detail}).")
    if unknown := sorted(set(row) - _MEMBERS):
        _refuse(f"{unknown[0]} is no member of a mapping.")
    try:
        kind = row["kind"]
        if row["v"] != 1 or kind not in _NEEDED:
            _refuse("v must be 1, and kind authorities or participation.")
        mapping = RegisterMapping(
            register=_word(row["register"]),
            title=_text(row["title"]),
            publisher=_text(row["publisher"]),
            kind=kind,
            layout=_text(row["layout"]),
            instruments=tuple(_instrument(code) for code in row["instruments"]),
            complete=row.get("complete") is True,
            date_form=row.get("date_form", DATE_FORMS[0]),
            marks={_text(mark): _text(meaning) for mark, meaning in row.get("marks", {}).items()},
            phrases={
                value: {heading_key(phrase): codes for phrase, codes in known.items()}
                for value, known in row.get("phrases", {}).items()
            },
            columns=tuple(_column(entry, kind) for entry in row["columns"]),
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except KeyError as missing:
        _refuse(f"{missing.args[0]} is missing.")
    except (TypeError, AttributeError):
        _refuse("A member has the wrong type.")
    _check(mapping)
    return mapping


def _check(mapping: RegisterMapping) -> None:
    """Refuse a mapping that could be read in two ways, or that cannot fill what an entry needs."""
    headings = [heading_key(name) for column in mapping.columns for name in column.headings]
    if twice := sorted({heading for heading in headings if headings.count(heading) > 1}):
        _refuse(f"The heading “{twice[0]}” stands in two columns.")
    values = [column.value for column in mapping.columns if column.value is not None]
    for value in values:
        if values.count(value) > 1 and value not in JOINED_VALUES:
            _refuse(f"Two columns fill {value}.")
    needed = {column.value for column in mapping.columns if column.needed}
    if lacking := sorted(_NEEDED[mapping.kind] - needed):
        _refuse(f"A column must be needed that fills {lacking[0]}.")
    if mapping.date_form not in DATE_FORMS:
        _refuse(f"date_form must be one of: {', '.join(DATE_FORMS)}.")
    for codes in mapping.phrases.get("designation", {}).values():
        for designation in codes:
            _check_designation(designation, mapping)
    for value, vocabulary in (("forms_of_transmission", "form_of_transmission"),):
        for code in mapping.phrases.get(value, {}).values():
            if code not in code_list(vocabulary):
                _refuse(f"{code} is no {vocabulary}.")


def _check_designation(designation: Any, mapping: RegisterMapping) -> None:
    if not isinstance(designation, dict) or set(designation) != {"instrument", "article", "role"}:
        _refuse("A designation has instrument, article and role.")
    if designation["instrument"] not in mapping.instruments:
        _refuse(f"{designation['instrument']} is not among the instruments of the mapping.")
    if designation["role"] not in code_list("authority_role"):
        _refuse(f"{designation['role']} is no role of an authority.")
    _text(designation["article"])


def _column(row: Any, kind: str) -> Column:
    allowed = AUTHORITY_VALUES if kind == "authorities" else PARTICIPATION_VALUES
    if unknown := sorted(set(row) - {"headings", "value", "left_out", "needed"}):
        _refuse(f"{unknown[0]} is no member of a column.")
    if ("value" in row) == ("left_out" in row):
        _refuse("A column either fills a value or says why it is left out.")
    value = row.get("value")
    if value is not None and value not in allowed:
        _refuse(f"No register can fill {value}; possible are {', '.join(sorted(allowed))}.")
    headings = tuple(row["headings"])
    if not headings or not all(isinstance(name, str) and len(name) <= 200 for name in headings):
        _refuse("Headings must be texts.")
    return Column(
        headings=headings,
        value=value,
        left_out=_text(row["left_out"]) if value is None else "",
        needed=row.get("needed") is True,
    )


def _instrument(code: Any) -> str:
    if not isinstance(code, str) or code not in code_list("instrument"):
        _refuse(f"{code} is no instrument.")
    return code


def _word(value: Any) -> str:
    word = _text(value)
    if not word.replace("_", "").isalnum() or not word.isascii() or len(word) > 40:
        _refuse("register must be a short word of letters, digits and underscores.")
    return word


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 1000:
        _refuse("A text is empty or too long.")
    return value


def _refuse(sentence: str) -> NoReturn:
    raise GatewayRefusal("register-mapping", items=[{"sentence": sentence}])
