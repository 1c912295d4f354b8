"""The record of an authority that a register names and we do not have yet: a draft, never complete by itself.

A register gives no keys and opens no sealed channel; it can say where an office is, how to write to it
without content, and that INTERPOL is taken. What the schema asks for beyond that is named as lacking.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, Final

from gateway.services.registers.entries import AuthorityEntry
from gateway.services.registers.mapping import RegisterMapping
from gateway.services.registers.recordfolder import authority_problems

#: Roles of part 1 of the directory; any other stands in part 2.
_CENTRAL_ROLES: Final = frozenset(
    {
        "mla_central",
        "extradition_central",
        "transfer_sentenced_persons",
        "confiscation",
        "transfer_of_proceedings",
    }
)
_SMALL_WORDS: Final = frozenset({"of", "the", "for", "and", "in", "on", "to", "s"})
#: Values that stand in the record under their own names.
_PLAIN: Final = (
    "name_local", "fax", "website", "forms_of_transmission", "urgent_procedure", "information_needed",
    "legal_basis_notes", "procedural_notes",
)  # fmt: skip


class Identifiers:
    """Proposes identifiers nobody has yet: State and initials of the name; a person may change them."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def propose(self, entry: AuthorityEntry) -> str:
        """Return an identifier for a new authority; it is taken from then on."""
        ascii_name = unicodedata.normalize("NFKD", entry.name).encode("ascii", "ignore").decode().lower()
        words = [word for word in re.findall(r"[a-z0-9]+", ascii_name) if word not in _SMALL_WORDS]
        initials = "".join(word[0] for word in words)[:12] if len(words) > 1 else "".join(words)[:12]
        base = f"{entry.state.lower()}-{initials or 'authority'}"
        candidate, number = base, self._numbers.get(base, 1)
        while candidate in self._taken:
            number += 1
            candidate = f"{base}-{number}"
        self._taken.add(candidate)
        self._numbers[base] = number
        return candidate


def draft_record(
    entry: AuthorityEntry, authority_id: str, mapping: RegisterMapping, as_of: date
) -> dict[str, Any]:
    """Return what the register says as a record; ``lacks`` names what is missing in it."""
    said = entry.values
    roles = list(dict.fromkeys(row["role"] for row in said["designation"]))
    record: dict[str, Any] = {
        "authority_id": authority_id,
        "state": entry.state,
        "region": said.get("region"),
        "directory_part": "part_1_central" if _CENTRAL_ROLES & set(roles) else "part_2_competent",
        "name_en": entry.name,
        "roles": roles,
        "designations": said["designation"],
    }
    if "languages" in said:
        record["languages"] = said["languages"]
    if "address" in said:
        record["address"] = {"postal": said["address"], "country": entry.state}
    record["phones"] = [{"use": "office", "number": number} for number in said.get("phones", ())]
    record["contacts"] = contacts(said.get("emails", ()), said.get("languages", ()))
    if "time_zone" in said:
        always = said.get("always", False)
        office = None if always else said.get("office_hours")
        record["hours"] = {"time_zone": said["time_zone"], "always": always, "office": office}
    record |= {name: said[name] for name in _PLAIN if name in said}
    if "networks" in said:
        record["informal_cooperation"] = {"channels": [], "networks": said["networks"]}
    record["channels"] = _channels(record, said)
    record |= {"keys": [], "forms": {}, "status": "active"}
    record |= {"verified_at": said.get("verified_at", as_of.isoformat()), "source": mapping.title}
    return record


def _channels(record: Mapping[str, Any], said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ways a register opens: a notice by mail, paper where it is taken, INTERPOL where it is."""
    rows: list[dict[str, Any]] = [
        _channel("email_plain_notice", n, "notice", mail, "accepted")
        for n, mail in enumerate(said.get("emails", ())[:1], 1)
    ]
    if "address" in record and "paper_original" in record.get("forms_of_transmission", ()):
        rows.append(_channel("courier", len(rows) + 1, "formal", "see postal_address", "accepted"))
    if said.get("interpol"):
        rows.append(interpol_channel(record["state"], rows))
    return rows


def _channel(channel: str, priority: int, use: str, address: str, status: str) -> dict[str, Any]:
    return {"channel": channel, "priority": priority, "use": [use], "address": address, "status": status}


def interpol_channel(state: str, others: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the channel through the national bureau, behind all others, for urgent requests only."""
    last = max((row["priority"] for row in others), default=0)
    return _channel("interpol", last + 1, "urgent", f"NCB {state}", "accepted_urgent")


def contacts(emails: Collection[str], languages: Collection[str]) -> list[dict[str, Any]]:
    """Return the offices behind mailboxes; a register does not name them."""
    return [{"office": "Office", "email": mail, "languages": list(languages)} for mail in emails]


def lacks(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members the schema still asks for, and whatever else keeps the record from fitting."""
    return tuple(
        f"{problem.path.removeprefix('$.authorities[0]').lstrip('.') or 'record'}: {problem.sentence}"
        for problem in authority_problems(record)
    )
