"""How far a draft is: whose signatures it needs, and whose it has."""

from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata, Root, Targets

from gateway.errors import GatewayRefusal
from gateway.services.registry.drafts import Draft
from gateway.services.registry.holders import holder_of
from gateway.services.registry.shelf import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a draft is: good signatures (two per holder) of ``need``; who signed, who is still asked."""

    have: int
    need: int
    signed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the draft can be published."""
        return self.have >= self.need


def keyids(delegator: Root | Targets, role: str) -> list[str]:
    """Return the keys a delegator names for a role; none if it does not know the role."""
    try:
        return list(delegator.get_delegated_role(role).keyids)
    except ValueError:
        return []


def asked(draft: Draft, shelf: Shelf) -> set[str]:
    """Return the keys whose signatures over a draft count."""
    return {keyid for delegator in _delegators(draft, shelf) for keyid in keyids(delegator, draft.role)}


def good(draft: Draft, shelf: Shelf) -> set[str]:
    """Return the keys whose signatures over a draft are there and hold."""
    metadata: Metadata[Any] = draft.root() if draft.role == "root" else draft.targets()
    return {
        keyid
        for delegator in _delegators(draft, shelf)
        if keyids(delegator, draft.role)
        for keyid in delegator.get_verification_result(
            draft.role, metadata.signed_bytes, metadata.signatures
        ).signed
    }


def progress_of(draft: Draft, shelf: Shelf) -> Progress:
    """Return how far a draft is. Raises ``draft-missing`` if nobody is named for its role."""
    metadata: Metadata[Any] = draft.root() if draft.role == "root" else draft.targets()
    have = need = 0
    signed: dict[str, None] = {}
    named: dict[str, None] = {}
    for delegator in _delegators(draft, shelf):
        if not keyids(delegator, draft.role):
            raise GatewayRefusal("draft-missing", detail="nobody is named for this role")
        result = delegator.get_verification_result(draft.role, metadata.signed_bytes, metadata.signatures)
        have += min(len(result.signed), result.threshold)
        need += result.threshold
        keys = {**result.signed, **result.unsigned}
        for keyid, key in keys.items():
            name = holder_of(key)[0]
            (signed if keyid in result.signed else named)[name] = None
    missing = tuple(name for name in named if name not in signed)
    return Progress(have=have, need=need, signed=tuple(signed), missing=missing)


def _delegators(draft: Draft, shelf: Shelf) -> list[Root | Targets]:
    """Return who must accept a draft: for a root, the one before it as well."""
    if draft.role == "root":
        own = draft.root().signed
        return [shelf.published_root(), own] if "root" in shelf.store.versions() else [own]
    return [shelf.root()] if draft.role == "targets" else [shelf.targets()]
