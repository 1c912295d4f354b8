"""A loopback peer per test, stopped afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.https import HTTPSAdapter
from tests.adapters.peers import HTTPSPeer


@pytest.fixture
async def https_peer(tmp_path: Path) -> AsyncIterator[HTTPSPeer]:
    """An HTTPS peer that is not started yet."""
    peer = HTTPSPeer(tmp_path)
    yield peer
    await peer.stop()


@pytest.fixture
async def adapter(https_peer: HTTPSPeer) -> AsyncIterator[HTTPSAdapter]:
    """A patient adapter with segments of 64 KiB, so that large is cheap."""
    found = https_peer.adapter(segment_bytes=65_536)
    yield found
    await found.aclose()
