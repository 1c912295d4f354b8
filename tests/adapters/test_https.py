"""The HTTPS transport: segments, resuming, problems, receipts, fetching, pins, proxies."""

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.base import ProbeOutcome, Verdict
from adapters.https import HTTPSAdapter
from crypto import strictjson
from crypto.errors import CODES, Action
from tests.adapters.peers import (
    PROBLEM,
    HTTPSPeer,
    Relay,
    Script,
    Waiting,
    answering,
    endless,
    endpoint_of,
    http_answer,
    parcel_of,
    receipt_for,
)

LARGE = random.Random(1).randbytes(1_000_000)


async def test_a_large_container_travels_in_segments_and_arrives_whole(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.receipts == (receipt_for(LARGE),)
    assert https_peer.received[parcel.sender, parcel.bid] == LARGE
    offsets = [call[3] for call in https_peer.served.acceptor.calls if call[0] == "resume"]
    assert offsets == list(range(65_536, len(LARGE), 65_536))


@pytest.mark.slow
async def test_an_upload_cut_twenty_times_resumes_and_ends_with_the_same_digest(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    relay = Relay(https_peer.served.port)
    await relay.start()
    chance = random.Random(20)
    relay.cut_after = [chance.randrange(2_000, 120_000) for _ in range(20)]
    parcel = parcel_of(LARGE)
    outcome = await adapter.deliver(parcel, endpoint_of(https_peer.peer, relay.port))
    # An attempt may give up when cuts come without progress; the next goes on from there.
    while outcome.verdict is Verdict.RETRY:
        outcome = await adapter.deliver(parcel, endpoint_of(https_peer.peer, relay.port))
    await relay.stop()
    assert relay.connections >= 21
    assert outcome.verdict is Verdict.ACCEPTED
    arrived = https_peer.received[parcel.sender, parcel.bid]
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(LARGE).digest()


async def test_a_second_attempt_goes_on_where_the_first_one_ended(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    https_peer.served.acceptor.partial[parcel.sender, parcel.bid] = LARGE[:700_000]
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert https_peer.received[parcel.sender, parcel.bid] == LARGE
    assert ("begin", parcel.sender, parcel.bid) not in https_peer.served.acceptor.calls


async def test_everything_arrived_but_the_answer_was_lost_and_is_asked_for(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    https_peer.served.acceptor.whole[parcel.sender, parcel.bid] = LARGE
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.receipts == (receipt_for(LARGE),)
    assert https_peer.served.acceptor.calls == [("state", parcel.sender, parcel.bid)]


async def test_the_last_byte_arrived_but_not_the_end_and_an_empty_segment_says_so(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    https_peer.served.acceptor.partial[parcel.sender, parcel.bid] = LARGE
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert https_peer.received[parcel.sender, parcel.bid] == LARGE


async def test_a_conflict_gives_the_true_offset_and_the_upload_goes_on_there(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    acceptor = https_peer.served.acceptor
    honest = acceptor.state

    async def mistaken(**asked: str) -> object:
        acceptor.state = honest  # type: ignore[method-assign]
        state = await honest(**asked)
        state.offset = 131_072
        return state

    acceptor.partial[parcel.sender, parcel.bid] = LARGE[:65_536]
    acceptor.state = mistaken  # type: ignore[assignment, method-assign]
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert [call[3] for call in acceptor.calls if call[0] == "resume"][:2] == [131_072, 65_536]
    assert https_peer.received[parcel.sender, parcel.bid] == LARGE


async def test_a_peer_that_never_moves_on_ends_the_attempt(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    # Every segment is said to have brought one byte: believed, it would be sent for ever.
    lie = http_answer(201, b"", extra="Upload-Offset: 1\r\n")
    await https_peer.start_script(answering(lie))
    outcome = await adapter.deliver(parcel_of(LARGE), https_peer.endpoint)
    assert outcome.verdict is Verdict.RETRY
    assert outcome.detail == "the peer took a segment and reports another offset"


async def test_a_peer_that_forgets_what_it_got_is_not_sent_it_for_ever(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    # Each try is cut, and each time a little more is said to have stayed: progress without end.
    kept = 0

    async def forgetful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal kept
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HEAD"):
            kept += 1
            writer.write(http_answer(200, b"", extra=f"Upload-Offset: {kept}\r\n"))
            await writer.drain()
            await reader.read(1)

    await https_peer.start_script(forgetful)
    outcome = await adapter.deliver(parcel_of(LARGE[:100_000]), https_peer.endpoint)
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "the peer keeps too little of what it gets")


async def test_a_redirect_is_not_followed(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    elsewhere = f"Location: {https_peer.endpoint.address}/gw/v1/bundles/xx-moj/{'0' * 32}\r\n"
    await https_peer.start_script(answering(http_answer(307, b"", extra=elsewhere)))
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "HTTP 307")
    assert https_peer.served.acceptor.calls == []


_FIVE_MIB = 5 * 1024 * 1024


@pytest.mark.parametrize(
    "script",
    [
        endless,
        answering(http_answer(201, b'{"receipts":[{"jws":"x"}]' + b" " * _FIVE_MIB + b"}")),
    ],
    ids=["without end", "announced"],
)
async def test_no_more_of_an_answer_is_read_than_the_limit(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, script: Script
) -> None:
    await https_peer.start_script(script)
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "answer too long")


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(200, LARGE, media="application/vnd.gw.bundle"),
        http_answer(206, LARGE, extra=f"Content-Range: bytes 0-{len(LARGE) - 1}/{len(LARGE)}\r\n"),
        http_answer(206, LARGE, extra="Content-Range: items 5-9/10\r\n"),
        http_answer(206, LARGE),
    ],
)
async def test_bytes_of_another_range_than_asked_for_never_reach_the_sink(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, answer: bytes
) -> None:
    async def sink(_chunk: bytes) -> None:
        raise AssertionError("these bytes belong elsewhere")

    await https_peer.start_script(answering(answer))
    reply = await adapter.fetch(https_peer.endpoint, "ab" * 16, offset=5, sink=sink)
    assert (reply.is_trouble, reply.offset) == (True, 5)


async def test_an_upload_of_an_older_envelope_is_begun_anew(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    seen: list[bytes] = []
    older = f'ETag: "{"0" * 64}"\r\nUpload-Offset: 65536\r\n'
    await https_peer.start_script(answering(http_answer(200, b"", extra=older), seen=seen))
    await adapter.deliver(parcel_of(LARGE), https_peer.endpoint)
    assert [line.split(b" ")[0] for line in seen[:2]] == [b"HEAD", b"PUT"]


async def test_a_busy_peer_is_asked_a_few_times_and_then_left(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    parcel = parcel_of(LARGE)
    await https_peer.served.acceptor.begin(
        caller="xx-moj", jti="", exp=https_peer.clock.now(), sender=parcel.sender, bid=parcel.bid
    )
    outcome = await adapter.deliver(parcel, https_peer.endpoint)
    assert (outcome.verdict, outcome.code, outcome.retry_after_s) == (Verdict.RETRY, "busy", 2.0)
    assert https_peer.received == {}


async def test_a_peer_that_opens_later_has_taken_the_bundle_but_not_consigned_it(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    https_peer.served.acceptor.relay = True
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    assert outcome.verdict is Verdict.DISPATCHED
    assert outcome.receipts == (receipt_for(b"sealed"),)


@pytest.mark.parametrize("code", sorted(CODES))
async def test_every_code_of_the_registry_becomes_what_the_table_says(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, code: str
) -> None:
    body = strictjson.dumps({"type": f"urn:gw:err:{code}", "detail": "x"})
    await https_peer.start_script(
        answering(http_answer(422, body, media=PROBLEM, extra="Retry-After: 7\r\n"))
    )
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    expected = Verdict.REFUSED if CODES[code].action is Action.PERSON else Verdict.RETRY
    assert (outcome.verdict, outcome.code, outcome.retry_after_s) == (expected, code, 7.0)
    assert outcome.receipts == ()


@pytest.mark.parametrize("code", ["x\x1b[31m", "x\n", "Two words", "x" * 33, ""])
async def test_what_is_no_code_is_handed_on_as_none(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, code: str
) -> None:
    body = strictjson.dumps({"type": f"urn:gw:err:{code}"})
    await https_peer.start_script(answering(http_answer(422, body, media=PROBLEM)))
    assert await adapter.probe(https_peer.endpoint, "a.b.c") == ProbeOutcome(is_sent=False)


async def test_a_refusal_hands_on_the_receipts_it_brings_to_be_verified(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    body = strictjson.dumps({"type": "urn:gw:err:form-invalid", "receipts": [{"jws": "fictional"}]})
    await https_peer.start_script(answering(http_answer(422, body, media=PROBLEM)))
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    assert outcome.verdict is Verdict.REFUSED
    assert outcome.receipts == ({"jws": "fictional"},)


async def test_receipts_are_pushed_and_pulled(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    body = {"receipts": [{"jws": "fictional"}], "problems": [], "checkpoint_update": None}
    reply = await adapter.post_receipts(https_peer.endpoint, strictjson.dumps(body))
    assert (reply.status, reply.body) == (200, {"cosignatures": []})
    assert https_peer.served.desk.taken == [("xx-moj", body)]
    parcel = parcel_of(b"sealed")
    await adapter.deliver(parcel, https_peer.endpoint)
    pulled = await adapter.get_receipts(https_peer.endpoint, parcel.sender, parcel.bid, after=0)
    assert pulled.body == {"receipts": [receipt_for(b"sealed")]}


async def test_notices_about_keys_are_passed_on(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    body = {"notices": ["a.b.c"]}
    reply = await adapter.post_notices(https_peer.endpoint, strictjson.dumps(body))
    assert (reply.status, reply.body) == (200, {"refused": [None]})
    assert https_peer.served.notices.taken == [("xx-moj", body)]


async def test_a_probe_is_answered_at_once_and_a_peer_that_is_away_is_an_outcome(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    outcome = await adapter.probe(https_peer.endpoint, "a.b.c")
    assert outcome == ProbeOutcome(answer="answer to a.b.c", is_sent=True)
    assert https_peer.served.probes.asked == [("xx-moj", "a.b.c")]
    https_peer.served.probes.refuse = "sig-revoked"
    assert await adapter.probe(https_peer.endpoint, "a.b.c") == ProbeOutcome(
        is_sent=False, code="sig-revoked"
    )
    await https_peer.served.stop()
    assert await adapter.probe(https_peer.endpoint, "a.b.c") == ProbeOutcome(is_sent=False)


async def test_what_waits_in_an_outbox_is_listed_and_fetched_across_a_cut(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    bid = "ab" * 16
    waiting = Waiting(LARGE, cut_after=300_000)
    https_peer.served.outbox.waiting["xx-moj", bid] = waiting
    listing = await adapter.get_outbox(https_peer.endpoint, after=0, wait_s=600)
    assert listing.body["items"] == [{"no": 1, "bid": bid, "size": len(LARGE)}]
    assert https_peer.served.outbox.asked == [("xx-moj", 0, 60.0)]
    got = bytearray()

    async def sink(chunk: bytes) -> None:
        got.extend(chunk)

    first = await adapter.fetch(https_peer.endpoint, bid, offset=0, sink=sink)
    assert first.is_trouble
    assert first.offset == len(got) < len(LARGE)
    rest = await adapter.fetch(https_peer.endpoint, bid, offset=len(got), sink=sink)
    assert (rest.ok, rest.offset, rest.length) == (True, len(LARGE), len(LARGE))
    assert rest.envelope_sha256 == waiting.envelope_sha256
    assert bytes(got) == LARGE


async def test_fetching_what_is_not_there_gives_the_code_and_touches_no_sink(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()

    async def sink(_chunk: bytes) -> None:
        raise AssertionError("nothing may arrive")

    reply = await adapter.fetch(https_peer.endpoint, "cd" * 16, offset=0, sink=sink)
    assert (reply.status, reply.code) == (404, "not-found")


async def test_hello_is_answered(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    hello = await adapter.hello(https_peer.endpoint)
    assert (hello.body["aid"], hello.body["versions"]) == ("yy-moj", [1])


class DiskGone(OSError):
    """Stands for a defect on our own side."""


@pytest.mark.parametrize("size", [1_000, 3_000_000])
async def test_a_source_of_ours_that_fails_is_raised_and_no_outcome(https_peer: HTTPSPeer, size: int) -> None:
    await https_peer.start()
    adapter = https_peer.adapter()

    async def broken(_offset: int) -> AsyncIterator[bytes]:
        yield bytes(500)
        raise DiskGone

    with pytest.raises(DiskGone):
        await adapter.deliver(replace(parcel_of(bytes(size)), read=broken), https_peer.endpoint)
    await adapter.aclose()
    assert https_peer.received == {}


@pytest.mark.parametrize("size", [1_000, 3_000_000])
async def test_a_container_shorter_than_its_parcel_says_is_our_defect(
    https_peer: HTTPSPeer, size: int
) -> None:
    await https_peer.start()
    adapter = https_peer.adapter()
    with pytest.raises(ValueError, match="shorter"):
        await adapter.deliver(replace(parcel_of(bytes(size)), size_bytes=size + 1), https_peer.endpoint)
    await adapter.aclose()
    assert https_peer.received == {}


async def test_a_sink_of_ours_that_fails_is_raised(https_peer: HTTPSPeer, adapter: HTTPSAdapter) -> None:
    await https_peer.start()
    https_peer.served.outbox.waiting["xx-moj", "ab" * 16] = Waiting(LARGE)

    async def full(_chunk: bytes) -> None:
        raise DiskGone

    with pytest.raises(DiskGone):
        await adapter.fetch(https_peer.endpoint, "ab" * 16, offset=0, sink=full)


async def test_connections_are_kept_and_lanes_do_not_share_them(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    relay = Relay(https_peer.served.port)
    await relay.start()
    endpoint = endpoint_of(https_peer.peer, relay.port)
    for n in range(5):
        await adapter.deliver(parcel_of(b"sealed %d" % n), endpoint)
    assert relay.connections == 1
    await adapter.deliver(parcel_of(b"sealed, urgent", urgent=True), endpoint)
    assert relay.connections == 2
    await relay.stop()


async def test_a_kept_connection_that_died_is_replaced_under_a_fresh_token(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    relay = Relay(https_peer.served.port)
    await relay.start()
    endpoint = endpoint_of(https_peer.peer, relay.port)
    first = await adapter.deliver(parcel_of(b"sealed 1"), endpoint)
    relay.cut_all()
    second = await adapter.deliver(parcel_of(b"sealed 2"), endpoint)
    await relay.stop()
    assert (first.verdict, second.verdict) == (Verdict.ACCEPTED, Verdict.ACCEPTED)
    tokens = https_peer.served.acceptor.tokens
    assert len(set(tokens)) == len(tokens) == 2


async def test_a_new_certificate_of_ours_is_used_from_the_next_connection_on(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    await adapter.deliver(parcel_of(b"sealed 1"), https_peer.endpoint)
    fresh = type(https_peer.own).make("xx-moj", https_peer.own.key_file.parent)
    fresh.signer = https_peer.own.signer
    https_peer.listing.drop_certificate(https_peer.own)
    https_peer.listing.add(fresh)
    https_peer.own.certificate, https_peer.own.key_file = fresh.certificate, fresh.key_file
    outcome = await adapter.deliver(parcel_of(b"sealed 2"), https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED


async def test_a_certificate_that_left_the_directory_is_refused_on_an_open_connection_and_on_a_new_one(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter
) -> None:
    await https_peer.start()
    await adapter.deliver(parcel_of(b"sealed 1"), https_peer.endpoint)
    https_peer.listing.drop_certificate(https_peer.own)
    kept = await adapter.deliver(parcel_of(b"sealed 2"), https_peer.endpoint)
    assert (kept.verdict, kept.code) == (Verdict.RETRY, "auth-invalid")
    other = https_peer.adapter()
    fresh = await other.deliver(parcel_of(b"sealed 2"), https_peer.endpoint)
    await other.aclose()
    assert (fresh.verdict, fresh.code) == (Verdict.RETRY, None)
    assert len(https_peer.received) == 1


async def test_an_explicit_proxy_is_used_with_tls_and_pins_end_to_end(https_peer: HTTPSPeer) -> None:
    await https_peer.start()
    proxy = Relay(https_peer.served.port, connect=True)
    await proxy.start()
    adapter = https_peer.adapter(proxy_url=f"http://127.0.0.1:{proxy.port}")
    outcome = await adapter.deliver(parcel_of(LARGE), https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED
    assert proxy.asked == [f"CONNECT localhost:{https_peer.served.port} HTTP/1.1"]
    # The proxy leads somewhere else: the name is right, the certificate is not the one pinned.
    wrong = replace(https_peer.endpoint, certificates=(https_peer.stranger.certificate,))
    outcome = await adapter.deliver(parcel_of(b"sealed"), wrong)
    assert outcome.verdict is Verdict.RETRY
    assert len(https_peer.received) == 1
    await adapter.aclose()
    await proxy.stop()


async def test_a_proxy_that_refuses_is_an_outcome(https_peer: HTTPSPeer) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    await https_peer.start()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        adapter = https_peer.adapter(proxy_url=f"http://127.0.0.1:{port}")
        outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
        await adapter.aclose()
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "the proxy refused the connection")


async def test_proxies_of_the_environment_are_ignored(
    https_peer: HTTPSPeer, adapter: HTTPSAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await https_peer.start()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    outcome = await adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint)
    assert outcome.verdict is Verdict.ACCEPTED


async def test_tls_below_1_3_is_not_spoken(https_peer: HTTPSPeer) -> None:
    await https_peer.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", https_peer.served.port, ssl=context)


async def test_closing_ends_an_attempt_under_way_as_an_outcome(https_peer: HTTPSPeer) -> None:
    await https_peer.start("slow")
    adapter = https_peer.adapter()
    attempt = asyncio.create_task(adapter.deliver(parcel_of(b"sealed"), https_peer.endpoint))
    await https_peer.served.acceptor.finishing.wait()
    await adapter.aclose()
    assert (await attempt).verdict is Verdict.RETRY
