"""Chains of receipts: what push lost is pulled, and an issuer that contradicts itself is found out."""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select
from structlog.testing import capture_logs

from adapters.replies import Reply
from crypto.receipts import receipt_digest
from gateway.errors import GatewayRefusal
from gateway.services.delivery import gaps
from gateway.services.delivery.gaps import GIVEN
from gateway.storage import audit, peers, transmissions
from gateway.storage.receipts import receipts_of
from gateway.storage.schema import receipt_gap
from tests.hostile import Members, receipt_from, unchanged
from tests.lostreceipts import lose_relays, said
from tests.sampledata import sample
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG, NG = "ke-ag", "sg-agc", "ng-fmj"
AWHILE = timedelta(seconds=11)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG, NG) as made:
        yield made


async def a_transmission(world: World, sender: str = KE) -> Members:
    """Submit a request that does not leave, and return what a receipt about it must name."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    sent = await world.submit(sender, form, documents)
    return names_of((await world[sender].cases.receipts(sent.bid))[0].jws)


def names_of(submission: str) -> Members:
    """Return what a receipt about a bundle must name, from its sender's own."""
    claims = said(submission)
    return {"sender": claims["from"], **{name: claims[name] for name in ("bid", "envelope", "manifest")}}


def three(world: World, about: Members) -> list[str]:
    """Return an honest chain: relay, consignment, handover."""
    relay = receipt_from(world[SG], type="relay", **{**about, "manifest": None})
    consignment = receipt_from(world[SG], n=2, prev=receipt_digest(relay), **about)
    handover = receipt_from(world[SG], type="handover", n=3, prev=receipt_digest(consignment), **about)
    return [relay, consignment, handover]


async def post(world: World, *jws: str) -> None:
    await world[KE].receipt_desk.take(
        caller=SG, jti=None, exp=None, body={"receipts": [{"jws": one} for one in jws]}
    )


async def state_of(world: World, about: Members) -> str:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, about["bid"], SG))
    assert row is not None
    return row.state


async def gap_of(world: World, about: Members, aid: str = KE) -> Any:
    """Return the row of a bundle's gap, ``None`` if there is none."""
    statement = select(receipt_gap).where(receipt_gap.c.bid == about["bid"])
    return await world[aid].database.read(lambda c: c.execute(statement).one_or_none())


async def numbers(world: World, about: Members) -> list[int]:
    rows = await world[KE].database.read(lambda c: receipts_of(c, KE, about["bid"]))
    return sorted(row.n for row in rows if not row.own)


async def refused(world: World, about: Members) -> list[str]:
    """Return the codes under which receipts of a bundle were entered as refused."""
    rows = await world[KE].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    return [b["code"] for b in bodies if b["ev"] == "receipt.refused" and b["bid"] == about["bid"]]


async def tasks(world: World, about: Members, aid: str = KE) -> list[str]:
    return [task.code for task in (await world[aid].cases.status(about["bid"])).tasks]


def answering(world: World, patch: pytest.MonkeyPatch, about: Members, body: Any) -> list[int]:
    """Let the issuer answer this to every pull of a bundle; return the numbers it is asked after."""
    asked: list[int] = []

    async def get(_: Any, sender: str, bid: str, *, after: int, urgent: bool = False) -> Reply:
        assert (sender, urgent) == (KE, False)
        if bid != about["bid"]:
            return Reply(status=0)
        asked.append(after)
        return body if isinstance(body, Reply) else Reply(status=200, body=body)

    patch.setattr(world[KE].adapter, "get_receipts", get)
    return asked


async def pull_all(world: World) -> None:
    """Pull until nothing is due, also what other tests left."""
    while await world[KE].gaps.pull_due():
        pass


# --- gaps ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_relay_receipt_that_was_lost_is_pulled_and_the_chain_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    lose_relays(monkeypatch)
    async with World.create(tmp_path, KE, SG) as world:
        world.faults[KE] = Faults(lose_answer=1)
        form, documents = sample_request(1)
        about = {"bid": (await world.submit(KE, form, documents)).bid}
        await world.run()
        assert await state_of(world, about) == "CONSIGNED"
        assert await numbers(world, about) == [2]
        gap = await gap_of(world, about)
        assert (gap.state, gap.lane, gap.iss) == ("open", "routine", SG)
        assert gap.next_action_at > world.clock.now()
        if is_killed:
            await world.crash(KE)
            assert await numbers(world, about) == [2]
        world.advance(AWHILE)
        await world.run()
        shown = await world[KE].cases.receipts(about["bid"])
        assert sorted(row.type for row in shown if row.iss == SG) == ["consignment", "relay"]
        assert await numbers(world, about) == [1, 2]
        assert await gap_of(world, about) is None
        assert (await refused(world, about), await tasks(world, about)) == ([], [])
        await world.check()


async def test_a_receipt_that_skips_a_number_counts_and_its_gap_gets_a_clock(world: World) -> None:
    about = await a_transmission(world)
    _, consignment, handover = three(world, about)
    await post(world, consignment)
    assert await state_of(world, about) == "CONSIGNED"
    gap = await gap_of(world, about)
    assert world.clock.now() < gap.next_action_at < world.clock.now() + timedelta(minutes=1)
    await post(world, handover)
    await post(world, consignment, handover)
    assert await gap_of(world, about) == gap
    assert await refused(world, about) == []


async def test_whatever_order_a_chain_comes_in_it_is_whole_in_the_end(world: World) -> None:
    for order in itertools.permutations(range(3)):
        about = await a_transmission(world)
        chain = three(world, about)
        for n in order:
            await post(world, chain[n])
            held = {number + 1 for number in order[: order.index(n) + 1]}
            is_whole = held == set(range(1, max(held) + 1))
            assert (await gap_of(world, about) is None) is is_whole, (order, n)
        assert await refused(world, about) == [], order


async def test_a_gap_and_what_fills_it_may_come_in_one_body(world: World) -> None:
    about = await a_transmission(world)
    await post(world, *reversed(three(world, about)))
    assert await gap_of(world, about) is None
    assert await numbers(world, about) == [1, 2, 3]


async def test_an_exchange_without_a_gap_asks_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.services.delivery import chain

    for name in ("_end_if_whole", "note_gap", "numbers_of", "tell_of_chain", "log_receipt"):
        monkeypatch.setattr(chain, name, None)
    about = await a_transmission(world)
    for one in three(world, about):
        await post(world, one)
    assert await state_of(world, about) == "HANDED_OVER"


async def test_the_answer_to_a_bundle_may_hold_a_whole_chain_and_one_receipt_twice(world: World) -> None:
    from gateway.services.proofs.evidence import check_receipt

    about = await a_transmission(world)
    relay, consignment, _ = three(world, about)
    now = world.clock.now()
    checked = [
        check_receipt({"jws": one}, world[KE].directory, now)
        for one in (consignment, relay, consignment, relay)
    ]
    key = (KE, about["bid"], SG)
    await world[KE].database.write(lambda tx: world[KE]._book.file_receipts(tx, key, checked, now))
    assert await numbers(world, about) == [1, 2]
    assert (await gap_of(world, about), await refused(world, about)) == (None, [])


async def test_only_what_is_missing_is_asked_for_and_later_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    chain = three(world, about)
    await post(world, chain[0], chain[2])
    asked = answering(world, monkeypatch, about, {"receipts": []})
    waits = []
    for _ in range(4):
        gap = await gap_of(world, about)
        waits.append(gap.next_action_at - world.clock.now())
        world.clock.at = gap.next_action_at
        await world[KE].gaps.pull_due()
    assert asked == [1, 1, 1, 1]
    assert all(later > sooner for sooner, later in itertools.pairwise(waits[1:]))
    answering(world, monkeypatch, about, {"receipts": [{"jws": chain[1]}]})
    world.clock.at = (await gap_of(world, about)).next_action_at
    await world[KE].gaps.pull_due()
    assert (await gap_of(world, about), await numbers(world, about)) == (None, [1, 2, 3])


async def test_a_gap_that_stays_is_a_persons_after_a_fortnight_and_ends_when_the_receipt_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    relay, consignment, _ = three(world, about)
    await post(world, consignment)
    asked = answering(world, monkeypatch, about, {"receipts": [{"jws": consignment}]})
    began = world.clock.now()
    for _ in range(120):
        gap = await gap_of(world, about)
        if gap.state != "open":
            break
        assert await tasks(world, about) == []
        world.clock.at = max(gap.next_action_at, world.clock.at)
        await world[KE].gaps.pull_due()
    assert GIVEN <= world.clock.now() - began < GIVEN + timedelta(hours=7)
    assert (await tasks(world, about), gap.next_action_at) == (["receipt-missing"], None)
    world.advance(timedelta(days=30))
    before = len(asked)
    await world[KE].gaps.pull_due()
    assert len(asked) == before

    await post(world, relay)
    assert (await gap_of(world, about), await tasks(world, about)) == (None, [])


async def test_what_the_last_pull_brings_is_no_persons_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    relay, consignment, _ = three(world, about)
    await post(world, consignment)
    answering(world, monkeypatch, about, {"receipts": [{"jws": relay}]})
    world.advance(GIVEN)
    await world[KE].gaps.pull_due()
    assert (await gap_of(world, about), await tasks(world, about)) == (None, [])


async def test_who_acts_in_the_case_has_seen_what_contradicts(world: World) -> None:
    about = await a_transmission(world)
    relay, _, _ = three(world, about)
    await post(world, relay, contradictions(world, about)["the same number"][1])
    assert await tasks(world, about) == ["receipt-contradicted"]
    case = await world[KE].cases.status(about["bid"])
    form = sample("messages/11_withdrawal_en.json")
    form |= {"message_id": f"{KE}/{secrets.token_hex(16)}", "seq": 2, "seen": 0, "in_reply_to": None}
    form["thread"] |= {"thread_id": case.thread_id}
    await world[KE].acts.send(form, officer="op-17")
    assert await tasks(world, about) == []


async def test_an_issuer_that_only_calls_out_is_not_asked(tmp_path: Path) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"]) as world:
        eg, tn = world["eg-ppo"], world["tn-mj"]
        form, documents = sample_request(5)
        about = {"bid": (await world.submit("eg-ppo", form, documents)).bid}
        names = names_of((await eg.cases.receipts(about["bid"]))[0].jws)
        relay = receipt_from(tn, type="relay", **{**names, "manifest": None})
        consignment = receipt_from(tn, n=2, prev=receipt_digest(relay), **names)
        call: dict[str, Any] = {"caller": "tn-mj", "jti": None, "exp": None}
        await eg.receipt_desk.take(**call, body={"receipts": [{"jws": consignment}]})

        async def never(*_: Any, **__: Any) -> Reply:
            raise AssertionError("it was called")

        eg.adapter.get_receipts = never  # type: ignore[method-assign]
        world.advance(AWHILE)
        assert await eg.gaps.pull_due() == 1
        gap = await gap_of(world, about, "eg-ppo")
        assert gap.next_action_at - world.clock.now() >= timedelta(hours=12)
        await eg.receipt_desk.take(**call, body={"receipts": [{"jws": relay}]})
        assert await gap_of(world, about, "eg-ppo") is None


# --- hostile answers ------------------------------------------------------------------------------


async def hostile(world: World, about: Members, other: Members, kind: str) -> Any:
    """Return an answer in which nothing belongs to the bundle that was asked about."""
    elsewhere = receipt_from(world[SG], **other)
    if kind == "another bundle":
        return {"receipts": [{"jws": elsewhere}]}
    if kind == "another issuer":
        return {"receipts": [{"jws": receipt_from(world[NG], **about)}]}
    if kind == "a thousand":
        return {"receipts": [{"jws": three(world, about)[0]}, *[{"jws": elsewhere}] * 999]}
    if kind == "problems":
        envelope = {"envelope": other["envelope"], "code": "policy"}
        return {"receipts": [], "problems": [{"from": KE, "bid": other["bid"], **envelope}]}
    return {
        "no list": {"receipts": {"jws": elsewhere}},
        "rubbish": {"receipts": [1, None, {}, {"jws": 1}, {"jws": "a.b.c"}, {"jws": "é"}, []]},
        "nothing": {},
        "an error": Reply(status=422, code="auth-invalid"),
        "no answer": Reply(status=0),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "another bundle",
        "another issuer",
        "a thousand",
        "problems",
        "no list",
        "rubbish",
        "nothing",
        "an error",
        "no answer",
    ],
)
async def test_an_answer_that_does_not_belong_there_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    about, other = await a_transmission(world), await a_transmission(world)
    await post(world, three(world, about)[1])
    asked = answering(world, monkeypatch, about, await hostile(world, about, other, kind))
    world.advance(AWHILE)
    async with unchanged(world[KE]):
        await world[KE].gaps.pull_due()
    assert asked
    assert (await numbers(world, about), await numbers(world, other)) == ([2], [])
    assert (await state_of(world, other), (await gap_of(world, about)).attempts) == ("QUEUED", 1)


async def test_a_gap_of_a_million_is_asked_for_like_any_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    await post(world, receipt_from(world[SG], n=1_000_000, prev="0" * 64, **about))
    asked = answering(world, monkeypatch, about, {"receipts": []})
    world.advance(AWHILE)
    await world[KE].gaps.pull_due()
    assert asked == [0]
    assert (await gap_of(world, about)).attempts == 1


async def test_an_issuer_that_fails_does_not_hold_up_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    await post(world, three(world, about)[1])

    async def broken(*_: Any, **__: Any) -> Reply:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world[KE].adapter, "get_receipts", broken)
    world.advance(AWHILE)
    assert await world[KE].gaps.pull_due() >= 1
    gap = await gap_of(world, about)
    assert (gap.state, gap.attempts, gap.lease_owner) == ("open", 1, None)
    assert gap.next_action_at > world.clock.now()


# --- contradictions --------------------------------------------------------------------------------


def contradictions(world: World, about: Members) -> dict[str, tuple[list[str], str, int]]:
    """Return what is held, what comes and how many are held then, of each kind of contradiction."""
    relay, consignment, handover = three(world, about)
    plain = {"type": "relay", **about, "manifest": None}
    # Other tests leave the clock at any second.
    later = receipt_from(
        world[SG], **{**plain, "at": world.clock.now().replace(microsecond=0) + timedelta(seconds=7)}
    )
    foreign = receipt_from(world[SG], n=2, prev="0" * 64, **about)
    return {
        "the same number": ([relay], later, 2),
        "the same higher number": ([relay, consignment], foreign, 3),
        "another one before": ([relay], foreign, 2),
        "named by none": ([consignment], later, 2),
        "between": ([relay, handover], foreign, 3),
    }


@pytest.mark.parametrize(
    "kind",
    ["the same number", "the same higher number", "another one before", "named by none", "between"],
)
async def test_a_contradiction_is_kept_counts_and_is_told_once(world: World, kind: str) -> None:
    about = await a_transmission(world)
    held, new, count = contradictions(world, about)[kind]
    await post(world, *held)
    assert (await refused(world, about), await tasks(world, about)) == ([], [])
    before = await state_of(world, about)
    with capture_logs() as logs:
        for _ in range(2):
            await post(world, new)
    assert await refused(world, about) == ["receipt-contradicted"]
    assert len(await numbers(world, about)) == count
    assert receipt_digest(new) in {
        row.jws_sha256 for row in await world[KE].database.read(lambda c: receipts_of(c, KE, about["bid"]))
    }
    if said(new)["type"] == "consignment" and before != "HANDED_OVER":
        assert await state_of(world, about) == "CONSIGNED"
    assert await tasks(world, about) == ["receipt-contradicted"]
    (task,) = [
        row
        for row in await world[KE].database.read(peers.open_tasks)
        if row.sentence.endswith(f"Bundle: {KE}/{about['bid']}; receipts of: {SG}.")
    ]
    assert (task.owner, task.sender, task.code) == ("operator", SG, "receipt-contradicted")
    assert [(entry["event"], entry["bid"]) for entry in logs] == [("receipt.contradicted", about["bid"])]
    # The numbers are all there: nothing is left to pull.
    assert await gap_of(world, about) is None


async def test_an_answer_that_never_ends_holds_up_its_round_for_so_long_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, other = await a_transmission(world), await a_transmission(world)
    relay, consignment, _ = three(world, other)
    await post(world, three(world, about)[1])
    await post(world, consignment)

    async def get(_: Any, _sender: str, bid: str, **__: Any) -> Reply:
        if bid == about["bid"]:
            await asyncio.Event().wait()
        return Reply(status=200, body={"receipts": [{"jws": relay}]} if bid == other["bid"] else {})

    monkeypatch.setattr(world[KE].adapter, "get_receipts", get)
    monkeypatch.setattr(gaps, "_PATIENCE_S", 0.05)
    world.advance(AWHILE)
    async with asyncio.timeout(5.0):
        await pull_all(world)
    assert await gap_of(world, other) is None
    gap = await gap_of(world, about)
    assert (gap.attempts, gap.lease_owner) == (1, None)


async def test_a_slow_issuer_of_routine_receipts_holds_up_no_urgent_pull(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    puller, looked = world[KE].gaps, []
    both = asyncio.Event()

    async def claim(lane: str, _now: datetime) -> list[Any]:
        looked.append(lane)
        if len(set(looked)) == 2:
            both.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(puller, "_claim_due", claim)
    running = asyncio.create_task(puller.run())
    async with asyncio.timeout(2.0):
        await both.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_cannot_be_filed_is_pulled_later_each_time_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = await a_transmission(world)
    await post(world, three(world, about)[1])
    asked = answering(world, monkeypatch, about, {"receipts": [{"jws": three(world, about)[0]}]})

    async def take(**_: Any) -> Any:
        raise GatewayRefusal("auth-replay")

    monkeypatch.setattr(world[KE].receipt_desk, "take", take)
    began = world.clock.now()
    for _ in range(120):
        gap = await gap_of(world, about)
        if gap.state != "open":
            break
        world.clock.at = max(gap.next_action_at, world.clock.at)
        await pull_all(world)
    assert gap.state == "left"
    assert GIVEN <= world.clock.now() - began < GIVEN + timedelta(hours=7)
    assert len(asked) < 120
