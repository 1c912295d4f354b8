"""Several bundles in one request: what is refused whole, and that each is judged by itself."""

import asyncio

import pytest

from crypto import strictjson
from gateway.web.batch import MOST_BUNDLES, MOST_BYTES
from gateway.web.intake import PeerLimits, Turns
from tests.adapters.peers import Authority, Served, receipt_for
from tests.gateway.web.wire import Got, Line, call, token

BIDS = [f"{n:032x}" for n in range(1, 4)]
SEALED = [b"first sealed", b"second", b"and the third"]
BATCH = {"Content-Type": "application/vnd.gw.bundles"}


def path_of(rows: list[tuple[str, int]]) -> str:
    return "/gw/v1/bundles?each=" + ",".join(f"{bid}.{size}" for bid, size in rows)


ROWS = [(bid, len(sealed)) for bid, sealed in zip(BIDS, SEALED, strict=True)]
WHOLE = b"".join(SEALED)


def answers(got: Got) -> list[dict[str, object]]:
    assert got.status == 200, got
    rows = strictjson.loads_object(got.body)["answers"]
    assert isinstance(rows, list)
    return [row for row in rows if isinstance(row, dict)]


def untouched(served: Served) -> bool:
    return served.acceptor.calls == [] and served.acceptor.whole == {}


async def send(served: Served, caller: Authority) -> Got:
    return await call(served, caller, "POST", path_of(ROWS), headers=BATCH, body=WHOLE, offset=0)


async def test_each_bundle_is_answered_in_order_as_if_it_had_come_alone(
    served: Served, caller: Authority
) -> None:
    first = answers(await send(served, caller))
    again = answers(await send(served, caller))
    assert [row["status"] for row in first] == [201, 201, 201]
    assert [row["status"] for row in again] == [200, 200, 200]
    expected = [
        {"receipts": [receipt_for(sealed)], "problems": [], "checkpoint_update": None} for sealed in SEALED
    ]
    assert [row["body"] for row in first] == [row["body"] for row in again] == expected
    assert served.acceptor.whole == {
        ("xx-moj", bid): sealed for bid, sealed in zip(BIDS, SEALED, strict=True)
    }


async def test_each_bundle_has_a_replay_key_that_follows_from_token_and_place(
    served: Served, caller: Authority
) -> None:
    path = path_of(ROWS)
    authorisation = token(served, caller, "POST", path, covers=(0, len(WHOLE)))
    for _ in range(2):
        line = await Line.open(served, caller)
        line.send("POST", path, {**authorisation, **BATCH, "Content-Length": str(len(WHOLE))}, WHOLE)
        answers(await line.answer())
        line.close()
    used = served.acceptor.tokens
    assert used[:3] == used[3:]
    assert len(set(used)) == 3
    assert {len(key) for key in used} == {22}
    answers(await send(served, caller))
    assert not set(used[6:]) & set(used[:6])


async def test_a_problem_is_one_bundles_and_says_when_to_come_back(served: Served, caller: Authority) -> None:
    await served.acceptor.begin(
        caller="xx-moj", jti="j", exp=served.clock.now(), sender="xx-moj", bid=BIDS[1]
    )
    rows = answers(await send(served, caller))
    assert [row["status"] for row in rows] == [201, 423, 201]
    assert [row["retry_after"] for row in rows] == [None, 2, None]
    problem = rows[1]["body"]
    assert isinstance(problem, dict)
    assert (problem["type"], problem["status"]) == ("urn:gw:err:busy", 423)
    assert ("xx-moj", BIDS[1]) not in served.acceptor.whole


async def test_a_refused_bundle_is_dropped_and_names_nothing_from_inside(
    served: Served, caller: Authority
) -> None:
    served.acceptor.refuse = "part-digest"
    got = await send(served, caller)
    assert [row["status"] for row in answers(got)] == [422, 422, 422]
    assert b"secret inside" not in got.body
    assert served.acceptor.calls.count(("abort",)) == 3


async def test_a_defect_of_ours_is_unavailable_without_detail(
    served: Served, caller: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(**_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(served.acceptor, "begin", broken)
    got = await send(served, caller)
    rows = answers(got)
    assert [row["status"] for row in rows] == [500, 500, 500]
    assert b"secret inside" not in got.body
    assert rows[0]["body"] == {"type": "urn:gw:err:unavailable", "title": "unavailable", "status": 500}


TOO_MANY = [(f"{n:032x}", 1) for n in range(1, MOST_BUNDLES + 2)]
REFUSED: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("no query", "/gw/v1/bundles", WHOLE, BATCH, 400, "malformed"),
    ("an empty query", "/gw/v1/bundles?each=", WHOLE, BATCH, 400, "malformed"),
    ("a size of nothing", path_of([(BIDS[0], 0)]), b"", BATCH, 400, "malformed"),
    ("a leading nought", f"/gw/v1/bundles?each={BIDS[0]}.012", bytes(12), BATCH, 400, "malformed"),
    ("a size of eight digits", path_of([(BIDS[0], 10**7)]), WHOLE, BATCH, 400, "malformed"),
    ("an identifier too short", path_of([("ab", len(WHOLE))]), WHOLE, BATCH, 400, "malformed"),
    ("an identifier twice", path_of([(BIDS[0], 1), (BIDS[0], 1)]), b"xy", BATCH, 400, "malformed"),
    ("sizes that are less", path_of(ROWS), WHOLE + b"x", BATCH, 400, "malformed"),
    ("sizes that are more", path_of(ROWS), WHOLE[:-1], BATCH, 400, "malformed"),
    ("too many", path_of(TOO_MANY), bytes(len(TOO_MANY)), BATCH, 400, "malformed"),
    ("too much", path_of([(BIDS[0], MOST_BYTES + 1)]), bytes(MOST_BYTES + 1), BATCH, 413, "too-large"),
    ("another media type", path_of(ROWS), WHOLE, {"Content-Type": "text/plain"}, 415, "malformed"),
    ("a content coding", path_of(ROWS), WHOLE, {**BATCH, "Content-Encoding": "gzip"}, 415, "malformed"),
]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
async def test_a_malformed_batch_is_refused_before_any_bundle_is_looked_at(
    served: Served,
    caller: Authority,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    got = await call(served, caller, "POST", path, headers=headers, body=body, offset=0)
    assert (got.status, got.code) == (status, code)
    assert untouched(served)


async def test_the_token_covers_which_bundles_they_are(served: Served, caller: Authority) -> None:
    others = path_of([(f"{n:032x}", size) for n, (_, size) in enumerate(ROWS, 7)])
    for path, offset in ((others, 0), (path_of(ROWS), 1)):
        got = await call(
            served,
            caller,
            "POST",
            path_of(ROWS),
            headers=BATCH,
            body=WHOLE,
            offset=offset,
            token_for=path,
        )
        assert (got.status, got.code) == (401, "auth-invalid")
    assert untouched(served)


class TestPlaces:
    @pytest.fixture
    def limits(self) -> PeerLimits:
        return PeerLimits(routine_total=4, routine_per_peer=3, idle_s=0.2)

    async def test_a_batch_takes_a_place_for_each_bundle(
        self, served: Served, caller: Authority, other: Authority
    ) -> None:
        line = await Line.open(served, other)
        rows = [(bid, 1_000) for bid in BIDS[:2]]
        authorisation = token(served, other, "POST", path_of(rows), covers=(0, 2_000))
        line.send("POST", path_of(rows), {**authorisation, **BATCH, "Content-Length": "2000"}, b"drip")
        got = await send(served, caller)
        while got.status == 200:
            got = await send(served, caller)
        assert (got.status, got.code) == (429, "rate")
        # The slow one ends by itself, nothing of it is kept, and its places are free again.
        assert (await line.answer()).code == "incomplete"
        line.close()
        assert all(sender == "xx-moj" for sender, _ in served.acceptor.whole)
        assert (await send(served, caller)).status == 200

    async def test_more_than_a_peer_may_have_at_once_is_refused(
        self, served: Served, caller: Authority
    ) -> None:
        rows = [(f"{n:032x}", 1) for n in range(4)]
        got = await call(served, caller, "POST", path_of(rows), headers=BATCH, body=b"abcd", offset=0)
        assert (got.status, got.code) == (429, "rate")
        assert untouched(served)


class TestTurns:
    @pytest.fixture
    def limits(self, request: pytest.FixtureRequest) -> PeerLimits:
        return PeerLimits(batches_in_turn=getattr(request, "param", True))

    async def two_of(self, served: Served, caller: Authority, size: int) -> list["asyncio.Task[Got]"]:
        """Send two batches of three; the first is in the midst of being stored."""
        served.acceptor.hold = asyncio.Event()
        first = asyncio.create_task(send(served, caller))
        await served.acceptor.begun(3)
        rows = [(f"{n:032x}", size) for n in range(7, 10)]
        body = bytes(3 * size)
        second = call(served, caller, "POST", path_of(rows), headers=BATCH, body=body, offset=0)
        return [first, asyncio.create_task(second)]

    async def all_taken_in(self, served: Served, sent: list["asyncio.Task[Got]"]) -> bool:
        assert served.acceptor.hold is not None
        served.acceptor.hold.set()
        return all(row["status"] == 201 for got in await asyncio.gather(*sent) for row in answers(got))

    async def test_a_batch_waits_for_the_one_before_it(self, served: Served, caller: Authority) -> None:
        sent = await self.two_of(served, caller, 1)
        await asyncio.sleep(0.1)
        assert len(served.acceptor.calls) == 3
        assert await self.all_taken_in(served, sent)
        assert len(served.acceptor.calls) == 6

    @pytest.mark.parametrize("limits", [False], indirect=True)
    async def test_without_turns_batches_are_looked_at_side_by_side(
        self, served: Served, caller: Authority
    ) -> None:
        sent = await self.two_of(served, caller, 1)
        await served.acceptor.begun(6)
        assert await self.all_taken_in(served, sent)

    async def test_a_batch_with_a_bundle_that_is_not_small_waits_for_none(
        self, served: Served, caller: Authority
    ) -> None:
        sent = await self.two_of(served, caller, 32 * 1024 + 1)
        await served.acceptor.begun(6)
        assert await self.all_taken_in(served, sent)

    async def test_a_peer_that_brings_many_lets_the_next_one_go_first(self) -> None:
        turns, order = Turns(), []

        async def come(aid: str, name: str) -> None:
            async with turns.taken_by(aid):
                await asyncio.sleep(0)
                order.append(name)

        many = [come("xx-moj", f"x{n}") for n in range(3)]
        await asyncio.gather(*many, come("yy-moj", "y0"))
        assert order == ["x0", "y0", "x1", "x2"]
