"""Paging by a real web server: signed, retried, found deaf; nothing of a case goes over the line."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import App
from gateway.cli.session import ask_service
from gateway.model.paging import Audience, PageReason
from gateway.services.paging.pages import raise_page
from gateway.services.paging.readiness import check_readiness
from gateway.web.calls.paging import PAGE_ANSWER, PageCodeParams
from tests.alarms import WebhookReceiver
from tests.gateway.services.paging.contactpoint import (
    OWN,
    PEER,
    ContactPoint,
    contact_point,
)
from tests.world import FakeClock, make_lab_home

MINUTE = timedelta(minutes=1)


async def enter(point: ContactPoint, receiver: WebhookReceiver) -> None:
    """Enter one officer whose webhook goes to the receiver, under the secret that was made for it."""
    await point.add_turn("us.duty")
    made = await point.paths.add_webhook(
        "us.duty", f"https://localhost:{receiver.port}/notify", by="us.admin"
    )
    receiver.secret = Path(made.shown).read_text().split()[1]


async def level(point: ContactPoint) -> str:
    """Return the worst that the doctor says."""
    found = await check_readiness(
        point.database, is_contact_point=True, kinds=("webhook",), now=point.clock.now()
    )
    return found[0].level


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alarms").mkdir()
    return tmp_path / "alarms"


async def test_a_page_goes_by_webhook_and_is_answered_by_its_code(tmp_path: Path, folder: Path) -> None:
    receiver = WebhookReceiver(folder, tls=True)
    await receiver.start()
    path = receiver.path()
    async with contact_point(tmp_path, paths=lambda: {"webhook": path}) as point:
        await enter(point, receiver)
        await point.look()
        await point.look()
        assert await level(point) == "red"
        (test,) = receiver.heard()
        await point.pager.answer(test.text)
        assert await level(point) == "green"

        receiver.requests.clear()
        await point.raise_(level="emergency")
        await point.look()
        (page,) = receiver.heard()
        answer = await point.pager.answer(page.text)
        assert answer.officer == "us.duty"
        ((headers, body),) = receiver.requests
        assert receiver.refused == 0
        line = (str(headers) + body.decode()).lower()
        assert not any(word in line for word in (PEER, OWN, "aaaaaaaa", "us.duty", "arrived"))
    await receiver.stop()


async def test_a_service_that_answers_200_and_does_nothing_is_found(tmp_path: Path, folder: Path) -> None:
    receiver = WebhookReceiver(folder)
    await receiver.start()
    path = receiver.path()
    async with contact_point(tmp_path, paths=lambda: {"webhook": path}) as point:
        await enter(point, receiver)
        await point.run_for(timedelta(minutes=32), step=MINUTE)
        # It took everything it was sent, and no person ever saw any of it.
        assert len(receiver.requests) >= 1
        (found,) = await point.paths.listed()
        assert found.silent_since is not None
        assert await point.tasks() == {"alarm-silent"}
        assert await level(point) == "red"
    await receiver.stop()


async def test_a_receiver_that_is_away_gets_the_same_ring_when_it_is_back(
    tmp_path: Path, folder: Path
) -> None:
    receiver = WebhookReceiver(folder)
    await receiver.start()
    path = receiver.path()
    async with contact_point(tmp_path, paths=lambda: {"webhook": path}) as point:
        await enter(point, receiver)
        await point.run_for(MINUTE, step=MINUTE)
        await point.pager.answer(receiver.heard()[0].text)
        receiver.requests.clear()
        receiver._failure = "status-500"
        await point.raise_()
        await point.run_for(timedelta(seconds=30), step=timedelta(seconds=10))
        assert receiver.requests == []
        receiver._failure = None
        await point.run_for(timedelta(seconds=30), step=timedelta(seconds=10))
        (heard,) = receiver.heard()
        assert heard.id.endswith("-1")
    await receiver.stop()


@pytest.mark.slow
async def test_a_gateway_calls_one_officer_after_the_other_in_real_seconds(tmp_path: Path) -> None:
    home, receiver = tmp_path / "home", WebhookReceiver(tmp_path)
    await make_lab_home(home, "ke-ag", clock=FakeClock(datetime.now(UTC)), pull_only=True)
    await receiver.start()
    settings = home / "rogatory.toml"
    alarm = f'\n[alarm]\nca_file = "{receiver.ca_file}"\nclimb_s = 1.0\nemergency_climb_s = 1.0\n'
    settings.write_text(settings.read_text() + alarm)
    async with App.open(home) as app, asyncio.timeout(30):
        secrets = []
        for officer, part in (("ke.one", "duty"), ("ke.two", "backup")):
            await app.desk.paging.rosters.add(
                officer,
                part=part,
                time_zone="Africa/Nairobi",
                days=(1, 2, 3, 4, 5, 6, 7),
                begins="08:00",
                ends="08:00",
                further_days=1,
                first_day=date(2026, 1, 1),
                by="ke.admin",
            )
            url = f"https://localhost:{receiver.port}/notify"
            made = await app.desk.paging.paths.add_webhook(officer, url, by="ke.admin")
            await app.desk.paging.pager.test(made.id)
            secrets.append(Path(made.shown).read_text().split()[1])
        receiver.secrets = secrets
        await app.start()
        await receiver.until(2)
        for heard in receiver.heard():
            await app.desk.paging.pager.answer(heard.text)
        assert "24/7 ready" in [d.sentence[:10] for d in await app.paging.check()]
        receiver.requests.clear()

        now = app.clock.now()
        await app.database.write(
            lambda tx: raise_page(
                tx, peer="sg-agc", reason=PageReason.ARRIVED, level="urgent", audience=Audience.DUTY, now=now
            )
        )
        await receiver.until(2)
        took = (app.clock.now() - now).total_seconds()
        # One officer within two seconds, the next a second later.
        assert took < 5
        await ask_service(home, PAGE_ANSWER, PageCodeParams(code=receiver.heard()[1].text), lambda *_: None)
        (page,) = await app.desk.paging.pager.waiting()
        assert page.acknowledged_by == "ke.two"
    assert receiver.refused == 0
    await receiver.stop()
