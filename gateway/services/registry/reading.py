"""Reading the files that States signed: a record that breaks one of its rules is left out alone.

A file that is missing or another than the one listed refuses the whole; what a State may say of itself and
others is decided record by record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuf.api.metadata import DelegatedRole, Targets

from gateway.errors import GatewayRefusal
from gateway.services.registry.network import VouchedRecord
from gateway.services.registry.policy import NetworkKind, role_state
from gateway.services.registry.records import (
    REQUIREMENTS,
    STATE_FILE,
    check_record,
    check_requirements,
    check_state,
    read_json,
    requirements_path,
)


@dataclass(slots=True, kw_only=True)
class RecordsRead:
    """The records of a repository as they are read, State by State."""

    kind: NetworkKind
    files: Mapping[str, bytes]
    used: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    records: dict[str, VouchedRecord] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    owners: dict[bytes, set[str]] = field(default_factory=dict)

    def take(self, cc: str, role: DelegatedRole, signed: Targets) -> None:
        """Read the files of one State."""
        for path, info in signed.targets.items():
            if not role.is_delegated_path(path):
                self.refused[cc.upper()] = "directory-other-state"
                continue
            data = self.files.get(path)
            if data is None:
                raise GatewayRefusal("directory-damaged", detail="a listed file is missing")
            info.verify_length_and_hashes(data)
            self.used[path] = data
        for path in signed.targets:
            name = path.removeprefix(f"states/{cc}/").removesuffix(".json")
            if path not in self.used or name.endswith(REQUIREMENTS):
                continue
            try:
                if name == STATE_FILE:
                    record = read_json(self.used[path])
                    check_state(record, cc, reader=True)
                    self.states[cc.upper()] = record
                else:
                    self._take_record(cc, name, role, signed)
            except GatewayRefusal as refusal:
                self.refused[cc.upper() if name == STATE_FILE else name] = refusal.code

    def _take_record(self, cc: str, aid: str, role: DelegatedRole, signed: Targets) -> None:
        # By the path the State listed: a path made from the name could be another State's.
        record = read_json(self.used.get(f"states/{cc}/{aid}.json", b""))
        if record.get("authority_id") != aid:
            raise GatewayRefusal("directory-other-state")
        entry = check_record(record, cc, self.kind, reader=True)
        requirements = None
        if (found := self.used.get(requirements_path(aid))) is not None:
            requirements = read_json(found)
            check_requirements(requirements, aid, reader=True)
        assurance, _ = role_state(role.name)
        for key in entry.keys:
            # By its material: listed for another use, the same key has another kid.
            self.owners.setdefault(key.material, set()).add(aid)
        self.records[aid] = VouchedRecord(
            record=record,
            state_code=cc.upper(),
            assurance=assurance,
            role=role.name,
            version=signed.version,
            expires=signed.expires,
            requirements=requirements,
        )

    def drop_shared_keys(self, had: Callable[[str, bytes], bool]) -> frozenset[str]:
        """Leave out every authority that lists a key of another one; return those whose keys others listed.

        A key stays with the one authority that ``had`` it, so that nobody takes another out of the directory
        by listing its public half; where none of them had it, or several, all are left out.
        """
        shared = [(key, claimants) for key, claimants in self.owners.items() if len(claimants) > 1]
        imitated: set[str] = set()
        for key, claimants in shared:
            before = {aid for aid in claimants if had(aid, key)}
            keepers = before if len(before) == 1 else set()
            imitated |= keepers
            for aid in claimants - keepers:
                self.records.pop(aid, None)
                self.refused[aid] = "key-conflict"
        return frozenset(imitated & self.records.keys())
