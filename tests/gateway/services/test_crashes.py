"""The crash table (docs/crash-table.md): each durable step fails, or is kept but reported failed.

A row says whose COMMIT fails, in which stage of the one story, and which one of that stage. The process is
then lost without an orderly stop and started again, people repeat what they were told had failed, and the
story goes on to its end. Whatever the row, that end is the same; only the number of attempts may differ.
"""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.services.arrivals import release
from gateway.services.container import load_container
from gateway.services.log.logstate import LogState
from gateway.storage import receipts, transmissions
from gateway.storage.database import Connection
from tests.lostreceipts import lose_relays
from tests.postgres import Cluster, postgresql_cluster
from tests.storedcases import all_cases
from tests.world import FakeClock, Faults, World, audit, sample_request

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow

#: Sender and recipient by the way their bundles travel, with the authority that only calls out.
PAIRS = {
    "push": ("ke-ag", "sg-agc", ()),
    "pulling recipient": ("eg-ppo", "tn-mj", ("tn-mj",)),
    "pulling sender": ("gh-ag", "ng-fmj", ("gh-ag",)),
    "two channels": ("ke-ag", "sg-agc", ()),
}
SAMPLES = {"push": 1, "pulling recipient": 5, "pulling sender": 6, "two channels": 1}
#: Channels beside HTTPS, where the story has them.
SCHEMES = {"two channels": ("email_sealed", "email_smime")}


class PowerCut(Exception):
    """Stands for the process ending at a COMMIT."""


@dataclass(frozen=True, slots=True)
class Row:
    """One step: whose ``nth`` COMMIT of a stage is hit, and the attempts at the end of either kind.

    ``attempts`` is ``None`` where they depend on chance: how often it was tried until somebody helped.
    """

    step: str
    victim: str
    stage: str
    nth: int
    attempts: tuple[int, int] | None = (1, 1)
    pair: str = "push"
    #: What the story needs beforehand: "relay", "gap", "cut", "new key", "away" or "medium".
    given: str = ""

    def __str__(self) -> str:
        return self.step


AWAY: dict[str, Any] = {"attempts": None, "pair": "two channels", "given": "away"}

TABLE = [
    Row("submit transaction", "sender", "submit", 1),
    Row("claim", "sender", "deliver", 1),
    Row("attempt recorded", "sender", "deliver", 2),
    Row("accept transaction", "recipient", "deliver", 1, attempts=(2, 2)),
    Row("relay transaction", "recipient", "deliver", 1, attempts=(2, 1), given="relay"),
    Row("conclude after relay", "recipient", "deliver", 2, given="relay"),
    Row("relayed consignment filed", "sender", "deliver", 3, given="relay"),
    # The relay receipt is lost: the consignment skips its number, and the gap is pulled.
    Row("receipt that skips a number filed", "sender", "deliver", 3, attempts=None, given="gap"),
    Row("gap claimed", "sender", "pull", 1, attempts=None, given="gap"),
    Row("pulled receipts filed", "sender", "pull", 2, attempts=None, given="gap"),
    Row("gap put off", "sender", "pull in vain", 2, attempts=None, given="gap"),
    Row("upload suspended", "recipient", "deliver", 1, attempts=(2, 2), given="cut"),
    Row("key-expired recorded", "sender", "deliver", 2, attempts=None, given="new key"),
    Row("rewrap", "sender", "deliver again", 2, attempts=(2, 2), given="new key"),
    Row("attempt after rewrap recorded", "sender", "deliver again", 3, attempts=(2, 2), given="new key"),
    Row("accept after rewrap", "recipient", "deliver again", 1, attempts=(3, 3), given="new key"),
    Row("handover", "recipient", "open", 1),
    Row("push claimed", "recipient", "push", 1),
    Row("pushed receipts filed", "sender", "push", 1),
    Row("push done", "recipient", "push", 2),
    Row("acknowledgement", "recipient", "acknowledge", 1),
    Row("answer accepted", "sender", "answer", 1),
    Row("answer's attempt recorded", "recipient", "answer", 2),
    Row("dispatched to the outbox", "sender", "deliver", 2, pair="pulling recipient"),
    Row("accept after fetching", "recipient", "deliver", 1, pair="pulling recipient"),
    Row("posted receipts filed", "sender", "deliver", 3, pair="pulling recipient"),
    Row("receipts of an outbox filed", "sender", "push", 1, pair="pulling sender"),
    Row("cursor moved", "sender", "push", 2, pair="pulling sender"),
    Row("outbox listing taken", "recipient", "push", 1, pair="pulling sender"),
    # HTTPS is away from the beginning, and the turn of sealed mail comes, then of mail that needs consent.
    Row("failed over", "sender", "second channel", 2, **AWAY),
    Row("overdue", "sender", "third channel", 1, **AWAY),
    Row("consent asked", "sender", "third channel", 3, **AWAY),
    Row("consent answered", "sender", "consent", 1, **AWAY),
    Row("accept by another channel", "recipient", "box", 1, **AWAY),
    Row("receipt of another channel filed", "sender", "box", 1, **AWAY),
    # The lines are down, and a courier goes: the first COMMIT of an export gives the bundle a longer life.
    Row("rewrap for a medium", "sender", "export", 1, attempts=None, given="medium"),
    Row("medium exported", "sender", "export", 2, attempts=None, given="medium"),
    Row("accept from a medium", "recipient", "import", 1, attempts=None, given="medium"),
    Row("receipts of a medium filed", "sender", "home", 1, attempts=None, given="medium"),
]


@dataclass(slots=True)
class Fuse:
    """Fails the ``nth`` COMMIT from now on, once."""

    nth: int
    is_kept: bool
    blown: bool = False

    def __call__(self, connection: Connection) -> None:
        self.nth -= 1
        if self.nth != 0:
            connection.commit()
            return
        self.blown = True
        if self.is_kept:
            connection.commit()
        raise PowerCut


@dataclass(slots=True)
class Story:
    """The one story, stage by stage, as its people and clocks would drive it."""

    world: World
    sender: str
    recipient: str
    sample: int
    folder: Path
    form: dict[str, object] = field(init=False)
    documents: dict[str, bytes] = field(init=False)
    ref: str = ""

    def __post_init__(self) -> None:
        self.form, self.documents = sample_request(self.sample, size=400)
        self.ref = self.form["thread"]["message_id"]  # type: ignore[index]

    @property
    def bid(self) -> str:
        """The request's own identifier."""
        return self.ref.partition("/")[2]

    def stages(self, given: str) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
        """Return the stages by name, in order."""
        again: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        if given == "new key":
            again = [("deliver again", self.after_refusal)]
        elif given == "away":
            again = [
                ("second channel", self.next_turn),
                ("third channel", self.next_turn),
                ("consent", self.consent),
                ("box", self.empty_box),
            ]
        elif given == "medium":
            again = [("export", self.export), ("import", self.take_in), ("home", self.home)]
        elif given == "gap":
            again = [("pull in vain", self.pull_in_vain), ("pull", self.pull)]
        return [
            ("submit", self.submit),
            ("deliver", self.world.step),
            *again,
            ("open", self.open),
            ("push", self.world.run),
            ("acknowledge", self.acknowledge),
            ("answer", self.world.run),
        ]

    async def submit(self) -> None:
        """Submit, once more if told so: the message id is fixed."""
        with suppress(GatewayRefusal):
            await self.world.submit(self.sender, self.form, self.documents)  # type: ignore[arg-type]

    async def after_refusal(self) -> None:
        """Take the recipient's new key into the directory, and let the next attempt fall due."""
        enrolment = self.world[self.recipient].home.enrolment.read_bytes()
        self.world[self.sender].directory.enrol(enrolment, now=self.world.clock.now())
        self.world.advance(timedelta(minutes=1))
        await self.world.step()
        await self.world.run_for(timedelta(minutes=20), step=timedelta(minutes=5))

    async def pull_in_vain(self) -> None:
        """Let a gap in the receipts fall due while the recipient cannot be called."""
        self.world.advance(timedelta(seconds=11))
        self.world.faults[self.sender] = Faults(lose_request=1)
        await self.world[self.sender].gaps.pull_due()

    async def pull(self) -> None:
        """Let it fall due again."""
        self.world.advance(timedelta(seconds=21))
        await self.world[self.sender].gaps.pull_due()

    async def next_turn(self) -> None:
        """Let the turn of the next channel come, and whatever falls due with it be done."""
        self.world.advance(timedelta(hours=6))
        await self.world.run()

    async def consent(self) -> None:
        """Answer about ordinary mail; the last word counts, so that it may be repeated."""
        desk = self.world[self.sender].desk.consents
        await desk.answer(self.ref, "email_smime", given=False, officer="duty-3")

    async def empty_box(self) -> None:
        """Let the recipient take what lies in its box; what lies there stays."""
        await self.world.empty_box(self.recipient, "email_sealed")

    @property
    def medium(self) -> Path:
        """The courier's stick, one for each telling."""
        stick = self.folder / f"stick-{self.bid}"
        stick.mkdir(exist_ok=True)
        return stick

    async def export(self) -> None:
        """Write a medium for the recipient."""
        desk = self.world[self.sender].desk.carrier_export
        await desk.export(
            self.medium, peer=self.recipient, by="courier", officer="op-1", progress=lambda done, total: None
        )

    async def take_in(self) -> None:
        """Take the medium in, and write the receipts onto it."""
        desk = self.world[self.recipient].desk.carrier_import
        await desk.take(self.medium, answer=True, progress=lambda done, total: None)

    async def home(self) -> None:
        """Take the receipts that the medium brings home; then the lines are up again."""
        desk = self.world[self.sender].desk.carrier_import
        await desk.take(self.medium, answer=False, progress=lambda done, total: None)
        self.world.faults.clear()

    async def open(self) -> None:
        """Open into a folder that is empty each time."""
        await self.world[self.recipient].cases.open(self.ref, self.folder / uuid.uuid4().hex)

    async def acknowledge(self) -> None:
        """Acknowledge, unless it turns out that it was done."""
        with suppress(GatewayRefusal):
            await self.world[self.recipient].cases.acknowledge(self.ref, officer="op-1", reference="R/7")

    async def settle(self) -> None:
        """Let leases end and whatever was lost be tried again."""
        await self.world.run_for(timedelta(minutes=6), step=timedelta(minutes=3))


@pytest.fixture(scope="session")
def folder_of_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@dataclass(slots=True)
class Homes:
    """Homes that know each other, made once for each pair and engine, and copied for each story."""

    folder: Path
    cluster: Callable[[], Cluster]
    #: For each pair and engine: the folder of the homes, and their databases on a server.
    _made: dict[tuple[str, str], tuple[Path, list[str]]] = field(default_factory=dict)

    async def _make(self, pair: str, engine: str) -> tuple[Path, list[str]]:
        sender, recipient, pull_only = PAIRS[pair]
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        urls = {}
        names = [f"home{uuid.uuid4().hex}" for _ in range(2)] if engine == "postgresql" else []
        for aid, name in zip((sender, recipient), names, strict=False):
            await self.cluster().run(f"CREATE DATABASE {name}")
            urls[aid] = self.cluster().url(name)
        async with World.create(folder, sender, recipient, pull_only=pull_only, urls=urls):
            pass
        # The homes name their databases, so the copies in use take these names.
        await self._on_each(names, "ALTER DATABASE {name} RENAME TO {name}_made")
        self._made[pair, engine] = folder, names
        return folder, names

    async def _on_each(self, names: list[str], *statements: str) -> None:
        if names:
            await self.cluster().run(*(each.format(name=name) for name in names for each in statements))

    @asynccontextmanager
    async def world(self, folder: Path, pair: str, engine: str) -> AsyncIterator[World]:
        """Open a copy of the pair's homes, and of their databases."""
        made, names = self._made.get((pair, engine)) or await self._make(pair, engine)
        shutil.copytree(made, folder, dirs_exist_ok=True)
        await self._on_each(names, "CREATE DATABASE {name} TEMPLATE {name}_made")
        world = World(folder=folder, clock=FakeClock(), schemes=SCHEMES.get(pair, ()))
        try:
            for aid in PAIRS[pair][:2]:
                await world.open(aid)
            for scheme in world.schemes:
                world.box(PAIRS[pair][1], scheme)
            yield world
        finally:
            for aid in tuple(world.apps):
                await world.close(aid)
            for name in names:
                await self.cluster().let_go(name)


@pytest.fixture(scope="session")
def homes(folder_of_homes: Path, request: pytest.FixtureRequest) -> Homes:
    return Homes(folder_of_homes, lambda: request.getfixturevalue("postgresql_cluster"))


@pytest.fixture
def prepared_engine(request: pytest.FixtureRequest) -> str:
    """The engine, its server running before any loop does."""
    if request.param == "postgresql":
        request.getfixturevalue("postgresql_cluster")
    engine: str = request.param
    return engine


async def prepare(story: Story, given: str, patch: pytest.MonkeyPatch) -> None:
    """Arrange what a row needs before it begins."""
    world = story.world
    if given == "relay":
        patch.setattr(release, "OPENING_PATIENCE_S", 0)
        patch.setattr(release, "_INLINE_OPENING_BYTES", 0)
    elif given == "gap":
        lose_relays(patch)
        world.faults[story.sender] = Faults(lose_answer=1)
    elif given == "away":
        world.faults[story.sender] = Faults(lose_request=10**6)
        for file in world.box(story.recipient, "email_sealed").iterdir():
            file.unlink()
    elif given == "medium":
        world.faults[story.sender] = world.faults[story.recipient] = Faults(lose_request=10**6)
    elif given == "cut":
        world.faults[story.sender] = Faults(cut=1)
    elif given == "new key":
        recipient = world[story.recipient]
        world.advance(timedelta(hours=1))
        recipient.keyring.destroy_expired(world.clock.now(), kept=timedelta(days=-10_000))
        await recipient.desk.upkeep.rotate(["enc"])


async def check_end(story: Story, attempts: int | None) -> None:
    """Nothing lost, nothing doubled, and both sides hold the same."""
    world, bid = story.world, story.bid
    sender, recipient = world[story.sender], world[story.recipient]
    row = await sender.database.read(
        lambda c: transmissions.find_transmission(c, story.sender, bid, story.recipient)
    )
    assert row is not None
    assert row.state == "HANDED_OVER"
    assert attempts is None or row.attempts == attempts
    tries = await sender.database.read(
        lambda c: transmissions.attempts_of(c, story.sender, bid, story.recipient)
    )
    assert [one.no for one in tries] == list(range(1, row.attempts + 1))
    for app in (sender, recipient):
        status = await app.cases.status(story.ref)
        assert status.state == "received"
        assert [(m.sender, m.message_type) for m in status.messages] == [
            (story.sender, "request"),
            (story.recipient, "acknowledgement"),
        ]
        assert status.reference_requested == "R/7"
        found = await app.database.read(lambda c: all_cases(c, 10))
        assert [case.thread_id for case in found].count(status.thread_id) == 1
    ours = await sender.database.read(lambda c: receipts.receipts_of(c, story.sender, bid))
    theirs = await recipient.database.read(lambda c: receipts.receipts_of(c, story.sender, bid))
    issued = {r.jws for r in theirs}
    assert {r.jws for r in ours if r.type != "submission"} == issued
    kinds = sorted(r.type for r in theirs if r.type != "relay")
    assert kinds == ["consignment", "handover"]
    await world.check()


async def test_a_handover_brings_along_the_consignment_whose_answer_was_lost(
    homes: Homes, tmp_path: Path
) -> None:
    for pair in ("push", "pulling sender"):
        sender, recipient, _ = PAIRS[pair]
        async with homes.world(tmp_path / pair, pair, "sqlite") as world:
            story = Story(world, sender, recipient, SAMPLES[pair], tmp_path)
            world.faults[sender] = Faults(lose_answer=1)
            await story.submit()
            await world.step()
            await story.open()
            await world.run()
            await story.acknowledge()
            await world.run()
            await check_end(story, attempts=1)


@pytest.mark.parametrize("prepared_engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_after_a_power_cut_at_any_step_the_story_ends_the_same(
    homes: Homes, tmp_path: Path, row: Row, prepared_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with homes.world(tmp_path, row.pair, prepared_engine) as world:
        # One after the other in the same homes: opening them costs most of the time. What a COMMIT leaves
        # behind is the engine's; what follows from it is ours, so a server sees each step in one way.
        by_turns = bool(TABLE.index(row) % 2)
        for is_kept in (False, True) if prepared_engine == "sqlite" else (by_turns,):
            try:
                await tell(world, row, tmp_path, monkeypatch, is_kept=is_kept)
            except BaseException as failure:
                failure.add_note("kept but reported failed" if is_kept else "nothing kept")
                raise


async def tell(world: World, row: Row, folder: Path, patch: pytest.MonkeyPatch, *, is_kept: bool) -> None:
    """Tell the story with the one failure, and check its end."""
    sender, recipient, _ = PAIRS[row.pair]
    story = Story(world, sender, recipient, SAMPLES[row.pair], folder)
    await prepare(story, row.given, patch)
    victim = sender if row.victim == "sender" else recipient
    for name, act in story.stages(row.given):
        if name != row.stage:
            await act()
            continue
        fuse = world.commits[victim] = Fuse(row.nth, is_kept)
        with suppress(StorageUnavailable):
            await act()
        assert fuse.blown, "the row names a COMMIT that does not happen"
        await world.crash(victim)
        if name in ("submit", "open", "acknowledge", "consent", "box", "export", "import", "home"):
            await act()
        await story.settle()
    await story.settle()
    await check_end(story, None if row.attempts is None else row.attempts[is_kept])


def age(world: World, aid: str) -> set[Path]:
    """Make every file of a blob store two days old and return them."""
    files = {path for path in (world.folder / aid / "blobs").rglob("*") if path.is_file()}
    for path in files:
        os.utime(path, (0, path.stat().st_mtime - 2 * 86_400))
    return files


async def test_a_crash_between_blob_file_and_transaction_leaves_a_file_that_is_swept(
    homes: Homes, tmp_path: Path
) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        kept_form, kept = sample_request(1, size=300_000)
        await world.submit("ke-ag", kept_form, kept)
        referred = age(world, "ke-ag")
        world.commits["ke-ag"] = Fuse(1, is_kept=False)
        form, documents = sample_request(1, size=400_000)
        with pytest.raises(StorageUnavailable):
            await world.submit("ke-ag", form, documents)
        app = await world.crash("ke-ag")
        unreferenced = age(world, "ke-ag") - referred
        assert unreferenced
        assert await app.watch.sweep() == len(unreferenced)
        assert age(world, "ke-ag") == referred
        await world.submit("ke-ag", form, documents)
        await world.run()
        assert len(await world["sg-agc"].cases.inbox()) == 2
        await world.check()


async def test_the_sweep_leaves_the_finished_parts_of_an_upload_that_is_under_way(
    homes: Homes, tmp_path: Path
) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        form, documents = sample_request(1, size=300_000)
        sent = await world.submit("ke-ag", form, documents)
        source = await load_container(world["ke-ag"].database, world["ke-ag"].blobs, "ke-ag", sent.bid)
        container = b"".join([chunk async for chunk in source.stream(0)])
        call = {"caller": "ke-ag", "jti": None, "exp": None, "sender": "ke-ag", "bid": sent.bid}
        intake = await world["sg-agc"].acceptor.begin(**call)  # type: ignore[arg-type]
        await intake.feed(container[:-1000])
        offset = (await intake.suspend()).offset
        app = await world.crash("sg-agc")
        assert age(world, "sg-agc")
        assert await app.watch.sweep() == 0
        intake = await app.acceptor.resume(**call, offset=offset)  # type: ignore[arg-type]
        await intake.feed(container[offset:])
        assert (await intake.finish()).status == 201


async def test_a_part_that_ended_before_the_crash_is_not_sent_again(homes: Homes, tmp_path: Path) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        form, documents = sample_request(1, size=300_000)
        sent = await world.submit("ke-ag", form, documents)
        source = await load_container(world["ke-ag"].database, world["ke-ag"].blobs, "ke-ag", sent.bid)
        container = b"".join([chunk async for chunk in source.stream(0)])
        call = {"caller": "ke-ag", "jti": None, "exp": None, "sender": "ke-ag", "bid": sent.bid}
        intake = await world["sg-agc"].acceptor.begin(**call)  # type: ignore[arg-type]
        await intake.feed(container[:-1000])
        durable = (await intake.suspend()).offset
        intake = await world["sg-agc"].acceptor.resume(**call, offset=durable)  # type: ignore[arg-type]
        world.commits["sg-agc"] = Fuse(1, is_kept=False)
        await intake.feed(container[durable:])
        with pytest.raises(StorageUnavailable):
            await intake.finish()
        acceptor = (await world.crash("sg-agc")).acceptor
        with pytest.raises(GatewayRefusal) as refused:
            await acceptor.resume(**call, offset=durable)  # type: ignore[arg-type]
        assert refused.value.offset == len(container)
        intake = await acceptor.resume(**call, offset=len(container))  # type: ignore[arg-type]
        assert (await intake.finish()).status == 201


async def test_an_upload_whose_suspension_failed_is_not_busy_for_ever(homes: Homes, tmp_path: Path) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        world.faults["ke-ag"] = Faults(cut=1)
        world.commits["sg-agc"] = Fuse(1, is_kept=False)
        form, documents = sample_request(1)
        await world.submit("ke-ag", form, documents)
        await world.run_for(timedelta(minutes=2), step=timedelta(minutes=1))
        assert len(await world["sg-agc"].cases.inbox()) == 1
        await world.check()


async def test_a_relayed_bundle_whose_outcome_was_not_stored_is_opened_again_without_a_restart(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        story = Story(world, "ke-ag", "sg-agc", 1, tmp_path)
        await prepare(story, "relay", monkeypatch)
        await story.submit()
        fuse = world.commits["sg-agc"] = Fuse(2, is_kept=False)
        await world.step()
        assert fuse.blown
        await world.run_for(timedelta(minutes=1), step=timedelta(seconds=30))
        for act in (story.open, world.run, story.acknowledge, world.run):
            await act()
        await check_end(story, attempts=1)


async def test_a_database_ahead_of_the_stored_head_is_caught_up_with_at_the_start(
    homes: Homes, tmp_path: Path
) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        form, documents = sample_request(1)
        app = world["ke-ag"]
        assert app.sequencer is not None
        app.sequencer._head.state = LogState.STOPPED
        before = app.sequencer.status.head_size
        await world.submit("ke-ag", form, documents)
        report = await audit(app)
        assert report.verified
        assert report.unsigned > 0
        app = await world.crash("ke-ag")
        assert app.sequencer is not None
        status = app.sequencer.status
        assert status.state is LogState.SIGNING
        assert (status.head_size or 0) == status.size > (before or 0)
        assert (await audit(app)).unsigned == 0


async def test_what_a_dead_process_had_claimed_is_tried_at_once_by_its_successor(
    homes: Homes, tmp_path: Path
) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        form, documents = sample_request(1)
        await world.submit("ke-ag", form, documents)
        assert len(await world["ke-ag"].courier.claim("routine", 4)) == 1
        await world.run()
        assert await world["sg-agc"].cases.inbox() == []
        await world.crash("ke-ag")
        await world.run()
        assert len(await world["sg-agc"].cases.inbox()) == 1


async def test_a_submission_that_was_kept_is_not_reported_failed(homes: Homes, tmp_path: Path) -> None:
    async with homes.world(tmp_path, "push", "sqlite") as world:
        # Without a thread of its own every submission of a form is a new request.
        form, documents = sample_request(1)
        del form["thread"]
        world.commits["ke-ag"] = Fuse(1, is_kept=True)
        sent = await world.submit("ke-ag", form, documents)
        await world.run_for(timedelta(minutes=4), step=timedelta(minutes=2))
        assert [item.bid for item in await world["sg-agc"].cases.inbox()] == [sent.bid]
        own = await world["ke-ag"].cases.receipts(sent.bid)
        assert [row.jws for row in own if row.type == "submission"] == [sent.receipt_jws]
