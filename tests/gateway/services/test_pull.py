"""Who is polled, as the directory changes: a peer that moved is not waited for at its old place."""

import asyncio
from typing import Any

import pytest

from gateway.services import pull
from gateway.services.pull import PullWorkers


async def until(seen: list[Any], count: int) -> None:
    async with asyncio.timeout(2):
        while len(seen) < count:  # noqa: ASYNC110 - what is waited for is a list
            await asyncio.sleep(0)


async def test_a_peer_whose_address_changed_is_polled_at_once_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"ke-ag": "https://old.example.org", "sg-agc": "https://sg.example.org"}
    polled: list[tuple[str, str]] = []
    ended: list[str] = []

    async def poll(self: PullWorkers, aid: str) -> None:
        polled.append((aid, wanted[aid]))
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(aid)

    monkeypatch.setattr(PullWorkers, "_poll", poll)
    monkeypatch.setattr(pull, "pullable", lambda directory, own: dict(wanted))
    monkeypatch.setattr(pull, "_DIRECTORY_CHECK_S", 0)
    nothing: Any = None
    workers = PullWorkers(
        database=nothing,
        directory=nothing,
        acceptor=nothing,
        desk=nothing,
        adapter=nothing,
        revocations=nothing,
        authority_id="tn-mj",
    )
    running = asyncio.create_task(workers.run())
    await until(polled, 2)
    wanted["ke-ag"] = "https://new.example.org"
    await until(polled, 3)
    assert ended == ["ke-ag"]
    assert polled[2] == ("ke-ag", "https://new.example.org")
    del wanted["sg-agc"]
    await until(ended, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert ended == ["ke-ag", "sg-agc", "ke-ag"]
