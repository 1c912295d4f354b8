"""Stretches of containers: put together in any order, within bounds, and let go of at their time."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.encoding import sha256_hex
from crypto.mailtoken import MailClaims, MailKind, Segment
from gateway.errors import GatewayRefusal
from gateway.services.mail import segments as limits
from gateway.services.mail.segments import KEPT, Segments
from gateway.storage import mail as store
from gateway.storage.staging import Staging
from tests.world import World

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"
PIECES = (b"first", b"second", b"third")
TOTAL = sum(map(len, PIECES))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE) as world:
        yield world


@pytest.fixture
async def held(world: World, tmp_path: Path) -> Segments:
    staging = Staging(tmp_path / "staging")
    await staging.prepare()
    return Segments(database=world[KE].database, staging=staging, clock=world.clock)


def piece(world: World, i: int, *, bid: str = "a" * 32, **changed: Any) -> tuple[MailClaims, Segment, bytes]:
    """Return the ``i``-th stretch of a container, as a verified mail brings it."""
    content = PIECES[i - 1]
    offset = sum(map(len, PIECES[: i - 1]))
    said = {"bid": bid, "envelope_sha256": "e" * 64, "offset": offset, "total": TOTAL, "i": i, "n": 3}
    segment = Segment(**(said | changed))
    claims = MailClaims(
        sender=SG,
        to=KE,
        kind=MailKind.BUNDLE,
        sha256=sha256_hex(content),
        size=len(content),
        at=world.clock.now(),
        segment=segment,
    )
    return claims, segment, content


async def test_stretches_are_put_together_in_any_order_and_a_repeat_changes_nothing(
    world: World, held: Segments
) -> None:
    assert await held.take(*piece(world, 3)) is None
    assert await held.take(*piece(world, 1)) is None
    assert await held.take(*piece(world, 1)) is None
    whole = await held.take(*piece(world, 2))
    assert whole is not None
    assert b"".join([chunk async for chunk in whole.read(0)]) == b"".join(PIECES)
    assert b"".join([chunk async for chunk in whole.read(7)]) == b"".join(PIECES)[7:]
    await held.drop(SG, "a" * 32)
    assert (await world[KE].database.read(store.held_segments)).count == 0


async def test_stretches_that_leave_a_hole_are_dropped(world: World, held: Segments) -> None:
    for i in (1, 3):
        assert await held.take(*piece(world, i)) is None
    with pytest.raises(GatewayRefusal, match="malformed"):
        await held.take(*piece(world, 2, offset=4))
    assert (await world[KE].database.read(store.held_segments)).count == 0


@pytest.mark.parametrize(
    ("name", "most", "code"),
    [
        ("MOST_TOTAL", TOTAL - 1, "too-large"),
        ("MOST_ROWS_OF_PEER", 1, "quota"),
        ("MOST_OF_PEER", len(PIECES[0]) + 1, "quota"),
        ("MOST_IN_ALL", len(PIECES[0]) + 1, "quota"),
    ],
)
async def test_beyond_each_bound_nothing_more_is_held(
    world: World, held: Segments, monkeypatch: pytest.MonkeyPatch, name: str, most: int, code: str
) -> None:
    assert await held.take(*piece(world, 1)) is None
    monkeypatch.setattr(limits, name, most)
    before = await world[KE].database.read(store.held_segments)
    with pytest.raises(GatewayRefusal, match=code):
        await held.take(*piece(world, 2, bid="b" * 32))
    assert await world[KE].database.read(store.held_segments) == before


def test_what_never_comes_whole_keeps_out_no_other_of_its_sender() -> None:
    assert 2 * limits.MOST_TOTAL <= limits.MOST_OF_PEER <= limits.MOST_IN_ALL


async def test_what_never_came_whole_is_dropped_at_its_time(
    world: World, held: Segments, tmp_path: Path
) -> None:
    assert await held.take(*piece(world, 1)) is None
    assert await held.drop_expired(world.clock.now() + KEPT - timedelta(seconds=1)) == 0
    assert await held.drop_expired(world.clock.now() + KEPT) == 1
    assert (await world[KE].database.read(store.held_segments)).count == 0
    assert list((tmp_path / "staging").iterdir()) == []


async def test_a_late_mail_of_an_older_cut_changes_nothing_of_the_newer(world: World, held: Segments) -> None:
    old = piece(world, 1, n=2, total=TOTAL + 1)
    world.advance(timedelta(minutes=1))
    assert await held.take(*piece(world, 1)) is None
    before = await world[KE].database.read(lambda c: store.segments_of(c, SG, "a" * 32))
    # Whoever holds mails back, or brings them again, must not undo what its sender cut anew.
    assert await held.take(*old) is None
    assert await world[KE].database.read(lambda c: store.segments_of(c, SG, "a" * 32)) == before
