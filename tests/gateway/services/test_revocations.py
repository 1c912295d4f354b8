"""Emergency notices: believed by their signatures, whoever brings them; kept, applied, passed on to all."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.replies import Reply
from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.keys import GW_HYB1, KeyUse, PrivateKey, Signer
from crypto.opener import key_verdict
from crypto.revocation import Quorum, Revocation, join_lines, sign_revocation
from gateway.app import App
from gateway.errors import GatewayRefusal
from gateway.model.freshness import URGENT_GRACE
from gateway.services.diagnosis import Level
from gateway.services.directory.views import SourceView
from gateway.services.health.directorychecks import check_directory
from gateway.storage import revocations as store
from gateway.web.networks import status as status_of
from tests.world import World, make_lab_home

pytestmark = pytest.mark.slow

A, B, C = "ke-ag", "gh-ag", "br-drci"
HOLDERS = [PrivateKey.generate(KeyUse.SIG, GW_HYB1) for _ in range(2)]
#: Two of two holders have to sign, with both halves each.
QUORUM = Quorum(
    ed25519=frozenset(h.public.pub[:32] for h in HOLDERS),
    ml_dsa=frozenset(h.public.pub[32:] for h in HOLDERS),
    threshold=4,
)


def lost(app: App, use: str = KeyUse.SIG, *, reason: str = "compromise", days: int = 2) -> Revocation:
    now = app.clock.now().replace(microsecond=0)
    return Revocation(
        aid=app.authority_id,
        kid=app.keyring.current(use, now).public.kid,
        reason=reason,
        invalid_since=now - timedelta(days=days) if reason == "compromise" else None,
        at=now,
    )


def own_signer(app: App, use: str = KeyUse.SIG) -> Signer:
    return app.keyring.signer(use, app.clock.now())


def by_key(app: App, use: str = KeyUse.SIG, reason: str = "compromise") -> bytes:
    return sign_revocation(lost(app, use, reason=reason), own_signer(app, use))


def by_state(revocation: Revocation, holders: Sequence[PrivateKey] = HOLDERS) -> bytes:
    return join_lines([sign_revocation(revocation, holder.signer()) for holder in holders])


def status(app: App, revocation: Revocation, use: str = KeyUse.SIG) -> str:
    return app.directory.key_in_force(revocation.aid, use, revocation.kid).status


async def rows(app: App) -> list[store.RevocationRow]:
    return await app.database.read(store.all_revocations)


def know_holders(app: App, state: str = "ke", until: datetime | None = None) -> None:
    """Let a network say whose signatures speak for a State."""
    source = SourceView(name="network:fictional", quorums={state: QUORUM}, fresh_until=until)
    app.directory.set_source(source, app.clock.now())


async def test_a_notice_ends_a_key_at_every_peer_also_one_that_only_calls_out(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C, pull_only=[C]) as world:
        notice = lost(world[A])
        taken = await world[B].revocations.take(by_key(world[A]))
        assert taken.is_new
        assert not taken.notice.by_state
        await world.run()
        for app in world.apps.values():
            assert status(app, notice) == "revoked", app.authority_id
            assert [row.kid for row in await rows(app)] == [notice.kid]
        waiting = [
            await app.database.read(lambda c: store.is_notice_due(c, world.clock.now()))
            for app in world.apps.values()
        ]
        assert waiting == [False, False, False]
        await world.check()


async def test_what_the_key_signs_is_refused_from_now_on_and_what_others_signed_is_not(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, A, B) as world:
        notice, now = lost(world[A]), world.clock.now()
        await world[B].revocations.take(by_key(world[A]))
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(world[B].directory.key_in_force(A, KeyUse.SIG, notice.kid), now, now)
        rcpt = world[B].directory.keys(A, KeyUse.RCPT)
        assert [key.status for key in rcpt] == ["active"]


async def test_a_superseded_key_stays_good_for_what_came_before_the_notice_did(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        world.advance(timedelta(days=2))
        app, now = world[B], world.clock.now()
        notice = lost(world[A], reason="superseded")
        backdated = Revocation(
            aid=A, kid=notice.kid, reason="superseded", invalid_since=None, at=now - timedelta(hours=20)
        )
        await app.revocations.take(sign_revocation(backdated, own_signer(world[A])))
        key = app.directory.key_in_force(A, KeyUse.SIG, notice.kid)
        # Nobody takes back what was signed between the date on the notice and its coming here.
        key_verdict(key, now - timedelta(hours=1), now)
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(key, now + timedelta(hours=1), now + timedelta(hours=2))


async def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        notice = lost(world[A])
        await world[B].revocations.take(by_key(world[A]))
        await world.crash(B)
        assert status(world[B], notice) == "revoked"


async def test_the_states_holders_revoke_a_key_that_cannot_speak_for_itself(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        know_holders(world[B])
        notice = lost(world[A], KeyUse.ENC)
        taken = await world[B].revocations.take(by_state(notice))
        assert taken.notice.by_state
        assert status(world[B], notice, KeyUse.ENC) == "revoked"
        with pytest.raises(GatewayRefusal, match="no-encryption-key"):
            world[B].directory.encryption_key(A, world.clock.now())


async def test_the_holders_of_a_network_that_has_ended_revoke_nothing(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, now, notice = world[B], world.clock.now(), lost(world[A])
        know_holders(app, until=now - URGENT_GRACE - timedelta(seconds=1))
        with pytest.raises(GatewayRefusal, match="sig-invalid"):
            await app.revocations.take(by_state(notice))
        assert await rows(app) == []
        assert status(app, notice) == "active"
        know_holders(app, until=now - URGENT_GRACE)
        assert (await app.revocations.take(by_state(notice))).notice.by_state


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("too few holders", "sig-invalid"),
        ("holders of another State", "sig-invalid"),
        ("another key of the same authority", "sig-invalid"),
        ("another authority", "sig-invalid"),
        ("a key nobody lists", "unknown-key"),
        ("an authority nobody lists", "unknown-sender"),
        ("from the future", "clock"),
        ("no notice", "malformed"),
    ],
)
async def test_whoever_may_not_revoke_changes_nothing(tmp_path: Path, case: str, code: str) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, notice = world[B], lost(world[A])
        know_holders(app, "br" if case == "holders of another State" else "ke")
        stranger = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
        unlisted = Revocation(
            aid=A, kid=stranger.public.kid, reason="superseded", invalid_since=None, at=notice.at
        )
        unknown = Revocation(
            aid="xx-moj", kid=notice.kid, reason="superseded", invalid_since=None, at=notice.at
        )
        future = Revocation(
            aid=A,
            kid=notice.kid,
            reason="superseded",
            invalid_since=None,
            at=notice.at + timedelta(minutes=6),
        )
        data = {
            "too few holders": by_state(notice, HOLDERS[:1]),
            "holders of another State": by_state(notice),
            "another key of the same authority": sign_revocation(
                lost(world[A], KeyUse.RCPT), own_signer(world[A])
            ),
            "another authority": sign_revocation(notice, own_signer(world[B])),
            "a key nobody lists": sign_revocation(unlisted, stranger.signer()),
            "an authority nobody lists": sign_revocation(unknown, own_signer(world[A])),
            "from the future": sign_revocation(future, own_signer(world[A])),
            "no notice": b"a.b.c",
        }[case]
        version = app.directory.version
        with pytest.raises(GatewayRefusal) as refused:
            await app.revocations.take(data)
        assert refused.value.code == code
        assert await rows(app) == []
        assert app.directory.version == version
        assert {key.status for key in app.directory.keys(A, KeyUse.SIG)} == {"active"}


async def test_the_same_notice_twice_is_entered_and_passed_on_once(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C) as world:
        data = by_key(world[A])
        assert (await world[B].revocations.take(data)).is_new
        await world.run()
        assert not (await world[B].revocations.take(data)).is_new
        assert await world[B].revocations.tell_due() == 0
        await world.check()


async def test_only_a_weightier_notice_replaces_one(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app = world[B]
        know_holders(app)
        mild, grave = by_key(world[A], reason="superseded"), by_key(world[A])
        assert (await app.revocations.take(mild)).is_new
        assert (await app.revocations.take(grave)).is_new
        assert not (await app.revocations.take(mild)).is_new
        assert not (await app.revocations.take(by_state(lost(world[A], reason="cessation")))).is_new
        assert (await app.revocations.take(by_state(lost(world[A])))).is_new
        assert not (await app.revocations.take(grave)).is_new
        assert [(row.reason, row.by_state) for row in await rows(app)] == [("compromise", True)]


async def test_a_peer_that_cannot_be_reached_is_told_later_and_one_enrolled_later_too(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C) as world:
        notice = lost(world[A])
        world.faults.setdefault(B, world[B].adapter.faults).lose_request = 3  # type: ignore[attr-defined]
        await world[B].revocations.take(by_key(world[A]))
        await world[B].revocations.tell_due()
        assert status(world[C], notice) == "active"
        await world.run_for(timedelta(minutes=10), step=timedelta(minutes=1))
        assert status(world[C], notice) == "revoked"


async def test_a_notice_older_than_the_record_ends_nothing(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        old = replace(lost(world[A], reason="superseded"), at=world.clock.now() - timedelta(days=1))
        await world[B].revocations.take(sign_revocation(old, own_signer(world[A])))
        assert status(world[B], old) == "active"


async def test_a_thief_of_the_key_cannot_keep_its_owner_from_ending_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, notice = world[B], lost(world[A])
        long_ago = notice.at - timedelta(days=400)
        first = replace(notice, at=long_ago, invalid_since=long_ago)
        assert not (await app.revocations.take(sign_revocation(first, own_signer(world[A])))).is_new
        assert await rows(app) == []
        assert (await app.revocations.take(by_key(world[A]))).is_new
        assert status(app, notice) == "revoked"


async def test_a_key_that_a_record_gave_back_can_be_ended_again(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, notice = world[B], lost(world[A], KeyUse.REQ)
        await app.revocations.take(by_key(world[A], KeyUse.REQ))
        world.advance(timedelta(hours=1))
        await world[A].desk.upkeep.rotate([KeyUse.RCPT])
        app.directory.enrol(world[A].home.enrolment.read_bytes(), now=world.clock.now())
        assert status(app, notice, KeyUse.REQ) == "active"
        again = by_key(world[A], KeyUse.REQ)
        assert (await app.revocations.take(again)).is_new
        assert status(app, notice, KeyUse.REQ) == "revoked"
        assert not (await app.revocations.take(again)).is_new
        later = replace(lost(world[A], KeyUse.REQ), at=world.clock.now() + timedelta(seconds=60))
        repeated = sign_revocation(later, own_signer(world[A], KeyUse.REQ))
        # No flood: what is ended is ended.
        assert not (await app.revocations.take(repeated)).is_new


async def test_who_hands_back_a_notice_that_a_record_has_overtaken_has_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C, pull_only=[C]) as world:
        app, notice = world[B], lost(world[A], KeyUse.REQ)
        data = by_key(world[A], KeyUse.REQ)
        await app.revocations.take(data)
        world.advance(timedelta(hours=1))
        await world[A].desk.upkeep.rotate([KeyUse.RCPT])
        app.directory.enrol(world[A].home.enrolment.read_bytes(), now=world.clock.now())
        assert status(app, notice, KeyUse.REQ) == "active"
        assert len(await app.revocations.waiting(C)) == 1
        assert not (await app.revocations.take(data, bearer=C)).is_new
        # Else its next poll would be answered at once, and every one after it.
        assert await app.revocations.waiting(C) == []


async def test_who_hands_back_a_notice_has_it_though_the_key_is_listed_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, A, B, C, pull_only=[C]) as world:
        app, data = world[B], by_key(world[A], KeyUse.REQ)
        await app.revocations.take(data)
        (waiting,) = await app.revocations.waiting(C)
        monkeypatch.setattr(app.directory, "listed_key", lambda aid, kid: None)
        answer = await app.revocations.take_all(caller=C, jti=None, exp=None, body={"notices": [waiting]})
        assert answer == {"refused": [None]}
        assert await app.revocations.waiting(C) == []


async def test_who_brings_a_lesser_notice_is_told_of_the_graver_one(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C, pull_only=[C]) as world:
        app = world[B]
        await app.revocations.take(by_key(world[A]))
        assert not (await app.revocations.take(by_key(world[A], reason="superseded"), bearer=C)).is_new
        assert len(await app.revocations.waiting(C)) == 1


async def test_who_is_enrolled_later_is_told_too(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        notice = lost(world[A])
        await world[B].revocations.take(by_key(world[A]))
        await world.run()
        await make_lab_home(tmp_path / C, C, clock=world.clock)
        late = await world.open(C)
        # It knows the authority from before the notice.
        for one, other in ((late, world[A]), (late, world[B]), (world[B], late)):
            one.directory.enrol(other.home.enrolment.read_bytes(), now=world.clock.now())
        await world.run()
        assert status(late, notice) == "revoked"


async def test_what_was_stored_before_a_crash_is_passed_on_after_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C) as world:
        notice = lost(world[A])
        await world[B].revocations.take(by_key(world[A]))
        await world.crash(B)
        assert status(world[C], notice) == "active"
        await world.run()
        assert status(world[C], notice) == "revoked"


async def test_a_newer_record_says_otherwise_and_an_older_one_does_not(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, notice = world[B], lost(world[A], KeyUse.REQ)
        await app.revocations.take(by_key(world[A], KeyUse.REQ))
        assert status(app, notice, KeyUse.REQ) == "revoked"
        app.directory.enrol(world[A].home.enrolment.read_bytes(), now=world.clock.now())
        assert status(app, notice, KeyUse.REQ) == "revoked"
        world.advance(timedelta(hours=1))
        await world[A].desk.upkeep.rotate([KeyUse.RCPT])
        app.directory.enrol(world[A].home.enrolment.read_bytes(), now=world.clock.now())
        assert status(app, notice, KeyUse.REQ) == "active"


async def test_a_record_signed_by_the_revoked_key_itself_does_not_give_it_back(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, notice = world[B], lost(world[A])
        await app.revocations.take(by_key(world[A]))
        world.advance(timedelta(hours=1))
        await world[A].desk.upkeep.rotate([KeyUse.RCPT])
        with pytest.raises(GatewayRefusal, match="enrolment-conflict"):
            app.directory.enrol(world[A].home.enrolment.read_bytes(), now=world.clock.now())
        assert status(app, notice) == "revoked"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "malformed"),
        ({"notices": "x"}, "malformed"),
        ({"notices": [1]}, "malformed"),
        ({"notices": ["x"] * 21}, "too-large"),
        ({"notices": ["x" * 140_000]}, "too-large"),
    ],
)
async def test_a_body_of_another_shape_is_refused_whole(
    tmp_path: Path, body: dict[str, object], code: str
) -> None:
    async with World.create(tmp_path, A, B) as world:
        with pytest.raises(GatewayRefusal) as refused:
            await world[B].revocations.take_all(caller=A, jti=None, exp=None, body=body)
        assert refused.value.code == code
        assert await rows(world[B]) == []


async def test_one_bad_notice_does_not_hold_up_the_others_and_a_token_counts_once(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B) as world:
        app, exp = world[B], world.clock.now() + timedelta(minutes=1)
        body = {"notices": ["a.b.c", by_key(world[A]).decode()]}
        jti = b64u(bytes(16))
        answer = await app.revocations.take_all(caller=A, jti=jti, exp=exp, body=body)
        assert answer == {"refused": ["malformed", None]}
        with pytest.raises(GatewayRefusal, match="auth-replay"):
            await app.revocations.take_all(caller=A, jti=jti, exp=exp, body=body)


async def test_a_poll_that_waits_is_answered_when_a_notice_comes(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C, pull_only=[C]) as world:
        poll = asyncio.create_task(world[B].outbox.listing(caller=C, after=0, wait_s=20))
        await asyncio.sleep(0)
        await world[B].revocations.take(by_key(world[A]))
        page = await asyncio.wait_for(poll, 5)
        assert len(page["notices"]) == 1


async def test_a_peer_that_refuses_is_not_asked_for_ever(tmp_path: Path) -> None:
    async with World.create(tmp_path, A, B, C) as world:

        async def refuse(endpoint: object, body: bytes) -> Reply:
            return Reply(status=200, body={"refused": ["unknown-key"] * len(json.loads(body)["notices"])})

        world[B].adapter.post_notices = refuse  # type: ignore[method-assign]
        await world[B].revocations.take(by_key(world[A]))
        assert await world[B].revocations.tell_due() == 2
        assert await world[B].revocations.tell_due() == 0


async def test_a_key_that_another_networks_holders_ended_is_shown_with_who_did_and_who_lists_it(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, A, B) as world:
        know_holders(world[B])
        notice = lost(world[A], KeyUse.ENC)
        await world[B].revocations.take(by_state(notice))
        for again in (False, True):
            app = await world.restart(B) if again else world[B]
            know_holders(app)
            (found,) = app.directory.ended_elsewhere()
            assert (found.authority_id, found.kid) == (A, notice.kid)
            assert (found.ended_by, found.listed_by) == ("network:fictional", ("bilateral",))
            (said,) = [
                f for f in check_directory(app.directory, world.clock.now()) if notice.kid[:12] in f.sentence
            ]
            assert said.level is Level.YELLOW
            assert "the network fictional names" in said.sentence
            shown = await status_of(app.networks, app.directory, now=world.clock.now())
            assert [row.kid for row in shown.ended_elsewhere] == [notice.kid]
        # A network that lists the key itself ends it as everybody expects, and so does the key.
        entry = world[B].directory.lookup(A).entry
        assert entry is not None
        listing = SourceView(
            name="network:fictional", entries={A: entry}, assurance={A: "state"}, quorums={"ke": QUORUM}
        )
        world[B].directory.set_source(listing, world.clock.now())
        assert world[B].directory.ended_elsewhere() == ()
        await world[B].revocations.take(by_key(world[A]))
        assert world[B].directory.ended_elsewhere() == ()
