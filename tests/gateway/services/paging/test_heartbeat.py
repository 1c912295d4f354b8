"""A watch outside hears that the gateway is there, or nothing: then it rings."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app import App
from gateway.config import AlarmSettings
from gateway.errors import StorageUnavailable
from gateway.services.diagnosis import Level
from gateway.services.paging.heartbeat import HEARTBEAT_FILE, Heartbeat
from tests.alarms import WebhookReceiver
from tests.gateway.services.paging.contactpoint import ContactPoint, contact_point
from tests.world import FakeClock, World, make_lab_home

MINUTE = timedelta(minutes=1)


@dataclass
class Watched:
    """A gateway with a watch outside."""

    point: ContactPoint
    watch: WebhookReceiver
    heartbeat: Heartbeat

    async def level(self) -> Level:
        (found,) = await self.heartbeat.check()
        return found.level


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with contact_point(tmp_path) as point:
        watch = WebhookReceiver(tmp_path, clock=lambda: point.clock.at.timestamp())
        await watch.start()
        watch.write(f"https://localhost:{watch.port}/notify", watch.secret, HEARTBEAT_FILE)
        path = watch.path()
        heartbeat = Heartbeat(
            database=point.database,
            call=lambda at: path.beat(HEARTBEAT_FILE, at),
            every=MINUTE,
            clock=point.clock,
        )
        yield Watched(point=point, watch=watch, heartbeat=heartbeat)
        await path.aclose()
        await watch.stop()


async def test_the_watch_hears_that_the_gateway_is_there_and_nothing_else(watched: Watched) -> None:
    await watched.point.raise_(level="emergency")
    await watched.point.pager.look()
    assert await watched.level() is Level.RED, "nobody has heard anything yet"
    assert await watched.heartbeat.beat()
    ((headers, body),) = watched.watch.requests
    assert json.loads(body) == {"type": "rogatory.heartbeat", "timestamp": "2026-11-21T01:00:00Z"}
    assert watched.watch.refused == 0, "it is signed as every webhook"
    assert "ro-dcc" not in str(headers)
    assert await watched.level() is Level.GREEN
    watched.point.clock.at += 5 * MINUTE
    assert await watched.level() is Level.GREEN
    watched.point.clock.at += timedelta(seconds=1)
    assert await watched.level() is Level.RED, "nothing was heard for longer than the watch waits"


async def test_a_gateway_whose_pager_does_not_look_is_silent(watched: Watched) -> None:
    assert not await watched.heartbeat.beat()
    await watched.point.pager.look()
    watched.point.clock.at += 5 * MINUTE + timedelta(seconds=1)
    assert not await watched.heartbeat.beat()
    assert watched.watch.requests == []
    assert await watched.level() is Level.RED
    await watched.point.pager.look()
    assert await watched.heartbeat.beat()


async def test_a_pager_that_looks_and_can_wake_nobody_is_silent_as_well(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> int:
        raise StorageUnavailable

    pager = watched.point.pager
    monkeypatch.setattr(pager._bell, "climb", broken)
    for _ in range(7):
        with pytest.raises(StorageUnavailable):
            await pager.look()
        watched.point.clock.at += MINUTE
    assert not await watched.heartbeat.beat()
    monkeypatch.undo()
    await pager.look()
    assert await watched.heartbeat.beat()


async def test_a_watch_is_not_told_in_a_rush_whatever_the_settings_say(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr("gateway.services.paging.heartbeat.asyncio.sleep", noted)
    heartbeat = Heartbeat(
        database=watched.point.database,
        call=watched.heartbeat._call,
        every=timedelta(seconds=1e-9),
        clock=watched.point.clock,
    )
    with pytest.raises(asyncio.CancelledError):
        await heartbeat.run()
    assert pauses == [1.0]


@pytest.mark.parametrize("failure", ["status-500", "status-404", "redirect"])
async def test_a_watch_that_does_not_take_it_has_not_heard_it_and_the_doctor_says_so(
    watched: Watched, failure: str
) -> None:
    await watched.point.pager.look()
    assert await watched.heartbeat.beat()
    watched.watch._failure = failure
    for _ in range(6):
        watched.point.clock.at += MINUTE
        await watched.point.pager.look()
        assert not await watched.heartbeat.beat()
    assert len(watched.watch.requests) == 1, "and nobody else was told instead"
    (found,) = await watched.heartbeat.check()
    assert found.level is Level.RED
    assert "since 2026-11-21 01:00 UTC" in found.sentence
    watched.watch._failure = None
    assert await watched.heartbeat.beat()
    assert await watched.level() is Level.GREEN


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/ping",
        "https://10.0.0.1/ping",
        "https://watch.example/ping",
        "ftp://localhost/",
    ],
)
async def test_it_goes_nowhere_that_a_webhook_may_not_go(watched: Watched, url: str) -> None:
    await watched.point.pager.look()
    watched.watch.write(url, watched.watch.secret, HEARTBEAT_FILE)
    assert not await watched.heartbeat.beat()
    outcome = await watched.watch.path().beat(HEARTBEAT_FILE, watched.point.clock.at)
    assert outcome.code == "address-refused"
    assert "ping" not in repr(outcome)
    (watched.watch.folder / HEARTBEAT_FILE).unlink()
    assert not await watched.heartbeat.beat()
    assert await watched.level() is Level.RED


async def test_a_clock_that_was_set_back_hides_no_silence(watched: Watched) -> None:
    await watched.point.pager.look()
    assert await watched.heartbeat.beat()
    watched.point.clock.at -= timedelta(days=1)
    assert await watched.level() is Level.RED
    assert not await watched.heartbeat.beat(), "nobody has looked after pages by this clock"
    await watched.point.pager.look()
    assert await watched.heartbeat.beat()


async def test_without_a_watch_outside_nothing_is_called_and_nothing_is_said(tmp_path: Path) -> None:
    assert AlarmSettings().heartbeat_s == 0
    async with World.create(tmp_path, "ke-ag") as world:
        paging = world["ke-ag"].paging
        assert [name for name, _ in paging.background()] == ["paging"]
        assert await paging.heartbeat.check() == []


@pytest.mark.slow
async def test_a_gateway_whose_settings_name_a_watch_tells_it(tmp_path: Path) -> None:
    home, clock = tmp_path / "home", FakeClock()
    await make_lab_home(home, "ke-ag", clock=clock, pull_only=True)
    watch = WebhookReceiver(tmp_path, clock=lambda: clock.at.timestamp())
    await watch.start()
    settings = home / "rogatory.toml"
    alarm = f'\n[alarm]\nca_file = "{watch.ca_file}"\nheartbeat_s = 60.0\n'
    settings.write_text(settings.read_text() + alarm)
    async with App.open(home, clock=clock) as app:
        app.home.alarms.mkdir(exist_ok=True)
        file = app.home.alarms / HEARTBEAT_FILE
        file.write_text(f"https://localhost:{watch.port}/notify\n{watch.secret}\n")
        await app.paging.pager.look()
        (run,) = [run for name, run in app.paging.background() if name == "heartbeat"]
        telling = asyncio.create_task(run())
        await watch.until(1)
        telling.cancel()
        assert "heartbeat" in {found.check for found in await app.paging.check()}
    await watch.stop()
