"""What a named person decides about a proposal, carried out: each value with its source, nothing unasked.

A difference is taken only while what it was shown against still stands. All that is taken at once is
checked together before anything is written; the decision is written first, so that no value can change
without a line that says who took it.
"""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from crypto.encoding import wire_time
from gateway.errors import GatewayRefusal
from gateway.model.lookalikes import disguise, look_alike
from gateway.model.names import display_name
from gateway.services.registers.differences import (
    Difference,
    Proposal,
    item_key,
    same_item,
    value_at,
)
from gateway.services.registers.recordfolder import (
    RecordFolder,
    Records,
    authority_path,
    authority_problems,
    sources_path,
    state_path,
    state_problems,
)

_MAX_PERSON: Final = 200
#: What a person adds to a new record by hand can be anything but this: keys come with an enrolment.
_NEVER_BY_HAND: Final = frozenset({"keys", "forms", "requirements", "state"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of the decisions: numbers taken and left, and the records that changed."""

    taken: tuple[int, ...]
    left: tuple[int, ...]
    targets: tuple[str, ...]


def accept(
    folder: RecordFolder,
    proposal: Proposal,
    *,
    take: Mapping[int, bool],
    by: str,
    completions: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> Taken:
    """Carry out a person's decisions; durable when it returns.

    Args:
        take: Number of a difference → taken or left; what is not named stays undecided.
        by: Name and office of the person, as it is kept.
        completions: Proposed identifier of a new authority → members entered by hand, also another
            ``authority_id``.

    Raises ``GatewayRefusal`` ``register-decision``, ``register-outdated``, ``record-incomplete`` or
    ``register-lookalike``; nothing is changed then.
    """
    _check_person(by)
    if not folder.was_proposed(proposal.to_json()):
        _refuse("This proposal was not made for these records, or was changed; compare again.")
    numbers = {difference.number: difference for difference in proposal.differences}
    if unknown := sorted(set(take) - set(numbers)):
        _refuse(f"There is no difference {unknown[0]}.")
    chosen = [numbers[number] for number, yes in sorted(take.items()) if yes]
    if unused := sorted(set(completions) - {one.target for one in chosen if one.action == "new"}):
        _refuse(f"{unused[0]} is no new authority among those taken.")
    work = _Work(folder.read(), proposal, by, now)
    for difference in chosen:
        work.apply(difference, completions.get(difference.target, {}))
    work.check()
    left = tuple(number for number, yes in sorted(take.items()) if not yes)
    taken = tuple(difference.number for difference in chosen)
    folder.append_decision(
        {
            "at": work.at,
            "by": by,
            "register": proposal.register,
            "as_of": proposal.as_of,
            "file_sha256": proposal.file_sha256,
            "proposal_sha256": hashlib.sha256(proposal.to_json()).hexdigest(),
            "taken": [_in_words(difference) for difference in chosen],
            "left": [_in_words(numbers[number]) for number in left],
        }
    )
    for target, record in work.records.items():
        folder.write(state_path(target) if len(target) == 2 else authority_path(target), record)
        folder.write(sources_path(target), work.sources[target])
    return Taken(taken=taken, left=left, targets=tuple(work.records))


class _Work:
    """The records as they will be; the folder is not touched."""

    def __init__(self, before: Records, proposal: Proposal, by: str, now: datetime) -> None:
        self._before = before
        self._proposal = proposal
        self._by = by
        self.at = wire_time(now)
        self.records: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}

    def apply(self, difference: Difference, completion: Mapping[str, Any]) -> None:
        """Put one difference into effect. Raises ``register-outdated`` if its ground has changed."""
        if difference.action == "new":
            self._new(difference, completion)
            return
        record = self._record(difference.target)
        if difference.action == "withdraw":
            if record["status"] != difference.before:
                _outdated(difference)
            record["status"] = "withdrawn"
            self._note(difference.target, "status", difference)
            return
        parent, name = _parent(record, difference.member)
        designated = {row["role"] for row in record.get("designations", ())}
        if difference.action == "set":
            if value_at(record, difference.member) != difference.before:
                _outdated(difference)
            parent[name] = difference.after
            self._note(difference.target, difference.member, difference)
        else:
            self._change_list(difference, parent, name)
        if difference.member == "designations":
            _follow_designations(record, designated)
        if len(difference.target) > 2:
            record["source"] = f"{self._proposal.title}, {self._proposal.as_of}"

    def _change_list(self, difference: Difference, parent: dict[str, Any], name: str) -> None:
        held = parent.setdefault(name, [])
        member, adding = difference.member, difference.action == "add"
        for item in difference.after:
            there = any(same_item(member, item, other) for other in held)
            if there == adding:
                _outdated(difference)
            where = f"{member}[{item_key(member, item)}]"
            if adding:
                held.append(item)
                self._note(difference.target, where, difference)
            else:
                held[:] = [other for other in held if not same_item(member, item, other)]
                self._sources(difference.target)["values"].pop(where, None)

    def _new(self, difference: Difference, completion: Mapping[str, Any]) -> None:
        if wrong := sorted(_NEVER_BY_HAND & set(completion)):
            _refuse(f"{wrong[0]} cannot be entered by hand.")
        record = {**deepcopy(difference.after), **completion}
        target = str(record["authority_id"])
        if target in self._before.authorities or target in self.records:
            _refuse(f"{target} is taken; give another authority_id by hand.")
        if problems := authority_problems(record):
            raise GatewayRefusal(
                "record-incomplete",
                field=difference.target,
                items=[
                    {"path": p.path.removeprefix("$.authorities[0]."), "sentence": p.sentence}
                    for p in problems
                ],
            )
        if target[:2] != record["state"].lower() or record["state"] not in self._before.states:
            _refuse(f"{target} does not begin with the letters of a State among the records.")
        self.records[target] = record
        self._note(target, "", difference)
        for member in completion:
            self._sources(target)["values"][member] = {"by_hand": self._by, "at": self.at}
        if difference.entry:
            self._sources(target)["entries"][self._proposal.register] = difference.entry

    def _record(self, target: str) -> dict[str, Any]:
        if target not in self.records:
            known = self._before.states if len(target) == 2 else self._before.authorities
            if target not in known:
                raise GatewayRefusal("register-outdated", field=target)
            self.records[target] = deepcopy(dict(known[target]))
        return self.records[target]

    def _sources(self, target: str) -> dict[str, Any]:
        if target not in self.sources:
            known = self._before.sources.get(target, {"v": 1, "target": target, "values": {}, "entries": {}})
            self.sources[target] = deepcopy(dict(known))
        return self.sources[target]

    def _note(self, target: str, where: str, difference: Difference) -> None:
        """Keep with a value where it comes from, of which day, and who took it."""
        proposal = self._proposal
        self._sources(target)["values"][where] = {
            "register": proposal.register,
            "publisher": proposal.publisher,
            "source": proposal.source,
            "as_of": proposal.as_of,
            "file": proposal.file,
            "file_sha256": proposal.file_sha256,
            "mapping_sha256": proposal.mapping_sha256,
            "rows": list(difference.rows),
            "taken_by": self._by,
            "taken_at": self.at,
        }
        if difference.entry:
            self._sources(target)["entries"][proposal.register] = difference.entry

    def check(self) -> None:
        """Refuse a record that would no longer fit, or a name that would look like another one."""
        for target, record in self.records.items():
            self._sources(target)
            problems = state_problems(record) if len(target) == 2 else authority_problems(record)
            if problems:
                items = [{"path": p.path, "sentence": p.sentence} for p in problems]
                raise GatewayRefusal("register-decision", field=target, items=items)
            if len(target) > 2:
                self._check_name(target, record)

    def _check_name(self, target: str, record: Mapping[str, Any]) -> None:
        name = record["name_en"]
        others = {**self._before.authorities, **self.records}
        for other, row in others.items():
            if other != target and row["state"] == record["state"]:
                known = (row["name_en"], row.get("name_local") or row["name_en"])
                if any(look_alike(name, each) for each in known):
                    raise GatewayRefusal("register-lookalike", field=target)
        if disguise(name, latin_only=True) or disguise(record.get("name_local") or "-"):
            raise GatewayRefusal("register-lookalike", field=target)


def _parent(record: dict[str, Any], member: str) -> tuple[dict[str, Any], str]:
    *path, name = member.split(".")
    for step in path:
        record = record.setdefault(step, {})
    return record, name


def _follow_designations(record: dict[str, Any], before: set[str]) -> None:
    """Keep the roles with the designations: a new one adds its role, the last one of a role takes it away."""
    designated = [row["role"] for row in record["designations"]]
    kept = [role for role in record["roles"] if role in designated or role not in before]
    record["roles"] = list(dict.fromkeys([*kept, *designated]))


def _check_person(by: str) -> None:
    if not by.strip() or len(by) > _MAX_PERSON or display_name(by) != by:
        _refuse("Say who decides: name and office, on one line.")


def _in_words(difference: Difference) -> dict[str, Any]:
    return {
        "number": difference.number,
        "target": difference.target,
        "member": difference.member,
        "action": difference.action,
    }


def _outdated(difference: Difference) -> NoReturn:
    raise GatewayRefusal("register-outdated", field=f"{difference.target} {difference.member}".strip())


def _refuse(sentence: str) -> NoReturn:
    raise GatewayRefusal("register-decision", items=[{"sentence": sentence}])
