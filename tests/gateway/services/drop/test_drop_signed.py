"""The folder drop where officers have passkeys: the officer whom the form names signs, or nothing is sent."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.encoding import sha256_hex
from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.services.acts.acts import PreparedAct
from gateway.services.carrier.medium import Folder
from gateway.storage import paging
from tests.gateway.services.drop.test_drop import drop, pickup, result, sent
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"
ONE, TWO = "ke-do-1", "ke-do-2"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path / "homes", KE, SG) as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "drop"


async def people(world: World) -> dict[str, SoftPasskeys]:
    return {ONE: await enrolled(world[KE], ONE), TWO: await enrolled(world[KE], TWO)}


def put(root: Path, name: str = "case-77", *, officer: object = ONE, **changes: Any) -> Path:
    """Drop a folder whose form names an officer, made when its passkey was good."""
    human = {"assurance": "local_operator", "officer": officer, "assertion": None}
    return drop(root, name, human=human, created_at="2026-11-21T09:00:00Z", **changes)


async def the_act(world: World) -> PreparedAct:
    (act,) = await world[KE].acts.waiting()
    return act


async def test_a_folder_waits_for_the_officer_it_names_and_is_done_when_it_was_signed(
    world: World, root: Path
) -> None:
    phones = await people(world)
    put(root)
    assert await pickup(world, root).look() == 1
    act, waiting = await the_act(world), root / "waiting" / "case-77"
    told = result(waiting)
    assert (told["ok"], told["act"], told["officer"]) == (None, act.id, ONE)
    assert (told["page"], told["digest"], told["bid"]) == (act.page, act.digest, act.bid)
    assert sha256_hex((waiting / "to-sign.json").read_bytes()) == act.digest
    assert await pickup(world, root).look() == 0
    assert await sent(world) == 0, "nothing leaves unsigned"
    await signed(world[KE], act, phones[ONE])
    assert await pickup(world, root).look() == 1
    told = result(root / "done" / "case-77")
    assert (told["ok"], told["bid"], told["act"], told["officer"]) == (True, act.bid, act.id, ONE)
    await world.run()
    held = (await world[SG].cases.status(f"{KE}/{act.bid}")).messages
    assert [(row.officer, row.assurance) for row in held] == [(ONE, "passkey")]
    assert (await world[KE].cases.status(act.bid)).check_words == told["check_words"]
    await world.check()


#: What a form names, and how it is refused.
NAMED: list[tuple[object, str]] = [
    (None, "drop-officer"),
    ("", "drop-officer"),
    ("ke\u0000do", "drop-officer"),
    ({"id": ONE}, "drop-officer"),
    ("nobody-here", "passkey-needed"),
    (ONE.upper(), "passkey-needed"),
    ("ke-gone", "officer-not-ready"),
    ("ke-au-1", "officer-role"),
]


async def test_a_form_that_names_nobody_who_may_sign_is_refused_and_says_what_to_do(
    world: World, root: Path
) -> None:
    await people(world)
    await enrolled(world[KE], "ke-au-1", role="auditor", second=ONE)
    await enrolled(world[KE], "ke-gone", second=ONE)
    await world[KE].officers.suspend("ke-gone", by=ONE)
    for n, (officer, _) in enumerate(NAMED):
        put(root, f"case-{n}", officer=officer)
    assert await pickup(world, root).look() == len(NAMED)
    for n, (_, code) in enumerate(NAMED):
        told = result(root / "refused" / f"case-{n}")
        assert (told["ok"], told["error"]["code"], told["error"]["field"]) == (False, code, "human/officer")
        assert "rogatory officer list" in told["error"]["sentence"] or code == "officer-role"
    assert await world[KE].acts.waiting() == []
    assert await sent(world) == 0


async def test_a_form_without_human_is_refused_and_corrected_it_waits(world: World, root: Path) -> None:
    await people(world)
    drop(root, "case-77")
    await pickup(world, root).look()
    assert result(root / "refused" / "case-77")["error"]["code"] == "drop-officer"
    again = (root / "refused" / "case-77").rename(root / "out" / "case-77")
    form = json.loads((again / "form.json").read_bytes())
    human = {"assurance": "passkey", "officer": TWO, "assertion": None}
    (again / "form.json").write_text(json.dumps(form | {"human": human}))
    await pickup(world, root).look()
    assert result(root / "waiting" / "case-77")["officer"] == TWO


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("withdrawn", "drop-withdrawn"),
        ("suspended", "drop-withdrawn"),
        ("outdated", "act-outdated"),
        ("expired", "act-unsigned"),
    ],
)
async def test_what_ended_unsigned_is_refused_and_the_same_folder_may_come_again(
    world: World, root: Path, end: str, code: str
) -> None:
    await people(world)
    put(root)
    await pickup(world, root).look()
    act = await the_act(world)
    if end == "suspended":
        await world[KE].officers.suspend(ONE, by=TWO)
    elif end == "expired":
        world.advance(timedelta(days=7))
        assert await pickup(world, root).look() == 0, "until the watch has ended it"
        await world[KE].watch.look()
    else:
        await world[KE].acts.withdraw(act.id, is_outdated=end == "outdated")
    assert await pickup(world, root).look() == 1
    told = result(root / "refused" / "case-77")
    assert (told["ok"], told["error"]["code"], told["act"]) == (False, code, act.id)
    assert await sent(world) == 0
    if end != "suspended":
        (root / "refused" / "case-77").rename(root / "out" / "case-77")
        assert await pickup(world, root).look() == 1
        again = await the_act(world)
        assert (again.bid, again.id != act.id) == (act.bid, True)


# Nothing is sent twice


@pytest.mark.parametrize("where", ["before the result", "before the move"])
@pytest.mark.parametrize("is_signed", [False, True], ids=["still waiting", "signed meanwhile"])
async def test_a_process_killed_between_preparing_and_moving_finds_the_same_act_again(
    world: World, root: Path, monkeypatch: pytest.MonkeyPatch, where: str, is_signed: bool
) -> None:
    phones = await people(world)
    put(root)
    put_whole = Folder.put

    async def no_put(self: Folder, name: str, *given: Any, **named: Any) -> Any:
        if name == "result.json":
            raise Killed
        return await put_whole(self, name, *given, **named)

    def no_move(*_: object) -> None:
        raise Killed

    if where == "before the move":
        monkeypatch.setattr(Folder, "move", no_move)
    else:
        monkeypatch.setattr(Folder, "put", no_put)
    with pytest.raises(Killed):
        await pickup(world, root).look()
    monkeypatch.undo()
    act = await the_act(world)
    await world.crash(KE)
    if is_signed:
        await signed(world[KE], act, phones[ONE])
    assert await pickup(world, root).look() == 1
    if is_signed:
        assert (result(root / "done" / "case-77")["bid"], await sent(world)) == (act.bid, 1)
        assert await world[KE].acts.waiting() == []
        return
    assert (await the_act(world)).id == act.id
    assert result(root / "waiting" / "case-77")["act"] == act.id
    await signed(world[KE], act, phones[ONE])
    assert await pickup(world, root).look() == 1
    assert (result(root / "done" / "case-77")["bid"], await sent(world)) == (act.bid, 1)


@pytest.mark.parametrize("where", ["before the result", "before the move"])
async def test_a_process_killed_between_signing_and_moving_tells_the_same_afterwards(
    world: World, root: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    phones = await people(world)
    put(root)
    await pickup(world, root).look()
    act = await the_act(world)
    await signed(world[KE], act, phones[ONE])

    async def no_put(*_: object, **__: object) -> None:
        raise Killed

    def no_move(*_: object) -> None:
        raise Killed

    if where == "before the move":
        monkeypatch.setattr(Folder, "move", no_move)
    else:
        monkeypatch.setattr(Folder, "put", no_put)
    with pytest.raises(Killed):
        await pickup(world, root).look()
    monkeypatch.undo()
    await world.crash(KE)
    assert await pickup(world, root).look() == 1
    told = result(root / "done" / "case-77")
    assert (told["ok"], told["act"], await sent(world)) == (True, act.id, 1)
    assert list((root / "waiting").iterdir()) == []


async def test_after_a_restart_folders_that_wait_go_on(world: World, root: Path) -> None:
    phones = await people(world)
    for name, officer in (("a", ONE), ("b", TWO), ("c", ONE)):
        put(root, name, officer=officer)
    assert await pickup(world, root).look() == 3
    acts = {act.bid: act for act in await world[KE].acts.waiting()}
    await world.crash(KE)
    chosen = acts[result(root / "waiting" / "b")["bid"]]
    await signed(world[KE], chosen, phones[TWO])
    assert await pickup(world, root).look() == 1
    assert sorted(p.name for p in (root / "waiting").iterdir()) == ["a", "c"]
    assert result(root / "done" / "b")["bid"] == chosen.bid


async def test_what_was_sent_before_anybody_had_a_passkey_is_not_prepared_after_it(
    world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root)

    def no_move(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Folder, "move", no_move)
    with pytest.raises(Killed):
        await pickup(world, root).look()
    monkeypatch.undo()
    await people(world)
    assert await pickup(world, root).look() == 1
    assert (result(root / "done" / "case-77")["ok"], await sent(world)) == (True, 1)
    assert await world[KE].acts.waiting() == []


async def test_the_same_folder_again_finds_the_act_and_another_form_under_its_identifier_is_refused(
    world: World, root: Path
) -> None:
    await people(world)
    handed_in = (put(root, "one", thread=True) / "form.json").read_bytes()
    await pickup(world, root).look()
    act = await the_act(world)
    (put(root, "two") / "form.json").write_bytes(handed_in)
    await pickup(world, root).look()
    assert (await the_act(world)).id == act.id
    assert result(root / "waiting" / "two")["act"] == act.id
    form = json.loads(handed_in)
    other = form | {"human": form["human"] | {"officer": TWO}}
    (put(root, "three") / "form.json").write_text(json.dumps(other))
    await pickup(world, root).look()
    assert result(root / "refused" / "three")["error"]["code"] == "duplicate"
    assert (await the_act(world)).id == act.id


async def test_what_cannot_be_kept_now_stays_in_out(
    world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(world)
    put(root)

    async def away(*_: object, **__: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(world[KE].acts, "prepare", away)
    assert await pickup(world, root).look() == 0
    monkeypatch.undo()
    assert await pickup(world, root).look() == 1
    assert (root / "waiting" / "case-77").is_dir()


async def test_a_folder_that_cannot_show_what_is_signed_is_refused_and_no_act_waits_behind_it(
    world: World, root: Path
) -> None:
    phones = await people(world)
    (put(root) / "to-sign.json").mkdir()
    assert await pickup(world, root).look() == 1
    assert result(root / "refused" / "case-77")["error"]["code"] == "medium-foreign"
    assert await world[KE].acts.waiting() == []
    # A process killed right after it was put in prepares the act when it is back.
    put(root, "case-78")
    (root / "out" / "case-78" / "to-sign.json").write_text("{}")
    assert await pickup(world, root).look() == 1
    act = await the_act(world)
    assert sha256_hex((root / "waiting" / "case-78" / "to-sign.json").read_bytes()) == act.digest
    await signed(world[KE], act, phones[ONE])


async def test_more_folders_than_anybody_signs_are_refused_and_what_waits_goes_on(
    world: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones = await people(world)
    monkeypatch.setattr("gateway.services.drop.pickup._MOST_WAITING", 2)
    for name in ("a", "b", "c", "d", "e"):
        put(root, name)
    urgent = put(root, "night")
    form = json.loads((urgent / "form.json").read_bytes())
    form["urgency"]["level"] = "emergency"
    (urgent / "form.json").write_text(json.dumps(form))
    message = put(root, "message")
    (message / "form.json").write_text(
        json.dumps(
            {"message_type": "withdrawal", "human": {"officer": ONE}, "message_id": f"{KE}/{'1' * 32}"}
        )
    )
    taking = pickup(world, root)
    assert await taking.look() == 7
    assert sorted(p.name for p in (root / "waiting").iterdir()) == ["a", "b", "night"]
    assert result(root / "refused" / "c")["error"]["code"] == "drop-crowded"
    assert result(root / "refused" / "message")["error"]["code"] != "drop-crowded", "its case may be urgent"
    await signed(world[KE], (await world[KE].acts.waiting(ONE))[0], phones[ONE])
    (root / "refused" / "c").rename(root / "out" / "c")
    assert await taking.look() == 2, "one is done, and one is refused as long as two wait"
    assert len(await world[KE].acts.waiting()) == 2


# Attempts


async def test_naming_somebody_elses_pseudonym_sends_nothing_without_that_officers_passkey(
    world: World, root: Path
) -> None:
    phones = await people(world)
    put(root, officer=TWO)
    await pickup(world, root).look()
    act = await the_act(world)
    answer = phones[TWO].get(act.options)
    with pytest.raises(GatewayRefusal, match="act-unknown"):
        await world[KE].acts.sign(act.id, officer=ONE, assertion=answer)
    mine = phones[ONE].get({**act.options, "allowCredentials": []})
    with pytest.raises(GatewayRefusal, match="human-"):
        await world[KE].acts.sign(act.id, officer=TWO, assertion=mine)
    assert await pickup(world, root).look() == 0
    assert await sent(world) == 0


async def test_what_is_changed_in_a_waiting_folder_changes_nothing_of_what_is_sent(
    world: World, root: Path
) -> None:
    phones = await people(world)
    put(root)
    await pickup(world, root).look()
    act, waiting = await the_act(world), root / "waiting" / "case-77"
    for name in ("form.json", "to-sign.json"):
        (waiting / name).write_text("{}")
    next(p for p in waiting.iterdir() if p.suffix == ".pdf").write_bytes(b"%PDF another")
    await signed(world[KE], act, phones[ONE])
    assert await pickup(world, root).look() == 1
    assert result(root / "done" / "case-77")["bid"] == act.bid
    await world.run()
    assert (await world[SG].cases.status(f"{KE}/{act.bid}")).messages[0].assurance == "passkey"


async def test_a_waiting_folder_whose_result_was_changed_is_refused_and_the_act_stays(
    world: World, root: Path, tmp_path: Path
) -> None:
    await people(world)
    texts = {"no JSON": "{" * 9999, "no act": "{}", "nobody's": f'{{"act":"{"0" * 32}"}}', "a list": "[1]"}
    names = ["gone", "a link", *texts]
    for name in names:
        put(root, name)
    taking = pickup(world, root)
    assert await taking.look() == len(names)
    before = await world[KE].acts.waiting()
    elsewhere = tmp_path / "elsewhere.json"
    for name in names:
        told = root / "waiting" / name / "result.json"
        good = told.read_bytes()
        told.unlink()
        if name in texts:
            told.write_text(texts[name])
        elif name == "a link":
            elsewhere.write_bytes(good)
            told.symlink_to(elsewhere)
    linked = elsewhere.read_bytes()
    assert await taking.look() == len(names)
    for name in names:
        assert result(root / "refused" / name)["error"]["code"] == "drop-lost", name
    assert await world[KE].acts.waiting() == before
    assert elsewhere.read_bytes() == linked, "nothing is written through a link"


async def test_links_in_waiting_lead_nowhere(world: World, root: Path, tmp_path: Path) -> None:
    await people(world)
    put(root)
    await pickup(world, root).look()
    aside = (root / "waiting" / "case-77").rename(tmp_path / "aside")
    (root / "waiting" / "case-77").symlink_to(aside)
    await world[KE].acts.withdraw((await the_act(world)).id)
    assert await pickup(world, root).look() == 0
    assert result(aside)["ok"] is None, "what the link names is left alone"
    (root / "waiting" / "case-77").unlink()
    (root / "waiting").rmdir()
    (root / "waiting").symlink_to(tmp_path)
    with pytest.raises(GatewayRefusal, match="medium-foreign"):
        await pickup(world, root).look()


# Nobody stands at the gateway at night


@pytest.mark.parametrize("end", ["signed", "withdrawn", "expired"])
async def test_the_officer_on_duty_is_called_for_what_is_urgent_until_it_is_over(
    world: World, root: Path, end: str
) -> None:
    phones = await people(world)

    async def called() -> list[tuple[str, str | None]]:
        rows = await world[KE].database.read(lambda c: paging.open_matters(c, SG))
        return [(row.reason, row.bid) for row in rows if row.reason == "act-waiting"]

    put(root, "calm")
    await pickup(world, root).look()
    assert await called() == [], "what is not urgent waits for the day"
    (calm,) = await world[KE].acts.waiting()
    await world[KE].acts.withdraw(calm.id)
    form = json.loads((put(root, "night") / "form.json").read_bytes())
    form["urgency"]["level"] = "emergency"
    (root / "out" / "night" / "form.json").write_text(json.dumps(form))
    await pickup(world, root).look()
    act = await the_act(world)
    assert (act.lane, await called()) == ("urgent", [("act-waiting", act.bid)])
    await pickup(world, root).look()
    assert len(await called()) == 1
    if end == "signed":
        await signed(world[KE], act, phones[ONE])
    elif end == "withdrawn":
        await world[KE].acts.withdraw(act.id)
    else:
        world.advance(timedelta(hours=24))
        await world[KE].watch.look()
    assert await called() == []


async def test_an_officer_who_prepares_something_urgent_is_not_called_for_it(world: World) -> None:
    await people(world)
    form, _ = sample_request(1)
    form["urgency"]["level"] = "emergency"
    form |= {"attachments": [], "translations": [], "created_at": "2026-11-21T09:00:00Z"}
    assert isinstance(await world[KE].acts.perform(form, officer=ONE), PreparedAct)
    assert await world[KE].database.read(lambda c: paging.open_matters(c, SG)) == []
