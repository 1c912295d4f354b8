"""The routes between gateways: who may, what is refused, and that a refusal changed nothing."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from crypto import strictjson
from gateway.web.intake import PeerLimits
from tests.adapters.peers import Authority, Served, Waiting, receipt_for
from tests.gateway.web.wire import BID, BUNDLE, CONTAINER, PARTIAL, Line, call, token

SEALED = bytes(range(256)) * 16


def untouched(served: Served) -> bool:
    """Whether the accepting service was never asked for anything."""
    return served.acceptor.calls == [] and served.acceptor.whole == {} and served.desk.taken == []


async def test_a_put_is_answered_with_the_receipt_and_a_repeat_with_the_same(
    served: Served, caller: Authority
) -> None:
    first = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
    again = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
    assert (first.status, again.status) == (201, 200)
    assert strictjson.loads_object(first.body)["receipts"] == [receipt_for(SEALED)]
    assert first.body == again.body
    assert first.headers["content-type"] == "application/json"


async def test_answers_tell_nothing_about_the_software_and_are_not_cached(
    served: Served, caller: Authority
) -> None:
    for path in ("/gw/v1/hello", "/gw/v1/unknown"):
        got = await call(served, caller, "GET", path)
        assert got.headers["server"] == "gateway"
        assert got.headers["cache-control"] == "no-store"


async def test_head_tells_how_far_an_upload_is(served: Served, caller: Authority) -> None:
    served.acceptor.partial["xx-moj", BID] = SEALED[:1000]
    got = await call(served, caller, "HEAD", BUNDLE)
    assert (got.status, got.headers["upload-offset"], got.headers["upload-complete"]) == (200, "1000", "?0")
    served.acceptor.whole["xx-moj", BID] = SEALED
    got = await call(served, caller, "HEAD", BUNDLE)
    assert (got.headers["upload-length"], got.headers["upload-complete"]) == (str(len(SEALED)), "?1")


async def test_head_names_the_envelope_under_way(served: Served, caller: Authority) -> None:
    served.acceptor.partial["xx-moj", BID] = SEALED[:1000]
    served.acceptor.envelope = "0" * 64
    got = await call(served, caller, "HEAD", BUNDLE)
    assert got.headers["etag"] == f'"{"0" * 64}"'


async def test_a_wrong_offset_is_told_the_true_one(served: Served, caller: Authority) -> None:
    served.acceptor.partial["xx-moj", BID] = SEALED[:1000]
    got = await call(
        served, caller, "PATCH", BUNDLE, headers={**PARTIAL, "Upload-Offset": "7"}, body=b"x", offset=7
    )
    assert (got.status, got.code, got.headers["upload-offset"]) == (409, "offset", "1000")
    assert served.acceptor.partial["xx-moj", BID] == SEALED[:1000]


REFUSED = [
    ("gzip", "PUT", {**CONTAINER, "Content-Encoding": "gzip"}, 415, "malformed"),
    ("another media type", "PUT", {"Content-Type": "text/plain"}, 415, "malformed"),
    ("no media type", "PUT", {}, 415, "malformed"),
    ("strange flag", "PUT", {**CONTAINER, "Upload-Complete": "1"}, 400, "malformed"),
    ("no flag", "PATCH", {"Content-Type": PARTIAL["Content-Type"], "Upload-Offset": "0"}, 400, "malformed"),
    ("no offset", "PATCH", PARTIAL, 400, "malformed"),
    ("negative offset", "PATCH", {**PARTIAL, "Upload-Offset": "-1"}, 400, "malformed"),
    ("endless offset", "PATCH", {**PARTIAL, "Upload-Offset": "9" * 30}, 400, "malformed"),
    ("Arabic digits", "PATCH", {**PARTIAL, "Upload-Offset": "١"}, 400, "malformed"),
]


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_a_malformed_upload_is_refused_before_anything_is_asked(
    served: Served, caller: Authority, method: str, headers: dict[str, str], status: int, code: str
) -> None:
    got = await call(served, caller, method, BUNDLE, headers=headers, body=SEALED, offset=0)
    assert (got.status, got.code) == (status, code)
    assert untouched(served)


async def test_a_body_without_a_length_is_refused(served: Served, caller: Authority) -> None:
    line = await Line.open(served, caller)
    authorisation = token(served, caller, "PUT", BUNDLE, covers=(0, 5))
    line.send(
        "PUT",
        BUNDLE,
        {**authorisation, **CONTAINER, "Transfer-Encoding": "chunked"},
        b"5\r\nhello\r\n0\r\n\r\n",
    )
    got = await line.answer()
    line.close()
    assert (got.status, got.code) == (411, "malformed")
    assert untouched(served)


async def test_bytes_that_the_token_does_not_cover_are_refused(served: Served, caller: Authority) -> None:
    for covers in ((0, len(SEALED) - 1), (1, len(SEALED)), None):
        line = await Line.open(served, caller)
        authorisation = token(served, caller, "PUT", BUNDLE, covers=covers)
        line.send("PUT", BUNDLE, {**authorisation, **CONTAINER, "Content-Length": str(len(SEALED))}, SEALED)
        got = await line.answer()
        line.close()
        assert (got.status, got.code) == (401, "auth-invalid")
    assert untouched(served)


async def test_only_the_authority_in_the_path_may_send_or_ask(served: Served, other: Authority) -> None:
    put = await call(served, other, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
    patch = await call(
        served, other, "PATCH", BUNDLE, headers={**PARTIAL, "Upload-Offset": "0"}, body=SEALED, offset=0
    )
    head = await call(served, other, "HEAD", BUNDLE)
    assert [got.status for got in (put, patch, head)] == [401, 401, 401]
    assert put.code == patch.code == "auth-invalid"
    assert untouched(served)
    receipts = await call(served, other, "GET", f"{BUNDLE}/receipts?after=0")
    assert receipts.code == "auth-invalid"


async def test_a_token_of_one_authority_over_the_line_of_another_is_refused(
    served: Served, caller: Authority, other: Authority
) -> None:
    line = await Line.open(served, other)
    line.send("GET", "/gw/v1/hello", token(served, caller, "GET", "/gw/v1/hello"))
    got = await line.answer()
    line.close()
    assert (got.status, got.code) == (401, "auth-invalid")


@pytest.mark.parametrize(("minutes", "code"), [(-10, "clock"), (10, "clock"), (-2, None), (1, None)])
async def test_a_clock_ten_minutes_off_is_named_as_such(
    served: Served, caller: Authority, minutes: int, code: str | None
) -> None:
    made = token(served, caller, "GET", "/gw/v1/hello")
    served.clock.instant += timedelta(minutes=minutes)
    line = await Line.open(served, caller)
    line.send("GET", "/gw/v1/hello", made)
    got = await line.answer()
    line.close()
    assert got.status == 200 if code is None else got.code == code


async def test_a_token_for_another_query_is_refused(served: Served, caller: Authority) -> None:
    path = "/gw/v1/outbox?after=5&wait=0"
    got = await call(served, caller, "GET", path, token_for="/gw/v1/outbox?after=0&wait=0")
    assert got.code == "auth-invalid"
    assert served.outbox.asked == []


async def test_a_refused_bundle_names_the_code_and_nothing_from_inside(
    served: Served, caller: Authority
) -> None:
    served.acceptor.refuse = "sig-invalid"
    got = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
    assert (got.status, got.code) == (422, "sig-invalid")
    assert b"secret inside" not in got.body
    assert ("abort",) in served.acceptor.calls
    assert served.acceptor.whole == served.acceptor.partial == {}


async def test_a_defect_of_ours_is_unavailable_without_detail(served: Served, caller: Authority) -> None:
    async def broken(**_asked: object) -> None:
        raise RuntimeError("content that must not leave")

    served.acceptor.begin = broken  # type: ignore[assignment, method-assign]
    got = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
    assert (got.status, got.code) == (500, "unavailable")
    assert set(strictjson.loads_object(got.body)) == {"type", "title", "status"}


class TestSmallLimits:
    """Bounds, with small numbers."""

    @pytest.fixture
    def limits(self) -> PeerLimits:
        return PeerLimits(
            max_bundle_bytes=10_000,
            max_json_bytes=100,
            idle_s=0.05,
            lingering_s=0.05,
            routine_total=2,
            hellos_per_minute=2,
            polls_per_peer=1,
        )

    async def test_more_than_the_largest_bundle_is_refused_before_its_bytes(
        self, served: Served, caller: Authority
    ) -> None:
        for offset, size in ((0, 10_001), (9_999, 2)):
            method = "PATCH" if offset else "PUT"
            headers = {**PARTIAL, "Upload-Offset": str(offset)} if offset else CONTAINER
            got = await call(served, caller, method, BUNDLE, headers=headers, body=bytes(size), offset=offset)
            assert (got.status, got.code) == (413, "too-large")
        assert untouched(served)

    async def test_a_body_that_stops_is_suspended_where_it_stands(
        self, served: Served, caller: Authority
    ) -> None:
        line = await Line.open(served, caller)
        authorisation = token(served, caller, "PUT", BUNDLE, covers=(0, 5_000))
        line.send("PUT", BUNDLE, {**authorisation, **CONTAINER, "Content-Length": "5000"}, SEALED[:3000])
        got = await line.answer()
        assert (got.status, got.code) == (400, "incomplete")
        assert await line.is_closed_by_peer()
        line.close()
        assert served.acceptor.partial["xx-moj", BID] == SEALED[:3000]
        assert served.acceptor.whole == {}

    async def test_slow_uploads_fill_the_routine_places_and_an_urgent_bundle_still_passes(
        self, served: Served, caller: Authority, other: Authority
    ) -> None:
        lines = []
        for n in range(2):
            path = f"/gw/v1/bundles/zz-moj/{n:032x}"
            line = await Line.open(served, other)
            authorisation = token(served, other, "PUT", path, covers=(0, 5_000))
            line.send("PUT", path, {**authorisation, **CONTAINER, "Content-Length": "5000"}, b"drip")
            lines.append(line)
        await served.acceptor.begun(2)
        turned_away = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
        assert (turned_away.status, turned_away.code) == (429, "rate")
        assert turned_away.headers["retry-after"] == "5"
        urgent = await call(
            served, caller, "PUT", BUNDLE, headers={**CONTAINER, "Priority": "u=1"}, body=SEALED, offset=0
        )
        assert urgent.status == 201
        # The slow ones end by themselves and free their places.
        assert [(await line.answer()).code for line in lines] == ["incomplete", "incomplete"]
        routine = await call(served, caller, "PUT", BUNDLE, headers=CONTAINER, body=SEALED, offset=0)
        assert routine.status == 200
        for line in lines:
            line.close()

    async def test_hello_is_limited_per_peer_and_minute(
        self, served: Served, caller: Authority, other: Authority
    ) -> None:
        statuses = [(await call(served, caller, "GET", "/gw/v1/hello")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await call(served, other, "GET", "/gw/v1/hello")).status == 200
        served.clock.instant += timedelta(minutes=1)
        assert (await call(served, caller, "GET", "/gw/v1/hello")).status == 200

    async def test_probes_count_like_hellos(self, served: Served, caller: Authority) -> None:
        assert (await call(served, caller, "GET", "/gw/v1/hello")).status == 200
        statuses = [
            (
                await call(
                    served,
                    caller,
                    "POST",
                    "/gw/v1/probes",
                    headers=JSON_HEADERS,
                    body=b'{"question":"a.b.c"}',
                )
            ).status
            for _ in range(2)
        ]
        assert statuses == [200, 429]
        assert served.probes.asked == [("xx-moj", "a.b.c")]

    async def test_a_peer_has_so_many_long_polls(self, served: Served, caller: Authority) -> None:
        served.outbox.hold = asyncio.Event()
        path = "/gw/v1/outbox?after=0&wait=60"
        line = await Line.open(served, caller)
        line.send("GET", path, token(served, caller, "GET", path))
        await served.outbox.polled.wait()
        second = await call(served, caller, "GET", path)
        assert second.code == "rate"
        served.outbox.hold.set()
        assert (await line.answer()).status == 200
        line.close()

    async def test_a_json_body_beyond_the_limit_is_refused(self, served: Served, caller: Authority) -> None:
        got = await call(
            served,
            caller,
            "POST",
            "/gw/v1/receipts",
            headers={"Content-Type": "application/json"},
            body=b'{"receipts":[' + b" " * 100 + b"]}",
        )
        assert (got.status, got.code) == (413, "too-large")
        assert untouched(served)


JSON_HEADERS = {"Content-Type": "application/json"}


async def test_receipts_are_taken_when_token_and_body_agree(served: Served, caller: Authority) -> None:
    body = b'{"receipts":[],"problems":[],"checkpoint_update":null}'
    got = await call(served, caller, "POST", "/gw/v1/receipts", headers=JSON_HEADERS, body=body)
    assert (got.status, got.body) == (200, b'{"cosignatures":[]}')
    assert served.desk.taken == [("xx-moj", strictjson.loads_object(body))]


@pytest.mark.parametrize("body", [b"{}", b'{"question":7}', b'{"question":null}'])
async def test_a_probe_without_a_question_is_malformed(
    served: Served, caller: Authority, body: bytes
) -> None:
    got = await call(served, caller, "POST", "/gw/v1/probes", headers=JSON_HEADERS, body=body)
    assert (got.status, got.code) == (400, "malformed")
    assert served.probes.asked == []


async def test_notices_are_handed_over_as_they_came_whoever_brings_them(
    served: Served, caller: Authority
) -> None:
    body = b'{"notices":["a.b.c"]}'
    got = await call(served, caller, "POST", "/gw/v1/revocations", headers=JSON_HEADERS, body=body)
    assert (got.status, got.body) == (200, b'{"refused":[null]}')
    assert served.notices.taken == [("xx-moj", strictjson.loads_object(body))]


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Content-Type": "text/plain"}, b"{}", "malformed"),
        (JSON_HEADERS, b'{"notices":["a"],"notices":[]}', "malformed"),
        (JSON_HEADERS, b"[]", "malformed"),
    ],
)
async def test_a_body_of_notices_of_another_form_is_refused(
    served: Served, caller: Authority, headers: dict[str, str], body: bytes, code: str
) -> None:
    got = await call(served, caller, "POST", "/gw/v1/revocations", headers=headers, body=body)
    assert got.code == code
    assert served.notices.taken == []


async def test_notices_that_the_token_does_not_cover_are_refused(served: Served, caller: Authority) -> None:
    line = await Line.open(served, caller)
    authorisation = token(served, caller, "POST", "/gw/v1/revocations", body=b'{"notices":[]}')
    line.send("POST", "/gw/v1/revocations", {**authorisation, **JSON_HEADERS, "Content-Length": "2"}, b"{}")
    got = await line.answer()
    line.close()
    assert (got.status, got.code) == (401, "auth-invalid")
    assert served.notices.taken == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1.5}', b"[" * 100_000, b'{"a":"\\ud800"}', b"\xff"],
)
async def test_json_that_is_not_strict_is_malformed(served: Served, caller: Authority, body: bytes) -> None:
    got = await call(served, caller, "POST", "/gw/v1/receipts", headers=JSON_HEADERS, body=body)
    assert (got.status, got.code) == (400, "malformed")
    assert untouched(served)


async def test_a_body_other_than_the_one_signed_is_refused(served: Served, caller: Authority) -> None:
    line = await Line.open(served, caller)
    authorisation = token(served, caller, "POST", "/gw/v1/receipts", body=b'{"receipts":[]}')
    line.send("POST", "/gw/v1/receipts", {**authorisation, **JSON_HEADERS, "Content-Length": "2"}, b"{}")
    got = await line.answer()
    line.close()
    assert (got.status, got.code) == (401, "auth-invalid")
    assert untouched(served)


async def test_the_outbox_shows_each_authority_its_own(
    served: Served, caller: Authority, other: Authority
) -> None:
    served.outbox.waiting["xx-moj", BID] = Waiting(SEALED)
    own = await call(served, caller, "GET", "/gw/v1/outbox?after=0")
    foreign = await call(served, other, "GET", f"/gw/v1/outbox/{BID}")
    assert strictjson.loads_object(own.body)["items"] == [{"no": 1, "bid": BID, "size": len(SEALED)}]
    assert foreign.code == "not-found"


async def test_a_container_is_fetched_whole_or_from_an_offset(served: Served, caller: Authority) -> None:
    served.outbox.waiting["xx-moj", BID] = Waiting(SEALED)
    path = f"/gw/v1/outbox/{BID}"
    whole = await call(served, caller, "GET", path)
    assert (whole.status, whole.body) == (200, SEALED)
    assert whole.headers["etag"] == f'"{hashlib.sha256(SEALED).hexdigest()}"'
    rest = await call(served, caller, "GET", path, headers={"Range": "bytes=4000-"})
    assert (rest.status, rest.body) == (206, SEALED[4000:])
    assert rest.headers["content-range"] == f"bytes 4000-{len(SEALED) - 1}/{len(SEALED)}"


@pytest.mark.parametrize("span", ["bytes=4096-", "bytes=0-5", "bytes=-5", "lines=0-", "bytes=0-,9-"])
async def test_a_range_that_is_not_served_is_416(served: Served, caller: Authority, span: str) -> None:
    served.outbox.waiting["xx-moj", BID] = Waiting(SEALED)
    got = await call(served, caller, "GET", f"/gw/v1/outbox/{BID}", headers={"Range": span})
    assert got.status == 416


async def test_a_download_that_fails_midway_ends_in_a_cut_and_never_looks_whole(
    served: Served, caller: Authority
) -> None:
    served.outbox.waiting["xx-moj", BID] = Waiting(SEALED, cut_after=2000)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await call(served, caller, "GET", f"/gw/v1/outbox/{BID}")


async def test_log_tiles_and_the_checkpoint_are_for_peers(served: Served, caller: Authority) -> None:
    assert (await call(served, caller, "GET", "/gw/v1/log/checkpoint")).body == b"yy-moj/log\n1\nAAAA\n"
    tile = await call(served, caller, "GET", "/gw/v1/log/tile/0/x001/x234/067.p/3")
    assert (tile.status, len(tile.body)) == (200, 96)
    for path in ("0/x001/x234/068", "8/000", "0/000.p/257", "0/000.p/0", "0/1", "0/x/000", "0/../000"):
        got = await call(served, caller, "GET", f"/gw/v1/log/tile/{path}")
        assert got.status == 404, path
    line = await Line.open(served, caller)
    line.send("GET", "/gw/v1/log/checkpoint", {})
    assert (await line.answer()).code == "auth-invalid"
    line.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", BUNDLE, 405),
        ("POST", BUNDLE, 405),
        ("GET", "/gw/v1/witness/add-checkpoint", 404),
        ("GET", "/", 404),
        ("PUT", "/gw/v1/bundles/xx-moj/" + "AB" * 16, 404),
        ("PUT", "/gw/v1/bundles/XX-moj/" + BID, 404),
        ("PUT", "/gw/v1/bundles/../" + BID, 404),
    ],
)
async def test_what_is_no_route_is_a_problem_too(
    served: Served, caller: Authority, method: str, path: str, status: int
) -> None:
    got = await call(served, caller, method, path)
    assert got.status == status
    assert got.code in ("not-found", "malformed")
    assert untouched(served)
