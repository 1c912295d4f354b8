"""A register's file set against a folder of records: every difference by itself, and nothing taken.

Decides which treaty a list of participation is about and what its silence means; authorities are compared
by ``authorities``. The answer is a proposal for a person.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NoReturn

from crypto.encoding import wire_time
from gateway.errors import GatewayRefusal
from gateway.services.registers.authorities import AuthorityComparison
from gateway.services.registers.differences import Difference, Proposal
from gateway.services.registers.entries import (
    ParticipationEntry,
    authority_entries,
    participation_entries,
)
from gateway.services.registers.mapping import RegisterMapping
from gateway.services.registers.recordfolder import Records
from gateway.services.registers.tables import FileForm, Table, read_table

_MAX_SOURCE = 500
_NOT_NAMED = "The list does not name it."


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterFile:
    """A register's file as a person hands it over.

    Attributes:
        source: Where it was got from: an address, or the letter it came with.
        as_of: Date of what it says.
        encoding: Named by the person for a CSV file that is no Unicode.
    """

    name: str
    data: bytes = field(repr=False)
    form: FileForm
    source: str
    as_of: date
    encoding: str | None = None


def compare(
    file: RegisterFile,
    mapping: RegisterMapping,
    records: Records,
    *,
    instrument: str | None = None,
    links: Mapping[int, str],
    now: datetime,
) -> Proposal:
    """Return every difference between a register's file and the records; nothing is changed.

    Args:
        instrument: For lists of participation: which treaty the file is about.
        links: Row → authority, where a person says that they are the same.

    Raises ``GatewayRefusal``: any of the ``register-…`` codes, with what to correct in ``items``.
    """
    if file.as_of > now.date():
        _refuse("The date of the file lies in the future.")
    if not file.source.strip() or len(file.source) > _MAX_SOURCE:
        _refuse("Say where the file was got from, in one line.")
    table = read_table(file.data, file.form, is_known=mapping.is_known, encoding=file.encoding)
    if mapping.kind == "participation":
        found, same, outside = _participation(table, mapping, records, instrument, file.as_of)
    else:
        if instrument is not None:
            _refuse("A treaty is named for lists of participation only.")
        comparison = AuthorityComparison(mapping, records, links)
        entries = authority_entries(table, mapping, as_of=file.as_of)
        found = list(comparison.differences(entries, file.as_of))
        same, outside = comparison.same, comparison.outside
    found.sort(key=lambda one: (one.target[:2].upper(), len(one.target) > 2, one.target))
    return Proposal(
        v=1,
        register=mapping.register,
        title=mapping.title,
        publisher=mapping.publisher,
        source=file.source.strip(),
        as_of=file.as_of.isoformat(),
        file=file.name,
        file_sha256=hashlib.sha256(file.data).hexdigest(),
        mapping_sha256=mapping.sha256,
        made_at=wire_time(now),
        same=same,
        outside=tuple(sorted(set(outside))),
        differences=tuple(replace(one, number=number) for number, one in enumerate(found, 1)),
        warnings=_warnings(records, instrument, found),
    )


def _warnings(records: Records, instrument: str | None, found: Sequence[Difference]) -> tuple[str, ...]:
    """Return what speaks against a list of participation: it leaves out most of those it should name."""
    left_out = {one.target for one in found if one.notes == (_NOT_NAMED,)}
    held = {
        state
        for state, record in records.states.items()
        if record["participation"].get(instrument, {}).get("status") == "party"
    }
    # Where nobody is held for a party yet, every State is one that the list might name.
    expected = held or set(records.states)
    missing = left_out & expected
    if len(missing) * 2 <= len(expected):
        return ()
    return (
        f"The list does not name {len(missing)} of {len(expected)} States "
        f"{'held for parties' if held else 'of the records'}. Look whether the file was cut off, or is about "
        "another treaty, before you take anything.",
    )


def _participation(
    table: Table, mapping: RegisterMapping, records: Records, instrument: str | None, as_of: date
) -> tuple[list[Difference], int, list[str]]:
    if instrument is None or instrument not in mapping.instruments:
        _refuse(f"Say which treaty the list is about: {', '.join(mapping.instruments)}.")
    entries, others = participation_entries(table, mapping, as_of=as_of)
    outside = [*others, *(entry.state for entry in entries if entry.state not in records.states)]
    found = list(_participation_differences(entries, mapping, records, instrument))
    spoken_of = len(records.states) if mapping.complete else len(entries) - (len(outside) - len(others))
    return found, spoken_of - len(found), outside


def _participation_differences(
    entries: Sequence[ParticipationEntry], mapping: RegisterMapping, records: Records, instrument: str
) -> Iterator[Difference]:
    listed = {entry.state: entry for entry in entries}
    for state, record in records.states.items():
        entry = listed.get(state)
        if entry is None and not mapping.complete:
            continue
        before = record["participation"].get(instrument)
        status = "not_party" if entry is None else entry.status
        after = {**(before or {}), "status": status, "basis": "depositary_list"}
        if before != after:
            yield Difference(
                number=0,
                target=state,
                member=f"participation.{instrument}",
                action="set",
                before=before,
                after=after,
                rows=() if entry is None else (entry.row,),
                notes=(_NOT_NAMED if entry is None else entry.note,),
            )


def _refuse(sentence: str) -> NoReturn:
    raise GatewayRefusal("register-decision", items=[{"sentence": sentence}])
