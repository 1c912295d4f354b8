"""How slow a body may be, judged by a clock of the test's own."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.errors import GatewayRefusal
from gateway.web.intake import PeerLimits, Places, body_chunks


class Drip:
    """A body that comes in pieces, each after some seconds of the test's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, bytes]]) -> None:
        self._pieces: Iterator[tuple[float, bytes]] = iter(pieces)
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self.now)

    async def readany(self) -> bytes:
        seconds, piece = next(self._pieces)
        # In steps, so that a timer that falls due on the way gets its turn.
        for _ in range(10):
            self.now += seconds / 10
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return piece


async def read(body: Drip, length: int, limits: PeerLimits) -> bytes:
    return b"".join([chunk async for chunk in body_chunks(body, length, limits)])  # type: ignore[arg-type]


LIMITS = PeerLimits(idle_s=60, grace_s=30, min_bytes_per_s=100)


async def test_a_body_at_a_fair_pace_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Drip(monkeypatch, [(5, bytes(1000))] * 20)
    assert len(await read(body, 20_000, LIMITS)) == 20_000


async def test_a_silence_beyond_the_limit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Drip(monkeypatch, [(1, bytes(100_000)), (61, b"x")])
    with pytest.raises(GatewayRefusal, match="incomplete"):
        await read(body, 200_000, LIMITS)


async def test_a_drip_just_below_the_silence_ends_by_the_mean_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slowloris: a byte now and then would hold a place for days.
    body = Drip(monkeypatch, [(10, b"x")] * 100)
    with pytest.raises(GatewayRefusal) as refused:
        await read(body, 1_000_000, LIMITS)
    assert refused.value.detail == "too slow"


async def test_time_that_we_take_ourselves_is_not_the_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Drip(monkeypatch, [(1, bytes(100))] * 5)
    received = 0
    async for chunk in body_chunks(body, 500, LIMITS):  # type: ignore[arg-type]
        received += len(chunk)
        body.now += 1000
    assert received == 500


async def test_a_body_that_ends_early_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GatewayRefusal, match="incomplete"):
        await read(Drip(monkeypatch, [(0, b"abc"), (0, b"")]), 4, LIMITS)


def test_places_are_counted_in_all_and_per_peer_and_given_back() -> None:
    places = Places(total=3, per_peer=2)
    with places.taken_by("xx-moj"), places.taken_by("xx-moj"):
        with pytest.raises(GatewayRefusal, match="rate"), places.taken_by("xx-moj"):
            pass
        with (
            places.taken_by("yy-moj"),
            pytest.raises(GatewayRefusal, match="rate"),
            places.taken_by("zz-moj"),
        ):
            pass
    with places.taken_by("xx-moj"), places.taken_by("zz-moj"):
        pass
