"""Receipts of peers: what moves a transmission, what is only filed, and what is refused and moves nothing."""

import itertools
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from crypto.leaf import check_logged_receipt
from crypto.receipts import receipt_digest
from gateway.services.proofs import evidence
from gateway.services.proofs.evidence import check_receipt
from gateway.storage import peers, transmissions
from gateway.storage.receipts import receipts_of
from tests.hostile import Members, look, receipt_from, unchanged
from tests.world import World, audit, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG, NG = "ke-ag", "sg-agc", "ng-fmj"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG, NG) as made:
        yield made


async def a_transmission(world: World) -> Members:
    """Submit a request that does not leave, and return what a receipt about it must name."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    sent = await world.submit(KE, form, documents)
    receipt = (await world[KE].cases.receipts(sent.bid))[0]
    said = json.loads(_payload(receipt.jws))
    return {"sender": KE, "bid": sent.bid, "envelope": said["envelope"], "manifest": said["manifest"]}


def _payload(jws: str) -> bytes:
    from tests.hostile import _unb64

    return _unb64(jws.split(".")[1])


async def state_of(world: World, bid: str) -> str:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row.state


async def post(world: World, *jws: str, caller: str = SG) -> Any:
    return await world[KE].receipt_desk.take(
        caller=caller, jti=None, exp=None, body={"receipts": [{"jws": one} for one in jws]}
    )


# --- what does not fit moves nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"envelope": "0" * 64},
        {"manifest": "0" * 64},
        {"bid": "0" * 32},
        {"to": NG},
        {"type": "failure", "reason": "unavailable", "iss": KE, "sender": KE},
        {"iss": NG},
        {"sender": NG, "to": NG},
    ],
    ids=lambda changes: " ".join(changes),
)
async def test_a_receipt_about_something_else_moves_nothing(world: World, changes: Members) -> None:
    about = await a_transmission(world)
    jws = receipt_from(world[SG], **{"to": KE, **about, **changes})
    answer = await post(world, jws)
    assert await state_of(world, about["bid"]) == "QUEUED"
    kept = await world[KE].database.read(lambda c: receipts_of(c, KE, about["bid"]))
    assert [row.type for row in kept] == ["submission"]
    assert answer["refused"] or changes.keys() <= {"envelope", "manifest", "bid", "to"}


async def test_a_receipt_of_another_bundles_envelope_moves_nothing(world: World) -> None:
    one, other = await a_transmission(world), await a_transmission(world)
    await post(world, receipt_from(world[SG], **{**one, "envelope": other["envelope"]}))
    await post(world, receipt_from(world[SG], **{**one, "manifest": other["manifest"]}))
    assert [await state_of(world, x["bid"]) for x in (one, other)] == ["QUEUED", "QUEUED"]


async def test_a_third_authority_cannot_vouch_for_the_recipient(world: World) -> None:
    about = await a_transmission(world)
    async with unchanged(world[KE]):
        # Its own receipt, posted by itself; its own, posted by the recipient; the recipient's, by itself.
        for jws, caller in (
            (receipt_from(world[NG], **about), NG),
            (receipt_from(world[NG], **about), SG),
            (receipt_from(world[SG], **about), NG),
        ):
            await post(world, jws, caller=caller)
    assert await state_of(world, about["bid"]) == "QUEUED"


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_receipt_with_a_changed_byte_is_refused(world: World, part: int) -> None:
    about = await a_transmission(world)
    pieces = receipt_from(world[SG], **about).split(".")
    middle = len(pieces[part]) // 2
    letter = "A" if pieces[part][middle] != "A" else "B"
    pieces[part] = pieces[part][:middle] + letter + pieces[part][middle + 1 :]
    async with unchanged(world[KE]):
        assert len((await post(world, ".".join(pieces)))["refused"]) == 1


async def test_a_receipt_signed_by_a_key_of_another_use_is_refused(world: World) -> None:
    from crypto.jws import EDDSA, sign_compact
    from crypto.receipts import TYP

    about = await a_transmission(world)
    payload = _payload(receipt_from(world[SG], **about))
    signer = world[SG].keyring.signer("req", world.clock.now())
    forged = sign_compact(payload, alg=EDDSA, typ=TYP, signer=signer).decode()
    async with unchanged(world[KE]):
        assert (await post(world, forged))["refused"] == ["unknown-key"]


# --- contradictions, orders, gaps ---------------------------------------------------------------


def _three(world: World, about: Members) -> dict[str, str]:
    relay = receipt_from(world[SG], type="relay", **{**about, "manifest": None})
    rejection = receipt_from(
        world[SG], type="rejection", reason="open-failed", n=2, prev=receipt_digest(relay), **about
    )
    consignment = receipt_from(world[SG], n=2, prev=receipt_digest(relay), **about)
    handover = receipt_from(world[SG], type="handover", n=3, prev=receipt_digest(consignment), **about)
    return {"relay": relay, "rejection": rejection, "consignment": consignment, "handover": handover}


@pytest.mark.slow
async def test_whatever_the_order_the_strongest_proof_wins(world: World) -> None:
    for order in itertools.permutations(["relay", "rejection", "consignment", "handover"]):
        about = await a_transmission(world)
        receipts = _three(world, about)
        for kind in order:
            await post(world, receipts[kind])
            await post(world, receipts[kind])
        assert await state_of(world, about["bid"]) == "HANDED_OVER", order
        kept = await world[KE].database.read(lambda c, bid=about["bid"]: receipts_of(c, KE, bid))
        assert sorted(row.type for row in kept) == sorted(["submission", *order])


@pytest.mark.parametrize("order", [("rejection", "consignment"), ("consignment", "rejection")])
async def test_a_peer_that_contradicts_itself_has_the_bundle_and_a_person_is_told(
    world: World, order: tuple[str, str]
) -> None:
    about = await a_transmission(world)
    receipts = _three(world, about)
    told = set()
    for kind in order:
        await post(world, receipts[kind])
        tasks = await world[KE].database.read(peers.open_tasks)
        told |= {task.code for task in tasks if task.bid == about["bid"]}
    assert await state_of(world, about["bid"]) == "CONSIGNED"
    assert told == ({"open-failed"} if order[0] == "rejection" else set())


async def test_a_late_consignment_wins_over_a_failure(world: World) -> None:
    about = await a_transmission(world)
    problem = {"from": KE, "bid": about["bid"], "envelope": about["envelope"], "code": "policy"}
    await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"problems": [problem]})
    assert await state_of(world, about["bid"]) == "FAILED"
    await post(world, receipt_from(world[SG], **about))
    assert await state_of(world, about["bid"]) == "CONSIGNED"
    assert (await world[KE].cases.status(about["bid"])).state == "delivered"


async def test_a_consignment_that_skips_a_number_takes_effect_at_once(world: World) -> None:
    about = await a_transmission(world)
    await post(world, receipt_from(world[SG], n=7, prev="0" * 64, **about))
    assert await state_of(world, about["bid"]) == "CONSIGNED"


async def test_an_unsigned_problem_ends_nothing_that_only_a_signature_may_end(world: World) -> None:
    about = await a_transmission(world)
    for code in ("open-failed", "form-invalid", "name-unsafe", "clock", "part-digest", "unknown-key"):
        problem = {"from": KE, "bid": about["bid"], "envelope": about["envelope"], "code": code}
        await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"problems": [problem]})
        assert await state_of(world, about["bid"]) == "QUEUED", code


async def test_a_problem_about_an_envelope_that_is_not_in_force_ends_nothing(world: World) -> None:
    about = await a_transmission(world)
    for envelope in ("0" * 64, None, 1):
        problem = {"from": KE, "bid": about["bid"], "envelope": envelope, "code": "policy"}
        await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"problems": [problem]})
    assert await state_of(world, about["bid"]) == "QUEUED"


@pytest.mark.parametrize("at", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), None], ids=["9999", "ahead"])
async def test_a_receipt_from_the_future_counts_and_does_not_move_our_own_clocks(
    world: World, at: datetime | None
) -> None:
    about = await a_transmission(world)
    at = at or (world.clock.now() + timedelta(minutes=10)).replace(microsecond=0)
    await post(world, receipt_from(world[SG], at=at, **about))
    assert await state_of(world, about["bid"]) == "CONSIGNED"
    due = (await world[KE].cases.status(about["bid"])).next_action_at
    assert due is not None
    assert due <= world.clock.now() + timedelta(days=30)


async def test_a_type_of_tomorrow_is_filed_and_moves_nothing(world: World) -> None:
    about = await a_transmission(world)
    jws = receipt_from(world[SG], type="tomorrow", **about)
    await post(world, jws)
    assert await state_of(world, about["bid"]) == "QUEUED"
    shown = [(r.type, r.proves) for r in await world[KE].cases.receipts(about["bid"])]
    assert ("tomorrow", "") in shown


# --- places in the log --------------------------------------------------------------------------


async def _with_place(world: World) -> tuple[Members, Members]:
    """Return a receipt object with its place in the peer's log, and another one of the same peer."""
    found = []
    for _ in range(2):
        form, documents = sample_request(1, size=200)
        form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
        sent = await world.submit(KE, form, documents)
        await world.run()
        body = await world[SG].receipt_desk.for_bundle(caller=KE, sender=KE, bid=sent.bid, after=0)
        found.append(json.loads(json.dumps(body["receipts"][0])))
    return found[0], found[1]


@pytest.mark.slow
async def test_a_forged_place_in_the_log_is_left_out_and_the_receipt_still_counts(world: World) -> None:
    good, other = await _with_place(world)
    now, directory = world.clock.now(), world[KE].directory
    assert check_receipt(good, directory, now).place is not None
    forged: list[Members] = [{**good, name: other[name]} for name in ("leaf", "salt", "body", "proof")]
    forged += [{**good, **{name: other[name] for name in ("leaf", "salt", "body", "proof")}}]
    forged += [
        {**good, name: value} for name in ("leaf", "salt", "body", "proof") for value in (None, 1, "", "x")
    ]
    forged += [{**good, "proof": good["proof"].replace("index", "inde"), "body": good["body"]}]
    forged += [{**good, "proof": good["proof"] + "x"}, {**good, "leaf": good["leaf"] + " "}]
    forged += [{**good, "proof": "x" * 100_000}, {**good, "body": "[" * 4000}]
    for offered in forged:
        checked = check_receipt(offered, directory, now)
        assert checked.place is None, offered
        assert checked.proof_fault is not None or offered["proof"] is None
        assert checked.claims.type == "consignment"


@pytest.mark.slow
async def test_a_leaf_that_names_another_bundle_is_no_place_of_the_receipt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, _ = await _with_place(world)

    def of_another(*args: Any, **options: Any) -> Any:
        said, head = check_logged_receipt(*args, **options)
        return {**said, "bid": secrets.token_hex(16)}, head

    monkeypatch.setattr(evidence, "check_logged_receipt", of_another)
    checked = check_receipt(good, world[KE].directory, world.clock.now())
    assert (checked.place, checked.proof_fault) == (None, "proof-invalid")


@pytest.mark.slow
async def test_a_known_receipt_may_gain_its_place_and_never_lose_it(world: World) -> None:
    about = await a_transmission(world)
    world.faults.clear()
    await world.run()
    body = await world[SG].receipt_desk.for_bundle(caller=KE, sender=KE, bid=about["bid"], after=0)
    offered = json.loads(json.dumps(body["receipts"]))
    before = await look(world[KE])
    await world[KE].receipt_desk.take(
        caller=SG, jti=None, exp=None, body={"receipts": [{"jws": offered[0]["jws"]}]}
    )
    kept = await world[KE].database.read(lambda c: receipts_of(c, KE, about["bid"]))
    assert all(row.proof for row in kept if row.iss == SG)
    assert await look(world[KE]) == before


@pytest.mark.slow
async def test_refused_receipts_leave_a_log_that_verifies(world: World) -> None:
    about = await a_transmission(world)
    await post(world, receipt_from(world[SG], **{**about, "envelope": "0" * 64}))
    report = await audit(world[KE])
    assert report.verified, report.as_json()
