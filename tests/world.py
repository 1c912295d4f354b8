"""Whole authorities in memory: real cryptography, a real database, a clock we move, a wire we cut.

``World.create`` makes homes, enrols everybody with everybody and opens their gateways without network or
background tasks; ``run`` lets them do whatever is due until nothing is; ``check`` verifies everything again:
each log, each receipt against its bundle, both sides of each case against each other.
"""

import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.base import Endpoint, Outcome, Parcel, ProbeOutcome, Verdict
from adapters.replies import Reply
from crypto.errors import CODES, Action
from gateway.app import App, make_home
from gateway.config import (
    AuthoritySettings,
    DatabaseSettings,
    DutySettings,
    HomePaths,
    MailSettings,
    NetworkSettings,
    PeerSettings,
    Settings,
)
from gateway.errors import GatewayError, GatewayRefusal, StorageError
from gateway.services.home import HomePlan, plan_record
from gateway.services.log.audits import audit_home
from gateway.services.log.logstate import LogState
from gateway.services.log.verify import AuditReport
from gateway.services.proofs.evidence import check_receipt
from gateway.services.registry.follower import Fetch
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.storage import cases, receipts, transmissions
from gateway.storage.group import Commit, commit_now
from tests.adapters.dropbox import DropboxAdapter, lying_in
from tests.sampledata import request, sample
from tests.storedcases import all_cases

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        #: What this clock is ahead of everybody else's.
        self.skew = timedelta()

    def now(self) -> datetime:
        """Return the time shown."""
        return self.at + self.skew


@dataclass
class Faults:
    """What the wire does wrong, each ``times`` times; then it is healthy again."""

    lose_request: int = 0
    lose_answer: int = 0
    flip_byte: int = 0
    cut: int = 0
    #: Bytes that differ, taken from this offset of the container.
    flip_at: int = 4000
    attempts: int = 0
    duplicates: int = 0

    def take(self, name: str) -> bool:
        """Tell whether this fault happens now, and count it down."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return bool(left)


class Wire:
    """Carries bytes between the gateways of one world; stands in for HTTPS on both ends."""

    def __init__(self, world: "World", own: str) -> None:
        self.scheme = "gateway_https"
        self._world = world
        self._own = own

    @property
    def faults(self) -> Faults:
        """The faults of this authority's calls."""
        return self._world.faults.setdefault(self._own, Faults())

    def _peer(self, endpoint: Endpoint) -> App | None:
        return self._world.apps.get(endpoint.authority_id)

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Hand a container to the peer's acceptor, as a PUT would."""
        self.faults.attempts += 1
        peer = self._peer(endpoint)
        if peer is None or self.faults.take("lose_request"):
            return Outcome(verdict=Verdict.RETRY)
        outcome = await self._put(parcel, peer)
        if self.faults.take("duplicates"):
            outcome = await self._put(parcel, peer)
        return Outcome(verdict=Verdict.RETRY) if self.faults.take("lose_answer") else outcome

    async def _put(self, parcel: Parcel, peer: App) -> Outcome:
        flip = self.faults.take("flip_byte")
        cut = self.faults.take("cut")
        now = self._world.clock.now()
        sent = 0
        try:
            intake = await peer.acceptor.begin(
                caller=self._own, jti=secrets.token_urlsafe(16), exp=now, sender=parcel.sender, bid=parcel.bid
            )
            async for chunk in parcel.read(0):
                piece = chunk
                if flip and sent <= self.faults.flip_at < sent + len(chunk):
                    at = self.faults.flip_at - sent
                    piece = chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
                sent += len(chunk)
                if cut and sent > parcel.size_bytes // 2:
                    await intake.suspend()
                    return Outcome(verdict=Verdict.RETRY)
                await intake.feed(piece)
            answer = await intake.finish()
        except StorageError as error:
            return Outcome(verdict=Verdict.RETRY, code=error.code)
        except GatewayRefusal as refusal:
            person = CODES[refusal.code].action is Action.PERSON
            return Outcome(verdict=Verdict.REFUSED if person else Verdict.RETRY, code=refusal.code)
        verdict = Verdict.DISPATCHED if answer.status == 202 else Verdict.ACCEPTED
        return Outcome(verdict=verdict, receipts=tuple(_travelled(answer.body)["receipts"]))

    async def post_receipts(self, endpoint: Endpoint, body: bytes, *, urgent: bool = False) -> Reply:
        """Give receipts to the peer's desk."""
        return await self._call(
            endpoint,
            lambda peer: peer.receipt_desk.take(
                caller=self._own,
                jti=secrets.token_urlsafe(16),
                exp=self._world.clock.now(),
                body=json.loads(body),
            ),
        )

    async def post_notices(self, endpoint: Endpoint, body: bytes) -> Reply:
        """Pass notices about keys on to the peer."""
        return await self._call(
            endpoint,
            lambda peer: peer.revocations.take_all(
                caller=self._own,
                jti=secrets.token_urlsafe(16),
                exp=self._world.clock.now(),
                body=json.loads(body),
            ),
        )

    async def get_outbox(self, endpoint: Endpoint, *, after: int, wait_s: float) -> Reply:
        """Look into our outbox at the peer, without waiting."""
        return await self._call(
            endpoint, lambda peer: peer.outbox.listing(caller=self._own, after=after, wait_s=0)
        )

    async def get_receipts(
        self, endpoint: Endpoint, sender: str, bid: str, *, after: int, urgent: bool = False
    ) -> Reply:
        """Ask for the receipts of one bundle."""
        return await self._call(
            endpoint,
            lambda peer: peer.receipt_desk.for_bundle(caller=self._own, sender=sender, bid=bid, after=after),
        )

    async def _call(self, endpoint: Endpoint, call: Callable[[App], Awaitable[Any]]) -> Reply:
        peer = self._peer(endpoint)
        if peer is None or self.faults.take("lose_request"):
            return Reply(status=0)
        try:
            body = await call(peer)
        except GatewayError as error:
            return Reply(status=422, code=error.code)
        return (
            Reply(status=0) if self.faults.take("lose_answer") else Reply(status=200, body=_travelled(body))
        )

    async def fetch(
        self,
        endpoint: Endpoint,
        bid: str,
        *,
        offset: int,
        sink: Callable[[bytes], Awaitable[None]],
        urgent: bool = False,
    ) -> Reply:
        """Fetch a container from the peer's outbox."""
        peer = self._peer(endpoint)
        if peer is None or self.faults.take("lose_request"):
            return Reply(status=0)
        try:
            source = await peer.outbox.open(caller=self._own, bid=bid)
        except GatewayError as error:
            return Reply(status=422, code=error.code)
        flip, cut, at = self.faults.take("flip_byte"), self.faults.take("cut"), offset
        async for chunk in source.stream(offset):
            piece = chunk
            if flip and at <= self.faults.flip_at < at + len(chunk):
                place = self.faults.flip_at - at
                piece = chunk[:place] + bytes([chunk[place] ^ 1]) + chunk[place + 1 :]
            if cut:
                piece = piece[: len(piece) // 2]
            await sink(piece)
            at += len(piece)
            if cut:
                return Reply(status=0, offset=at)
        return Reply(status=200, offset=at, length=source.size)

    async def probe(self, endpoint: Endpoint, question: str) -> ProbeOutcome:
        """Put a probe to the peer."""
        peer = self._peer(endpoint)
        if peer is None or self.faults.take("lose_request"):
            return ProbeOutcome(is_sent=False)
        try:
            answer = peer.liveness.answer(question, caller=self._own)
        except GatewayError as error:
            return ProbeOutcome(is_sent=False, code=error.code)
        return ProbeOutcome(answer=answer, is_sent=True)

    async def hello(self, endpoint: Endpoint) -> Reply:
        """Ask who is there."""
        return Reply(status=200 if self._peer(endpoint) else 0)

    async def aclose(self) -> None:
        """Nothing to close."""


def _travelled(body: Any) -> Any:
    """Return a body as it arrives: through JSON, so that nothing but JSON can pass."""
    return json.loads(json.dumps(body))


@dataclass
class World:
    """Some authorities that know each other."""

    folder: Path
    clock: FakeClock
    apps: dict[str, App] = field(default_factory=dict)
    faults: dict[str, Faults] = field(default_factory=dict)
    _stacks: dict[str, AsyncExitStack] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    #: Where the networks of their settings are served, in place of web servers.
    repositories: Callable[[NetworkSettings], Fetch] | None = None
    #: Channels beside HTTPS, by authority and scheme: boxes below the world's folder, empty unless asked for.
    boxes: dict[str, dict[str, DropboxAdapter]] = field(default_factory=dict)
    schemes: Sequence[str] = ()

    @staticmethod
    def new_clock() -> FakeClock:
        """Return the clock of a world that is given none."""
        return FakeClock()

    @classmethod
    @asynccontextmanager
    async def create(
        cls,
        folder: Path,
        *authorities: str,
        pull_only: Sequence[str] = (),
        urls: dict[str, str] | None = None,
        clock: FakeClock | None = None,
        schemes: Sequence[str] = (),
    ) -> AsyncIterator["World"]:
        """Make homes for these authorities of the sample directory, enrol them with each other, open them.

        ``schemes`` names channels of their records that go by box, beside HTTPS.
        """
        world = cls(folder=folder, clock=clock or cls.new_clock(), schemes=schemes)
        for aid in authorities:
            await make_lab_home(
                folder / aid,
                aid,
                clock=world.clock,
                pull_only=aid in pull_only,
                url=(urls or {}).get(aid, ""),
            )
        async with world.opened(*authorities):
            yield world

    @asynccontextmanager
    async def opened(self, *authorities: str) -> AsyncIterator[None]:
        """Open homes that were made, enrol them with each other, and close them in the end."""
        try:
            for aid in authorities:
                await self.open(aid)
            for app in self.apps.values():
                for other in self.apps.values():
                    if other is not app:
                        app.directory.enrol(other.home.enrolment.read_bytes(), now=self.clock.now())
            yield
        finally:
            for aid in tuple(self.apps):
                await self.close(aid)

    def further(self, aid: str) -> Sequence[Any]:
        """Return the adapters of an authority beside HTTPS."""
        return tuple(self.boxes[aid].values())

    async def open(self, aid: str) -> App:
        """Start an authority's gateway, after a crash say."""
        stack = AsyncExitStack()
        self.boxes[aid] = {
            scheme: DropboxAdapter(self.folder / "boxes", scheme=scheme) for scheme in self.schemes
        }
        app = await stack.enter_async_context(
            App.open(
                self.folder / aid,
                clock=self.clock,
                transport=Wire(self, aid),  # type: ignore[arg-type]
                further=self.further(aid),
                repositories=self.repositories,
                commit=lambda connection: self.commits.get(aid, commit_now)(connection),
            )
        )
        self.apps[aid], self._stacks[aid] = app, stack
        await app.recover()
        return app

    def box(self, of: str, scheme: str) -> Path:
        """Return where a channel of an authority's record leads; the box is there from now on."""
        record = self.apps[of].directory.own
        address = next(c.address for c in record.channels if c.channel == scheme)
        box = self.folder / "boxes" / address
        box.mkdir(parents=True, exist_ok=True)
        return box

    async def empty_box(self, of: str, scheme: str) -> int:
        """Let an authority take in what lies in its box and answer it; return how many lay there."""
        app, lay = self.apps[of], 0
        for sender, bid, container in lying_in(self.box(of, scheme)):
            intake = await app.acceptor.begin(caller=sender, jti=None, exp=None, sender=sender, bid=bid)
            await intake.feed(container)
            answer = await intake.finish()
            body = {"receipts": _travelled(answer.body)["receipts"]}
            await self.apps[sender].receipt_desk.take(caller=of, jti=None, exp=None, body=body)
            lay += 1
        return lay

    async def close(self, aid: str) -> None:
        """Stop an authority's gateway."""
        self.apps.pop(aid)
        await self._stacks.pop(aid).aclose()

    async def crash(self, aid: str) -> App:
        """Lose a gateway's process without an orderly stop, and start it again: no last head is signed."""
        app = self.apps[aid]
        assert app.sequencer is not None
        app.sequencer._head.state = LogState.STOPPED
        return await self.restart(aid)

    async def restart(self, aid: str) -> App:
        """Stop and start a gateway; it keeps its place in the order of steps."""
        order = tuple(self.apps)
        await self.close(aid)
        app = await self.open(aid)
        self.apps = {each: self.apps[each] for each in order}
        return app

    def __getitem__(self, aid: str) -> App:
        return self.apps[aid]

    def advance(self, by: timedelta) -> None:
        """Let time pass for everybody."""
        self.clock.at += by

    async def submit(
        self, sender: str, form: dict[str, Any], documents: dict[str, bytes], *, consents: Sequence[str] = ()
    ) -> Submission:
        """Submit a form with these documents by file name."""
        return await submit_to(self[sender], form, documents, consents=consents)

    async def run(self, *, rounds: int = 40) -> None:
        """Let every gateway do what is due now, until nothing is, with the clock standing still."""
        for _ in range(rounds):
            if not await self.step():
                return
        raise AssertionError("the world does not come to rest")

    async def step(self) -> int:
        """Let every gateway do once what is due now; return how much that was."""
        done = 0
        for app in tuple(self.apps.values()):
            for lane in ("urgent", "routine"):
                for job in await app.courier.claim(lane, 16):
                    await app.courier.attempt(job)
                    done += 1
            await app.acceptor.settled()
            done += await app.escalation.look()
            done += await app.pusher.push_due()
            done += await app.gaps.pull_due()
            await app.revocations.address_new_peers()
            done += await app.revocations.tell_due()
            if app.settings.peer.listen == "":
                for peer in tuple(self.apps):
                    if peer != app.authority_id and await self._waits(peer, app.authority_id):
                        await app.pull.poll_once(peer, wait_s=0)
                        done += 1
        return done

    async def _waits(self, at: str, for_aid: str) -> bool:
        listing = await self.apps[at].outbox.listing(caller=for_aid, after=0, wait_s=0)
        return bool(listing["items"] or listing["receipts"] or listing["notices"])

    async def run_for(self, span: timedelta, *, step: timedelta) -> None:
        """Let time pass in steps, and every gateway do what falls due."""
        end = self.clock.at + span
        while self.clock.at < end:
            await self.run()
            self.advance(step)
            for app in tuple(self.apps.values()):
                await app.watch.look()
        await self.run()

    async def check(self) -> None:
        """Verify everything again; raises ``AssertionError`` naming what is wrong."""
        for aid, app in self.apps.items():
            report = await audit(app)
            assert report.verified, (aid, report.as_json())
            await self._check_receipts(app)
        for app in self.apps.values():
            await self._check_cases(app)

    async def _check_receipts(self, app: App) -> None:
        rows = await app.database.read(lambda c: _all_receipts(c))
        chains: dict[tuple[str, str, str], list[receipts.ReceiptRow]] = {}
        for row in rows:
            checked = check_receipt({"jws": row.jws}, app.directory, self.clock.now())
            assert checked.digest == row.jws_sha256
            chains.setdefault((row.iss, row.sender, row.bid), []).append(row)
            issuer = self.apps.get(row.iss)
            if issuer is not None and issuer is not app:
                held = await issuer.database.read(
                    lambda c, row=row: (
                        row.jws_sha256 in {r.jws_sha256 for r in receipts.receipts_of(c, row.sender, row.bid)}
                    )
                )
                assert held, f"{row.iss} does not know its own {row.type}"
        for chain in chains.values():
            chain.sort(key=lambda row: row.n)
            assert len({row.n for row in chain}) == len(chain), "two receipts with one number"

    async def _check_cases(self, app: App) -> None:
        for case in await app.database.read(lambda c: all_cases(c, 10_000)):
            other = self.apps.get(case.peer)
            if other is None:
                continue
            mirrored = await other.database.read(
                lambda c, case=case: cases.find_case(c, case.thread_id, app.authority_id)
            )
            sent = await app.database.read(lambda c, case=case: _undelivered(c, case))
            if (
                mirrored is not None
                and not sent
                and not await other.database.read(lambda c, case=mirrored: _undelivered(c, case))
            ):
                assert mirrored.state == case.state, (app.authority_id, case.state, mirrored.state)
                assert mirrored.reference_requested == case.reference_requested


async def submit_to(
    app: App, form: dict[str, Any], documents: dict[str, bytes], *, consents: Sequence[str] = ()
) -> Submission:
    """Submit a form with these documents by file name."""
    return await app.submitter.submit(
        form_bytes=json.dumps(form).encode(),
        attachments=[
            Attachment(filename=name, open=lambda data=data: io.BytesIO(data), size=len(data))
            for name, data in documents.items()
        ],
        consents=consents,
    )


async def audit(app: App) -> AuditReport:
    """Return the report on a gateway's log, as `rogatory audit verify` makes it."""
    return await audit_home(
        app.database,
        keyring=app.keyring,
        head_file=app.home.resolve(app.settings.log.head_file),
        progress=lambda done, total: None,
    )


def _all_receipts(connection: Any) -> list[receipts.ReceiptRow]:
    from sqlalchemy import select

    from gateway.storage.schema import receipt

    return [receipts.ReceiptRow(**row._mapping) for row in connection.execute(select(receipt))]


def _undelivered(connection: Any, case: cases.CaseRow) -> bool:
    rows = cases.messages_of(connection, case.thread_id, case.peer)
    states = [
        item.state for row in rows for item in transmissions.transmissions_of(connection, row.sender, row.bid)
    ]
    return any(state not in {"CONSIGNED", "HANDED_OVER"} for state in states)


async def make_lab_home(
    folder: Path,
    aid: str,
    *,
    clock: FakeClock,
    pull_only: bool = False,
    url: str = "",
    mail: MailSettings | None = None,
) -> None:
    """Make the home of an authority of the sample directory. Everything in it is fictional."""
    directory = sample("directory.json")
    settings = Settings(
        authority=AuthoritySettings(id=aid, state=aid[:2].upper(), name=aid, network="lab"),
        database=DatabaseSettings(url=url),
        peer=PeerSettings(listen="" if pull_only else "127.0.0.1:8443"),
        mail=mail or MailSettings(),
        duty=DutySettings(origin=f"https://duty.{aid}.example"),
    )
    address = "" if pull_only else "https://127.0.0.1:8443"
    record, state = plan_record(settings=settings, address=address, given=directory)
    await make_home(HomePaths(folder), HomePlan(settings=settings, record=record, state=state), clock=clock)


def sample_request(number: int, *, size: int = 3000) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a sample request with made-up documents of its own, and a new thread."""
    form = request(number)
    documents = {}
    for row in form["attachments"]:
        data = hashlib.sha256(row["filename"].encode()).digest() * (size // 32 + 1)
        documents[row["filename"]] = data[:size]
        row["size_bytes"] = size
        row["sha256"] = hashlib.sha256(data[:size]).hexdigest()
    form["thread"]["message_id"] = f"{form['requesting_authority']['authority_id']}/{secrets.token_hex(16)}"
    form["thread"]["thread_id"] = secrets.token_hex(16)
    return form, documents
