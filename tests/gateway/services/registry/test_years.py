"""Three years of a network: who signs once a year never goes stale, and root passes to other people."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registry.follower import Follower, root_digest
from tests.gateway.services.registry.networks import (
    DAY,
    NETWORK,
    NOW,
    Net,
    authorities,
    begin,
    holder,
    record,
)

KENYA = authorities("ke")[0]
YEAR = 365 * DAY
#: A State signs once a year, on the same day or up to four weeks late.
LATE = (0, 14, 28)


def sign_again(net: Net, role: str, who: str, now: datetime) -> None:
    net.publication.draft_renewal(role, now)
    net.sign(role, net.speakers[who] if who else net.people[: net.needed], now)
    net.publication.publish(now, [role])


def renew_austria(net: Net, now: datetime) -> None:
    sign_again(net, "state-at", "at", now)


def renew_secretariat(net: Net, now: datetime) -> None:
    """What the secretariat's people sign once a year."""
    sign_again(net, "targets", "", now)
    sign_again(net, "attested-ke", "ke", now)


def succeed(net: Net, now: datetime) -> None:
    """Root passes to other holders, with a new machine for the automatic signatures; two of the old agree."""
    old, net.people = net.people, [holder(f"Successor {n}") for n in range(3)]
    net.automatic = holder("Secretariat, second machine")
    net.publication.draft_root([h.public for h in net.people], net.needed, net.automatic.public, now)
    net.sign("root", old[: net.needed], now)
    with pytest.raises(GatewayRefusal, match="directory-unsigned"):
        net.publication.publish(now, ["root"])
    net.sign("root", net.people[: net.needed], now)
    with pytest.raises(GatewayRefusal, match="directory-unsigned"):
        # The new root's targets would be signed by nobody it names.
        net.publication.publish(now, ["root"])
    net.sign("targets", net.people[: net.needed], now)
    with pytest.raises(GatewayRefusal, match="directory-unsigned"):
        # Kenya is attested by people who are gone.
        net.publication.publish(now)
    net.speakers["ke"] = net.people[: net.needed]
    net.sign("attested-ke", net.speakers["ke"], now)
    assert net.publication.publish(now) == ["root", "targets", "attested-ke"]


@pytest.mark.slow
async def test_a_state_that_signs_once_a_year_never_goes_stale_and_root_is_succeeded(tmp_path: Path) -> None:
    net = begin(tmp_path / "net")
    first_root = net.publication.root()
    net.delegate("at", [holder("Austria, first"), holder("Austria, second")])
    net.delegate("ke", net.people, attested=True)
    net.list_records("at", [record("at-moj")])
    net.list_records("ke", [record(KENYA)])
    follower = net.follower(tmp_path / "awake")
    step, end, now = timedelta(days=13), NOW + 3 * YEAR + 60 * DAY, NOW
    acts = [((n + 1) * YEAR + timedelta(days=late), renew_austria) for n, late in enumerate(LATE)] + [
        (340 * DAY, renew_secretariat),
        (680 * DAY, renew_secretariat),
        (1000 * DAY, succeed),
    ]
    acts.sort(key=lambda act: act[0])
    while now < end:
        while acts and now + step >= NOW + acts[0][0]:
            acts.pop(0)[1](net, now)
        net.refresh(now, timestamp_days=14)
        found = await follower.refresh(net.server, now)
        assert found.fresh_until > now
        assert set(found.records) == {"at-moj", KENYA}
        assert all(vouched.expires > now for vouched in found.records.values()), now
        now += step
    assert acts == []
    assert follower.current is not None
    assert follower.current.root_version == 2
    # Who slept through it all comes from the first root to the newest by the same two requests.
    sleeper = Follower.pin(
        tmp_path / "late", network=NETWORK, root=first_root, sha256=root_digest(first_root)
    )
    server = net.server
    assert await sleeper.refresh(server, now - step) == follower.current
    assert server.asked == ["timestamp.json", f"{follower.current.bundle_version}.bundle"]


async def test_a_state_that_is_late_is_shown_so_and_harms_nobody_else(net: Net, tmp_path: Path) -> None:
    sign_again(net, "targets", "", NOW + 300 * DAY)
    sign_again(net, "attested-ke", "ke", NOW + 300 * DAY)
    now = NOW + 400 * DAY
    net.refresh(now)
    found = await net.follower(tmp_path / "f").refresh(net.server, now)
    assert found.records["at-moj"].expires < now < found.records[KENYA].expires
    assert found.fresh_until > now
    assert found.refused == {}
