"""The contract of every adapter, run against every scheme (docs/adapters.md section 1)."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from adapters import ADAPTERS
from adapters.base import Verdict
from tests.adapters.dropbox import DropboxPeer
from tests.adapters.lettermail import LetterPeer
from tests.adapters.mailpeers import SealedMailPeer
from tests.adapters.peers import PEERS, HTTPSPeer, LoopbackPeer, parcel_of

#: Stands for sealed bytes; nothing in it could be mistaken for an address or a header.
SEALED = bytes(range(256)) * 20

#: The schemes of the product, and the transport that stands for one whose answer comes later.
TRIED: Mapping[str, type[LoopbackPeer]] = {**PEERS, "dropbox": DropboxPeer}

FAILURES = [
    (scheme, failure)
    for scheme, failures in (
        ("gateway_https", HTTPSPeer.FAILURES),
        ("email_sealed", SealedMailPeer.FAILURES),
        ("email_smime", LetterPeer.FAILURES),
        ("dropbox", DropboxPeer.FAILURES),
    )
    for failure in failures
]


@pytest.fixture
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LoopbackPeer]:
    found = TRIED[request.param](tmp_path)
    yield found
    await found.stop()


def test_every_scheme_has_a_loopback_peer() -> None:
    assert set(PEERS) == set(ADAPTERS)
    assert {scheme for scheme, _ in FAILURES} == set(TRIED)


@pytest.mark.parametrize("peer", TRIED, indirect=True)
async def test_the_peer_gets_exactly_the_sealed_bytes_and_answers_with_the_receipts_it_gives(
    peer: LoopbackPeer,
) -> None:
    await peer.start()
    adapter, parcel = peer.adapter(), parcel_of(SEALED)
    outcome = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is peer.VERDICT
    assert len(outcome.receipts) == peer.RECEIPTS
    assert peer.received == {(parcel.sender, parcel.bid): SEALED}


@pytest.mark.parametrize("peer", TRIED, indirect=True)
async def test_a_repeat_changes_nothing_and_gets_the_same_receipts(peer: LoopbackPeer) -> None:
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
async def test_a_peer_that_fails_is_an_outcome_to_try_again(
    peer: LoopbackPeer, failure: str, size: int
) -> None:
    await peer.start(failure)
    adapter = peer.quick_adapter()
    outcome = await adapter.deliver(parcel_of(bytes(size)), peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert outcome.receipts == ()
    assert outcome.detail
    assert peer.received == {}


@pytest.mark.parametrize("peer", TRIED, indirect=True)
@pytest.mark.parametrize("urgent", [False, True])
async def test_nothing_but_sealed_bytes_size_address_and_urgent_mark_leaves(
    peer: LoopbackPeer, urgent: bool
) -> None:
    await peer.start_eavesdropped()
    adapter, parcel = peer.adapter(), parcel_of(SEALED, urgent=urgent)
    outcome = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is peer.VERDICT
    peer.check_seen(parcel, SEALED, urgent=urgent)
