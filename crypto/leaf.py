"""What a leaf of an audit log commits to, and a receipt's place in a log (docs/log.md section 2).

A leaf names nobody: it holds a time, an event's name and a salted commitment to a body, so that the body
can be erased while every proof stays valid. Reads the leaves of any authority; how our own are written is
decided in ``gateway.model.audit``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from crypto import strictjson
from crypto.checkpoint import Checkpoint
from crypto.encoding import parse_wire_time, unb64u
from crypto.errors import Refusal
from crypto.keys import PublicKey
from crypto.proof import verify_tlog_proof
from crypto.receipts import receipt_digest
from crypto.strictjson import JSONValue

SALT_SIZE = 32
MAX_LEAF_BYTES = 1024
MAX_BODY_BYTES = 16 * 1024

_PREFIX = b"gw/1/log\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The members of a leaf.

    Attributes:
        at: When the entry was made, by the clock of the log's authority.
        event: Name of the event.
        commitment: 32 bytes.
    """

    at: datetime
    event: str
    commitment: bytes


def commitment(salt: bytes, body: bytes) -> bytes:
    """Return the commitment to ``body``; without ``salt`` (32 random bytes) nobody can guess the body."""
    return sha256(_PREFIX + salt + body).digest()


def parse_leaf(leaf: bytes) -> Leaf:
    """Return the members of a leaf; members of a newer version are ignored.

    Raises:
        Refusal: ``malformed`` or ``version``.
    """
    members = strictjson.loads_object(leaf, max_bytes=MAX_LEAF_BYTES)
    version, at, event, hidden = members.get("v"), members.get("t"), members.get("ev"), members.get("c")
    if version != 1 or isinstance(version, bool) or members.get("must"):
        raise Refusal("version", "leaf: another version")
    if not isinstance(at, str) or not isinstance(event, str) or not isinstance(hidden, str):
        raise Refusal("malformed", "leaf: members")
    committed = unb64u(hidden)
    if len(committed) != 32:
        raise Refusal("malformed", "leaf: commitment")
    return Leaf(at=parse_wire_time(at), event=event, commitment=committed)


def open_leaf(leaf: bytes, salt: bytes, body: bytes) -> Mapping[str, JSONValue]:
    """Return the members of the body that the leaf commits to.

    Raises:
        Refusal: ``malformed`` or ``version``; ``proof-invalid`` if the leaf commits to something else.
    """
    parsed = parse_leaf(leaf)
    if len(salt) != SALT_SIZE or len(body) > MAX_BODY_BYTES or commitment(salt, body) != parsed.commitment:
        raise Refusal("proof-invalid", "the leaf does not commit to this body")
    members = strictjson.loads_object(body, max_bytes=MAX_BODY_BYTES)
    if members.get("ev") != parsed.event:
        raise Refusal("proof-invalid", "leaf and body name different events")
    return members


def check_logged_receipt(
    jws: str, *, iss: str, leaf: str, salt: bytes, body: str, proof: str, keys: Sequence[PublicKey]
) -> tuple[Mapping[str, JSONValue], Checkpoint]:
    """Return the body's members and the signed head after checking that ``jws`` stands in the log of ``iss``.

    Args:
        leaf, body, proof: The exact texts that came with the receipt.
        keys: The log keys of ``iss``, past ones included.

    The caller still owes: the receipt itself (``crypto.receipts.read_receipt``), and whether the keys that
    signed the head were in force then.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid`` or ``proof-invalid``.
    """
    try:
        leaf_bytes, body_bytes = leaf.encode(), body.encode()
    except UnicodeEncodeError:
        raise Refusal("malformed", "leaf or body is not Unicode") from None
    members = open_leaf(leaf_bytes, salt, body_bytes)
    if not jws.isascii() or members.get("receipt") != receipt_digest(jws):
        raise Refusal("proof-invalid", "the entry is about another receipt")
    _, head = verify_tlog_proof(proof, leaf_bytes, f"{iss}/log", keys)
    return members, head
