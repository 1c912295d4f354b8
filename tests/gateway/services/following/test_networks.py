"""Networks as a gateway lives with them: what is trusted, what waits, what a person is told and decides."""

import json
import shutil
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from tuf.api.metadata import Metadata, Timestamp

from crypto.errors import Refusal
from crypto.keys import KeyUse
from gateway.config import HomePaths
from gateway.errors import GatewayRefusal
from gateway.model.authority import LookupStatus
from gateway.services.diagnosis import Diagnosis
from gateway.services.directory.peers import pullable
from gateway.services.health.directorychecks import check_directory, check_networks
from gateway.services.registry.follower import LookupFailed
from gateway.services.registry.publisher import Publication
from gateway.storage import peers, transmissions
from gateway.storage.networks import networks
from tests.following import Following
from tests.gateway.services.registry.networks import NETWORK, holder
from tests.sampledata import entry
from tests.world import audit, make_lab_home, sample_request

KE, SG, NG = "ke-ag", "sg-agc", "ng-fmj"
SOURCE = f"network:{NETWORK}"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Following]:
    async with Following.create(tmp_path, KE, SG) as made:
        yield made


@pytest_asyncio.fixture
async def both(tmp_path: Path) -> AsyncIterator[Following]:
    async with Following.create(tmp_path, KE, SG, enrolled=True) as made:
        yield made


async def send(lab: Following) -> str:
    form, documents = sample_request(1)
    sent = await lab.world.submit(KE, form, documents)
    return sent.bid


async def state_of(lab: Following, bid: str) -> tuple[str, str | None]:
    rows = await lab.world[KE].database.read(lambda c: transmissions.transmissions_of(c, KE, bid))
    return rows[0].state, rows[0].last_code


async def tasks(lab: Following) -> list[tuple[str | None, str]]:
    rows = await lab.world[KE].database.read(peers.open_tasks)
    return [(row.sender, row.code) for row in rows if row.kind == "directory"]


async def test_authorities_that_know_each_other_from_the_network_alone_exchange_requests(
    lab: Following,
) -> None:
    found = lab.world[KE].directory.lookup(SG)
    assert found.status is LookupStatus.FOUND
    assert [(v.source, v.assurance) for v in found.vouchers] == [(SOURCE, "state")]
    bid = await send(lab)
    await lab.world.run()
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
    await lab.world.check()


async def test_nothing_new_costs_one_request(lab: Following) -> None:
    lab.server.asked.clear()
    await lab.world[KE].networks.refresh(NETWORK)
    assert lab.server.asked == ["timestamp.json"]


async def test_a_network_is_asked_when_it_is_due_and_not_before(lab: Following) -> None:
    lab.server.asked.clear()
    await lab.world[KE].networks.look()
    assert lab.server.asked == []
    lab.stay_fresh(2 * HOUR)
    await lab.world[KE].networks.look()
    await lab.world[KE].networks.look()
    assert lab.server.asked == ["timestamp.json"]


async def test_a_clock_that_was_years_ahead_puts_no_refresh_off_for_years(lab: Following) -> None:
    right = lab.world.clock.now()
    lab.world.clock.at = right + 1000 * DAY
    await lab.world[KE].networks.look()
    assert (await lab.world[KE].database.read(networks))[NETWORK].code == "directory-expired"
    lab.world.clock.at = right + 2 * HOUR
    lab.net.refresh(lab.world.clock.now())
    lab.server.asked.clear()
    await lab.world[KE].networks.look()
    assert lab.server.asked == ["timestamp.json"]
    assert (await lab.world[KE].database.read(networks))[NETWORK].code is None


async def test_sending_never_asks_a_network(lab: Following) -> None:
    lab.stay_fresh(2 * HOUR)
    lab.server.asked.clear()
    await send(lab)
    await lab.world.run()
    assert lab.server.asked == []


async def test_what_was_trusted_last_is_there_after_a_restart_without_the_network(lab: Following) -> None:
    lab.server.replaced = {"timestamp.json": None}
    await lab.world.restart(KE)
    assert lab.world[KE].directory.lookup(SG).status is LookupStatus.FOUND


async def test_a_refused_refresh_keeps_the_last_good_state_and_is_entered_once(lab: Following) -> None:
    before = lab.world[KE].directory.view
    old = lab.server.files()
    lab.stay_fresh(HOUR)
    await lab.world[KE].networks.refresh(NETWORK)
    lab.server.replaced = {"timestamp.json": old["timestamp.json"]}
    for _ in range(2):
        with pytest.raises(GatewayRefusal, match="directory-rollback"):
            await lab.world[KE].networks.refresh(NETWORK)
    row = (await lab.world[KE].database.read(networks))[NETWORK]
    assert row.code == "directory-rollback"
    assert lab.world[KE].directory.view.keys.keys() == before.keys.keys()
    assert await entered(lab, "directory.refused") == 1


async def entered(lab: Following, event: str) -> int:
    def count(connection: object) -> int:
        from gateway.storage import audit as log

        size = log.log_size(connection)  # type: ignore[arg-type]
        return sum(f'"{event}"'.encode() in leaf for _, leaf in log.leaves(connection, 0, size))  # type: ignore[arg-type]

    return await lab.world[KE].database.read(count)


async def test_a_server_that_is_away_is_no_finding_and_is_asked_again_soon(lab: Following) -> None:
    async def away(name: str, max_bytes: int) -> bytes | None:
        raise LookupFailed

    lab.server.get = away  # type: ignore[method-assign]
    with pytest.raises(GatewayRefusal, match="directory-unreachable"):
        await lab.world[KE].networks.refresh(NETWORK)
    row = (await lab.world[KE].database.read(networks))[NETWORK]
    assert row.code == "directory-unreachable"
    assert row.next_action_at <= lab.world.clock.now() + timedelta(minutes=15)
    assert await entered(lab, "directory.refused") == 0
    assert lab.world[KE].directory.lookup(SG).status is LookupStatus.FOUND


async def test_a_disk_put_back_to_yesterday_is_not_believed(lab: Following) -> None:
    folder = HomePaths(lab.world.folder / KE).network(NETWORK)
    yesterday = lab.world.folder / "yesterday"
    shutil.copytree(folder, yesterday)
    old = lab.server.files()
    lab.publish([SG])
    await lab.world[KE].networks.refresh(NETWORK)
    await lab.world.close(KE)
    shutil.rmtree(folder)
    shutil.copytree(yesterday, folder)
    # A thief who also serves yesterday's files gets no further.
    lab.server.replaced = old
    app = await lab.world.open(KE)
    assert app.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
    with pytest.raises(GatewayRefusal, match="directory-rollback"):
        await app.networks.refresh(NETWORK)
    assert app.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
    lab.server.replaced = {}
    await app.networks.refresh(NETWORK)
    assert app.directory.lookup(SG).status is LookupStatus.FOUND


async def test_holders_end_numbers_that_a_thief_of_the_automatic_keys_drove_up(lab: Following) -> None:
    now = lab.world.clock.now()
    timestamp = Metadata[Timestamp].from_bytes((lab.server.folder / "timestamp.json").read_bytes())
    timestamp.signed.version = 10**9
    timestamp.signatures.clear()
    for signer in lab.net.automatic.tuf_signers():
        timestamp.sign(signer, append=True)
    lab.server.replaced = {"timestamp.json": timestamp.to_bytes()}
    assert (await lab.world[KE].networks.refresh(NETWORK)).timestamp == 10**9
    # Not even a newer issue by the same keys is taken then.
    lab.server.replaced = {}
    lab.publish([SG])
    with pytest.raises(GatewayRefusal, match="directory-rollback"):
        await lab.world[KE].networks.refresh(NETWORK)
    lab.net.automatic, publication = holder("Secretariat, new machine"), lab.net.publication
    people = [person.public for person in lab.net.people]
    publication.draft_root(people, lab.net.needed, lab.net.automatic.public, now)
    for role in ("root", "targets"):
        lab.net.sign(role, lab.net.people[: lab.net.needed], now)
    publication.publish(now)
    lab.net.refresh(now)
    assert (await lab.world[KE].networks.refresh(NETWORK)).versions[0] == 2
    await lab.world.restart(KE)
    assert lab.world[KE].directory.lookup(SG).status is LookupStatus.FOUND


async def test_damaged_files_begin_anew_from_the_root_of_the_settings(lab: Following) -> None:
    folder = HomePaths(lab.world.folder / KE).network(NETWORK)
    await lab.world.close(KE)
    for bundle in folder.glob("*.bundle"):
        bundle.write_bytes(bundle.read_bytes()[:1000])
    app = await lab.world.open(KE)
    assert app.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
    await app.networks.refresh(NETWORK)
    assert app.directory.lookup(SG).status is LookupStatus.FOUND


async def test_while_a_network_cannot_be_read_nobody_is_not_listed(lab: Following) -> None:
    assert lab.world[KE].directory.lookup(NG).status is LookupStatus.NOT_LISTED
    shutil.rmtree(HomePaths(lab.world.folder / KE).network(NETWORK))
    await lab.world.restart(KE)
    assert lab.world[KE].directory.lookup(NG).status is LookupStatus.UNVERIFIABLE
    with pytest.raises(Refusal, match="directory-stale"):
        lab.world[KE].directory.key(NG, KeyUse.SIG, "x")


async def test_a_submission_to_an_unverifiable_authority_waits_sealed_for_nobody_and_goes_once_it_is_known(
    lab: Following,
) -> None:
    folder = HomePaths(lab.world.folder / KE).network(NETWORK)
    shutil.rmtree(folder)
    await lab.world.restart(KE)
    bid = await send(lab)
    await lab.world.run()
    assert await state_of(lab, bid) == ("QUEUED", "directory-unverifiable")
    await lab.world[KE].networks.refresh(NETWORK)
    await lab.world.run()
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
    await lab.world.check()


async def test_keys_in_contradiction_stop_traffic_until_a_person_decides(both: Following) -> None:
    lab = both
    ke, sg = lab.world[KE], lab.world[SG]
    assert [v.source for v in ke.directory.lookup(SG).vouchers] == [SOURCE, "bilateral"]
    # A State's signers, deceived, list keys that are not the authority's.
    other = json.loads(json.dumps(lab.world[SG].directory.own.raw))
    strangers = [row for row in _keys_of_a_stranger(lab) if row["use"] == "sig"]
    rows = [row for row in other["keys"] if row["use"] != "sig"] + strangers
    lab.publish([SG], {SG: {"keys": rows}})
    await ke.networks.refresh(NETWORK)
    assert ke.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
    assert await tasks(lab) == [(SG, "authority-unverifiable")]
    bid = await send(lab)
    await lab.world.run()
    assert await state_of(lab, bid) == ("QUEUED", "authority-unverifiable")
    # What it sends to us waits as well.
    with pytest.raises(Refusal, match="directory-stale"):
        ke.directory.key_in_force(
            SG, KeyUse.REQ, sg.keyring.signer(KeyUse.REQ, lab.world.clock.now()).public.kid
        )

    with pytest.raises(GatewayRefusal, match="not-contradicted"):
        await ke.networks.decide(SG, "network:other", "officer-7")
    await ke.networks.decide(SG, "bilateral", "officer-7")
    assert await tasks(lab) == []
    await lab.world.run()
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
    assert await entered(lab, "directory.contradicted") == 1
    assert await entered(lab, "directory.reconciled") == 1
    assert await entered(lab, "person.decided") == 1
    # The decision is durable.
    await lab.world.restart(KE)
    assert lab.world[KE].directory.lookup(SG).status is LookupStatus.FOUND
    assert (await audit(lab.world[KE])).verified


async def test_traffic_goes_on_by_itself_once_the_network_in_contradiction_has_ended(both: Following) -> None:
    lab = both
    ke = lab.world[KE]
    own = lab.world[SG].directory.own.raw["keys"]
    strangers = [row for row in _keys_of_a_stranger(lab) if row["use"] == "sig"]
    lab.publish([SG], {SG: {"keys": [row for row in own if row["use"] != "sig"] + strangers}})
    await ke.networks.refresh(NETWORK)
    lab.world.advance(15 * DAY)
    await ke.networks.look()
    assert ke.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
    bid = await send(lab)
    await lab.world.run()
    assert await state_of(lab, bid) == ("QUEUED", "authority-unverifiable")
    lab.world.advance(2 * HOUR)
    await ke.networks.look()
    assert ke.directory.lookup(SG).status is LookupStatus.FOUND
    assert await tasks(lab) == [(NETWORK, "directory-stale")]
    assert await entered(lab, "directory.reconciled") == 1
    await lab.world.run()
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
    # Its keys count again with its next word, and contradict.
    lab.net.refresh(lab.world.clock.now())
    await ke.networks.refresh(NETWORK)
    assert ke.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE


def _keys_of_a_stranger(lab: Following) -> list[dict[str, object]]:
    from gateway.services.keys.keyring import Keyring

    ring = Keyring.create(
        lab.world.folder / "stranger", authority_id=SG, now=lab.world.clock.now(), hosts=["localhost"]
    )
    return ring.record_keys()


async def test_a_late_network_lets_sending_go_on_for_three_days_and_what_is_urgent_for_two_weeks(
    lab: Following,
) -> None:
    ke = lab.world[KE]
    end = ke.directory.lookup(SG).fresh_until
    assert end is not None
    lab.world.clock.at = end + HOUR
    assert ke.directory.lookup(SG).status is LookupStatus.STALE
    assert (ke.directory.hold(SG, "routine"), ke.directory.hold(SG, "urgent")) == (None, None)
    lab.server.replaced = {"timestamp.json": None}
    await ke.networks.look()
    assert await tasks(lab) == [(NETWORK, "directory-stale")]
    assert await entered(lab, "directory.expired") == 1

    lab.world.clock.at = end + 4 * DAY
    bid = await send(lab)
    await lab.world.run()
    assert await state_of(lab, bid) == ("QUEUED", "directory-stale")
    assert ke.directory.hold(SG, "urgent") == "directory-stale"
    await ke.networks.allow_urgent(NETWORK, "officer-7")
    assert (ke.directory.hold(SG, "routine"), ke.directory.hold(SG, "urgent")) == ("directory-stale", None)
    lab.world.clock.at = end + 15 * DAY
    assert ke.directory.hold(SG, "urgent") == "directory-stale"
    # Nobody is not listed while it is not known.
    assert ke.directory.lookup(NG).status is LookupStatus.STALE

    lab.server.replaced = {}
    lab.net.refresh(lab.world.clock.now())
    await ke.networks.refresh(NETWORK)
    await lab.world.run()
    assert await tasks(lab) == []
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
    with pytest.raises(GatewayRefusal, match="not-stale"):
        await ke.networks.allow_urgent(NETWORK, "officer-7")


async def test_an_operators_word_holds_for_one_lapse_only(lab: Following) -> None:
    ke = lab.world[KE]
    for lapse in range(2):
        end = ke.directory.lookup(SG).fresh_until
        assert end is not None
        lab.world.clock.at = end + 4 * DAY
        assert ke.directory.hold(SG, "urgent") == "directory-stale", lapse
        await ke.networks.allow_urgent(NETWORK, "officer-7")
        assert ke.directory.hold(SG, "urgent") is None
        lab.net.refresh(lab.world.clock.now())
        await ke.networks.refresh(NETWORK)


async def test_a_stale_directory_trusts_no_new_key_and_says_that_it_is_late(lab: Following) -> None:
    ke, sg = lab.world[KE], lab.world[SG]
    lab.world.clock.at += 2 * DAY
    await sg.upkeep.rotate(["rcpt", "req"])
    new = sg.keyring.signer(KeyUse.REQ, lab.world.clock.now()).public.kid
    with pytest.raises(Refusal, match="directory-stale"):
        ke.directory.key(SG, KeyUse.REQ, new)
    lab.publish([SG])
    await ke.networks.refresh(NETWORK)
    assert ke.directory.key(SG, KeyUse.REQ, new).kid == new


async def test_a_carried_network_is_taken_from_its_bundle_by_the_same_verifier(tmp_path: Path) -> None:
    async with Following.create(tmp_path, KE, SG, carried=True) as lab:
        ke = lab.world[KE]
        assert ke.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
        with pytest.raises(GatewayRefusal, match="directory-unreachable"):
            await ke.networks.refresh(NETWORK)
        folder = lab.net.publication.repository
        data = max(folder.glob("*.bundle"), key=lambda path: int(path.stem)).read_bytes()
        members = (folder / "members.sealed").read_bytes()
        with pytest.raises(GatewayRefusal, match="directory-damaged"):
            await ke.networks.import_bundle(data[:-10], b"")
        assert ke.directory.lookup(SG).status is LookupStatus.UNVERIFIABLE
        other = data.replace(f'"network":"{NETWORK}"'.encode(), b'"network":"other"')
        with pytest.raises(GatewayRefusal, match="directory-wrong-network"):
            await ke.networks.import_bundle(other, b"")
        await ke.networks.import_bundle(data, members)
        assert ke.directory.lookup(SG).status is LookupStatus.FOUND
        assert lab.server.asked == []


async def test_a_network_whose_root_is_not_the_one_of_the_settings_is_not_followed(tmp_path: Path) -> None:
    async with Following.create(tmp_path, KE, carried=True) as lab:
        paths = HomePaths(tmp_path / KE)
        text = paths.settings.read_text()
        digest = text.partition('root_sha256 = "')[2][:64]
        await lab.world.close(KE)
        paths.settings.write_text(
            text.replace(digest, "0" * 64).replace('\nurl = ""\nca_', '\nurl = "https://x.org"\nca_')
        )
        app = await lab.world.open(KE)
        with pytest.raises(GatewayRefusal, match="directory-wrong-network"):
            await app.networks.refresh(NETWORK)
        assert not paths.network(NETWORK).exists()
        with pytest.raises(GatewayRefusal, match="network-unknown"):
            await app.networks.refresh("another")


async def test_a_lab_home_follows_no_real_network(tmp_path: Path) -> None:
    async with Following.create(tmp_path / "lab", KE, carried=True) as lab:
        now = lab.world.clock.now()
        people, automatic = lab.net.people, lab.net.automatic
        real = Publication.create(
            tmp_path / "real",
            network=NETWORK,
            kind="real",
            holders=[person.public for person in people],
            needed=2,
            automatic=automatic.public,
            now=now,
        )
        for role in ("root", "targets"):
            for person in people[:2]:
                real.sign(role, person, now)
        real.publish(now)
        real.refresh(automatic, now)
        await lab.world.close(KE)
        lab.follow(KE, root=real.root())
        lab.server.folder = real.repository
        app = await lab.world.open(KE)
        with pytest.raises(GatewayRefusal, match="directory-wrong-network"):
            await app.networks.refresh(NETWORK)
        assert [source.is_readable for source in app.directory.sources()] == [True, False]


def said(findings: Iterable[Diagnosis]) -> list[tuple[str, str]]:
    return [(str(f.level), f.sentence) for f in findings]


async def test_the_doctor_tells_how_each_network_stands(lab: Following) -> None:
    ke = lab.world[KE]

    async def look() -> list[tuple[str, str]]:
        now = lab.world.clock.now()
        return said([*check_directory(ke.directory, now), *check_networks(await ke.networks.statuses(), now)])

    assert [level for level, _ in await look()] == ["green", "green"]
    end = ke.directory.lookup(SG).fresh_until
    assert end is not None
    lab.server.replaced = {"timestamp.json": None}
    for late, level in ((HOUR, "yellow"), (4 * DAY, "red"), (20 * DAY, "red")):
        lab.world.clock.at = end + late
        await ke.networks.look()
        findings = await look()
        assert (level, True) in [
            (found, "is past its end" in s or "ended more" in s) for found, s in findings
        ]
        assert any("last refresh" in sentence for _, sentence in findings)
    shutil.rmtree(HomePaths(lab.world.folder / KE).network(NETWORK))
    ke = await lab.world.restart(KE)
    assert (
        "red",
        f"Nothing of the network {NETWORK} can be verified here; nobody counts as not listed.",
    ) in (await look())
    assert (await look())[0] == ("yellow", "No other authority is known yet.")


async def test_the_doctor_names_keys_in_contradiction_and_where_to_look(lab: Following) -> None:
    ke = lab.world[KE]
    # An enrolment by hand with other keys than the network's.
    stranger = lab.world.folder / "other"
    await make_lab_home(stranger, SG, clock=lab.world.clock)
    await ke.upkeep.enrol(HomePaths(stranger).enrolment.read_bytes(), replace=True)
    assert await tasks(lab) == [(SG, "authority-unverifiable")]
    findings = check_directory(ke.directory, lab.world.clock.now())
    assert said(findings)[0] == ("red", f"Directories contradict each other about the keys of {SG}.")
    found = await ke.desk.doctor.examine()
    assert any("rogatory directory status" in finding.action for finding in found if finding.check == "tasks")


async def test_an_authority_without_keys_is_listed_and_neither_polled_nor_missed(lab: Following) -> None:
    now = lab.world.clock.now()
    lab.net.delegate("ng", [holder("ng, first"), holder("ng, second")], now=now)
    lab.net.list_records("ng", [entry(NG)], now)
    lab.net.refresh(now)
    ke = lab.world[KE]
    await ke.networks.refresh(NETWORK)
    assert ke.directory.lookup(NG).status is LookupStatus.FOUND
    assert set(pullable(ke.directory, KE)) == {SG}
    assert [str(f.level) for f in check_directory(ke.directory, now)] == ["green"]


async def test_a_recipient_that_is_late_says_so_and_the_bundle_arrives_once_it_is_not(lab: Following) -> None:
    lab.world.clock.at += 2 * DAY
    await lab.world[KE].upkeep.rotate(["sig"])
    bid = await send(lab)
    await lab.world.step()
    assert await state_of(lab, bid) == ("QUEUED", "directory-stale")
    lab.publish([KE])
    await lab.refresh()
    lab.stay_fresh(HOUR)
    await lab.world.run()
    assert (await state_of(lab, bid))[0] == "CONSIGNED"
