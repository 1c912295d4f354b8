"""Sealed mail: containers in stretches that fit together again, and what else gateways send each other."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import ProbeOutcome, Verdict
from crypto.encoding import sha256_hex
from crypto.mailtoken import MailKind
from tests.adapters.mailpeers import OURS, SealedMailPeer
from tests.adapters.peers import parcel_of

CONTAINER = random.Random(4).randbytes(200_000)


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[SealedMailPeer]:
    found = SealedMailPeer(tmp_path)
    await found.start()
    yield found
    await found.stop()


@pytest.mark.parametrize(("segment_bytes", "mails"), [(200_000, 1), (199_999, 2), (70_000, 3), (25_000, 8)])
async def test_a_large_container_comes_in_stretches_without_gap_each_with_its_token(
    peer: SealedMailPeer, segment_bytes: int, mails: int
) -> None:
    adapter, parcel = peer.adapter(segment_bytes=segment_bytes), parcel_of(CONTAINER)
    outcome = await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.DISPATCHED
    assert peer.received == {(parcel.sender, parcel.bid): CONTAINER}
    segments = [claims.segment for claims, _ in peer.opened()]
    assert [(s.i, s.n) for s in segments if s] == [(i, mails) for i in range(1, mails + 1)]
    assert {s.envelope_sha256 for s in segments if s} == {parcel.envelope_sha256}


async def test_what_needs_more_than_eight_mails_is_too_large_and_none_is_sent(peer: SealedMailPeer) -> None:
    adapter = peer.adapter(segment_bytes=24_999)
    outcome = await adapter.deliver(parcel_of(CONTAINER), peer.endpoint)
    await adapter.aclose()
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "too-large")
    assert peer.server.connections == 0


async def test_an_attempt_ends_at_the_first_mail_that_is_not_taken(peer: SealedMailPeer) -> None:
    peer.server.handler.answers = {"DATA": "451 4.3.0 later"}
    adapter = peer.adapter(segment_bytes=70_000)
    outcome = await adapter.deliver(parcel_of(CONTAINER), peer.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert len(peer.server.handler.options) == 1


async def test_receipts_and_answers_come_from_nobody_and_the_rest_from_us(peer: SealedMailPeer) -> None:
    adapter = peer.adapter()
    assert (await adapter.post_receipts(peer.endpoint, b'{"receipts":[]}')).verdict is Verdict.DISPATCHED
    assert (await adapter.answer_probe(peer.endpoint, "a.b.c")).verdict is Verdict.DISPATCHED
    assert (await adapter.post_notices(peer.endpoint, b'{"notices":[]}')).verdict is Verdict.DISPATCHED
    assert await adapter.probe(peer.endpoint, "q.r.s") == ProbeOutcome(is_sent=True)
    await adapter.aclose()
    assert [(claims.kind, content) for claims, content in peer.opened()] == [
        (MailKind.RECEIPTS, b'{"receipts":[]}'),
        (MailKind.PROBE_ANSWER, b"a.b.c"),
        (MailKind.NOTICES, b'{"notices":[]}'),
        (MailKind.PROBE, b"q.r.s"),
    ]
    assert [sender for sender, _, _ in peer.server.handler.mails] == ["", "", OURS, OURS]
    assert all(claims.to == "yy-moj" and claims.segment is None for claims, _ in peer.opened())


async def test_a_question_that_did_not_leave_says_so(peer: SealedMailPeer) -> None:
    peer.server.handler.answers = {"RCPT": "450 4.2.0 later"}
    adapter = peer.adapter()
    assert await adapter.probe(peer.endpoint, "q.r.s") == ProbeOutcome(is_sent=False)
    await adapter.aclose()


@pytest.mark.parametrize("address", ["https://gw.example", "a@b\r\nc@d", "a@b.example,c@d.example", ""])
async def test_a_listed_address_that_is_no_mailbox_is_written_to_nobody(
    peer: SealedMailPeer, address: str
) -> None:
    adapter = peer.adapter()
    outcome = await adapter.deliver(parcel_of(CONTAINER), replace(peer.endpoint, address=address))
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert peer.server.connections == 0


async def test_a_source_that_ends_early_is_our_own_defect(peer: SealedMailPeer) -> None:
    adapter = peer.adapter()
    with pytest.raises(ValueError, match="shorter"):
        await adapter.deliver(replace(parcel_of(CONTAINER), size_bytes=200_001), peer.endpoint)
    await adapter.aclose()
    assert peer.received == {}


async def test_a_repeat_is_another_mail_with_the_same_content(peer: SealedMailPeer) -> None:
    adapter, parcel = peer.adapter(), parcel_of(CONTAINER)
    for _ in range(2):
        await adapter.deliver(parcel, peer.endpoint)
    await adapter.aclose()
    [(first, content), (second, again)] = peer.opened()
    assert first.sha256 == second.sha256 == sha256_hex(CONTAINER)
    assert content == again == CONTAINER
