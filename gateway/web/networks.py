"""How the calls about followed networks are done, and how a network's standing is told."""

import asyncio
import os
import stat
from datetime import datetime
from pathlib import Path

from gateway.errors import GatewayRefusal, sentence_of
from gateway.model.freshness import freshness
from gateway.services.directory import Directory
from gateway.services.following.networks import Networks, NetworkStatus
from gateway.services.registry.bundle import BUNDLE_LIMIT
from gateway.services.registry.members import MEMBERS_FILE, MEMBERS_LIMIT
from gateway.web.calls.networks import (
    AllowParams,
    ContestedKeyView,
    ContradictionView,
    DecideParams,
    EndedKeyView,
    ImportParams,
    NetworksResult,
    NetworkView,
    RefreshParams,
)


async def status(networks: Networks, directory: Directory, *, now: datetime) -> NetworksResult:
    """Return how the directory stands."""
    view = directory.view
    return NetworksResult(
        enrolled=sum(source.name == "bilateral" and len(source.entries) - 1 for source in view.sources),
        networks=[_network(each, directory, now) for each in await networks.statuses()],
        contradicted=[
            ContradictionView(
                authority_id=aid,
                sources=[claim.voucher.source for claim in view.authorities[aid].claims],
            )
            for aid in sorted(view.contradicted)
        ],
        ended_elsewhere=[
            EndedKeyView(
                authority_id=each.authority_id,
                use=each.use,
                kid=each.kid,
                reason=each.reason,
                ended_by=each.ended_by,
                listed_by=list(each.listed_by),
                at=each.received_at,
            )
            for each in directory.ended_elsewhere()
        ],
        contested=[
            ContestedKeyView(kid=each.kid, claimed_by=each.claimant, holder=each.holder)
            for each in view.contested
        ],
    )


def _network(each: NetworkStatus, directory: Directory, now: datetime) -> NetworkView:
    source, row = each.source, each.row
    code = None if row is None else row.code
    return NetworkView(
        name=each.name,
        carried=each.is_carried,
        state=freshness(source.fresh_until, now).value if source.is_readable else "unreadable",
        urgent_allowed=directory.is_urgent_allowed(source),
        fresh_until=source.fresh_until,
        refreshed_at=None if row is None else row.refreshed_at,
        next_at=None if row is None or each.is_carried else row.next_action_at,
        code=code,
        sentence=None if code is None else sentence_of(code),
        root=0 if row is None else row.root,
        snapshot=0 if row is None else row.snapshot,
        timestamp=0 if row is None else row.timestamp,
        states=len(source.states),
        authorities=len(source.entries),
        attested=sum(assurance == "attested" for assurance in source.assurance.values()),
        refused=sorted(source.refused),
    )


async def refresh(
    networks: Networks, directory: Directory, params: RefreshParams, *, now: datetime
) -> NetworksResult:
    """Ask one network, or all that are served somewhere; what failed is told with each network."""
    served = [each.name for each in await networks.statuses() if not each.is_carried]
    for name in [params.network] if params.network else served:
        try:
            await networks.refresh(name)
        except GatewayRefusal:
            if name not in served:
                raise
    return await status(networks, directory, now=now)


async def take(
    networks: Networks, directory: Directory, params: ImportParams, *, now: datetime
) -> NetworksResult:
    """Take a bundle, with the member-only contacts that lie beside it."""
    data, members = await asyncio.to_thread(_carried, Path(params.path))
    await networks.import_bundle(data, members)
    return await status(networks, directory, now=now)


def _carried(path: Path) -> tuple[bytes, bytes]:
    """Return a bundle and the contacts beside it; of a repository's folder, the newest bundle."""
    if not path.is_absolute():
        raise GatewayRefusal("bundle-unreadable", field="path")
    if path.is_dir():
        bundles = [p for p in path.glob("*.bundle") if p.stem.isascii() and p.stem.isdigit()]
        if not bundles:
            raise GatewayRefusal("bundle-unreadable", field="path")
        path = max(bundles, key=lambda p: int(p.stem))
    beside = path.parent / MEMBERS_FILE
    members = _read(beside, MEMBERS_LIMIT) if beside.exists() else b""
    return _read(path, BUNDLE_LIMIT), members


def _read(path: Path, limit: int) -> bytes:
    """Return a regular file, bounded; a pipe or device would make the service wait for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        raise GatewayRefusal("bundle-unreadable", field="path") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise GatewayRefusal("bundle-unreadable", field="path")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GatewayRefusal("directory-too-large")
    return data


async def decide(
    networks: Networks, directory: Directory, params: DecideParams, *, now: datetime
) -> NetworksResult:
    """Believe one source about an authority, as a person says."""
    await networks.decide(params.authority_id, params.source, params.officer)
    return await status(networks, directory, now=now)


async def allow(
    networks: Networks, directory: Directory, params: AllowParams, *, now: datetime
) -> NetworksResult:
    """Let the urgent lane go on by a network that is past its end, as a person says."""
    await networks.allow_urgent(params.network, params.officer)
    return await status(networks, directory, now=now)
