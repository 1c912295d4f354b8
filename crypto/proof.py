"""C2SP tlog-proof: one text that proves offline that a leaf stands in a log (docs/log.md section 4).

Composes index, audit path and signed head. ``extra`` lines are refused although C2SP allows them: nothing
would authenticate them, and nobody should be tempted to read them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pybase64 import b64encode_as_string

from crypto.checkpoint import Checkpoint, open_checkpoint
from crypto.errors import Refusal
from crypto.keys import PublicKey
from crypto.merkle import HASH_SIZE, MAX_SIZE, leaf_hash, verify_inclusion
from crypto.note import MAX_NOTE_BYTES, standard_base64

_HEADER = "c2sp.org/tlog-proof@v1\n"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")
#: A tree of MAX_SIZE leaves is no higher than this.
_MAX_PATH = 53
_MAX_BYTES = MAX_NOTE_BYTES + 64 * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A parsed proof; nothing in it is verified yet."""

    index: int
    path: tuple[bytes, ...]
    checkpoint_note: str


def tlog_proof(index: int, path: Sequence[bytes], checkpoint_note: str) -> str:
    """Return the proof that leaf ``index`` is in the tree of the signed head."""
    hashes = "".join([f"{b64encode_as_string(node)}\n" for node in path])
    return f"{_HEADER}index {index}\n{hashes}\n{checkpoint_note}"


def parse_tlog_proof(text: str) -> Proof:
    """Return the parts of a proof.

    Raises:
        Refusal: ``malformed``, also for an ``extra`` line.
    """
    if len(text) > _MAX_BYTES or not text.startswith(_HEADER):
        raise Refusal("malformed", "not a tlog-proof of version 1")
    body, gap, note = text[len(_HEADER) :].partition("\n\n")
    index, *hashes = body.split("\n")
    match = _INDEX.fullmatch(index)
    if not gap or match is None or int(match[1]) >= MAX_SIZE or len(hashes) > _MAX_PATH:
        raise Refusal("malformed", "the head of a tlog-proof")
    path = [standard_base64(line) for line in hashes]
    for node in path:
        if len(node) != HASH_SIZE:
            raise Refusal("malformed", "a hash of a tlog-proof")
    return Proof(index=int(match[1]), path=tuple(path), checkpoint_note=note)


def verify_tlog_proof(
    text: str, leaf: bytes, origin: str, keys: Sequence[PublicKey]
) -> tuple[int, Checkpoint]:
    """Return index and signed head after checking both signatures and the path of ``leaf``.

    Args:
        keys: The log keys of that authority, past ones included.

    Raises:
        Refusal: ``malformed``, ``sig-invalid`` or ``proof-invalid``.
    """
    proof = parse_tlog_proof(text)
    checkpoint = open_checkpoint(proof.checkpoint_note, origin, keys)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(leaf), proof.path, checkpoint.root)
    return proof.index, checkpoint
