"""Work that goes on beside a call has an owner: it ends with the call or is logged; tokens end too."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.services.arrivals import release
from tests.hostile import Crafted, Members, craft, look, send, verdict
from tests.world import World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG = "ke-ag", "sg-agc"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


class Opening:
    """Told when an opening begins, and says when it may end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Let every bundle be opened in a thread, and take until it may end."""
    opening, whole = Opening(), release.Releaser._open

    def slow(releaser: release.Releaser, arrived: release.Arrived) -> release.Opened:
        opening.begun.set()
        opening.may_end.wait(5)
        return whole(releaser, arrived)

    monkeypatch.setattr(release, "_INLINE_OPENING_BYTES", 0)
    monkeypatch.setattr(release.Releaser, "_open", slow)
    return opening


def a_bundle(world: World) -> Crafted:
    form, documents = sample_request(1)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    return craft(world[KE], world[SG], form, documents)


def openings() -> list[asyncio.Task[Any]]:
    """Return the tasks in which something is being opened."""
    return [task for task in asyncio.all_tasks() if "Releaser" in repr(task.get_coro())]


async def test_an_upload_that_is_cancelled_while_it_is_opened_leaves_no_task(
    world: World, opening: Opening
) -> None:
    bundle, before = a_bundle(world), await look(world[SG])
    call = asyncio.create_task(send(world[SG], bundle))
    assert await asyncio.to_thread(opening.begun.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert openings() == []
    opening.may_end.set()
    assert (await look(world[SG])).rows == before.rows
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)


async def test_a_relay_that_cannot_be_stored_leaves_no_task_and_no_row(
    world: World, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, before = a_bundle(world), await look(world[SG])

    async def unavailable(releaser: release.Releaser, arrived: release.Arrived) -> Any:
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(release, "OPENING_PATIENCE_S", 0)
        patch.setattr(release.Releaser, "_relay", unavailable)
        with pytest.raises(StorageUnavailable):
            await send(world[SG], bundle)
    assert openings() == []
    opening.may_end.set()
    assert (await look(world[SG])).rows == before.rows
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)


async def test_a_used_token_is_refused_also_where_a_relay_receipt_would_answer(
    world: World, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening.may_end.set()
    first, second, jti = a_bundle(world), a_bundle(world), secrets.token_hex(11)
    assert verdict(await send(world[SG], first, jti=jti)) == ("consignment", None)
    before = await look(world[SG])
    opening.may_end.clear()
    monkeypatch.setattr(release, "OPENING_PATIENCE_S", 0)
    with pytest.raises(GatewayRefusal) as refused:
        await send(world[SG], second, jti=jti)
    assert refused.value.code == "auth-replay"
    opening.may_end.set()
    assert openings() == []
    assert (await look(world[SG])).rows == before.rows


async def test_a_peer_whose_push_fails_is_logged_and_the_others_get_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher = world[SG].pusher
    told: list[str] = []

    async def push(authority_id: str, rows: Any) -> None:
        if authority_id == "xx-broken":
            raise RuntimeError("a defect")
        await asyncio.sleep(0)
        told.append(authority_id)

    async def due(lane: str, now: Any) -> list[Any]:
        return [(_Claim("xx-broken"), []), (_Claim(KE), [])] if lane == "urgent" else []

    monkeypatch.setattr(pusher, "_push", push)
    monkeypatch.setattr(pusher, "_claim_due", due)
    assert await pusher.push_due() == 2
    assert told == [KE]


class _Claim:
    def __init__(self, to_aid: str) -> None:
        self.to_aid = to_aid


async def test_a_used_token_is_remembered_until_its_own_end(world: World) -> None:
    end = world.clock.now() + timedelta(minutes=5)
    jti = secrets.token_hex(11)
    body: Members = {"receipts": [], "problems": []}
    await world[KE].receipt_desk.take(caller=SG, jti=jti, exp=end, body=body)

    async def is_known() -> bool:
        await world[KE].watch.look()
        query = text("SELECT count(*) FROM seen_token WHERE jti = :jti").bindparams(jti=jti)
        return bool(await world[KE].database.read(lambda c: c.execute(query).scalar_one()))

    world.advance(timedelta(minutes=4))
    assert await is_known()
    world.advance(timedelta(minutes=1))
    assert not await is_known()


async def test_half_a_token_is_a_defect_of_the_caller(world: World) -> None:
    with pytest.raises(ValueError, match="end"):
        await world[SG].acceptor.begin(caller=KE, jti="j", exp=None, sender=KE, bid="0" * 32)
