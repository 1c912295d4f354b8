"""What a State is about to sign: its records, their requirements and contacts, changed one at a time.

Holds each change to the rules before anybody is asked to sign it. Versions, expiry and signatures are the
publisher's.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import Metadata, TargetFile, Targets

from crypto.strictjson import dumps
from gateway.errors import GatewayRefusal
from gateway.services.registry.drafts import Draft
from gateway.services.registry.policy import NetworkKind, role_state
from gateway.services.registry.records import (
    MEMBER_ONLY,
    REQUIREMENTS,
    STATE_FILE,
    check_record,
    check_requirements,
    check_state,
    member_entry,
    read_json,
    record_path,
    requirements_path,
    split_members,
    state_path,
)


@dataclass(slots=True, kw_only=True)
class StateDraft:
    """The content of one State's role, open to change."""

    network: str
    cc: str
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    members: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, network: str, role: str, held: Draft | None) -> "StateDraft":
        """Return the content of a draft, or an empty one."""
        _, cc = role_state(role)
        if held is None:
            return cls(network=network, cc=cc)
        return cls(network=network, cc=cc, files=dict(held.files), members=dict(held.members))

    def put_record(
        self, record: Mapping[str, Any], kind: NetworkKind, requirements: Mapping[str, Any] | None
    ) -> None:
        """Add or replace an authority. Raises like ``Publication.draft_record``."""
        public, entry = split_members(record)
        if requirements is not None:
            public["requirements"] = self._requirements(record, requirements)
        check_record(public, self.cc, kind, reader=False)
        aid = str(public["authority_id"])
        known = self.members.pop(aid, None)
        if entry is not None:
            # Unchanged contacts keep their salt, so that an unchanged record keeps its bytes.
            if known is not None and _same_contacts(self.files.get(record_path(aid)), known, record):
                entry = known
                public["member_contacts_sha256"] = hashlib.sha256(known).hexdigest()
            self.members[aid] = entry
        if requirements is not None:
            self.files[requirements_path(aid)] = dumps(requirements)
        elif "requirements" not in public:
            self.files.pop(requirements_path(aid), None)
        self.files[record_path(aid)] = dumps(public)

    def put_state(self, state: Mapping[str, Any]) -> None:
        """Set the State's own record. Raises ``directory-other-state`` or ``record-invalid``."""
        check_state(state, self.cc, reader=False)
        self.files[state_path(self.cc)] = dumps(state)

    def remove_record(self, authority_id: str) -> None:
        """Take an authority out. Raises ``GatewayRefusal`` ``not-listed``."""
        if authority_id[:2] != self.cc or record_path(authority_id) not in self.files:
            raise GatewayRefusal("not-listed")
        del self.files[record_path(authority_id)]
        self.files.pop(requirements_path(authority_id), None)
        self.members.pop(authority_id, None)

    def check(self, kind: NetworkKind) -> None:
        """Return if content made elsewhere keeps the rules. Raises like ``Publication.draft_record``."""
        for path, data in self.files.items():
            name = path.removeprefix(f"states/{self.cc}/").removesuffix(".json")
            if path != f"states/{self.cc}/{name}.json" or "/" in name:
                raise GatewayRefusal("directory-other-state")
            content = read_json(data)
            if name == STATE_FILE:
                check_state(content, self.cc, reader=True)
            elif name.endswith(REQUIREMENTS):
                aid = name.removesuffix(REQUIREMENTS)
                if record_path(aid) not in self.files:
                    raise GatewayRefusal("record-invalid", detail="requirements without a record")
                check_requirements(content, aid, reader=True)
            elif check_record(content, self.cc, kind, reader=True).authority_id != name:
                raise GatewayRefusal("directory-other-state")

    def listed_keys(self) -> dict[str, str]:
        """Return the digest of every key listed here, and the path of the record that lists it."""
        return {_digest(key): path for path, key in self._keys()}

    def refuse_shared_keys(self, others: Mapping[str, str]) -> None:
        """Return if no key is listed twice, here or by others. Raises ``key-conflict``."""
        listed = [_digest(key) for _, key in self._keys()]
        if len(set(listed)) != len(listed) or not others.keys().isdisjoint(listed):
            raise GatewayRefusal("key-conflict")

    def _keys(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for path, data in self.files.items():
            if path != state_path(self.cc) and not path.endswith(f"{REQUIREMENTS}.json"):
                yield from ((path, key) for key in read_json(data)["keys"])

    def renewed(self, role: str, version: int, expires: datetime) -> Draft:
        """Return the content as a draft nobody has signed yet. Raises ``directory-too-large``."""
        listed = {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in self.files.items()}
        metadata = Metadata(Targets(version=version, expires=expires, targets=listed))
        draft = Draft(
            network=self.network,
            role=role,
            metadata=metadata.to_bytes(),
            files=dict(self.files),
            members=dict(self.members),
        )
        draft.refuse_large()
        return draft

    def _requirements(self, record: Mapping[str, Any], requirements: Mapping[str, Any]) -> dict[str, Any]:
        check_requirements(requirements, str(record.get("authority_id")), reader=False)
        return {
            "file": requirements_path(requirements["authority_id"]).rpartition("/")[2],
            "version": requirements["version"],
            "sha256": hashlib.sha256(dumps(requirements)).hexdigest(),
        }


def _digest(key: Mapping[str, Any]) -> str:
    """Return what tells keys apart: their material, for another use would give the same one another kid."""
    return hashlib.sha256(str(key.get("pub", key.get("cert"))).encode("ascii")).hexdigest()


def _same_contacts(held: bytes | None, entry: bytes, record: Mapping[str, Any]) -> bool:
    before = None if held is None else member_entry(read_json(held), entry)
    return before == {name: record[name] for name in MEMBER_ONLY if record.get(name)}
