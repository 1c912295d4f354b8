"""Issuing: whether drafts are complete and fit together, and the automatic signatures over the whole.

Snapshot and timestamp say what belongs together and that it is fresh; they are signed by the secretariat's
machine and can neither add nor change a record. ``timestamp.json`` is written last: whoever reads before
sees the issue before.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from gateway.errors import GatewayRefusal
from gateway.services.registry.bundle import TIMESTAMP, bundle_name, make_bundle
from gateway.services.registry.drafts import Draft
from gateway.services.registry.holders import HolderKeys
from gateway.services.registry.members import MEMBERS_FILE, seal_members
from gateway.services.registry.policy import (
    SNAPSHOT_LIFE,
    TOP_ROLES,
    check_delegations,
    check_root,
    key_map,
)
from gateway.services.registry.progress import keyids
from gateway.services.registry.records import DIGEST_MEMBER, member_entry, read_json, record_path
from gateway.services.registry.repository import Repository, parse

_ROOT_MEMBER = "x-rogatory-root"


def check_together(store: Repository, drafts: Mapping[str, Draft]) -> None:
    """Return if everything verifies once these drafts are published.

    Raises ``GatewayRefusal`` ``directory-unsigned``: new holders of a role, and it is not signed again.
    """
    versions = store.versions()

    def data(role: str) -> bytes | None:
        if role in drafts:
            return drafts[role].metadata
        return store.metadata(role, versions[role]) if role in versions else None

    root_data, targets_data = data("root"), data("targets")
    if root_data is None or targets_data is None:
        raise GatewayRefusal("directory-unsigned", detail="root and targets come first")
    root, targets = parse(root_data, Root), parse(targets_data, Targets)
    check_root(root.signed)
    delegated = check_delegations(targets.signed, root.signed)
    try:
        root.signed.verify_delegate("targets", targets.signed_bytes, targets.signatures)
        for role in delegated.values():
            if (signed := data(role.name)) is not None:
                state = parse(signed, Targets)
                targets.signed.verify_delegate(role.name, state.signed_bytes, state.signatures)
    except UnsignedMetadataError as error:
        raise GatewayRefusal("directory-unsigned", detail=str(error)) from None
    for role_name in drafts:
        if role_name not in TOP_ROLES and role_name not in {r.name for r in delegated.values()}:
            raise GatewayRefusal("directory-unsigned", detail="the State's holders are not published yet")


def refresh(
    store: Repository,
    *,
    network: str,
    automatic: HolderKeys,
    now: datetime,
    fresh_for: timedelta,
    members: Mapping[str, bytes],
) -> None:
    """Write snapshot, bundle, member-only contacts and, last, the timestamp."""
    # A publication that was cut short is finished first, and never shown by halves.
    check_together(store, {})
    versions = store.versions()
    root = parse(store.metadata("root", versions["root"]), Root).signed
    if set(keyids(root, "snapshot")) != set(key_map([automatic.public])):
        raise GatewayRefusal("holder-unknown", detail="not the automatic keys of root")
    roots = {f"{n}.root.json": store.metadata("root", n) for n in range(1, versions["root"] + 1)}
    issue = {"targets": store.metadata("targets", versions["targets"])}
    targets = parse(issue["targets"], Targets).signed
    files: dict[str, bytes] = {}
    for role in check_delegations(targets, root).values():
        if role.name in versions:
            issue[role.name] = store.metadata(role.name, versions[role.name])
            files |= store.files(parse(issue[role.name], Targets).signed)
    snapshot = _snapshot(store, versions, issue, automatic, now)
    number = parse(snapshot, Snapshot).signed.version
    timestamp = Metadata(
        Timestamp(
            version=_last_timestamp(store) + 1,
            expires=now + fresh_for,
            snapshot_meta=MetaFile.from_data(number, snapshot, ["sha256"]),
        )
    )
    _sign(timestamp, automatic)
    everything = {
        **roots,
        **{f"{versions[role]}.{role}.json": data for role, data in issue.items()},
        f"{number}.snapshot.json": snapshot,
        TIMESTAMP: timestamp.to_bytes(),
        **files,
    }
    store.put_metadata("snapshot", number, snapshot)
    store.put(bundle_name(number), make_bundle(network, everything))
    store.put(MEMBERS_FILE, _sealed(network, files, members, now))
    store.put(TIMESTAMP, everything[TIMESTAMP])
    for old in store.folder.glob("*.bundle"):
        if int(old.stem) < number - 1:
            old.unlink()


def _snapshot(
    store: Repository,
    versions: Mapping[str, int],
    issue: Mapping[str, bytes],
    automatic: HolderKeys,
    now: datetime,
) -> bytes:
    """Return the snapshot in force if it still says what is published, else the next one."""
    meta = {
        f"{role}.json": MetaFile.from_data(versions[role], data, ["sha256"]) for role, data in issue.items()
    }
    number = versions.get("snapshot", 0)
    if number:
        data = store.metadata("snapshot", number)
        held = parse(data, Snapshot).signed
        # TUF forbids a role to vanish: one that nobody holds any more is named for ever.
        meta = {**held.meta, **meta}
        same_root = held.unrecognized_fields.get(_ROOT_MEMBER) == versions["root"]
        if held.meta == meta and same_root and held.expires - now > SNAPSHOT_LIFE / 2:
            return data
    # A new root alone makes a new snapshot as well: followers fetch roots with the bundle.
    snapshot = Metadata(
        Snapshot(
            version=number + 1,
            expires=now + SNAPSHOT_LIFE,
            meta=meta,
            unrecognized_fields={_ROOT_MEMBER: versions["root"]},
        )
    )
    _sign(snapshot, automatic)
    return snapshot.to_bytes()


def _last_timestamp(store: Repository) -> int:
    path = store.folder / TIMESTAMP
    return parse(path.read_bytes(), Timestamp).signed.version if path.exists() else 0


def _sign(metadata: Metadata[Any], holder: HolderKeys) -> None:
    for signer in holder.tuf_signers():
        metadata.sign(signer, append=True)


def _sealed(network: str, files: Mapping[str, bytes], members: Mapping[str, bytes], now: datetime) -> bytes:
    names = {path.rpartition("/")[2].removesuffix(".json"): path for path in files}
    records = {
        name: read_json(files[path])
        for name, path in names.items()
        if not name.startswith("_") and path == record_path(name)
    }
    published = {
        aid: entry
        for aid, entry in members.items()
        if aid in records and DIGEST_MEMBER in records[aid] and member_entry(records[aid], entry) is not None
    }
    listed = [record for name, record in records.items() if "keys" in record]
    return seal_members(network, published, listed, now)
