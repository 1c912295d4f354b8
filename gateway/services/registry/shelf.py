"""What a publisher has on its shelf: drafts under way, what is published, and the clear contacts.

Where a draft and a published version differ, the draft is what the next change builds on. Decides nothing
about what may be drafted or published.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuf.api.metadata import DelegatedRole, Metadata, Root, Targets

from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry.drafts import Draft
from gateway.services.registry.policy import role_state
from gateway.services.registry.repository import Repository, parse
from gateway.services.registry.statedraft import StateDraft


class Shelf:
    """The three folders of a publisher. Writes are durable when they return."""

    def __init__(self, folder: Path, network: str) -> None:
        self._network = network
        self._drafts = folder / "drafts"
        self._members = folder / "members"
        #: The folder to serve.
        self.store = Repository(folder / "repository")
        self._keys: dict[str, tuple[tuple[int, int], Mapping[str, str]]] = {}

    @staticmethod
    def create(folder: Path) -> None:
        """Make the folders; only what is to be served may be read by others."""
        for name, mode in (("repository", 0o755), ("drafts", 0o700), ("members", 0o700)):
            (folder / name).mkdir(mode=mode)

    def roles(self) -> list[str]:
        """Return the roles that have a draft, in order."""
        return sorted(path.stem for path in self._drafts.glob("*.json"))

    def discard(self, role: str) -> None:
        """Drop a draft, if there is one."""
        (self._drafts / f"{role}.json").unlink(missing_ok=True)

    def place(self, draft: Draft) -> None:
        """Move a draft into the repository, its metadata last."""
        for aid, entry in draft.members.items():
            write_durably(self._members / f"{aid}.json", entry)
        if draft.role != "root":
            for path, info in draft.targets().signed.targets.items():
                self.store.put_file(info, draft.files[path])
        self.store.put_metadata(draft.role, draft.version, draft.metadata)
        self.discard(draft.role)

    def members(self) -> dict[str, bytes]:
        """Return every clear member-only entry by authority."""
        return {path.stem: path.read_bytes() for path in self._members.glob("*.json")}

    def draft(self, role: str) -> Draft | None:
        """Return the draft of a role, if there is one."""
        path = self._drafts / f"{role}.json"
        try:
            return Draft.from_json(path.read_bytes())
        except FileNotFoundError:
            return None

    def put(self, draft: Draft) -> None:
        """Keep a draft in place of the one before."""
        write_durably(self._drafts / f"{draft.role}.json", draft.to_json())

    def put_metadata(self, role: str, metadata: Metadata[Any]) -> None:
        """Keep a draft that lists no files."""
        data = metadata.to_bytes()
        self.put(Draft(network=self._network, role=role, metadata=data, files={}, members={}))

    def published(self, role: str, version: int) -> Draft:
        """Return what is published of a role in the form of a draft."""
        metadata = self.store.metadata(role, version)
        files = self.store.files(parse(metadata, Targets).signed)
        members = {
            path.stem: path.read_bytes() for path in self._members.glob(f"{role_state(role)[1]}-*.json")
        }
        listed = {path.rpartition("/")[2].removesuffix(".json") for path in files}
        members = {aid: entry for aid, entry in members.items() if aid in listed}
        return Draft(network=self._network, role=role, metadata=metadata, files=files, members=members)

    def newest(self, role: str) -> Draft | None:
        """Return the draft of a State's role, or else what is published of it."""
        found = self.draft(role)
        if found is None and (version := self.store.versions().get(role)) is not None:
            found = self.published(role, version)
        return found

    def content_of(self, role: str) -> StateDraft:
        """Return what the next change of a State's role builds on."""
        return StateDraft.of(self._network, role, self.newest(role))

    def root(self) -> Root:
        """Return the drafted root, or else the published one. Raises ``draft-missing``."""
        draft = self.draft("root")
        return self.published_root() if draft is None else draft.root().signed

    def published_root(self) -> Root:
        """Return the published root. Raises ``GatewayRefusal`` ``draft-missing``."""
        version = self.store.versions().get("root")
        if version is None:
            raise GatewayRefusal("draft-missing", detail="root is not published yet")
        return parse(self.store.metadata("root", version), Root).signed

    def targets(self) -> Targets:
        """Return the drafted targets, or else the published ones. Raises ``publication-invalid``."""
        draft = self.draft("targets")
        if draft is not None:
            return draft.targets().signed
        version = self.store.versions().get("targets", 0)
        return parse(self.store.metadata("targets", version), Targets).signed

    def delegated(self, *, without: str | None = None) -> dict[str, DelegatedRole]:
        """Return the roles that speak for States, ``without`` that of one of them."""
        delegations = self.targets().delegations
        roles = {} if delegations is None or delegations.roles is None else delegations.roles
        return {name: role for name, role in roles.items() if role_state(name)[1] != without}

    def states(self) -> dict[str, str]:
        """Return the delegated States and the role of each."""
        return {role_state(name)[1]: name for name in self.delegated()}

    def role_of(self, cc: str) -> str:
        """Return the role that speaks for a State. Raises ``GatewayRefusal`` ``draft-missing``."""
        role = self.states().get(cc)
        if role is None:
            raise GatewayRefusal("draft-missing", detail="nobody speaks for this State yet")
        return role

    def next(self, role: str) -> int:
        """Return the version after the published one."""
        return self.store.versions().get(role, 0) + 1

    def other_keys(self, role: str) -> dict[str, str]:
        """Return (by digest) the keys that every other State lists, drafted or published."""
        found: dict[str, str] = {}
        versions = self.store.versions()
        for other in self.states().values():
            if other != role:
                found |= self._keys_of(other, versions.get(other, 0))
        return found

    def _keys_of(self, role: str, version: int) -> Mapping[str, str]:
        """Return the keys a State lists; read again only when its draft or version is another one."""
        try:
            drafted = (self._drafts / f"{role}.json").stat().st_mtime_ns
        except FileNotFoundError:
            drafted = 0
        known = self._keys.get(role)
        if known is None or known[0] != (version, drafted):
            known = (version, drafted), self.content_of(role).listed_keys()
            self._keys[role] = known
        return known[1]
