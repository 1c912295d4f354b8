"""The contract of every adapter, run against every scheme (docs/adapters.md section 1)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters import ADAPTERS
from adapters.base import Verdict
from tests.adapters.peers import PEERS, HTTPSPeer, parcel_of

#: Stands for sealed bytes; nothing in it could be mistaken for an address or a header.
SEALED = bytes(range(256)) * 20

FAILURES = [(scheme, failure) for scheme, peer in PEERS.items() for failure in peer.FAILURES]


@pytest.fixture
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HTTPSPeer]:
    found = PEERS[request.param](tmp_path)
    yield found
    await found.stop()


def test_every_scheme_has_a_loopback_peer() -> None:
    assert set(PEERS) == set(ADAPTERS)


@pytest.mark.parametrize("peer", PEERS, indirect=True)
async def test_the_peer_gets_exactly_the_sealed_bytes_and_answers_with_receipts(peer: HTTPSPeer) -> None:
    await peer.start()
    adapter, parcel = peer.adapter(), parcel_of(SEALED)
    outcome = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.ACCEPTED
    assert len(outcome.receipts) == 1
    assert peer.received == {(parcel.sender, parcel.bid): SEALED}


@pytest.mark.parametrize("peer", PEERS, indirect=True)
async def test_a_repeat_changes_nothing_and_gets_the_same_receipts(peer: HTTPSPeer) -> None:
    await peer.start()
    adapter, parcel = peer.adapter(), parcel_of(SEALED)
    first = await adapter.deliver(parcel, peer.endpoint)
    before = dict(peer.received)
    again = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert again == type(again)(verdict=first.verdict, receipts=first.receipts, detail=again.detail)
    assert peer.received == before


@pytest.mark.parametrize(("peer", "failure"), FAILURES, indirect=["peer"])
@pytest.mark.parametrize("size", [5_000, 3_000_000], ids=["small", "large"])
async def test_a_peer_that_fails_is_an_outcome_to_try_again(peer: HTTPSPeer, failure: str, size: int) -> None:
    await peer.start(failure)
    adapter = peer.quick_adapter()
    outcome = await adapter.deliver(parcel_of(bytes(size)), peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert outcome.receipts == ()
    assert outcome.detail
    assert peer.received == {}


@pytest.mark.parametrize("peer", PEERS, indirect=True)
@pytest.mark.parametrize("urgent", [False, True])
async def test_nothing_but_sealed_bytes_size_address_and_urgent_mark_leaves(
    peer: HTTPSPeer, urgent: bool
) -> None:
    await peer.start_eavesdropped()
    adapter, parcel = peer.adapter(), parcel_of(SEALED, urgent=urgent)
    outcome = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.ACCEPTED
    [seen] = peer.seen
    head, _, body = seen.partition(b"\r\n\r\n")
    assert body == SEALED
    lines = head.decode().split("\r\n")
    assert lines[0] == f"PUT /gw/v1/bundles/{parcel.sender}/{parcel.bid} HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert re.fullmatch(r"GW [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", headers.pop("Authorization"))
    expected = {
        "Host": peer.endpoint.address.removeprefix("https://"),
        "Upload-Complete": "?1",
        "Content-Type": "application/vnd.gw.bundle",
        "Content-Length": str(len(SEALED)),
    }
    assert headers == (expected | {"Priority": "u=1"} if urgent else expected)
