"""The log's two keys follow one another like all others: heads change hands, and no head loses its proof."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from crypto.bundle import KeyInForce
from crypto.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, KeyUse, PrivateKey, Signer
from crypto.proof import tlog_proof, verify_tlog_proof
from gateway.model.revoked import KeyNotice
from gateway.services.diagnosis import Level
from gateway.services.health.homechecks import check_keys
from gateway.services.keys.heldkey import LISTED_AHEAD
from gateway.services.keys.keyring import Keyring, KeyringError
from gateway.services.log.audits import audit_home
from gateway.services.log.headstore import HeadStore, read_head_file
from gateway.services.log.logkeys import KeyringLogKeys, open_own_head
from gateway.services.log.logstate import LogState
from gateway.services.log.sequence import Sequencer
from gateway.services.log.verify import verify_log
from gateway.services.proofs import wire
from gateway.services.proofs.evidence import check_receipt
from gateway.storage import receipts, transmissions
from gateway.storage.database import Database
from tests.gateway.services.log.loghome import NOW, ORIGIN, LogHome, OpenLog, an_entry
from tests.world import FakeClock, World, sample_request

DAY = timedelta(days=1)
A, B = "ke-ag", "sg-agc"


@dataclass
class Generations:
    """Log keys that follow one another every 31 days, each good for a day before and after."""

    clock: FakeClock
    made: list[KeyInForce] = field(default_factory=list)
    private: dict[str, PrivateKey] = field(default_factory=dict)

    def next(self) -> None:
        """Make the next two keys, in force from now on."""
        for alg in (NOTE_ED25519, NOTE_ML_DSA_44):
            key = PrivateKey.generate(KeyUse.LOG, alg)
            now = self.clock.now()
            self.made.append(KeyInForce(public=key.public, nbf=now - DAY, exp=now + 32 * DAY))
            self.private[key.public.kid] = key

    def signers(self, now: datetime) -> tuple[Signer, Signer]:
        good = {key.public.alg: key for key in self.made if key.nbf <= now <= key.exp}
        if len(good) < 2:
            raise KeyringError("none")
        ed25519, ml_dsa = (self.private[good[alg].public.kid] for alg in (NOTE_ED25519, NOTE_ML_DSA_44))
        return ed25519.signer(), ml_dsa.signer()

    def known(self) -> list[KeyInForce]:
        return self.made


class Turning(LogHome):
    """A log whose keys change; one sequencer runs all the while."""

    clock: FakeClock
    keys: Generations

    async def run(self) -> OpenLog:
        """Begin."""
        self.clock = FakeClock(NOW)
        self.keys = Generations(self.clock)
        self.keys.next()
        return await self.again()

    async def again(self) -> OpenLog:
        """Begin again, as another process would."""
        store = HeadStore(self.head_file)
        sequencer = Sequencer(
            origin=ORIGIN,
            keys=self.keys,
            head_store=store,
            clock=self.clock,
            alarm=lambda state, sentence: self.alarms.append((state, sentence)),
        )
        database = await Database.open(str(self.database), hook=sequencer, inline=True)
        await sequencer.start(database)
        return OpenLog(database, sequencer, store)


async def stop(log: OpenLog) -> None:
    await log.sequencer.aclose()
    await log.database.aclose()
    log.store.close()


def faults(home: Turning, keys: list[KeyInForce] | None = None, note: str | None = None) -> list[str]:
    engine = create_engine(f"sqlite:///{home.database}")
    with engine.connect() as connection:
        report = verify_log(
            connection,
            origin=ORIGIN,
            keys=home.keys.known() if keys is None else keys,
            head_note=note or read_head_file(home.head_file),
        )
    engine.dispose()
    return [problem.sentence for problem in report.problems]


async def test_a_running_log_changes_its_keys_and_every_proof_and_head_stays_good(tmp_path: Path) -> None:
    home = Turning(tmp_path)
    log = await home.run()
    proofs = []
    for _ in range(14):
        (entry,) = await log.add()
        proofs.append((entry, await log.sequencer.proof(entry.index, 5)))
        home.clock.at += 31 * DAY
        home.keys.next()
    await stop(log)
    log = await home.again()
    assert log.sequencer.status.state is LogState.SIGNING
    await log.add()
    await stop(log)
    public = [key.public for key in home.keys.known()]
    signed_by = set()
    for entry, proof in proofs:
        assert proof is not None
        assert verify_tlog_proof(proof, entry.leaf, ORIGIN, public)[0] == entry.index
        signed_by |= {open_own_head(_note(proof), ORIGIN, home.keys.known()).signed_by}
    assert len(signed_by) == 14
    assert home.clock.now() - NOW > timedelta(days=400)
    assert faults(home) == []
    assert home.alarms == []


def _note(proof: str) -> str:
    return proof.partition("\n\n")[2]


async def test_a_head_signed_outside_the_life_of_its_key_is_no_head(tmp_path: Path) -> None:
    home = Turning(tmp_path)
    log = await home.run()
    await log.add()
    await stop(log)
    note = log.sequencer.head_note
    assert note is not None
    old = home.keys.known()
    early, late = open_checkpoint(note, ORIGIN, [key.public for key in old]), old[0].exp + DAY
    assert faults(home) == []
    for half in (0, 1):
        ended = list(old)
        ended[half] = KeyInForce(public=old[half].public, nbf=old[half].nbf, exp=NOW - timedelta(seconds=1))
        with pytest.raises(Refusal, match="sig-revoked"):
            open_own_head(note, ORIGIN, ended)
        assert any("cannot be used" in sentence for sentence in faults(home, ended))
    again = sign_checkpoint(
        Checkpoint(origin=ORIGIN, size=early.size, root=early.root), *home.keys.signers(NOW), late
    )
    with pytest.raises(Refusal, match="sig-revoked"):
        open_own_head(again, ORIGIN, old)


async def test_a_head_by_keys_whose_time_is_over_covers_nothing_that_came_later(tmp_path: Path) -> None:
    home = Turning(tmp_path)
    log = await home.run()
    await log.add()
    old = home.keys.signers(NOW)
    home.clock.at += 60 * DAY
    home.keys.next()
    late = replace(an_entry(1), at=home.clock.now())
    await log.database.write(lambda tx: tx.audit(late))
    await stop(log)
    note = log.sequencer.head_note
    assert note is not None
    true = open_checkpoint(note, ORIGIN, [key.public for key in home.keys.known()])
    assert faults(home) == []
    # Whoever kept the old keys may give any time to what they sign, but no entry an older one.
    again = Checkpoint(origin=ORIGIN, size=true.size, root=true.root)
    [found] = faults(home, note=sign_checkpoint(again, *old, NOW + timedelta(hours=1)))
    assert "older than the last" in found


async def test_without_a_key_in_force_nothing_is_signed_and_nothing_is_lost(tmp_path: Path) -> None:
    home = Turning(tmp_path)
    log = await home.run()
    await log.add()
    await log.head_of(1)
    before = read_head_file(home.head_file)
    home.clock.at += 40 * DAY
    (entry,) = await log.add()
    assert await log.sequencer.proof(entry.index, 0.05) is None
    assert read_head_file(home.head_file) == before
    assert home.alarms
    home.keys.next()
    await stop(log)
    assert log.sequencer.status.head_size == 2
    assert faults(home) == []


def test_both_halves_and_the_witness_key_get_their_successor_ahead_of_time(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path / "keys", authority_id=A, now=NOW, hosts=["gw.example.org"])
    keys = KeyringLogKeys(ring)
    now = NOW + timedelta(days=1826) - 45 * DAY
    assert ring.renew(["log", "wit"], now=NOW + 1000 * DAY) == ()
    made = ring.renew(["log", "wit"], now=now)
    assert [(key.public.use, key.public.alg) for key in made] == [
        (KeyUse.LOG, NOTE_ED25519),
        (KeyUse.LOG, NOTE_ML_DSA_44),
        (KeyUse.WIT, NOTE_ML_DSA_44),
    ]
    assert {key.begins for key in made} == {now + LISTED_AHEAD}
    listed = {row["kid"] for row in ring.record_keys()}
    assert {key.public.kid for key in made} <= listed
    successors = {key.public.kid for key in made}
    assert successors.isdisjoint(signer.public.kid for signer in keys.signers(now + LISTED_AHEAD - DAY))
    assert successors.issuperset(signer.public.kid for signer in keys.signers(now + LISTED_AHEAD))
    assert ring.renew(["log", "wit"], now=now, early=True) == ()
    assert len(keys.known()) == 4


def test_the_doctor_misses_either_half_of_the_log_key(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path / "keys", authority_id=A, now=NOW, hosts=["gw.example.org"])
    assert [found.level for found in check_keys(ring.held, NOW)] == [Level.GREEN]
    for alg in (NOTE_ED25519, NOTE_ML_DSA_44):
        left = [key for key in ring.held if (key.public.use, key.public.alg) != (KeyUse.LOG, alg)]
        (found,) = check_keys(left, NOW)
        assert (found.level, found.sentence) == (Level.RED, "No key for log is in force.")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    # An answer goes without its proof after a second of real time, which a busy machine may need for a head.
    monkeypatch.setattr(wire, "PROOF_PATIENCE_S", 30.0)


async def consignment(world: World, bid: str) -> receipts.ReceiptRow:
    rows = await world[A].database.read(lambda c: receipts.receipts_of(c, A, bid))
    return next(row for row in rows if row.type == "consignment")


async def send(world: World) -> receipts.ReceiptRow:
    form, documents = sample_request(1, size=300)
    bid = (await world.submit(A, form, documents)).bid
    await world.run()
    row = await world[A].database.read(lambda c: transmissions.find_transmission(c, A, bid, B))
    assert row is not None
    assert row.state == "CONSIGNED"
    return await consignment(world, bid)


@pytest.mark.slow
async def test_peers_take_heads_by_the_old_and_by_the_new_keys_of_a_log(
    tmp_path: Path, patience: None
) -> None:
    async with World.create(tmp_path, A, B) as world:
        early = await send(world)
        await world[B].upkeep.renew(["log", "wit"], early=True)
        world[A].directory.enrol(world[B].home.enrolment.read_bytes(), now=world.clock.now())
        meanwhile = await send(world)
        world.advance(LISTED_AHEAD + timedelta(minutes=1))
        late = await send(world)
        own = KeyringLogKeys(world[B].keyring).known()
        signed = [open_own_head(_note(row.proof or ""), f"{B}/log", own) for row in (early, meanwhile, late)]
        assert signed[0].signed_by == signed[1].signed_by
        assert set(signed[1].signed_by).isdisjoint(signed[2].signed_by)
        for row in (early, meanwhile, late):
            checked = check_receipt(offered(row), world[A].directory, world.clock.now())
            assert checked.place is not None
        await world.check()


@pytest.mark.slow
async def test_keys_that_were_rotated_out_give_a_later_receipt_no_place(
    tmp_path: Path, patience: None
) -> None:
    async with World.create(tmp_path, A, B) as world:
        await send(world)
        then, ring = world.clock.now(), world[B].keyring
        ed25519, ml_dsa = (ring.signer(KeyUse.LOG, then, alg=alg) for alg in (NOTE_ED25519, NOTE_ML_DSA_44))
        await world[B].upkeep.renew(["log", "wit"], early=True)
        world[A].directory.enrol(world[B].home.enrolment.read_bytes(), now=world.clock.now())
        world.advance(LISTED_AHEAD + timedelta(minutes=1))
        late = offered(await send(world))
        true = check_receipt(late, world[A].directory, world.clock.now())
        assert true.place is not None
        leaf = str(late["leaf"]).encode()
        # A log of this one entry, by the old keys, as if it were from before they went.
        tree = Checkpoint(origin=f"{B}/log", size=1, root=hashlib.sha256(b"\x00" + leaf).digest())
        forged = {**late, "proof": tlog_proof(0, [], sign_checkpoint(tree, ed25519, ml_dsa, then))}
        checked = check_receipt(forged, world[A].directory, world.clock.now())
        assert (checked.place, checked.proof_fault) == (None, "proof-invalid")


def offered(row: receipts.ReceiptRow) -> dict[str, object]:
    return {
        "jws": row.jws,
        "leaf": row.leaf,
        "salt": b64u(row.salt or b""),
        "body": row.body,
        "proof": row.proof,
    }


@pytest.mark.slow
async def test_a_head_by_keys_that_were_ended_proves_no_place_and_the_receipt_counts(
    tmp_path: Path, patience: None
) -> None:
    async with World.create(tmp_path, A, B) as world:
        early = await send(world)
        ended = [key.public.kid for key in world[B].keyring.held if key.public.use == KeyUse.LOG]
        world.advance(timedelta(minutes=1))
        now = world.clock.now()
        # The holders' word, that only the directory of the other side has heard.
        world[A].directory.set_notices({(B, kid): by_the_state(kid, "superseded", now) for kid in ended})
        world.advance(timedelta(minutes=1))
        late = await send(world)
        assert late.proof is None
        assert check_receipt(offered(early), world[A].directory, world.clock.now()).place is not None
        world[A].directory.set_notices({(B, ended[0]): by_the_state(ended[0], "compromise", now)})
        checked = check_receipt(offered(early), world[A].directory, world.clock.now())
        assert (checked.place, checked.proof_fault) == (None, "sig-revoked")


def by_the_state(kid: str, reason: str, now: datetime) -> KeyNotice:
    since = now - DAY if reason == "compromise" else None
    return KeyNotice(
        aid=B, kid=kid, reason=reason, at=now, received_at=now, invalid_since=since, by_state=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("alg", [NOTE_ED25519, NOTE_ML_DSA_44])
async def test_a_half_that_a_notice_ended_is_replaced_and_the_log_goes_on(tmp_path: Path, alg: str) -> None:
    async with World.create(tmp_path, A) as world:
        app, now = world[A], world.clock.now()
        old = app.keyring.current(KeyUse.LOG, now, alg=alg).public.kid
        made = await app.upkeep.own_key_revoked(replace(by_the_state(old, "compromise", now), aid=A))
        assert {key.public.use for key in made} == {KeyUse.LOG}
        assert app.sequencer is not None
        size = app.sequencer.status.size
        assert await app.sequencer.proof(size - 1, 5) is not None
        assert app.sequencer.status.state is LogState.SIGNING
        head = open_own_head(app.sequencer.head_note or "", f"{A}/log", KeyringLogKeys(app.keyring).known())
        assert old not in head.signed_by
        app = await world.restart(A)
        report = await audit_home(
            app.database,
            keyring=app.keyring,
            head_file=app.home.resolve(app.settings.log.head_file),
            progress=lambda done, total: None,
        )
        assert report.problems == ()
