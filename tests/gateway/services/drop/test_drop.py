"""The folder drop: taken when it has its name, submitted once whatever happens, and told in files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.services.carrier.medium import Folder
from gateway.services.drop.pickup import Pickup, identified
from gateway.services.drop.telling import Telling
from gateway.storage import transmissions
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"


def pickup(world: World, root: Path) -> Pickup:
    app = world[KE]
    return Pickup(
        root=root,
        acts=app.acts,
        library=app._library,
        authority_id=KE,
        kek=app.keyring.kek,
        clock=world.clock,
    )


def drop(root: Path, name: str, *, thread: bool = False, **changes: Any) -> Path:
    """Fill a folder under a name that is not final, and rename it into place."""
    form, documents = sample_request(1)
    if not thread:
        del form["thread"]
    form |= changes
    filling = root / "out" / f".{name}"
    filling.mkdir(parents=True)
    (filling / "form.json").write_text(json.dumps(form))
    for filename, data in documents.items():
        (filling / filename).write_bytes(data)
    return filling.rename(root / "out" / name)


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return found


async def sent(world: World) -> int:
    return len(await world[KE].database.read(lambda c: transmissions.under_way_to(c, SG)))


@pytest.mark.parametrize("thread", [False, True], ids=["no thread of its own", "its own message id"])
async def test_what_is_dropped_is_submitted_and_moved_with_its_result(tmp_path: Path, thread: bool) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        (root / "out" / ".half").mkdir(parents=True)
        (root / "out" / "half.part").mkdir()
        (root / "out" / "note.txt").write_text("not a folder")
        drop(root, "case-77", thread=thread)
        assert await pickup(world, root).look() == 1
        assert await pickup(world, root).look() == 0
        said = result(root / "done" / "case-77")
        assert (said["ok"], said["to"], said["lane"]) == (True, SG, "routine")
        assert (root / "done" / "case-77" / "form.json").exists()
        assert sorted(p.name for p in (root / "out").iterdir()) == [".half", "half.part", "note.txt"]
        await world.run()
        assert [item.bid for item in await world[SG].cases.inbox()] == [said["bid"]]
        status = await world[KE].cases.status(said["bid"])
        assert (status.thread_id, status.check_words) == (said["thread_id"], said["check_words"])


@pytest.mark.parametrize("thread", [False, True], ids=["no thread of its own", "its own message id"])
@pytest.mark.parametrize("where", ["before the result", "before the move"])
async def test_a_process_killed_between_submitting_and_moving_submits_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thread: bool, where: str
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        drop(root, "case-77", thread=thread)

        class Killed(BaseException):
            """Stands for the end of the process."""

        async def no_result(*_: object, **__: object) -> None:
            raise Killed

        def no_move(*_: object) -> None:
            raise Killed

        if where == "before the result":
            monkeypatch.setattr(Folder, "put", no_result)
        else:
            monkeypatch.setattr(Folder, "move", no_move)
        with pytest.raises(Killed):
            await pickup(world, root).look()
        monkeypatch.undo()
        assert await sent(world) == 1
        assert (root / "out" / "case-77").is_dir()
        await world.crash(KE)
        assert await pickup(world, root).look() == 1
        assert await sent(world) == 1
        said = result(root / "done" / "case-77")
        assert said["ok"]
        assert (await world[KE].cases.status(said["bid"])).thread_id == said["thread_id"]


async def test_another_form_under_a_used_message_id_is_refused(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        first = drop(root, "one", thread=True)
        form = json.loads((first / "form.json").read_bytes())
        await pickup(world, root).look()
        second = drop(root, "two")
        changed = json.loads((second / "form.json").read_bytes())
        (second / "form.json").write_text(json.dumps({**changed, "thread": form["thread"]}))
        await pickup(world, root).look()
        said = result(root / "refused" / "two")
        assert (said["ok"], said["error"]["code"]) == (False, "duplicate")
        assert await sent(world) == 1


async def test_the_same_folder_again_is_the_same_request_and_another_name_is_another(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        for name in ("one", "one", "two"):
            drop(root, name)
            await pickup(world, root).look()
        assert sorted(p.name for p in (root / "done").iterdir()) == ["one", "one-2", "two"]
        bids = [result(root / "done" / name)["bid"] for name in ("one", "one-2", "two")]
        assert bids[0] == bids[1] != bids[2]
        assert await sent(world) == 2


@pytest.mark.parametrize(
    ("defect", "code"),
    [
        ("no form", "drop-form"),
        ("no JSON", "form-unreadable"),
        ("huge form", "drop-form"),
        ("link as form", "drop-form"),
        ("pipe as form", "drop-form"),
        ("missing document", "attachment-missing"),
        ("link as document", "attachment-missing"),
        ("another document", "attachment-unlisted"),
        ("changed document", "attachment-mismatch"),
        ("nobody's addressee", "not-listed"),
        ("another's form", "not-own-message"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_a_sentence_and_nothing_is_queued(
    tmp_path: Path, defect: str, code: str
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        folder = drop(root, "bad")
        form = folder / "form.json"
        document = next(p for p in folder.iterdir() if p.name != "form.json")
        if defect == "no form":
            form.unlink()
        elif defect == "no JSON":
            form.write_text("{" * 5000)
        elif defect == "huge form":
            form.write_bytes(b" " * (2 << 20))
        elif defect == "link as form":
            form.rename(tmp_path / "elsewhere.json")
            form.symlink_to(tmp_path / "elsewhere.json")
        elif defect == "pipe as form":
            form.unlink()
            os.mkfifo(form)
        elif defect == "missing document":
            document.unlink()
        elif defect == "link as document":
            document.rename(tmp_path / "elsewhere.pdf")
            document.symlink_to(tmp_path / "elsewhere.pdf")
        elif defect == "another document":
            (folder / "more.pdf").write_bytes(b"%PDF")
        elif defect == "changed document":
            document.write_bytes(document.read_bytes()[:-1] + b"!")
        else:
            value = json.loads(form.read_bytes())
            side = "requesting_authority" if defect == "another's form" else "requested_authority"
            value[side]["authority_id"] = "xx-nobody"
            form.write_text(json.dumps(value))
        assert await pickup(world, root).look() == 1
        said = result(root / "refused" / "bad")
        assert not said["ok"]
        assert (said["error"]["code"], bool(said["error"]["sentence"])) == (code, True)
        assert await sent(world) == 0


async def test_what_cannot_be_stored_now_stays_and_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        drop(root, "case-77")
        drop(root, "case-78")
        taking = pickup(world, root)
        submit = world[KE].submitter.submit

        async def away(**_: object) -> None:
            raise StorageUnavailable

        async def broken(**given: Any) -> object:
            if "case" not in given:
                raise RuntimeError("a defect")
            return None

        monkeypatch.setattr(world[KE].submitter, "submit", away)
        assert await taking.look() == 0
        monkeypatch.setattr(world[KE].submitter, "submit", broken)
        assert await taking.look() == 0
        monkeypatch.setattr(world[KE].submitter, "submit", submit)
        # A defect is tried again by the next process only.
        assert await taking.look() == 0
        assert await pickup(world, root).look() == 2
        assert await sent(world) == 2


async def test_an_acknowledgement_is_told_once_without_content(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        root = tmp_path / "drop"
        root.mkdir()
        drop(root, "case-77")
        await pickup(world, root).look()
        said = result(root / "done" / "case-77")
        await world.run()
        telling = Telling(root=root, database=world[KE].database)
        assert await telling.look() == 0
        await world[SG].cases.acknowledge(f"{KE}/{said['bid']}", officer="op-1", reference="SG/1")
        await world.run()
        assert await telling.look() == 1
        (case,) = [p for p in (root / "in").iterdir() if p.is_dir()]
        assert case.name == said["thread_id"]
        (file,) = case.iterdir()
        told = json.loads(file.read_bytes())
        assert (told["message_type"], told["sender"], told["reference_requested"]) == (
            "acknowledgement",
            SG,
            "SG/1",
        )
        assert "text" not in json.dumps(told)
        # What the case system has taken away does not come back, by no process.
        file.unlink()
        assert await telling.look() == 0
        assert await Telling(root=root, database=world[KE].database).look() == 0
        assert list(case.iterdir()) == []


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00"),
        ("0001-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-23:00", "2026-01-01T00:00:00+00:00"),
    ],
    ids=["no zone", "told without zone", "before all time", "after all time"],
)
async def test_times_that_cannot_be_reckoned_with_stop_nothing(tmp_path: Path, at: str, told: str) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        form, documents = sample_request(1)
        await world.submit(KE, form, documents)
        await world.run()
        inside = tmp_path / "drop" / "in"
        inside.mkdir(parents=True)
        (inside / ".told").write_text(json.dumps({"v": 1, "at": at, "told": {"x/y": told}}))
        assert await Telling(root=tmp_path / "drop", database=world[SG].database).look() == 1


async def test_a_folder_that_cannot_be_used_is_a_refusal(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        with pytest.raises(GatewayRefusal, match="folder-unusable"):
            await pickup(world, tmp_path / "nowhere").look()
        root = tmp_path / "drop"
        root.mkdir()
        (root / "out").symlink_to(tmp_path)
        with pytest.raises(GatewayRefusal, match="medium-foreign"):
            await pickup(world, root).look()
        assert os.listdir(root) == ["out"]


async def test_a_home_with_a_drop_watches_it_while_it_serves_and_the_doctor_looks_at_it(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        assert "drop" not in {name for name, _ in world[KE].background()}
        root = tmp_path / "drop"
        with world[KE].home.settings.open("a") as settings:
            settings.write(f'\n[drop]\nfolder = "{root}"\n')
        app = await world.restart(KE)
        assert "drop" in {name for name, _ in app.background()}
        (found,) = [f for f in await app.desk.doctor.examine() if f.check == "drop"]
        assert str(found.level) == "red"
        root.mkdir()
        (found,) = [f for f in await app.desk.doctor.examine() if f.check == "drop"]
        assert str(found.level) == "green"
        drop(root, "case-77")
        assert app.drop is not None
        assert await app.drop.look() == 1
        assert (root / "done" / "case-77").is_dir()


def test_an_identifier_made_from_a_form_tells_nobody_else_which_form_it_was() -> None:
    form, _ = sample_request(1)
    del form["thread"]
    raw = json.dumps(form).encode()

    def made(name: str, key: bytes) -> dict[str, Any]:
        thread = identified(raw, own=KE, name=name, key=key)[0]["thread"]
        return {member: thread[member] for member in ("message_id", "thread_id")}

    same = made("a", b"k" * 32)
    assert made("a", b"k" * 32) == same
    for other in (made("b", b"k" * 32), made("a", b"l" * 32)):
        assert other["message_id"] != same["message_id"]
        assert other["thread_id"] != same["thread_id"]
