"""Small bundles that are ready together travel together, and none pays for another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from adapters import batches
from adapters.base import Endpoint, Outcome, Parcel, Verdict
from adapters.https import HTTPSAdapter
from crypto import strictjson
from tests.adapters.peers import (
    PROBLEM,
    QUICK,
    HTTPSPeer,
    Relay,
    answering,
    endpoint_of,
    http_answer,
    parcel_of,
    receipt_for,
)

SEALED = [b"sealed bundle %d" % n * 50 for n in range(5)]


async def deliver_all(adapter: HTTPSAdapter, parcels: Sequence[Parcel], to: Endpoint) -> list[Outcome]:
    """Deliver as the courier does: each attempt is a task of its own."""
    return await asyncio.gather(*(adapter.deliver(parcel, to) for parcel in parcels))


def calls(peer: HTTPSPeer) -> list[str]:
    """Method and path of every token that was made so far, without the query."""
    return [f"{method} {path.partition('?')[0]}" for _, method, path in peer.tokens.made]


BATCH = "POST /gw/v1/bundles"


def alone(parcel: Parcel) -> str:
    return f"PUT /gw/v1/bundles/{parcel.sender}/{parcel.bid}"


async def test_bundles_that_are_ready_together_travel_in_one_request_and_each_gets_its_receipt(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcels = [parcel_of(sealed) for sealed in SEALED]
    outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
    assert [outcome.receipts for outcome in outcomes] == [(receipt_for(sealed),) for sealed in SEALED]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert calls(https_peer) == [BATCH]
    assert https_peer.received == {("xx-moj", p.bid): s for p, s in zip(parcels, SEALED, strict=True)}
    # Each bundle is accepted under a replay key of its own, all made from the one token.
    assert len(set(https_peer.served.acceptor.tokens)) == len(SEALED)


async def test_a_bundle_alone_goes_alone_and_waits_for_no_company(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcels = [parcel_of(sealed) for sealed in SEALED[:2]]
    for parcel in parcels:
        assert (await adapter.deliver(parcel, https_peer.endpoint)).verdict is Verdict.ACCEPTED
    assert calls(https_peer) == [alone(parcel) for parcel in parcels]


async def test_no_more_travel_together_than_a_batch_holds(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    sealed = [b"sealed %d" % n for n in range(2 * batches.MOST + 1)]
    outcomes = await deliver_all(adapter, [parcel_of(each) for each in sealed], https_peer.endpoint)
    assert [outcome.receipts for outcome in outcomes] == [(receipt_for(each),) for each in sealed]
    last = parcel_of(sealed[-1])
    assert sorted(calls(https_peer)) == sorted([BATCH, BATCH, alone(last)])


async def test_urgent_and_large_bundles_go_by_themselves(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    small = [parcel_of(sealed) for sealed in SEALED[:2]]
    urgent = parcel_of(b"urgent", urgent=True)
    large = parcel_of(bytes(batches.SMALL_BYTES + 1))
    outcomes = await deliver_all(adapter, [small[0], urgent, large, small[1]], https_peer.endpoint)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert sorted(calls(https_peer)) == sorted([BATCH, alone(urgent), alone(large)])


async def test_a_repeat_gets_the_stored_receipts(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    parcels = [parcel_of(sealed) for sealed in SEALED]
    first = await deliver_all(adapter, parcels, https_peer.endpoint)
    again = await deliver_all(adapter, parcels, https_peer.endpoint)
    assert [outcome.receipts for outcome in first] == [outcome.receipts for outcome in again]
    assert calls(https_peer) == [BATCH, BATCH]


async def test_what_is_refused_is_one_bundle_and_not_its_neighbours(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcels = [parcel_of(sealed) for sealed in SEALED]
    # Another upload of this one is under way.
    await https_peer.served.acceptor.begin(
        caller="xx-moj", jti="j", exp=https_peer.clock.now(), sender="xx-moj", bid=parcels[2].bid
    )
    outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.RETRY if n == 2 else Verdict.ACCEPTED for n in range(5)
    ]
    assert (outcomes[2].code, outcomes[2].retry_after_s) == ("busy", 2.0)
    # A refusal is an answer: the next ones travel together again.
    await deliver_all(adapter, parcels[:2], https_peer.endpoint)
    assert calls(https_peer) == [BATCH, BATCH]


@pytest.mark.parametrize("status", [404, 405, 413, 415])
async def test_a_peer_that_takes_no_batches_gets_each_bundle_by_itself_at_once(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, status: int
) -> None:
    problem = http_answer(status, b'{"type":"urn:gw:err:not-found"}', media=PROBLEM)
    good = http_answer(201, strictjson.dumps({"receipts": [receipt_for(b"")]}))

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(problem if head.startswith(b"POST") else good)

    await https_peer.start_script(old)
    parcels = [parcel_of(sealed) for sealed in SEALED]
    outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert calls(https_peer)[0] == BATCH
    assert sorted(calls(https_peer)[1:]) == sorted(alone(parcel) for parcel in parcels)
    https_peer.tokens.made.clear()
    await deliver_all(adapter, parcels, https_peer.endpoint)
    assert BATCH not in calls(https_peer)


async def test_what_a_peer_says_of_the_caller_it_says_of_every_bundle(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    document = b'{"type":"urn:gw:err:rate"}'
    refusal = http_answer(429, document, media=PROBLEM, extra="Retry-After: 5\r\n")
    await https_peer.start_script(answering(refusal))
    parcels = [parcel_of(sealed) for sealed in SEALED]
    for _ in range(2):
        outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
        assert {(o.verdict, o.code, o.retry_after_s) for o in outcomes} == {(Verdict.RETRY, "rate", 5.0)}
    assert calls(https_peer) == [BATCH, BATCH]


async def test_after_a_broken_line_each_bundle_goes_by_itself(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    relay = Relay(https_peer.served.port)
    await relay.start()
    relay.cut_after = [4_000]
    to = endpoint_of(https_peer.peer, relay.port)
    parcels = [parcel_of(sealed * 20) for sealed in SEALED]
    outcomes = await deliver_all(adapter, parcels, to)
    assert {(outcome.verdict, outcome.code) for outcome in outcomes} == {(Verdict.RETRY, None)}
    outcomes = await deliver_all(adapter, parcels, to)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert sorted(calls(https_peer)[1:]) == sorted(alone(parcel) for parcel in parcels)
    await relay.stop()


ANSWER = {"status": 201, "body": {"receipts": [receipt_for(b"")]}, "retry_after": None}


@pytest.mark.parametrize(
    "answers",
    [
        [ANSWER],
        [ANSWER] * 3,
        [],
        None,
        {"0": ANSWER},
        [ANSWER, None],
        [ANSWER, {"status": 100, "body": {}}],
        [ANSWER, {"status": 600, "body": {}}],
        [ANSWER, {"status": "201", "body": {}}],
        [ANSWER, {"status": 201, "body": []}],
        [ANSWER, {"status": 201}],
    ],
    ids=repr,
)
async def test_an_answer_that_is_not_one_for_each_settles_none(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, answers: object
) -> None:
    body = strictjson.dumps({"answers": answers})  # type: ignore[dict-item]
    await https_peer.start_script(answering(http_answer(200, body)))
    outcomes = await deliver_all(adapter, [parcel_of(sealed) for sealed in SEALED[:2]], https_peer.endpoint)
    assert {(outcome.verdict, outcome.receipts) for outcome in outcomes} == {(Verdict.RETRY, ())}


@pytest.mark.parametrize("wait", [-5, 10**9, "soon", None])
async def test_the_wish_to_be_left_alone_is_bounded(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, wait: object
) -> None:
    row = {"status": 503, "body": {"type": "urn:gw:err:unavailable"}, "retry_after": wait}
    body = strictjson.dumps({"answers": [row, row]})  # type: ignore[dict-item]
    await https_peer.start_script(answering(http_answer(200, body)))
    outcomes = await deliver_all(adapter, [parcel_of(sealed) for sealed in SEALED[:2]], https_peer.endpoint)
    expected = {-5: 0.0, 10**9: 86_400.0}.get(wait) if isinstance(wait, int) else None
    assert {(o.verdict, o.code, o.retry_after_s) for o in outcomes} == {
        (Verdict.RETRY, "unavailable", expected)
    }


async def test_a_source_of_ours_that_fails_is_its_own_trouble(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()

    async def broken(_offset: int) -> AsyncIterator[bytes]:
        yield b"se"
        raise OSError("the disk went away")

    parcels = [parcel_of(sealed) for sealed in SEALED]
    parcels[1] = replace(parcels[1], read=broken)
    found = await asyncio.gather(
        *(adapter.deliver(parcel, https_peer.endpoint) for parcel in parcels), return_exceptions=True
    )
    assert isinstance(found[1], OSError)
    others = [outcome for outcome in found if isinstance(outcome, Outcome)]
    assert [outcome.verdict for outcome in others] == [Verdict.ACCEPTED] * 4
    assert calls(https_peer) == [BATCH]


async def test_an_attempt_that_is_given_up_leaves_the_others(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    attempts = [
        asyncio.create_task(adapter.deliver(parcel_of(sealed), https_peer.endpoint)) for sealed in SEALED
    ]
    await asyncio.sleep(0)
    attempts[0].cancel()
    outcomes = await asyncio.gather(*attempts[1:])
    assert [outcome.receipts for outcome in outcomes] == [(receipt_for(sealed),) for sealed in SEALED[1:]]
    assert ("xx-moj", parcel_of(SEALED[0]).bid) not in https_peer.received


async def test_an_attempt_that_is_given_up_under_way_leaves_the_others(https_peer: HTTPSPeer) -> None:
    await https_peer.start("slow")
    adapter, acceptor = https_peer.adapter(), https_peer.served.acceptor
    attempts = [
        asyncio.create_task(adapter.deliver(parcel_of(sealed), https_peer.endpoint)) for sealed in SEALED
    ]
    await acceptor.finishing.wait()
    attempts[0].cancel()
    await asyncio.sleep(0)
    assert acceptor.hold is not None
    acceptor.hold.set()
    outcomes = await asyncio.gather(*attempts[1:])
    assert [outcome.receipts for outcome in outcomes] == [(receipt_for(sealed),) for sealed in SEALED[1:]]
    await adapter.aclose()


async def test_closing_ends_a_batch_under_way_as_an_outcome_for_each(https_peer: HTTPSPeer) -> None:
    await https_peer.start("slow")
    adapter = https_peer.adapter()
    attempts = asyncio.gather(*(adapter.deliver(parcel_of(s), https_peer.endpoint) for s in SEALED))
    await https_peer.served.acceptor.finishing.wait()
    await adapter.aclose()
    assert {outcome.verdict for outcome in await attempts} == {Verdict.RETRY}


async def test_a_kept_connection_that_proves_dead_costs_a_batch_no_attempt(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    relay = Relay(https_peer.served.port)
    await relay.start()
    to = endpoint_of(https_peer.peer, relay.port)
    first, second = ([parcel_of(b"%d %d" % (n, m)) for m in range(3)] for n in range(2))
    await deliver_all(adapter, first, to)
    relay.cut_all()
    outcomes = await deliver_all(adapter, second, to)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    # The same token twice would be a replay.
    assert len(set(https_peer.served.acceptor.tokens)) == 6
    await relay.stop()
    assert {o.verdict for o in await deliver_all(adapter, first, to)} == {Verdict.RETRY}


@pytest.mark.parametrize(
    ("status", "body", "extra"),
    [
        (307, b"", "Location: https://localhost:1/\r\n"),
        (403, b"<html>", ""),
        (500, b'{"type":"urn:gw:err:unavailable"}', ""),
        (501, b"", ""),
        (502, b"<html>", ""),
    ],
)
async def test_a_batch_that_is_refused_without_a_gateways_word_is_not_tried_as_one_again(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, status: int, body: bytes, extra: str
) -> None:
    media = PROBLEM if body.startswith(b"{") else "text/html"
    await https_peer.start_script(answering(http_answer(status, body, media=media, extra=extra)))
    parcels = [parcel_of(sealed) for sealed in SEALED]
    for _ in range(2):
        outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
        assert {(outcome.verdict, outcome.receipts) for outcome in outcomes} == {(Verdict.RETRY, ())}
    assert calls(https_peer).count(BATCH) == 1
    assert sorted(calls(https_peer)[1:]) == sorted(alone(parcel) for parcel in parcels)


async def test_receipts_that_were_swapped_between_bundles_stay_where_the_peer_put_them(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    """Whose a receipt is says its signature, to who records it; nothing is moved to where it might belong."""
    rows = [
        {"status": 201, "body": {"receipts": [receipt_for(sealed)]}, "retry_after": None}
        for sealed in reversed(SEALED[:2])
    ]
    answer = http_answer(200, strictjson.dumps({"answers": rows}))  # type: ignore[dict-item]
    await https_peer.start_script(answering(answer))
    outcomes = await deliver_all(adapter, [parcel_of(sealed) for sealed in SEALED[:2]], https_peer.endpoint)
    assert [outcome.receipts for outcome in outcomes] == [
        (receipt_for(sealed),) for sealed in reversed(SEALED[:2])
    ]


@pytest.mark.parametrize("number", [1, 3])
async def test_an_answer_that_drips_does_not_hold_an_attempt_for_ever(
    https_peer: HTTPSPeer, number: int
) -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 X\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    await https_peer.start_script(dripping)
    adapter = https_peer.adapter(QUICK)
    parcels = [parcel_of(sealed) for sealed in SEALED[:number]]
    async with asyncio.timeout(1.0):
        outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.RETRY}
    await adapter.aclose()


async def test_no_more_receipts_are_handed_on_than_a_body_may_have(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    """Each costs a signature to verify, in the event loop."""
    many = {"receipts": [{"jws": f"fictional.{n}"} for n in range(5_000)]}
    row = {"status": 201, "body": many, "retry_after": None}
    answer = {"answers": [row, row], **many}
    await https_peer.start_script(answering(http_answer(201, strictjson.dumps(answer))))  # type: ignore[arg-type]
    parcels = [parcel_of(sealed) for sealed in SEALED[:2]]
    outcomes = await deliver_all(adapter, parcels, https_peer.endpoint)
    outcomes.append(await adapter.deliver(parcels[0], https_peer.endpoint))
    assert [len(outcome.receipts) for outcome in outcomes] == [100, 100, 100]
