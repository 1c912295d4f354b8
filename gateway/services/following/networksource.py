"""A followed network as a source of the directory: what a verified one says, and what of it may count.

Pure. A network that is of the other kind, or behind what was trusted here before, is refused.
"""

from datetime import UTC, date, datetime, time

from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.model.states import parse_state
from gateway.services.directory.views import SourceView
from gateway.services.registry.follower import VerifiedNetwork
from gateway.services.registry.network import VouchedRecord
from gateway.storage.networks import NetworkRow


def source_name(network: str) -> str:
    """Return how a network is called among the sources of the directory."""
    return f"network:{network}"


def source_view(network: VerifiedNetwork) -> SourceView:
    """Return what a verified network says, as a source of the merged view."""
    return SourceView(
        name=source_name(network.network),
        entries={
            aid: parse_entry({**vouched.record, **network.members.get(aid, {})})
            for aid, vouched in network.records.items()
        },
        states={code: parse_state(record) for code, record in network.states.items()},
        assurance={aid: vouched.assurance for aid, vouched in network.records.items()},
        fresh_until=network.fresh_until,
        ends={aid: min(v.expires, network.fresh_until) for aid, v in network.records.items()},
        refused=frozenset(network.refused),
        requirements={
            aid: vouched.requirements
            for aid, vouched in network.records.items()
            if vouched.requirements is not None
        },
        stated_at={aid: at for aid, v in network.records.items() if (at := _stated_at(v)) is not None},
        quorums=network.quorums,
    )


def _stated_at(vouched: VouchedRecord) -> datetime | None:
    """Return when a record was last confirmed: the start of that day, so that no notice is passed over."""
    day = vouched.record.get("verified_at")
    return None if day is None else datetime.combine(date.fromisoformat(day), time(), UTC)


def refuse_older(network: VerifiedNetwork, row: NetworkRow | None, *, kind: str) -> None:
    """Refuse a network of the other kind, and one that is behind what was trusted here before.

    Raises ``GatewayRefusal`` ``directory-wrong-network``, ``directory-rollback``.
    """
    if network.kind != kind:
        raise GatewayRefusal("directory-wrong-network", detail="kind")
    if row is not None and _is_behind(versions(network), row.versions):
        raise GatewayRefusal("directory-rollback", detail="behind the log")


def _is_behind(now: tuple[int, int, int], then: tuple[int, int, int]) -> bool:
    """Tell whether a state is older than one that was trusted.

    Snapshots and timestamps are counted under one root: a new one is how holders put an end to numbers that
    a thief of the automatic keys drove up, and while these keys stay, the follower counts on as well.
    """
    return now < then if now[0] != then[0] else any(a < b for a, b in zip(now, then, strict=True))


def versions(network: VerifiedNetwork) -> tuple[int, int, int]:
    """Return root, snapshot and timestamp of a network: what may never go back."""
    return network.root_version, network.bundle_version, network.versions["timestamp"]
