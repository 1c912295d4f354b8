"""Keys follow one another: the next one is listed before it is used, and a lost one is never used again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto.bundle import Envelope, Opener
from crypto.errors import Refusal
from crypto.keys import KeyUse
from crypto.opener import key_verdict
from crypto.revocation import read_notice
from gateway.app import App
from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.model.revoked import KeyNotice
from gateway.services.diagnosis import Level
from gateway.services.directory.views import SourceView
from gateway.services.following.ownlisting import Unlisted, unlisted_keys
from gateway.services.health.homechecks import check_keys
from gateway.services.keys.heldkey import LISTED_AHEAD
from gateway.services.keys.keyring import Keyring
from gateway.services.log.logkeys import KeyringLogKeys
from gateway.storage import bundles, transmissions
from gateway.storage import revocations as store
from tests.sampledata import entry
from tests.world import World, sample_request

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = ("sig", "enc", "req", "rcpt", "log", "wit", "tls")
A, B = "ke-ag", "sg-agc"


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keys", authority_id="ke-ag", now=NOW, hosts=["gw.example.org"])


def test_nothing_is_made_while_every_key_lasts(ring: Keyring) -> None:
    assert ring.renew(ALL, now=NOW + DAY) == ()


@pytest.mark.parametrize(("use", "life"), [("sig", 730), ("req", 365), ("rcpt", 730), ("tls", 365)])
def test_a_successor_is_listed_30_days_before_it_is_used(ring: Keyring, use: str, life: int) -> None:
    now = NOW + timedelta(days=life) - 45 * DAY
    (made,) = ring.renew([use], now=now)
    assert made.begins == now + LISTED_AHEAD
    assert made.exp - made.begins == timedelta(days=life)
    old = ring.current(use, now)
    assert old.public.kid != made.public.kid
    assert ring.current(use, made.begins - timedelta(seconds=1)) == old
    assert ring.current(use, made.begins) == made
    assert old.exp > made.begins
    # A peer whose clock is slow takes it all the same, and one whose clock is fast has it long before.
    assert made.is_in_force(made.begins - timedelta(hours=20))
    listed = [row["kid"] for row in ring.record_keys() if row["use"] == use]
    assert listed == [old.public.kid, made.public.kid]


def test_an_encryption_key_is_used_by_others_as_soon_as_they_know_it(ring: Keyring) -> None:
    now = NOW + 70 * DAY
    (made,) = ring.renew(["enc"], now=now)
    assert made.is_in_force(now)
    assert ring.decapsulator(made.public.kid) is not None


def test_renewing_again_makes_no_third_key(ring: Keyring) -> None:
    now = NOW + 700 * DAY
    first = ring.renew(["sig"], now=now)
    assert len(first) == 1
    assert ring.renew(["sig"], now=now, early=True) == ()
    assert Keyring.open(ring.folder).renew(["sig"], now=now + DAY) == ()


def test_a_key_that_ends_sooner_is_followed_a_day_before_its_end(ring: Keyring) -> None:
    now = NOW + 720 * DAY
    (made,) = ring.renew(["sig"], now=now)
    assert made.begins == ring.current("sig", now).exp - DAY


def test_a_key_that_has_ended_is_followed_at_once(ring: Keyring) -> None:
    now = NOW + 800 * DAY
    (made,) = ring.renew(["sig"], now=now)
    assert made.is_in_force(now)


@pytest.mark.slow
def test_there_is_a_key_in_force_on_every_day_of_six_years(ring: Keyring) -> None:
    for day in range(0, 6 * 365, 10):
        now = NOW + day * DAY
        ring.renew(ALL, now=now)
        for use in ALL:
            assert ring.current(use, now)
        assert KeyringLogKeys(ring).signers(now)


def test_a_clock_that_is_set_back_finds_a_key_all_the_same(ring: Keyring) -> None:
    assert ring.current("sig", NOW - timedelta(hours=12)).public.use == KeyUse.SIG


def test_the_doctor_counts_a_successor_that_waits(ring: Keyring) -> None:
    now = NOW + 690 * DAY
    ring.renew(ALL, now=now)
    assert [d.level for d in check_keys(ring.held, now)] == [Level.GREEN]


def test_the_doctor_does_not_call_keys_well_beside_one_that_a_network_does_not_list(ring: Keyring) -> None:
    unlisted = [Unlisted(source="network:un-gw", use="sig", begins=NOW, is_pressing=True)]
    (found,) = check_keys(ring.held, NOW + DAY, unlisted)
    assert (found.check, found.level) == ("keys", Level.RED)
    assert f"un-gw does not list our newest sig key, which is in use since {NOW:%Y-%m-%d}" in found.sentence
    assert "enrolment.json" in found.action
    later = [Unlisted(source="network:un-gw", use="sig", begins=NOW + 9 * DAY, is_pressing=False)]
    (found,) = check_keys(ring.held, NOW, later)
    assert found.level is Level.YELLOW
    assert f"will be used from {NOW + 9 * DAY:%Y-%m-%d}" in found.sentence


def test_the_doctor_says_when_to_renew(ring: Keyring) -> None:
    now = NOW + 690 * DAY
    ring.renew([use for use in ALL if use != "sig"], now=now)
    (found,) = check_keys(ring.held, now)
    assert found.level is Level.YELLOW
    assert "keys renew" in found.action


def test_a_revoked_key_is_never_used_again_and_the_record_says_so(ring: Keyring) -> None:
    old = ring.current("sig", NOW)
    since = NOW - DAY
    ring.revoke(old.public.kid, at=NOW, reason="compromise", invalid_since=since)
    opened = Keyring.open(ring.folder)
    assert [key.status for key in opened.held if key.public.use == KeyUse.SIG] == ["revoked"]
    row = next(row for row in opened.record_keys() if row["kid"] == old.public.kid)
    assert (row["reason"], row["invalid_since"]) == ("compromise", "2026-10-31T12:00:00Z")
    assert opened.revoke(old.public.kid, at=NOW, reason="superseded", invalid_since=None) is None


@pytest.mark.slow
async def test_traffic_goes_on_while_every_key_is_followed_by_the_next(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        sent, first = [], world[A].keyring.current(KeyUse.SIG, world.clock.now())
        for app in world.apps.values():
            await app.desk.upkeep.renew(ALL, early=True)
        for day in range(0, 60, 6):
            form, documents = sample_request(1)
            sent.append(await world.submit(A, form, documents))
            await world.run()
            if day == 24:
                # Peers take the record late, but before anything in it is used.
                for app, other in ((world[A], world[B]), (world[B], world[A])):
                    app.directory.enrol(other.home.enrolment.read_bytes(), now=world.clock.now())
            world.advance(6 * DAY)
        assert world[A].keyring.current(KeyUse.SIG, world.clock.now()) != first
        for bundle in sent:
            row = await world[A].database.read(
                lambda c, b=bundle: transmissions.find_transmission(c, A, b.bid, B)  # type: ignore[misc]
            )
            assert row is not None
            assert row.state == "CONSIGNED"
        # Receipts and logs from before the change of keys still verify.
        await world.check()


@pytest.mark.slow
async def test_an_own_key_that_is_revoked_is_replaced_and_peers_stop_believing_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, now = world[A], world.clock.now()
        old = app.keyring.current(KeyUse.SIG, now).public
        data = app.desk.upkeep.make_notice(old.kid[:12], reason="compromise", since=now - DAY)
        await app.revocations.take(data)
        await world.run()
        new = app.keyring.current(KeyUse.SIG, world.clock.now()).public
        assert new.kid != old.kid
        record = parse_entry(app.directory.own.raw)
        assert [key.status for key in record.keys_for("sig")] == ["revoked", "active"]
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(world[B].directory.key_in_force(A, KeyUse.SIG, old.kid), now, now)
        # The record is signed by a key that B does not know: the words have to be compared again.
        renewed = app.home.enrolment.read_bytes()
        with pytest.raises(GatewayRefusal, match="enrolment-conflict"):
            world[B].directory.enrol(renewed, now=now)
        world[B].directory.enrol(renewed, now=now, replace=True)
        form, documents = sample_request(1)
        await world.submit(A, form, documents)
        await world.run()
        await world.check()


async def envelopes(app: App, bid: str) -> list[Envelope]:
    rows = await app.database.read(lambda c: bundles.envelopes_of(c, A, bid))
    return [Opener().parse(row.jws) for row in rows]


@pytest.mark.slow
async def test_what_waits_is_not_sent_wrapped_for_a_key_that_a_notice_ended(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        form, documents = sample_request(1)
        sent = await world.submit(A, form, documents)
        lost = world[B].keyring.current(KeyUse.ENC, world.clock.now()).public.kid
        # The keys' own record renews the encryption key; the holders' notice ends the old one.
        await world[B].desk.upkeep.rotate([KeyUse.ENC])
        world[A].directory.enrol(world[B].home.enrolment.read_bytes(), now=world.clock.now())
        world.advance(timedelta(minutes=1))
        notice = KeyNotice(
            aid=B,
            kid=lost,
            reason="compromise",
            at=world.clock.now(),
            received_at=world.clock.now(),
            invalid_since=world.clock.now() - DAY,
            by_state=True,
        )
        world[A].directory.set_notices({(B, lost): notice})
        await world.run()
        (before, after) = await envelopes(world[A], sent.bid)
        assert [wrap.kid for wrap in before.to] == [lost]
        assert lost not in {wrap.kid for wrap in after.to}
        await world.check()


@pytest.mark.slow
async def test_what_waits_is_signed_again_when_the_key_that_signed_it_was_ended(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app = world[A]
        form, documents = sample_request(1)
        sent = await world.submit(A, form, documents)
        old = app.keyring.current(KeyUse.SIG, world.clock.now()).public.kid
        world.advance(timedelta(minutes=1))
        await app.revocations.take(
            app.desk.upkeep.make_notice(old, reason="compromise", since=world.clock.now() - DAY)
        )
        await app.revocations.tell_due()
        world[B].directory.enrol(app.home.enrolment.read_bytes(), now=world.clock.now(), replace=True)
        await world.run()
        row = await app.database.read(lambda c: transmissions.find_transmission(c, A, sent.bid, B))
        assert row is not None
        assert row.state == "CONSIGNED"
        assert [envelope.kid == old for envelope in await envelopes(app, sent.bid)] == [True, False]
        await world.check()


@pytest.mark.slow
async def test_an_own_key_is_ended_also_when_the_gateway_stopped_in_between(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, now = world[A], world.clock.now()
        old = app.keyring.current(KeyUse.REQ, now).public
        data = app.desk.upkeep.make_notice(old.kid, reason="superseded", since=None)
        notice = read_notice(data, now).revocation
        row = store.RevocationRow(
            aid=A,
            kid=notice.kid,
            reason=notice.reason,
            at=notice.at,
            invalid_since=None,
            by_state=False,
            notice=data.decode(),
            received_at=now,
        )
        await app.database.write(lambda tx: store.put_revocation(tx, row))
        app = await world.crash(A)
        assert app.keyring.current(KeyUse.REQ, now).public.kid != old.kid


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kid", "reason", "since", "code"),
    [
        ("nothing!", "superseded", None, "key-unknown"),
        ("", "superseded", None, "key-unknown"),
        ("enc", "superseded", None, "notice-by-state"),
        ("sig", "compromise", None, "notice-dates"),
        ("sig", "superseded", NOW, "notice-dates"),
        ("sig", "compromise", NOW + 900 * DAY, "notice-dates"),
    ],
)
async def test_a_notice_that_cannot_be_made_changes_nothing(
    tmp_path: Path, kid: str, reason: str, since: datetime | None, code: str
) -> None:
    async with World.create(tmp_path, A) as world:
        app = world[A]
        named = app.keyring.current(kid, world.clock.now()).public.kid if kid in ALL else kid
        with pytest.raises(GatewayRefusal) as refused:
            app.desk.upkeep.make_notice(named, reason=reason, since=since)
        assert refused.value.code == code
        assert {key.status for key in app.keyring.held} == {"active"}


def test_a_network_that_does_not_know_a_key_of_ours_yet_is_spoken_of(ring: Keyring) -> None:
    row = {**entry("ke-ag"), "keys": ring.record_keys()}
    network = SourceView(
        name="network:fictional", entries={"ke-ag": parse_entry(row)}, assurance={"ke-ag": "state"}
    )
    own = replace(network, name="bilateral", assurance={"ke-ag": "own"})
    assert unlisted_keys("ke-ag", ring.held, [own, network], NOW) == ()
    ring.renew(["sig"], now=NOW, early=True)
    (found,) = unlisted_keys("ke-ag", ring.held, [own, network], NOW)
    assert (found.source, found.use, found.is_pressing) == ("network:fictional", "sig", False)
    (later,) = unlisted_keys("ke-ag", ring.held, [own, network], NOW + 25 * DAY)
    assert later.is_pressing
