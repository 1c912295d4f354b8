"""The publisher of a network: a folder of static files, and drafts that collect signatures.

``repository/`` is what any web server serves, ``drafts/`` what waits for holders, ``members/`` the clear
member-only contacts (never served). Every change is a draft until the role's threshold has signed it;
``publish`` moves complete drafts, ``refresh`` makes them visible to followers. Who may ask for a change,
cooling-off and where private keys live are the caller's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Targets

from crypto.encoding import parse_wire_time
from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry import issue
from gateway.services.registry.drafts import Draft
from gateway.services.registry.holders import Holder, HolderKeys
from gateway.services.registry.policy import (
    ROOT_LIFE,
    STATE_LIFE,
    TARGETS_LIFE,
    NetworkKind,
    check_delegations,
    key_map,
    network_name,
    network_of,
    new_root,
    role_state,
    state_paths,
    state_role,
    threshold,
)
from gateway.services.registry.progress import Progress, asked, good, progress_of
from gateway.services.registry.shelf import Shelf
from gateway.services.registry.statedraft import StateDraft

__all__ = ["Progress", "Publication"]

_ABOUT = "publication.json"


class Publication:
    """The folder of one network's publisher; one process at a time writes to it."""

    def __init__(self, folder: Path, *, network: str, kind: NetworkKind) -> None:
        self.network = network
        self.kind: NetworkKind = kind
        #: The folder to serve.
        self.repository = folder / "repository"
        self._shelf = Shelf(folder, network)

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        network: str,
        kind: NetworkKind,
        holders: Sequence[Holder],
        needed: int,
        automatic: Holder,
        now: datetime,
    ) -> "Publication":
        """Begin a network in an empty folder: drafts of ``root`` and ``targets``, to be signed.

        ``needed`` of ``holders``, more than half, must come together to sign root and targets;
        ``automatic`` signs snapshot and timestamp. Raises ``GatewayRefusal`` ``holders-unfit`` (a key
        twice, or too few needed), ``directory-wrong-network`` (name) or ``folder-not-empty``.
        """
        network_name(network)
        root = new_root(network, kind, holders, needed, automatic, version=1, now=now)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GatewayRefusal("folder-not-empty")
        Shelf.create(folder)
        shelf = Shelf(folder, network)
        shelf.put_metadata("root", Metadata(root))
        shelf.put_metadata("targets", Metadata(Targets(version=1, expires=now + TARGETS_LIFE)))
        write_durably(folder / _ABOUT, dumps({"v": 1, "network": network, "kind": kind}))
        return cls(folder, network=network, kind=kind)

    @classmethod
    def open(cls, folder: Path) -> "Publication":
        """Return the publication of a folder. Raises ``GatewayRefusal`` ``publication-invalid``."""
        try:
            about = loads_object((folder / _ABOUT).read_bytes())
        except (OSError, Refusal):
            raise GatewayRefusal("publication-invalid") from None
        network, kind = about.get("network"), about.get("kind")
        if not isinstance(network, str) or (kind != "lab" and kind != "real"):
            raise GatewayRefusal("publication-invalid")
        return cls(folder, network=network_name(network), kind="lab" if kind == "lab" else "real")

    def drafts(self) -> dict[str, Draft]:
        """Return what waits for signatures, by role."""
        return {role: self.draft(role) for role in self._shelf.roles()}

    def draft(self, role: str) -> Draft:
        """Return the draft of a role, to be carried to its holders. Raises ``draft-missing``."""
        found = self._shelf.draft(role)
        if found is None:
            raise GatewayRefusal("draft-missing", detail=role[:40])
        return found

    def discard(self, role: str) -> None:
        """Drop a draft; what is published stays. Raises ``GatewayRefusal`` ``draft-missing``."""
        self.draft(role)
        self._shelf.discard(role)

    def take_draft(self, data: bytes, now: datetime) -> Progress:
        """Take a draft that travelled (``Draft.to_json``): its signatures are added to ours.

        One of another content replaces ours if it is the version after the published one and keeps every
        rule. Raises ``GatewayRefusal`` ``draft-invalid``, ``directory-wrong-network`` or what
        ``draft_record`` raises; nothing is changed then.
        """
        taken = Draft.from_json(data)
        if taken.network != self.network:
            raise GatewayRefusal("directory-wrong-network", detail="draft")
        ours = self._shelf.draft(taken.role)
        merged = None
        if ours is not None:
            merged = ours.with_signatures_of(taken, keeping=good(ours, self._shelf))
        if merged is None:
            self._check_taken(taken, now)
            merged = taken
        progress = progress_of(merged, self._shelf)
        self._shelf.put(merged)
        return progress

    def draft_root(self, holders: Sequence[Holder], needed: int, automatic: Holder, now: datetime) -> None:
        """Draft a succession of root, and what its holders sign again: targets, and attested States.

        Root then needs the threshold of the old holders and that of the new ones; a State that the old
        ones attested is attested by the new ones from then on. Raises ``GatewayRefusal``
        ``holders-unfit``, or ``draft-missing`` while no root is published.
        """
        before = self._shelf.published_root()
        version = before.version + 1
        root = new_root(self.network, self.kind, holders, needed, automatic, version=version, now=now)
        self._shelf.put_metadata("root", Metadata(root))
        self._put_targets(self._shelf.targets().delegations, now)
        gone = set(before.roles["root"].keyids) - set(root.roles["root"].keyids)
        for name, role in self._shelf.delegated().items():
            assurance, cc = role_state(name)
            if assurance == "attested" and gone & set(role.keyids):
                self.draft_state(cc, holders, needed, attested=True, now=now)

    def draft_state(
        self, cc: str, holders: Sequence[Holder], needed: int, *, attested: bool = False, now: datetime
    ) -> None:
        """Draft (in ``targets``) that ``needed`` of these holders speak for a State (``cc`` lower case).

        ``attested``: the secretariat's holders do so for a State without staff. Where the State is
        published already, its records are drafted again, for the new holders to sign. Raises
        ``GatewayRefusal`` ``holders-unfit``: too few, a key twice, or one that signs for another role.
        """
        role = DelegatedRole(
            state_role(cc, attested=attested),
            list(key_map(holders)),
            threshold(holders, needed),
            terminating=True,
            paths=[state_paths(cc)],
        )
        held = self.states().get(cc)
        before = None if held is None else self._shelf.newest(held)
        roles = self._shelf.delegated(without=cc) | {role.name: role}
        try:
            self._put_delegations(roles, key_map(holders), now)
        except GatewayRefusal as refusal:
            raise GatewayRefusal("holders-unfit", detail=refusal.detail) from None
        if held is not None and before is not None:
            content = StateDraft.of(self.network, held, before)
            self._shelf.discard(held)
            version = self._shelf.next(role.name)
            self._shelf.put(content.renewed(role.name, version, now + STATE_LIFE))

    def remove_state(self, cc: str, now: datetime) -> None:
        """Draft (in ``targets``) that nobody speaks for a State any more. Raises ``draft-missing``."""
        role = self._shelf.role_of(cc)
        self._put_delegations(self._shelf.delegated(without=cc), {}, now)
        self._shelf.discard(role)

    def draft_record(
        self,
        cc: str,
        record: Mapping[str, Any],
        *,
        state: Mapping[str, Any] | None = None,
        requirements: Mapping[str, Any] | None = None,
        now: datetime,
    ) -> None:
        """Draft an authority's record, and the State's own record and its requirements where given.

        Collects in the State's one draft; signatures over an earlier content of it are dropped. Telephone
        numbers and contacts are taken out of the public record and kept for enrolled gateways. Raises
        ``GatewayRefusal`` ``record-invalid``, ``directory-other-state``, ``key-conflict``, ``draft-missing``
        (the State is not delegated yet).
        """
        role = self._shelf.role_of(cc)
        draft = self._shelf.content_of(role)
        draft.put_record(record, self.kind, requirements)
        if state is not None:
            draft.put_state(state)
        draft.refuse_shared_keys(self._shelf.other_keys(role))
        self._shelf.put(draft.renewed(role, self._shelf.next(role), now + STATE_LIFE))

    def remove_record(self, cc: str, authority_id: str, now: datetime) -> None:
        """Draft that an authority is no longer listed. Raises ``GatewayRefusal`` ``not-listed``."""
        role = self._shelf.role_of(cc)
        draft = self._shelf.content_of(role)
        draft.remove_record(authority_id)
        self._shelf.put(draft.renewed(role, self._shelf.next(role), now + STATE_LIFE))

    def draft_renewal(self, role: str, now: datetime) -> None:
        """Draft the same content again with a new expiry: what a State signs once a year.

        Raises ``GatewayRefusal`` ``draft-missing`` for a role that signs nothing.
        """
        if role == "targets":
            self._put_targets(self._shelf.targets().delegations, now)
            return
        if role == "root":
            root = self._shelf.published_root()
            root.version, root.expires = root.version + 1, now + ROOT_LIFE
            self._shelf.put_metadata("root", Metadata(root))
            return
        _, cc = role_state(role)
        if self._shelf.role_of(cc) != role:
            raise GatewayRefusal("draft-missing", detail=role)
        self._shelf.put(self._shelf.content_of(role).renewed(role, self._shelf.next(role), now + STATE_LIFE))

    def sign(self, role: str, holder: HolderKeys, now: datetime) -> Progress:
        """Add a holder's two signatures to a draft here.

        Raises ``GatewayRefusal`` ``draft-missing``, ``draft-invalid`` (a draft that has run out) or
        ``holder-unknown``.
        """
        draft = self.draft(role)
        if draft.expires <= now:
            raise GatewayRefusal("draft-invalid", detail="the draft has run out")
        if not asked(draft, self._shelf) & set(key_map([holder.public])):
            raise GatewayRefusal("holder-unknown")
        signed = draft.sign(holder)
        progress = progress_of(signed, self._shelf)
        self._shelf.put(signed)
        return progress

    def progress(self, role: str) -> Progress:
        """Return how far a draft is. Raises ``GatewayRefusal`` ``draft-missing``."""
        return progress_of(self.draft(role), self._shelf)

    def publish(self, now: datetime, roles: Sequence[str] | None = None) -> list[str]:
        """Move complete drafts (all, or those of ``roles``) into the repository; return their roles.

        Raises ``GatewayRefusal`` ``directory-unsigned`` if one of ``roles`` is not complete, none is, or
        what would be published no longer fits together; nothing is changed then. Followers see it after
        the next ``refresh``.
        """
        drafts = self.drafts() if roles is None else {role: self.draft(role) for role in roles}
        ready = {role: draft for role, draft in drafts.items() if progress_of(draft, self._shelf).complete}
        if not ready or (roles is not None and len(ready) < len(drafts)):
            raise GatewayRefusal("directory-unsigned", detail="signatures are missing")
        if any(draft.expires <= now for draft in ready.values()):
            raise GatewayRefusal("draft-invalid", detail="a draft has run out")
        issue.check_together(self._shelf.store, ready)
        order = sorted(ready, key=lambda role: (role != "root", role != "targets", role))
        for role in order:
            self._shelf.place(ready[role])
        return order

    def refresh(self, automatic: HolderKeys, now: datetime, *, timestamp_days: int = 1) -> None:
        """Sign what is published: snapshot (if anything changed), timestamp, bundle, members.

        The secretariat's automatic job, several times a day; ``timestamp_days`` is 14 for a network that
        is carried to offline sites. Raises ``GatewayRefusal`` ``directory-unsigned`` (nothing published
        yet) or ``holder-unknown``.
        """
        issue.refresh(
            self._shelf.store,
            network=self.network,
            automatic=automatic,
            now=now,
            fresh_for=timedelta(days=timestamp_days),
            members=self._shelf.members(),
        )

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the published records by authority, with their member-only contacts put back."""
        found: dict[str, dict[str, Any]] = {}
        versions = self._shelf.store.versions()
        for role in self.states().values():
            if role in versions:
                found |= self._shelf.published(role, versions[role]).records()
        return found

    def content(self, cc: str) -> Draft | None:
        """Return what a State's draft lists, or else what is published of it; ``None`` if there is neither.

        Raises ``GatewayRefusal`` ``draft-missing`` for a State that nobody speaks for.
        """
        return self._shelf.newest(self._shelf.role_of(cc))

    def published(self, cc: str) -> Draft | None:
        """Return what is published of a State in the form of a draft, ``None`` if nothing is yet."""
        role = self.states().get(cc)
        version = None if role is None else self._shelf.store.versions().get(role)
        return None if role is None or version is None else self._shelf.published(role, version)

    def ends(self) -> dict[str, datetime]:
        """Return when each published role runs out."""
        found = {}
        for role, version in self._shelf.store.versions().items():
            signed: Any = loads_object(self._shelf.store.metadata(role, version), max_depth=32)["signed"]
            found[role] = parse_wire_time(signed["expires"])
        return found

    def states(self) -> dict[str, str]:
        """Return the delegated States (lower case), drafted ones included, and the role of each."""
        return self._shelf.states()

    def root(self) -> bytes:
        """Return the newest published root, as gateways pin it. Raises ``publication-invalid``."""
        return self._shelf.store.metadata("root", self._shelf.store.versions().get("root", 0))

    def _put_delegations(
        self, roles: dict[str, DelegatedRole], new: Mapping[str, Any], now: datetime
    ) -> None:
        held = self._shelf.targets().delegations
        keys = {**({} if held is None else held.keys), **new}
        used = {keyid for role in roles.values() for keyid in role.keyids}
        kept = {keyid: key for keyid, key in keys.items() if keyid in used}
        self._put_targets(Delegations(kept, roles), now)

    def _put_targets(self, delegations: Delegations | None, now: datetime) -> None:
        targets = Targets(
            version=self._shelf.next("targets"), expires=now + TARGETS_LIFE, delegations=delegations
        )
        check_delegations(targets, self._shelf.root())
        self._shelf.put_metadata("targets", Metadata(targets))

    def _check_taken(self, draft: Draft, now: datetime) -> None:
        """Hold a draft made elsewhere to what our own drafts keep."""
        if draft.version != self._shelf.next(draft.role) or draft.expires <= now:
            raise GatewayRefusal("draft-invalid", detail="version or expiry")
        if draft.role == "root":
            if network_of(draft.root().signed) != (self.network, self.kind):
                raise GatewayRefusal("directory-wrong-network", detail="root")
        elif draft.role == "targets":
            check_delegations(draft.targets().signed, self._shelf.root())
        else:
            if self._shelf.role_of(role_state(draft.role)[1]) != draft.role:
                raise GatewayRefusal("draft-missing", detail=draft.role)
            state = StateDraft.of(self.network, draft.role, draft)
            state.check(self.kind)
            state.refuse_shared_keys(self._shelf.other_keys(draft.role))
