"""Drafts: new versions of a role that collect signatures, as one file that can travel.

A draft is signed where its holders are: on the secretariat's machine, at the State's, or on one that was
never connected. It holds the metadata, the files it lists and their member-only part, so that a holder
sees what is signed; a draft whose files are not those the metadata names cannot be signed.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Role, Root, Targets

from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.services.registry.holders import HolderKeys
from gateway.services.registry.policy import TOP_ROLES, check_root, holder_words, role_state
from gateway.services.registry.records import REQUIREMENTS, STATE_FILE, member_entry, read_json
from gateway.services.registry.repository import parse

#: One State's records, requirements and contacts.
DRAFT_LIMIT = 16 * 1024 * 1024

#: What one State may publish: all go in one bundle (``bundle``), and few may not fill it for the others.
#: Two hundred authorities with requirements and all their keys are below it.
STATE_FILES, STATE_BYTES = 500, 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A new version of one role under way to its threshold.

    Attributes:
        network: Name of the network.
        role: ``root``, ``targets``, ``state-<cc>`` or ``attested-<cc>``.
        metadata: TUF metadata with the signatures collected so far.
        files: Path in the repository to file, for every file the metadata lists.
        members: Authority to its member-only entry, for records that have one.
    """

    network: str
    role: str
    metadata: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    members: Mapping[str, bytes] = field(repr=False)

    def to_json(self) -> bytes:
        """Return the file in which a draft travels; it holds telephone numbers, but no keys."""
        return dumps(
            {
                "v": 1,
                "network": self.network,
                "role": self.role,
                "metadata": self.metadata.decode("utf-8"),
                "files": {path: data.decode("utf-8") for path, data in self.files.items()},
                "members": {aid: entry.decode("utf-8") for aid, entry in self.members.items()},
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> "Draft":
        """Return the draft of a file, whole in itself. Raises ``GatewayRefusal`` ``draft-invalid``."""
        try:
            claimed = loads_object(data, max_bytes=DRAFT_LIMIT, max_depth=3)
        except Refusal as refused:
            raise GatewayRefusal("draft-invalid", detail=str(refused)) from None
        network, role, metadata = claimed.get("network"), claimed.get("role"), claimed.get("metadata")
        if (
            claimed.get("v") != 1
            or not isinstance(network, str)
            or not isinstance(role, str)
            or not isinstance(metadata, str)
        ):
            raise GatewayRefusal("draft-invalid", detail="form")
        draft = cls(
            network=network,
            role=role,
            metadata=metadata.encode("utf-8"),
            files=_texts(claimed.get("files")),
            members=_texts(claimed.get("members")),
        )
        draft.check()
        return draft

    def check(self) -> None:
        """Return if role, metadata and files belong together.

        Raises ``GatewayRefusal`` ``draft-invalid`` or ``directory-too-large``.
        """
        try:
            # What parsers disagree about, depth above all, would stop some followers and not the publisher.
            loads_object(self.metadata, max_bytes=DRAFT_LIMIT)
        except Refusal as refused:
            raise GatewayRefusal("draft-invalid", detail=str(refused)) from None
        signed = self._parsed().signed
        if self.role not in TOP_ROLES:
            try:
                role_state(self.role)
            except GatewayRefusal:
                raise GatewayRefusal("draft-invalid", detail="role") from None
        if isinstance(signed, Root):
            check_root(signed)
        listed = signed.targets if isinstance(signed, Targets) else {}
        if set(listed) != set(self.files):
            raise GatewayRefusal("draft-invalid", detail="other files than those listed")
        if self.role not in TOP_ROLES and signed.delegations is not None:
            raise GatewayRefusal("draft-invalid", detail="a State delegates nothing")
        if any(set(info.hashes) != {"sha256"} for info in listed.values()):
            raise GatewayRefusal("draft-invalid", detail="digest")
        for path, info in listed.items():
            try:
                info.verify_length_and_hashes(self.files[path])
            except RepositoryError:
                raise GatewayRefusal("draft-invalid", detail=f"file {path[:80]}") from None
        self.refuse_large()
        public = self._public_records()
        for aid, entry in self.members.items():
            if aid not in public or member_entry(public[aid], entry) is None:
                raise GatewayRefusal("draft-invalid", detail="member-only contacts")

    def refuse_large(self) -> None:
        """Return if a State's draft leaves room for the others. Raises ``directory-too-large``."""
        size = len(self.metadata) + sum(map(len, self.files.values()))
        if self.role not in TOP_ROLES and (len(self.files) > STATE_FILES or size > STATE_BYTES):
            raise GatewayRefusal("directory-too-large", detail=self.role)

    @property
    def version(self) -> int:
        """Version of the role that this draft becomes."""
        version: int = self._parsed().signed.version
        return version

    @property
    def expires(self) -> datetime:
        """When what the draft becomes runs out."""
        expires: datetime = self._parsed().signed.expires
        return expires

    @property
    def digest(self) -> str:
        """SHA-256 of exactly what is signed, in hex."""
        return hashlib.sha256(self._parsed().signed_bytes).hexdigest()

    def words(self) -> tuple[str, ...]:
        """Return twelve words that stand for exactly what is signed: the same on every holder's screen."""
        return fingerprint_words(bytes.fromhex(self.digest))

    def holders(self) -> dict[str, tuple[dict[str, tuple[str, ...]], int]]:
        """Return role to its holders and how many of them must sign, where this draft names any.

        With each name stand the words of its keys: a name is easily given to other keys.
        """
        signed = self._parsed().signed
        if isinstance(signed, Root):
            roles: Mapping[str, Role] = signed.roles
            keys = signed.keys
        elif signed.delegations is not None:
            roles, keys = signed.delegations.roles or {}, signed.delegations.keys
        else:
            return {}
        return {name: (holder_words(role, keys), role.threshold // 2) for name, role in roles.items()}

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the authority records it lists, by authority, with their member-only contacts put back."""
        found = {}
        for aid, record in self._public_records().items():
            found[aid] = record | (member_entry(record, self.members.get(aid)) or {})
        return found

    def sign(self, holder: HolderKeys) -> "Draft":
        """Return the draft with both signatures of a holder added (or renewed); needs no repository.

        Raises ``GatewayRefusal`` ``draft-invalid``: the files are not the ones its metadata names.
        """
        self.check()
        metadata = self._parsed()
        for signer in holder.tuf_signers():
            metadata.sign(signer, append=True)
        return replace(self, metadata=metadata.to_bytes())

    def with_signatures_of(self, other: "Draft", *, keeping: Collection[str] = ()) -> "Draft | None":
        """Return this draft with another's signatures added, ``None`` if that one has another content.

        Those of the keys in ``keeping`` stay ours: what comes from a stick may be none.
        """
        mine, theirs = self._parsed(), other._parsed()
        if mine.signed_bytes != theirs.signed_bytes:
            return None
        mine.signatures.update({k: s for k, s in theirs.signatures.items() if k not in keeping})
        return replace(self, metadata=mine.to_bytes())

    def root(self) -> Metadata[Root]:
        """Return the metadata of a draft of ``root``."""
        return parse(self.metadata, Root)

    def targets(self) -> Metadata[Targets]:
        """Return the metadata of a draft of ``targets`` or of a State's role."""
        return parse(self.metadata, Targets)

    def _parsed(self) -> Metadata[Any]:
        return parse(self.metadata, Root) if self.role == "root" else parse(self.metadata, Targets)

    def _public_records(self) -> dict[str, dict[str, Any]]:
        found = {}
        for path, data in self.files.items():
            name = path.rpartition("/")[2].removesuffix(".json")
            if name != STATE_FILE and not name.endswith(REQUIREMENTS):
                found[name] = read_json(data)
        return found


def _texts(value: object) -> dict[str, bytes]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise GatewayRefusal("draft-invalid", detail="form")
    return {str(name): text.encode("utf-8") for name, text in value.items()}
