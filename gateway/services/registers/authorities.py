"""A register's authorities set against ours: whose entry it is, and what it says differently.

An entry is an authority of ours only by the register's own number, by its exact name within its State, or
because a person linked the two; likeness never links. What the register does not say stays as it is, and
it says nothing about designations under instruments outside its mapping.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from gateway.errors import GatewayRefusal
from gateway.model.lookalikes import plain, shape
from gateway.services.registers.differences import Action, Difference, same_item, value_at
from gateway.services.registers.entries import AuthorityEntry
from gateway.services.registers.mapping import RegisterMapping
from gateway.services.registers.newrecords import (
    Identifiers,
    contacts,
    draft_record,
    interpol_channel,
    lacks,
)
from gateway.services.registers.recordfolder import Records
from gateway.services.registers.tables import MAX_ITEMS

#: Values that stand in the record as they are, and the member they stand in.
_SET: Final = {
    **{name: name for name in ("name_en", "name_local", "region", "fax", "website", "languages")},
    **{name: name for name in ("urgent_procedure", "information_needed", "legal_basis_notes")},
    **{name: name for name in ("procedural_notes", "verified_at")},
    "address": "address.postal",
    "office_hours": "hours.office",
    "time_zone": "hours.time_zone",
    "always": "hours.always",
}


class AuthorityComparison:
    """Goes through the entries of one file; counts what is the same and which States are not ours."""

    def __init__(self, mapping: RegisterMapping, records: Records, links: Mapping[int, str]) -> None:
        self._mapping = mapping
        self._records = records
        self._links = links
        self._identifiers = Identifiers(records.authorities)
        self._by_name: dict[tuple[str, str], set[str]] = {}
        for aid, record in records.authorities.items():
            for name in {record["name_en"], record.get("name_local") or record["name_en"]}:
                self._by_name.setdefault((record["state"], plain(name)), set()).add(aid)
        self._by_number = {
            known["entries"][mapping.register]: target
            for target, known in records.sources.items()
            if mapping.register in known.get("entries", {}) and target in records.authorities
        }
        self.same = 0
        self.outside: list[str] = []

    def differences(self, entries: Sequence[AuthorityEntry], as_of: date) -> Iterator[Difference]:
        """Yield the differences, not yet numbered.

        Raises ``GatewayRefusal`` ``register-decision`` for a link that leads nowhere, ``register-lookalike``,
        or ``register-values`` where two entries stand for one authority.
        """
        self._refuse_wrong_links(entries)
        self._refuse_lookalikes(entries)
        matched: dict[str, AuthorityEntry] = {}
        for entry in entries:
            if entry.state not in self._records.states:
                self.outside.append(entry.state)
                continue
            target = self._match(entry)
            if target is None:
                new = self._new(entry, as_of)
                matched[new.target] = entry
                yield new
                continue
            if target in matched:
                sentence = f"Rows {matched[target].rows[0]} and {entry.rows[0]} both stand for {target}."
                raise GatewayRefusal("register-values", items=[{"sentence": sentence}])
            matched[target] = entry
            yield from self._changes(target, entry)
        yield from self._withdrawn(set(matched), {entry.state for entry in entries})

    def _match(self, entry: AuthorityEntry) -> str | None:
        for row in entry.rows:
            if row in self._links:
                return self._links[row]
        number = entry.values.get("register_id")
        if number in self._by_number:
            return self._by_number[number]
        same = self._by_name.get((entry.state, plain(entry.name)), set())
        return next(iter(same)) if len(same) == 1 else None

    def _of_state(self, state: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(aid, row) for aid, row in self._records.authorities.items() if row["state"] == state]

    def _refuse_wrong_links(self, entries: Sequence[AuthorityEntry]) -> None:
        rows = {row: entry for entry in entries for row in entry.rows}
        for row, target in self._links.items():
            record = self._records.authorities.get(target)
            if row not in rows or record is None or record["state"] != rows[row].state:
                sentence = f"Row {row} cannot be linked to {target}: no such row, or not one of its State."
                raise GatewayRefusal("register-decision", items=[{"sentence": sentence}])

    def _refuse_lookalikes(self, entries: Sequence[AuthorityEntry]) -> None:
        """Refuse a name that the eye takes for one of ours, or for another in the file."""
        wrong = []
        seen: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for aid, record in self._records.authorities.items():
            for name in {record["name_en"], record.get("name_local") or record["name_en"]}:
                seen.setdefault((record["state"], shape(name)), []).append((plain(name), aid))
        for entry in entries:
            alike = seen.setdefault((entry.state, shape(entry.name)), [])
            # A person who linked the row has looked at both names.
            if not any(row in self._links for row in entry.rows):
                said = plain(entry.name)
                same = {where for name, where in alike if name == said}
                where = next((where for name, where in alike if name != said and where not in same), None)
                if where is not None:
                    wrong.append(
                        f"Row {entry.rows[0]}: the name looks like that of {where} and differs; correct it, "
                        "or link the row if they are one authority."
                    )
            alike.append((plain(entry.name), f"row {entry.rows[0]}"))
        if wrong:
            items = [{"sentence": sentence} for sentence in wrong[:MAX_ITEMS]]
            raise GatewayRefusal("register-lookalike", items=items)

    def _new(self, entry: AuthorityEntry, as_of: date) -> Difference:
        record = draft_record(entry, self._identifiers.propose(entry), self._mapping, as_of)
        roles = set(record["roles"])
        alike = [aid for aid, row in self._of_state(entry.state) if roles & set(row["roles"])]
        notes = ["Not among the records."]
        if alike:
            notes.append(
                f"{', '.join(alike)} does such a task there: if it is the same authority, compare again with "
                f"--link {entry.rows[0]}={alike[0]}."
            )
        return Difference(
            number=0,
            target=record["authority_id"],
            member="",
            action="new",
            after=record,
            rows=entry.rows,
            notes=tuple(notes),
            lacks=lacks(record),
            entry=str(entry.values.get("register_id", "")),
        )

    def _changes(self, target: str, entry: AuthorityEntry) -> Iterator[Difference]:
        record = self._records.authorities[target]

        def difference(member: str, action: Action, after: Any, before: Any = None) -> Difference:
            number = str(entry.values.get("register_id", ""))
            return Difference(
                number=0, target=target, member=member, action=action, before=before, after=after,
                rows=entry.rows, entry=number,
            )  # fmt: skip

        for value, member in _SET.items():
            if value not in entry.values:
                continue
            after, before = entry.values[value], value_at(record, member)
            if _same_value(value, after, before, record):
                self.same += 1
            else:
                yield difference(member, "set", after, before)
        for member, said, may_remove in _lists(entry, record, self._mapping):
            held = value_at(record, member) or []
            added = [item for item in said if not _contains(member, held, item)]
            removed = [item for item in held if may_remove(item) and not _contains(member, said, item)]
            self.same += len(said) - len(added)
            if added:
                yield difference(member, "add", added)
            if removed:
                yield difference(member, "remove", removed)

    def _withdrawn(self, matched: set[str], states: set[str]) -> Iterator[Difference]:
        """Yield authorities that came with this register and are no longer in it, of States that are."""
        for target, known in self._records.sources.items():
            record = self._records.authorities.get(target)
            came = known.get("values", {}).get("", {}).get("register") == self._mapping.register
            if not came or record is None or target in matched or record["status"] == "withdrawn":
                continue
            if record["state"] in states:
                yield Difference(
                    number=0,
                    target=target,
                    member="",
                    action="withdraw",
                    before=record["status"],
                    notes=("It came with this register, which no longer lists it.",),
                )


def _same_value(value: str, after: Any, before: Any, record: Mapping[str, Any]) -> bool:
    if value == "languages":
        return set(after) == set(before or ())
    if value == "name_en" and plain(after) == plain(record.get("name_local") or ""):
        # The register writes the authority's own name where it has no English one.
        return True
    return bool(after == before)


def _contains(member: str, items: Sequence[Any], item: Any) -> bool:
    return any(same_item(member, item, other) for other in items)


def _lists(
    entry: AuthorityEntry, record: Mapping[str, Any], mapping: RegisterMapping
) -> Iterator[tuple[str, list[Any], Callable[[Any], bool]]]:
    """Yield member, what the register says, and which of our entries its silence speaks against."""
    said = entry.values
    if "designation" in said:
        yield "designations", said["designation"], lambda row: row["instrument"] in mapping.instruments
    if "phones" in said:
        numbers = [{"use": "office", "number": number} for number in said["phones"]]
        yield "phones", numbers, lambda row: row.get("use") == "office"
    if "emails" in said:
        mails = contacts(said["emails"], said.get("languages", record["languages"]))
        yield "contacts", mails, lambda row: False
    if "forms_of_transmission" in said:
        yield "forms_of_transmission", said["forms_of_transmission"], lambda row: True
    if "networks" in said:
        yield "informal_cooperation.networks", said["networks"], lambda row: False
    if "interpol" in said:
        held = [row for row in record["channels"] if row["channel"] == "interpol"]
        wanted = held or [interpol_channel(record["state"], record["channels"])]
        yield "channels", wanted if said["interpol"] else [], lambda row: row["channel"] == "interpol"
