"""Records that a person has accepted, drafted in a network's publication for its holders to sign.

Drafts only what differs from what is drafted or published already, so that nobody is asked to sign again
what has not changed. Never publishes, never signs, and never takes an authority out: a record that is no
longer wanted is withdrawn by its status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.services.registers.recordfolder import Records
from gateway.services.registry.publisher import Publication
from gateway.services.registry.records import DIGEST_MEMBER, read_json, requirements_path, state_path

#: Members that the publication writes itself.
_DERIVED: Final = frozenset({DIGEST_MEMBER, "requirements"})
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """What was drafted, by identifier, and the States of the records that nobody speaks for yet."""

    roles: tuple[str, ...]
    authorities: tuple[str, ...]
    undelegated: tuple[str, ...]


def draft_changes(records: Records, publication: Publication, now: datetime) -> Drafted:
    """Draft every record that differs; durable when it returns. Raises what ``draft_record`` raises.

    States are drafted one after the other; a refusal leaves those before it drafted, and the same call
    goes on from there once the record is mended.
    """
    spoken_for = publication.states()
    drafted: list[str] = []
    roles: list[str] = []
    for state, record in sorted(records.states.items()):
        role = spoken_for.get(state.lower())
        own = {aid: row for aid, row in records.authorities.items() if row["state"] == state}
        if role is None:
            continue
        held = publication.content(state.lower())
        files = {} if held is None else held.files
        there = {} if held is None else held.records()
        known_state = files.get(state_path(state.lower()))
        changed = [
            aid
            for aid, row in own.items()
            if _public(row) != _public(there.get(aid))
            or _json(files.get(requirements_path(aid))) != records.requirements.get(aid)
        ]
        if _json(known_state) != record and not changed:
            # A State's own record travels with one of its authorities.
            changed = list(own)[:1]
        for aid in changed:
            publication.draft_record(
                state.lower(),
                {name: value for name, value in own[aid].items() if name not in _DERIVED},
                state=record,
                requirements=records.requirements.get(aid),
                now=now,
            )
        if changed:
            roles.append(role)
            drafted += changed
    undelegated = sorted(set(records.states) - {cc.upper() for cc in spoken_for})
    return Drafted(roles=tuple(roles), authorities=tuple(drafted), undelegated=tuple(undelegated))


def _public(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a record as it is compared: empty members are as good as absent ones."""
    if record is None:
        return None
    return {name: value for name, value in record.items() if name not in _DERIVED and value not in _EMPTY}


def _json(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else read_json(data)
