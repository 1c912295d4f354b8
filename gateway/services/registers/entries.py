"""The entries of a register's file: rows made into values, one entry for each authority or State.

Every row is read before anything is compared, and a file with one wrong row is refused whole, with the
rows named: half an import would look like a whole one. Rows of one authority are put together; where
they contradict each other a person corrects the file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from gateway.errors import GatewayRefusal
from gateway.model.lookalikes import plain
from gateway.services.registers.mapping import RegisterMapping
from gateway.services.registers.tables import MAX_ITEMS, Row, Table, heading_key
from gateway.services.registers.values import (
    LookAlikeName,
    convert,
    marked_date,
    parse_date,
    participant,
)

#: Values that rows of one authority give together; in all others they must agree.
MERGED_VALUES: Final = frozenset(
    {"designation", "phones", "emails", "languages", "forms_of_transmission", "networks"}
)

#: One authority has a row for each task at most, and not thousands.
_MAX_ROWS_OF_ONE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityEntry:
    """What a register says of one authority; a value that is not there is not said."""

    state: str
    values: Mapping[str, Any] = field(repr=False)
    rows: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its name in English."""
        return str(self.values["name_en"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipationEntry:
    """What a depositary's list says of one State and the instrument.

    Attributes:
        status: ``party``, ``signatory`` or ``not_party``.
        note: Dates and acts it rests on, a sentence.
    """

    state: str
    status: str
    note: str
    row: int


class _Faults:
    """Collects what is wrong, so that a person mends a file once and not row by row."""

    def __init__(self, table: Table) -> None:
        self._headings = {heading_key(heading): heading for heading in table.headings}
        self.values: list[str] = []
        self.names: list[str] = []

    def note(self, row: int, key: str, error: ValueError) -> None:
        into = self.names if isinstance(error, LookAlikeName) else self.values
        into.append(f"Row {row}, “{self._headings.get(key, key)}”: the cell {error}.")

    def refuse(self) -> None:
        for code, sentences in (("register-lookalike", self.names), ("register-values", self.values)):
            if sentences:
                raise GatewayRefusal(code, items=_items(sentences))


def authority_entries(table: Table, mapping: RegisterMapping, *, as_of: date) -> tuple[AuthorityEntry, ...]:
    """Return the authorities of a file, in its order.

    Raises ``GatewayRefusal`` ``register-columns``, ``register-values`` or ``register-lookalike``.
    """
    columns = mapping.value_columns(table)
    faults = _Faults(table)
    grouped: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for row in table.rows:
        values = _row_values(row, columns, mapping, faults)
        if values.get("verified_at", "") > as_of.isoformat():
            faults.note(row.number, "verified_at", ValueError("lies after the date of the file"))
        if "state" in values and "name_en" in values:
            grouped.setdefault((values["state"], plain(values["name_en"])), []).append((row.number, values))
    _note_contradictions(grouped.values(), faults)
    faults.refuse()
    return tuple(_merged(state, rows) for (state, _), rows in grouped.items())


def _row_values(
    row: Row, columns: Mapping[str, Sequence[str]], mapping: RegisterMapping, faults: _Faults
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    needed = {column.value for column in mapping.columns if column.needed}
    for value, keys in columns.items():
        # Columns that make one designation together all have to be filled.
        cells = [row.cells[key] for key in keys if row.cells[key]]
        if not cells or (value == "designation" and len(cells) != len(keys)):
            if value in needed:
                faults.note(row.number, keys[0], ValueError("is empty and is needed"))
            continue
        try:
            values[value] = convert(value, cells, mapping)
        except ValueError as error:
            faults.note(row.number, keys[0], error)
    return values


def _note_contradictions(entries: Iterable[Sequence[tuple[int, Mapping[str, Any]]]], faults: _Faults) -> None:
    """Find rows of one authority that say different things where only one can be true."""
    for rows in entries:
        held: dict[str, tuple[int, Any]] = {}
        for number, values in rows:
            for value in sorted(set(values) - MERGED_VALUES):
                earlier, said = held.setdefault(value, (number, values[value]))
                if said != values[value]:
                    faults.note(number, value, ValueError(f"contradicts row {earlier}"))
        if len(rows) > _MAX_ROWS_OF_ONE:
            again = ValueError(f"stands in more than {_MAX_ROWS_OF_ONE} rows")
            faults.note(rows[_MAX_ROWS_OF_ONE][0], "name_en", again)


def _merged(state: str, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> AuthorityEntry:
    values: dict[str, Any] = {}
    for _, said in rows:
        for value, content in said.items():
            if value in MERGED_VALUES:
                held = values.setdefault(value, [])
                held.extend(item for item in content if item not in held)
            else:
                values.setdefault(value, content)
    return AuthorityEntry(state=state, values=values, rows=tuple(number for number, _ in rows))


def participation_entries(
    table: Table, mapping: RegisterMapping, *, as_of: date
) -> tuple[tuple[ParticipationEntry, ...], tuple[str, ...]]:
    """Return the States of a list, and the participants that are no States.

    Raises ``GatewayRefusal`` ``register-columns`` or ``register-values``.
    """
    columns = {value: keys[0] for value, keys in mapping.value_columns(table).items()}
    faults = _Faults(table)
    found: dict[str, ParticipationEntry] = {}
    others: list[str] = []
    for row in table.rows:
        name = row.cells[columns["participant"]]
        try:
            state, withdrawn = participant(name)
        except ValueError as error:
            faults.note(row.number, columns["participant"], error)
            continue
        if state is None:
            others.append(name)
            continue
        if state in found:
            again = ValueError(f"names the State of row {found[state].row} again")
            faults.note(row.number, columns["participant"], again)
        status, note = _status(row, columns, mapping, as_of=as_of, withdrawn=withdrawn, faults=faults)
        found[state] = ParticipationEntry(state=state, status=status, note=note, row=row.number)
    faults.refuse()
    return tuple(found.values()), tuple(others)


def _status(
    row: Row,
    columns: Mapping[str, str],
    mapping: RegisterMapping,
    *,
    as_of: date,
    withdrawn: bool,
    faults: _Faults,
) -> tuple[str, str]:
    def cell(value: str, read: Callable[[str], Any], *, past: bool) -> Any:
        key = columns.get(value)
        if key is None or not row.cells[key]:
            return None
        try:
            said = read(row.cells[key])
            day = said[0] if isinstance(said, tuple) else said
            if past and day > as_of:
                raise ValueError("lies after the date of the file")
        except ValueError as error:
            faults.note(row.number, key, error)
            return None
        return said

    def plain_date(text: str) -> date:
        return parse_date(text, mapping.date_form)

    # A signature may carry a mark as well: definitive, or by a predecessor.
    signed = cell("signature", lambda text: marked_date(text, mapping), past=True)
    bound = cell("consent", lambda text: marked_date(text, mapping), past=True)
    begins = cell("entry_into_force", plain_date, past=False)
    ended = cell("denunciation", plain_date, past=False)
    if withdrawn or (ended is not None and ended <= as_of):
        return "not_party", "Withdrawn" + (f" with effect from {ended}." if ended else ".")
    if bound is not None:
        act = bound[1] or "ratification"
        if begins is not None and begins > as_of:
            return "signatory", f"{act.capitalize()} on {bound[0]}; in force for it from {begins} only."
        return "party", f"{act.capitalize()} on {bound[0]}."
    if begins is not None and begins <= as_of:
        return "party", f"In force for it from {begins}."
    if signed is not None:
        return "signatory", f"Signed on {signed[0]}, not ratified."
    return "not_party", "Listed without signature or ratification."


def _items(sentences: Sequence[str]) -> list[dict[str, str]]:
    shown = [{"sentence": sentence} for sentence in sentences[:MAX_ITEMS]]
    if len(sentences) > MAX_ITEMS:
        shown.append({"sentence": f"And {len(sentences) - MAX_ITEMS} more."})
    return shown
