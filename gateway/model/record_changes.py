"""What a new issue of a State's records changes, in words, and whether it does nothing but remove trust.

Pure. A holder reads these sentences before signing. What only removes trust (a key revoked, an authority
suspended or taken out) need not wait for anybody; everything else does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Members that change with every issue, or are told otherwise.
_NOT_TOLD = frozenset({"verified_at", "keys", "status", "member_contacts_sha256"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """One change.

    Attributes:
        authority_id: Whose record; the State's code for the State's own.
        field: Member of the record; empty where all of it is new or gone.
        sentence: What happens, for the person who signs.
        removes_trust: Whether nobody could gain anything by it.
    """

    authority_id: str
    field: str
    sentence: str
    removes_trust: bool


def record_changes(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> tuple[RecordChange, ...]:
    """Return what changes from one set of records, by authority, to another; nothing for a mere renewal."""
    found: list[RecordChange] = []
    for aid in sorted(before.keys() | after.keys()):
        old, new = before.get(aid), after.get(aid)
        if old is None and new is not None:
            found.append(_change(aid, "", f"{aid} is listed for the first time: {new.get('name_en')}."))
        elif new is None:
            found.append(_change(aid, "", f"{aid} is taken out of the directory.", removes=True))
        elif old is not None:
            found.extend(_record(aid, old, new))
    return tuple(found)


def _record(aid: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[RecordChange]:
    found = [
        _change(aid, name, f"{aid}: {name} is another: {_short(old.get(name))} → {_short(new.get(name))}.")
        for name in sorted(old.keys() | new.keys())
        if name not in _NOT_TOLD and old.get(name) != new.get(name)
    ]
    if old.get("status") != new.get("status"):
        sentence = f"{aid} is {new.get('status')} from now on; it was {old.get('status')}."
        found.append(_change(aid, "status", sentence, removes=new.get("status") != "active"))
    return found + _keys(aid, old, new)


def _keys(aid: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[RecordChange]:
    found = []
    had = {row["kid"]: row for row in old.get("keys", ())}
    has = {row["kid"]: row for row in new.get("keys", ())}
    for kid, row in has.items():
        before = had.get(kid)
        if before is None:
            sentence = f"{aid}: a new {row['use']} key, {kid[:12]}, in force from {row['nbf'][:10]}."
            found.append(_change(aid, "keys", sentence))
        elif before != row:
            is_end = before["status"] == "active" and row["status"] == "revoked"
            same_life = all(before.get(n) == row.get(n) for n in ("use", "alg", "pub", "cert", "nbf", "exp"))
            what = f"is revoked ({row.get('reason')})" if is_end else "is described otherwise"
            sentence = f"{aid}: the {row['use']} key {kid[:12]} {what}."
            found.append(_change(aid, "keys", sentence, removes=is_end and same_life))
    for kid in had.keys() - has.keys():
        sentence = f"{aid}: the {had[kid]['use']} key {kid[:12]} is listed no more; old evidence needs it."
        found.append(_change(aid, "keys", sentence))
    return found


def _change(aid: str, field: str, sentence: str, *, removes: bool = False) -> RecordChange:
    return RecordChange(authority_id=aid, field=field, sentence=sentence, removes_trust=removes)


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
