"""The rules of a network: names of roles, lifetimes, and the hybrid threshold that every role keeps.

TUF counts keys; it does not know that one broken algorithm breaks all keys of its family. So every role
has holders with one key of each family, and a threshold of more keys than there are holders: no family
alone reaches it, and ``threshold - holders`` honest holders remain necessary if one family falls. Checked
here for each root and for all delegations, by the publisher and by every follower.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Role, Root, Targets

from crypto.errors import KeyRefused
from crypto.revocation import Quorum
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.services.registry.holders import Holder, holder_of

ROOT_LIFE = timedelta(days=3 * 365)
TARGETS_LIFE = timedelta(days=365)
#: Thirteen months: a State that signs once a year never goes stale.
STATE_LIFE = timedelta(days=396)
#: Longer than any timestamp, and issued again when half of it has passed.
SNAPSHOT_LIFE = timedelta(days=30)

NetworkKind = Literal["lab", "real"]
Assurance = Literal["state", "attested"]

#: Member of root that names its network; a stock TUF client ignores it.
NETWORK_MEMBER = "x-rogatory"

#: The roles that the network's own holders sign.
TOP_ROLES = ("root", "targets")

_NETWORK = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_STATE_ROLE = re.compile(r"(state|attested)-([a-z]{2})")
_STATE = re.compile(r"[a-z]{2}")


def network_name(name: str) -> str:
    """Return the name of a network. Raises ``directory-wrong-network`` for any other text."""
    if not _NETWORK.fullmatch(name):
        raise GatewayRefusal("directory-wrong-network", detail="name")
    return name


def state_role(cc: str, *, attested: bool) -> str:
    """Return the role that speaks for a State. Raises ``directory-other-state`` for no State's code."""
    if not _STATE.fullmatch(cc):
        raise GatewayRefusal("directory-other-state", detail="code")
    return f"{'attested' if attested else 'state'}-{cc}"


def role_state(role: str) -> tuple[Assurance, str]:
    """Return the assurance and the State (lower case) of a role. Raises ``directory-unsigned`` for others."""
    match = _STATE_ROLE.fullmatch(role)
    if match is None:
        _refuse(f"role {role[:40]} is no State's")
    return "attested" if match[1] == "attested" else "state", match[2]


def state_paths(cc: str) -> str:
    """Return the paths that a State may fill."""
    return f"states/{cc}/*"


def threshold(holders: Sequence[Holder], needed: int) -> int:
    """Return the number of keys that must sign so that ``needed`` of these holders must come together.

    If one family of algorithms falls, ``2 * needed - len(holders)`` honest holders are still necessary.
    Raises ``GatewayRefusal`` ``holders-unfit``: half of them or fewer are needed, or more than there are.
    """
    if not len(holders) < 2 * needed <= 2 * len(holders):
        raise GatewayRefusal("holders-unfit", detail="more than half of the holders must sign")
    return 2 * needed


def new_root(
    network: str,
    kind: NetworkKind,
    holders: Sequence[Holder],
    needed: int,
    automatic: Holder,
    *,
    version: int,
    now: datetime,
) -> Root:
    """Return a root for these holders and this machine. Raises ``GatewayRefusal`` ``holders-unfit``."""
    people, machine = list(key_map(holders)), list(key_map([automatic]))
    together = threshold(holders, needed)
    root = Root(
        version=version,
        expires=now + ROOT_LIFE,
        keys=key_map([*holders, automatic]),
        roles={
            "root": Role(people, together),
            "targets": Role(list(people), together),
            "snapshot": Role(machine, 2),
            "timestamp": Role(list(machine), 2),
        },
        unrecognized_fields={NETWORK_MEMBER: {"network": network, "kind": kind}},
    )
    try:
        check_root(root)
    except GatewayRefusal as refusal:
        raise GatewayRefusal("holders-unfit", detail=refusal.detail) from None
    return root


def network_of(root: Root) -> tuple[str, NetworkKind]:
    """Return name and kind of the network that a root is for. Raises ``directory-wrong-network``."""
    member: Any = root.unrecognized_fields.get(NETWORK_MEMBER)
    if not isinstance(member, dict) or not isinstance(member.get("network"), str):
        raise GatewayRefusal("directory-wrong-network", detail="root names no network")
    match member.get("kind"):
        case "lab":
            return network_name(member["network"]), "lab"
        case "real":
            return network_name(member["network"]), "real"
        case _:
            raise GatewayRefusal("directory-wrong-network", detail="kind")


def check_root(root: Root) -> None:
    """Return if a root keeps the hybrid rule and the automatic keys to themselves.

    Raises ``GatewayRefusal`` ``directory-unsigned``.
    """
    if not root.consistent_snapshot:
        _refuse("root without consistent snapshots")
    if _automatic(root) & {keyid for name in TOP_ROLES for keyid in root.roles[name].keyids}:
        _refuse("an automatic key signs for people")
    for name, role in root.roles.items():
        _check_role(name, role, root.keys)


def check_delegations(targets: Targets, root: Root) -> Mapping[str, DelegatedRole]:
    """Return the roles that speak for States, by State, if each keeps to its rules.

    One role per State, for its own paths only and terminating; the keys of a ``state`` role belong to
    that State alone. Raises ``GatewayRefusal`` ``directory-unsigned``.
    """
    delegations = targets.delegations
    if targets.targets:
        _refuse("targets lists files itself")
    if delegations is None or not delegations.roles:
        return {}
    found: dict[str, DelegatedRole] = {}
    taken: dict[str, Assurance] = dict.fromkeys(root.keys, "attested")
    taken |= dict.fromkeys(_automatic(root), "state")
    for name, role in delegations.roles.items():
        assurance, cc = role_state(name)
        if cc in found or role.paths != [state_paths(cc)] or not role.terminating:
            _refuse(f"delegation {name}")
        _check_role(name, role, delegations.keys)
        # What signs for one State signs for nothing else; the secretariat's holders attest several.
        if any(
            taken.get(k, assurance) != assurance or (k in taken and assurance == "state") for k in role.keyids
        ):
            _refuse(f"a key of {name} belongs to another role")
        taken |= dict.fromkeys(role.keyids, assurance)
        found[cc] = role
    return found


def _automatic(root: Root) -> set[str]:
    return {keyid for name in ("snapshot", "timestamp") for keyid in root.roles[name].keyids}


def holder_words(role: Role, keys: Mapping[str, Key]) -> dict[str, tuple[str, ...]]:
    """Return the holders of a role by name, in order, and the words that stand for the keys of each.

    Raises ``GatewayRefusal`` ``directory-unsigned``.
    """
    halves: dict[str, list[tuple[str, bytes]]] = {}
    for keyid in role.keyids:
        name, raw = _holder(keys, keyid)
        halves.setdefault(name, []).append((keys[keyid].keytype, raw))
    # Ed25519 first, as in ``Holder.words``.
    return {name: fingerprint_words(b"".join(raw for _, raw in sorted(own))) for name, own in halves.items()}


def quorum_of(role: Role, keys: Mapping[str, Key]) -> Quorum:
    """Return the holders of a checked role as they sign emergency notices about its State's keys."""
    held = [(keys[keyid].keytype, _holder(keys, keyid)[1]) for keyid in role.keyids]
    return Quorum(
        ed25519=frozenset(raw for kind, raw in held if kind == "ed25519"),
        ml_dsa=frozenset(raw for kind, raw in held if kind == "ml-dsa"),
        threshold=role.threshold,
    )


def _check_role(name: str, role: Role, keys: Mapping[str, Key]) -> None:
    families: dict[str, list[str]] = {}
    for keyid in role.keyids:
        holder, _ = _holder(keys, keyid)
        families.setdefault(holder, []).append(keys[keyid].keytype)
    if any(sorted(kinds) != ["ed25519", "ml-dsa"] for kinds in families.values()):
        _refuse(f"{name}: a holder without one key of each family")
    if not len(families) < role.threshold <= 2 * len(families):
        _refuse(f"{name}: a threshold that one family reaches alone, or nobody")


def _holder(keys: Mapping[str, Key], keyid: str) -> tuple[str, bytes]:
    """Return who holds a key, and the key. It has one spelling, so one identifier, and counts once."""
    key = keys.get(keyid)
    if key is None:
        _refuse("a key is missing")
    try:
        return holder_of(key)
    except KeyRefused as refused:
        _refuse(str(refused))


def key_map(holders: Iterable[Holder]) -> dict[str, Key]:
    """Return the TUF keys of holders by identifier, in order."""
    return {key.keyid: key for holder in holders for key in holder.tuf_keys()}


def _refuse(detail: str) -> NoReturn:
    raise GatewayRefusal("directory-unsigned", detail=detail)
