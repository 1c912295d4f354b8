"""A network is published, followed, renewed and carried offline."""

import errno
import json
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry import follower as follower_module
from gateway.services.registry.follower import Follower, root_digest
from tests.gateway.services.registry.networks import DAY, NETWORK, NOW, Net, authorities, openers, record


async def test_a_first_sync_is_two_requests_and_a_third_for_contacts(net: Net, tmp_path: Path) -> None:
    server = net.server
    found = await net.follower(tmp_path / "f").refresh(server, NOW, decapsulators=openers("at-moj"))
    assert server.asked == ["timestamp.json", "1.bundle", "members.sealed"]
    kenya = authorities("ke")[0]
    assert set(found.records) == {"at-moj", kenya}
    assert set(found.states) == {"AT", "KE"}
    assert found.records["at-moj"].assurance == "state"
    assert found.records[kenya].assurance == "attested"
    assert found.refused == {}
    assert found.fresh_until == NOW + DAY
    assert found.versions == {
        "root": 1,
        "timestamp": 1,
        "snapshot": 1,
        "targets": 3,
        "state-at": 1,
        "attested-ke": 1,
    }


async def test_telephone_numbers_reach_enrolled_gateways_only(net: Net, tmp_path: Path) -> None:
    original = record("at-moj")
    follower = net.follower(tmp_path / "f")
    found = await follower.refresh(net.server, NOW, decapsulators=openers("at-moj"))
    assert found.members["at-moj"]["phones"] == original["phones"]
    assert "phones" not in found.records["at-moj"].record
    for path in net.publication.repository.rglob("*"):
        assert path.is_dir() or original["phones"][0]["number"].encode() not in path.read_bytes()
    stranger = await net.follower(tmp_path / "g").refresh(net.server, NOW, decapsulators=openers("at-none"))
    assert stranger.members == {}
    again = Follower.open(tmp_path / "f").load(decapsulators=openers("at-moj"))
    assert again == found


async def test_contacts_stay_when_their_file_cannot_be_had(net: Net, tmp_path: Path) -> None:
    follower = net.follower(tmp_path / "f")
    first = await follower.refresh(net.server, NOW, decapsulators=openers("at-moj"))
    net.list_records("at", [record("at-moj") | {"website": "https://new.example.org/"}], NOW)
    net.refresh(NOW)
    server = net.server
    server.replaced = {"members.sealed": None}
    later = await follower.refresh(server, NOW, decapsulators=openers("at-moj"))
    assert later.records["at-moj"].version == 2
    assert later.members == first.members


async def test_contacts_stay_when_another_file_is_served_in_their_place(net: Net, tmp_path: Path) -> None:
    """Anybody can seal a file for us; only entries that a State signed count, and fewer of them never win."""
    follower = net.follower(tmp_path / "f")
    first = await follower.refresh(net.server, NOW, decapsulators=openers("at-moj"))
    net.list_records("at", [record("at-moj") | {"name_en": "Federal Ministry"}])
    net.refresh()
    server = net.server
    server.replaced = {"members.sealed": b"{}"}
    found = await follower.refresh(server, NOW, decapsulators=openers("at-moj"))
    assert found.bundle_version == 2
    assert found.members == first.members != {}
    assert Follower.open(tmp_path / "f").load(decapsulators=openers("at-moj")).members == first.members


async def test_nothing_new_is_one_request(net: Net, tmp_path: Path) -> None:
    follower = net.follower(tmp_path / "f")
    first = await follower.refresh(net.server, NOW)
    server = net.server
    assert await follower.refresh(server, NOW + DAY / 2) is first
    net.refresh(NOW + DAY)
    later = await follower.refresh(server, NOW + DAY)
    assert server.asked == ["timestamp.json", "timestamp.json"]
    assert later.fresh_until == NOW + 2 * DAY
    assert later.versions["timestamp"] == 2
    assert later.records == first.records
    assert Follower.open(tmp_path / "f").load() == later


async def test_a_changed_record_comes_with_the_next_bundle(net: Net, tmp_path: Path) -> None:
    follower = net.follower(tmp_path / "f")
    await follower.refresh(net.server, NOW)
    net.list_records("at", [record("at-moj") | {"website": "https://new.example.org/"}], NOW)
    net.refresh(NOW)
    found = await follower.refresh(net.server, NOW)
    assert found.records["at-moj"].record["website"] == "https://new.example.org/"
    assert found.records["at-moj"].version == 2
    assert found.bundle_version == 2
    assert [path.name for path in (tmp_path / "f").glob("*.bundle")] == ["2.bundle"]


async def test_a_bundle_can_be_carried(net: Net, tmp_path: Path) -> None:
    net.refresh(NOW, timestamp_days=14)
    data = (net.publication.repository / "1.bundle").read_bytes()
    members = (net.publication.repository / "members.sealed").read_bytes()
    follower = net.follower(tmp_path / "f")
    found = follower.import_bundle(data, NOW + 13 * DAY, members=members, decapsulators=openers("at-moj"))
    assert set(found.members) >= {"at-moj"}
    assert found.fresh_until == NOW + 14 * DAY


async def test_the_last_good_state_is_there_after_its_freshness_has_run_out(net: Net, tmp_path: Path) -> None:
    found = await net.follower(tmp_path / "f").refresh(net.server, NOW)
    follower = Follower.open(tmp_path / "f")
    assert follower.load() == found
    with pytest.raises(GatewayRefusal, match="directory-expired"):
        await follower.refresh(net.server, NOW + 2 * DAY)
    assert follower.current == found


def test_a_root_is_pinned_by_its_digest_and_name(net: Net, tmp_path: Path) -> None:
    root = net.publication.root()
    for network, digest in ((NETWORK, "0" * 64), ("other-net", root_digest(root))):
        with pytest.raises(GatewayRefusal, match="directory-wrong-network"):
            Follower.pin(tmp_path / "f", network=network, root=root, sha256=digest)
    assert not (tmp_path / "f").exists()
    assert json.loads(root)["signed"]["version"] == 1


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EACCES])
async def test_a_disk_that_fails_at_any_write_leaves_the_last_good_state(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, trouble: int
) -> None:
    follower = net.follower(tmp_path / "f")
    first = await follower.refresh(net.server, NOW, decapsulators=openers("at-moj"))
    net.list_records("at", [record("at-moj") | {"website": "https://new.example.org/"}], NOW)
    net.refresh(NOW)
    written: list[str] = []

    def failing(path: Path, data: bytes) -> None:
        written.append(path.name)
        if len(written) == number:
            raise OSError(trouble, "as in life")
        write_durably(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(follower_module, "write_durably", failing)
        with pytest.raises(GatewayRefusal) as caught:
            await follower.refresh(net.server, NOW, decapsulators=openers("at-moj"))
    assert caught.value.code == ("storage-full" if trouble == errno.ENOSPC else "folder-unusable")
    assert written == ["2.bundle", "members.sealed", "accepted.json"][:number]
    assert follower.current == first
    again = Follower.open(tmp_path / "f")
    assert again.load().records == first.records
    assert (await again.refresh(net.server, NOW)).records["at-moj"].version == 2
