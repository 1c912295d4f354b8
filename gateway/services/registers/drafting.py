"""Records that a person has accepted, proposed to a network for its State's holders to sign.

Proposes only what differs from what is drafted or published, so that nobody is asked to sign again what
has not changed. Keys never come this way: what the network lists of them stays. Never signs, never
issues, and never takes an authority out: one that is no longer wanted is withdrawn by its status.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.services.publishing.desk import PublishingDesk
from gateway.services.registers.recordfolder import Records
from gateway.services.registry.publisher import Publication
from gateway.services.registry.records import DIGEST_MEMBER, read_json, requirements_path, state_path

#: Members that the publisher writes itself.
_DERIVED: Final = frozenset({DIGEST_MEMBER, "requirements", "verified_at", "keys"})
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRecord:
    """A record to be proposed, with its State's own record and its requirements."""

    record: Mapping[str, Any] = field(repr=False)
    state: Mapping[str, Any] = field(repr=False)
    requirements: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """What was drafted: roles to be signed, authorities; and the States that nobody speaks for yet."""

    roles: tuple[str, ...]
    authorities: tuple[str, ...]
    undelegated: tuple[str, ...]


def draft_changes(records: Records, desk: PublishingDesk, *, by: str, now: datetime) -> Drafted:
    """Propose every record that differs; durable when it returns. Raises what ``propose_record`` raises.

    A refusal leaves the records before it drafted; the same call goes on from there once one is mended.
    """
    drafted: list[str] = []
    for change in changed_records(records, desk.publication):
        desk.propose_record(
            change.record, by=by, state=change.state, requirements=change.requirements, now=now
        )
        drafted.append(str(change.record["authority_id"]))
    spoken_for = desk.publication.states()
    return Drafted(
        roles=tuple(sorted({spoken_for[aid[:2]] for aid in drafted})),
        authorities=tuple(drafted),
        undelegated=tuple(sorted(set(records.states) - {cc.upper() for cc in spoken_for})),
    )


def changed_records(records: Records, publication: Publication) -> Iterator[ChangedRecord]:
    """Yield the records that differ from what is drafted or published, by State."""
    spoken_for = publication.states()
    for state, state_record in sorted(records.states.items()):
        if state.lower() not in spoken_for:
            continue
        own = {aid: row for aid, row in records.authorities.items() if row["state"] == state}
        held = publication.content(state.lower())
        files = {} if held is None else held.files
        there = {} if held is None else held.records()
        changed = [
            aid
            for aid, row in own.items()
            if _compared(row) != _compared(there.get(aid))
            or _json(files.get(requirements_path(aid))) != records.requirements.get(aid)
        ]
        if _json(files.get(state_path(state.lower()))) != state_record and not changed:
            # A State's own record travels with one of its authorities.
            changed = list(own)[:1]
        for aid in changed:
            record = {name: value for name, value in own[aid].items() if name not in _DERIVED}
            yield ChangedRecord(
                record={**record, "keys": there.get(aid, own[aid])["keys"]},
                state=state_record,
                requirements=records.requirements.get(aid),
            )


def _compared(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a record as it is compared: empty members are as good as absent ones."""
    if record is None:
        return None
    return {name: value for name, value in record.items() if name not in _DERIVED and value not in _EMPTY}


def _json(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else read_json(data)


def published_records(publication: Publication) -> Records:
    """Return what a network lists, drafts included, as a folder of records can be made of it."""
    states: dict[str, Any] = {}
    authorities: dict[str, Any] = {}
    requirements: dict[str, Any] = {}
    for cc in publication.states():
        held = publication.content(cc)
        if held is None:
            continue
        if (own := _json(held.files.get(state_path(cc)))) is not None:
            states[cc.upper()] = own
        for aid, record in held.records().items():
            authorities[aid] = {name: value for name, value in record.items() if name != DIGEST_MEMBER}
            if (asked := _json(held.files.get(requirements_path(aid)))) is not None:
                requirements[aid] = asked
    return Records(states=states, authorities=authorities, requirements=requirements, sources={})
