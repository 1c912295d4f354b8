"""C2SP checkpoints: the signed head of a log, and cosignatures on it (docs/log.md section 3).

Decides the text of a head and what the two signatures of a log cover: Ed25519 (type 0x01) the text, so that
public witnesses understand it, ML-DSA-44 (type 0x06) the ``cosigned_message`` of c2sp.org/tlog-cosignature,
so that it outlives Ed25519. Both are required. Extension lines are refused: nobody could audit them.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from crypto.errors import Refusal
from crypto.keys import ML_DSA_44_SIGNATURE_SIZE, NOTE_ED25519, NOTE_ML_DSA_44, KeyUse, PublicKey, Signer
from crypto.merkle import HASH_SIZE, MAX_SIZE
from crypto.note import NoteKey, signature_line, split_note, standard_base64, verified_keys

_LABEL = b"subtree/v1\n\x00"
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last second of the year 9999, the largest instant ``datetime`` can hold.
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log.

    Attributes:
        origin: Name of the log, ``<aid>/log``.
        size: Number of leaves.
        root: Root hash, 32 bytes.
        signed_at: Signing time as the log's post-quantum signature states it; None before signing.
        signed_by: The log's keys that signed, by identifier; none before signing.
    """

    origin: str
    size: int
    root: bytes
    signed_at: datetime | None = field(default=None, compare=False)
    signed_by: tuple[str, ...] = field(default=(), compare=False)

    def encode(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode('ascii')}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the head in the text of a note.

    Raises:
        Refusal: ``malformed``, also for extension lines.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Refusal("malformed", "a checkpoint has exactly three lines")
    origin, size, root = lines[0], lines[1], standard_base64(lines[2])
    # What cannot be printed names no log; a lone surrogate cannot even be encoded.
    if not origin or not origin.isprintable() or len(origin.encode()) > 255:
        raise Refusal("malformed", "the origin of a checkpoint")
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE or len(root) != HASH_SIZE:
        raise Refusal("malformed", "the size or the root of a checkpoint")
    return Checkpoint(origin=origin, size=int(size), root=root)


def cosigned_message(cosigner: str, seconds: int, checkpoint: Checkpoint) -> bytes:
    """Return what an ML-DSA-44 cosignature covers (c2sp.org/tlog-cosignature)."""
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            _LABEL,
            len(name).to_bytes(1, "big"),
            name,
            seconds.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big"),
            origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def cosign(checkpoint: Checkpoint, name: str, signer: Signer, at: datetime) -> str:
    """Return the line by which ``name`` states that it saw no larger consistent tree by ``at``.

    The caller has checked consistency with what it saw before, and made that durable.
    """
    seconds = int((at - _EPOCH).total_seconds())
    value = signer.sign(cosigned_message(name, seconds, checkpoint))
    return signature_line(name, signer.public, seconds.to_bytes(8, "big") + value)


def sign_checkpoint(checkpoint: Checkpoint, ed25519: Signer, ml_dsa: Signer, at: datetime) -> str:
    """Return the note of a log's head with both of its signatures, signed at ``at``."""
    name, text = checkpoint.origin, checkpoint.encode()
    return "".join(
        (
            text,
            "\n",
            signature_line(name, ed25519.public, ed25519.sign(text.encode())),
            cosign(checkpoint, name, ml_dsa, at),
        )
    )


def _cosigned_at(key: NoteKey, value: bytes, checkpoint: Checkpoint) -> datetime:
    seconds = int.from_bytes(value[:8], "big")
    if len(value) != 8 + ML_DSA_44_SIGNATURE_SIZE or seconds > _LAST_SECOND:
        raise Refusal("sig-invalid", "a cosignature has another length or an impossible time")
    key.public.verify(cosigned_message(key.name, seconds, checkpoint), value[8:])
    return _EPOCH + timedelta(seconds=seconds)


def open_checkpoint(note: str, origin: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """Return the head of the log ``origin`` if it carries both of the log's signatures.

    Args:
        keys: The log keys of that authority, past ones included. One of each algorithm must have signed;
            they may be of different generations, because the halves may be rotated apart.

    The caller still owes: whether the keys named in ``signed_by`` were in force at ``signed_at``.

    Raises:
        Refusal: ``malformed``; ``sig-invalid`` for a wrong or missing signature or another log's head.
    """
    return _opened(note, origin, tuple(keys))


# Receipts of one batch carry the same head: it is verified once, not once for each.
@lru_cache(maxsize=256)
def _opened(note: str, origin: str, keys: tuple[PublicKey, ...]) -> Checkpoint:
    text, signatures = split_note(note)
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != origin:
        raise Refusal("sig-invalid", "the checkpoint is another log's")
    message = text.encode()
    times: list[datetime] = []

    def verify(key: NoteKey, value: bytes) -> None:
        if key.public.alg == NOTE_ED25519:
            key.public.verify(message, value)
        else:
            times.append(_cosigned_at(key, value, checkpoint))

    log_keys = [NoteKey.named(origin, key) for key in keys if key.use == KeyUse.LOG]
    signed = [key.public for key in verified_keys(signatures, log_keys, verify)]
    if {public.alg for public in signed} != {NOTE_ED25519, NOTE_ML_DSA_44}:
        raise Refusal("sig-invalid", "the checkpoint lacks one of the log's two signatures")
    return Checkpoint(
        origin=origin,
        size=checkpoint.size,
        root=checkpoint.root,
        # Two generations of one half may have signed: the latest time is the one all have to stand.
        signed_at=max(times),
        signed_by=tuple(sorted(public.kid for public in signed)),
    )


def verify_cosignature(note: str, name: str, public: PublicKey) -> datetime:
    """Return when the witness ``name`` says it saw the head in ``note``; the log's own lines are not judged.

    Raises:
        Refusal: ``malformed``; ``sig-invalid`` if its line is wrong or missing.
    """
    text, signatures = split_note(note)
    checkpoint = parse_checkpoint(text)
    times: list[datetime] = []

    def verify(key: NoteKey, value: bytes) -> None:
        times.append(_cosigned_at(key, value, checkpoint))

    if not verified_keys(signatures, (NoteKey.named(name, public),), verify):
        raise Refusal("sig-invalid", "the checkpoint lacks this witness's signature")
    return times[-1]
