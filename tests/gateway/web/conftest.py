"""The peer API of ``yy-moj`` on loopback, and two authorities that call it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.web.intake import PeerLimits
from tests.adapters.peers import Authority, Listing, Served, SettableClock


@pytest.fixture
def caller(tmp_path: Path) -> Authority:
    return Authority.make("xx-moj", tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority.make("zz-moj", tmp_path)


@pytest.fixture
def limits() -> PeerLimits:
    return PeerLimits()


@pytest.fixture
async def served(
    tmp_path: Path, caller: Authority, other: Authority, limits: PeerLimits
) -> AsyncIterator[Served]:
    found = Served(Authority.make("yy-moj", tmp_path), Listing(caller, other), SettableClock(), limits)
    await found.start()
    yield found
    await found.stop()
