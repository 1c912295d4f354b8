"""An independent implementation reads what we write: bundles, receipts and log proofs."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from crypto import hpke
from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.encoding import b64u
from crypto.keys import ED25519, NOTE_ED25519, NOTE_ML_DSA_44, KeyUse, PrivateKey
from crypto.leaf import commitment
from crypto.merkle import leaf_hash, node_hash
from crypto.proof import tlog_proof
from crypto.receipts import ReceiptClaims, issue, receipt_digest
from tests.crypto.samples import ENC, FORM, LETTER, NOW, RECIPIENT, SENDER, SIG, seal

HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def reader() -> Callable[[Path, dict[str, Any]], subprocess.CompletedProcess[str]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        pytest.skip("node is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(int(number) for number in version.strip().lstrip("v").split(".")[:2]) < (20, 19):
        pytest.skip(f"node {version.strip()} is older than 20.19")
    with (HERE / "package-lock.json").open("rb") as lock:
        # Test workers share the folder; only one of them fetches.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HERE / "node_modules").exists():
            _fetch_packages(npm)

    def read(folder: Path, task: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        path = folder / "task.json"
        path.write_text(json.dumps(task), "utf-8")
        command = [node, str(HERE / "read_bundle.mjs"), str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return read


def _fetch_packages(npm: str | None) -> None:
    if npm is None:
        pytest.skip("npm is not installed, and its packages are absent")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer in time")
    if done.returncode:
        pytest.skip("npm ci could not fetch the reader's packages")


def _bundle_task(folder: Path, documents: list[bytes]) -> tuple[dict[str, Any], Any]:
    sealed = seal(documents)
    container = folder / "bundle.gwb"
    container.write_bytes(sealed.container)
    ml_kem, x25519 = ENC._halves
    return {
        "container": str(container),
        "aid": RECIPIENT,
        "sender_pub": SIG.public.pub.hex(),
        "enc_pub": ENC.public.pub.hex(),
        "ml_kem_seed": ml_kem.private_bytes_raw().hex(),
        "x25519_secret": x25519.private_bytes_raw().hex(),
    }, sealed


def test_a_second_reader_opens_a_bundle_and_verifies_both_halves(tmp_path: Path, reader: Any) -> None:
    documents = [FORM, LETTER, bytes(3 * 16384), b"", bytes(range(256)) * 700]
    task, sealed = _bundle_task(tmp_path, documents)
    done = reader(tmp_path, {"bundle": task})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["bundle"]
    assert found == {
        "bid": sealed.bid,
        "halves": {"ed25519": True, "ml_dsa_65": True},
        "manifest": sealed.envelope.manifest,
        "parts": [sha256(document).hexdigest() for document in documents],
    }


@pytest.mark.parametrize(
    ("position", "reason"),
    [(3, "magic"), (-1, "digest of part 2"), (5500, "signature halves")],
)
def test_the_second_reader_refuses_what_was_changed(
    tmp_path: Path, reader: Any, position: int, reason: str
) -> None:
    task, _ = _bundle_task(tmp_path, [FORM, LETTER])
    container = bytearray(Path(task["container"]).read_bytes())
    container[position] = ord("A") if container[position] != ord("A") else ord("B")
    Path(task["container"]).write_bytes(container)
    done = reader(tmp_path, {"bundle": task})
    assert (done.returncode, done.stderr.strip()) == (1, f"refused: {reason}")


def _receipt_task() -> dict[str, Any]:
    rcpt = PrivateKey.generate(KeyUse.RCPT, ED25519)
    classical = PrivateKey.generate(KeyUse.LOG, NOTE_ED25519)
    lattice = PrivateKey.generate(KeyUse.LOG, NOTE_ML_DSA_44)
    claims = ReceiptClaims(
        type="consignment",
        sender=SENDER,
        bid="0" * 32,
        envelope="ab" * 32,
        manifest="cd" * 32,
        iss=RECIPIENT,
        to=SENDER,
        at=NOW,
        n=1,
        prev=None,
        reason=None,
    )
    jws = issue(claims, rcpt.signer())
    names = {"ev": "bundle.consigned", "from": SENDER, "bid": "0" * 32}
    body = json.dumps({**names, "receipt": receipt_digest(jws)}, separators=(",", ":"))
    salt = bytes(range(32))
    hidden = b64u(commitment(salt, body.encode()))
    leaf = json.dumps({"v": 1, "t": "2026-11-01T12:00:00Z", "ev": "bundle.consigned", "c": hidden})
    # Leaf 4 of 5: its path leaves the right edge, which is where readers go wrong.
    others = [leaf_hash(b"fictional %d" % number) for number in range(4)]
    left = node_hash(node_hash(others[0], others[1]), node_hash(others[2], others[3]))
    checkpoint = Checkpoint(origin=f"{RECIPIENT}/log", size=5, root=node_hash(left, leaf_hash(leaf.encode())))
    note = sign_checkpoint(checkpoint, classical.signer(), lattice.signer(), NOW + timedelta(seconds=1))
    return {
        "jws": jws,
        "rcpt_pub": rcpt.public.pub.hex(),
        "leaf": leaf,
        "salt": b64u(salt),
        "body": body,
        "proof": tlog_proof(4, [left], note),
        "origin": f"{RECIPIENT}/log",
        "log_ed25519_pub": classical.public.pub.hex(),
        "log_ml_dsa_44_pub": lattice.public.pub.hex(),
    }


def test_a_second_reader_verifies_a_receipt_its_proof_and_both_checkpoint_signatures(
    tmp_path: Path, reader: Any
) -> None:
    done = reader(tmp_path, {"receipt": _receipt_task()})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["receipt"] == {
        "type": "consignment",
        "bid": "0" * 32,
        "index": 4,
        "size": 5,
    }


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("proof", "index 4", "index 3", "path too short"),
        ("leaf", "2026", "2027", "inclusion proof"),
        ("body", "consigned", "rejected", "leaf commits to another body"),
        ("proof", "\n5\n", "\n6\n", "checkpoint signature 0x01"),
    ],
)
def test_the_second_reader_refuses_a_changed_proof(
    tmp_path: Path, reader: Any, name: str, old: str, new: str, reason: str
) -> None:
    task = _receipt_task()
    task[name] = task[name].replace(old, new, 1)
    done = reader(tmp_path, {"receipt": task})
    assert (done.returncode, done.stderr.strip()) == (1, f"refused: {reason}")


def test_a_second_reader_opens_the_wrap_of_the_self_test(tmp_path: Path, reader: Any) -> None:
    path = Path(hpke.__file__).with_name("data") / "selftest.json"
    vector = json.loads(path.read_text("ascii"))["hpke"]
    ml_kem, x25519 = hpke.expand_seed(bytes.fromhex(vector["seed"]))
    pub = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    task = {
        "wrap": vector["wrap"],
        "info": vector["info"],
        "enc_pub": pub.hex(),
        "ml_kem_seed": ml_kem.private_bytes_raw().hex(),
        "x25519_secret": x25519.private_bytes_raw().hex(),
    }
    done = reader(tmp_path, {"wrap": task})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wrap"] == vector["bk"]
