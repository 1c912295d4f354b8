"""Proofs as texts: what is accepted, what a forger would try."""

from datetime import UTC, datetime

import pytest

from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey
from crypto.merkle import Frontier, inclusion_path, leaf_hash, node_hash
from crypto.proof import parse_tlog_proof, tlog_proof, verify_tlog_proof

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = "xx-moj/log"
ED = PrivateKey.generate("log", NOTE_ED25519)
PQ = PrivateKey.generate("log", NOTE_ML_DSA_44)
KEYS = (ED.public, PQ.public)
LEAVES = [b"leaf %d" % n for n in range(11)]


def read(level: int, index: int) -> bytes:
    if level == 0:
        return leaf_hash(LEAVES[index])
    return node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))


def proof_of(index: int, size: int) -> str:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf_hash(leaf))
    head = Checkpoint(origin=ORIGIN, size=size, root=frontier.root())
    return tlog_proof(
        index, inclusion_path(index, size, read), sign_checkpoint(head, ED.signer(), PQ.signer(), AT)
    )


PROOF = proof_of(4, 11)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (1, 2), (4, 11), (10, 11)])
def test_a_proof_names_index_and_head(index: int, size: int) -> None:
    found, head = verify_tlog_proof(proof_of(index, size), LEAVES[index], ORIGIN, KEYS)
    assert (found, head.size, head.signed_at) == (index, size, AT)


def test_a_proof_at_size_one_has_no_hashes() -> None:
    assert proof_of(0, 1).startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nxx-moj/log\n1\n")


def test_another_leaf_index_or_log_is_not_proved() -> None:
    with pytest.raises(Refusal, match="proof-invalid"):
        verify_tlog_proof(PROOF, LEAVES[5], ORIGIN, KEYS)
    with pytest.raises(Refusal, match="proof-invalid"):
        verify_tlog_proof(PROOF.replace("index 4", "index 5"), LEAVES[4], ORIGIN, KEYS)
    with pytest.raises(Refusal, match="proof-invalid"):
        verify_tlog_proof(PROOF.replace("index 4", "index 11"), LEAVES[4], ORIGIN, KEYS)
    with pytest.raises(Refusal, match="sig-invalid"):
        verify_tlog_proof(PROOF, LEAVES[4], "yy-moj/log", KEYS)
    with pytest.raises(Refusal, match="sig-invalid"):
        verify_tlog_proof(PROOF, LEAVES[4], ORIGIN, KEYS[:1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROOF.replace("@v1", "@v2"),
        PROOF.replace("index", "extra AAAA\nindex"),
        PROOF.replace("index 4", "index 04"),
        PROOF.replace("index 4", "index -4"),
        PROOF.replace("index 4", "index 4 "),
        PROOF.replace("index 4", "index 9007199254740992"),
        PROOF.replace("index 4\n", "index 4\nAAAA\n"),
        PROOF.replace("index 4\n", "index 4\n" + ("A" * 43 + "=\n") * 60),
        PROOF.replace("index 4\n", "index 4\nextra AAAA\n"),
        "c2sp.org/tlog-proof@v1\nindex 4\n",
        PROOF + "x" * 200_000,
    ],
)
def test_a_proof_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        parse_tlog_proof(text)


def test_every_changed_character_of_a_proof_is_noticed() -> None:
    end_of_head = PROOF.index("— ")
    for position in [*range(end_of_head), *range(end_of_head, len(PROOF), 37)]:
        changed = PROOF[:position] + ("A" if PROOF[position] != "A" else "B") + PROOF[position + 1 :]
        with pytest.raises(Refusal):
            verify_tlog_proof(changed, LEAVES[4], ORIGIN, KEYS)
