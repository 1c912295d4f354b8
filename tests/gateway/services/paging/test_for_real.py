"""Paging by a real web server: signed, retried, found deaf; nothing of a case goes over the line."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.services.paging.readiness import check_readiness
from tests.alarms import WebhookReceiver
from tests.gateway.services.paging.contactpoint import (
    OWN,
    PEER,
    ContactPoint,
    contact_point,
)

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
