"""Leaves: what they commit to, and receipts in logs."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.encoding import b64u, sha256_hex
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey
from crypto.leaf import check_logged_receipt, commitment, open_leaf, parse_leaf
from crypto.merkle import leaf_hash
from crypto.proof import tlog_proof

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ED = PrivateKey.generate("log", NOTE_ED25519)
PQ = PrivateKey.generate("log", NOTE_ML_DSA_44)
KEYS = (ED.public, PQ.public)
SALT = bytes(range(32))
JWS = "e30.e30.e30"
BODY = json.dumps({"ev": "bundle.consigned", "receipt": sha256_hex(JWS.encode())}).encode()


def a_leaf(body: bytes = BODY, **changes: Any) -> bytes:
    plain = {"v": 1, "t": "2026-03-01T12:00:00Z", "ev": "bundle.consigned", "c": b64u(commitment(SALT, body))}
    return json.dumps(
        {name: value for name, value in {**plain, **changes}.items() if value != "DROP"}
    ).encode()


def logged(leaf: bytes, origin: str = "yy-moj/log") -> str:
    """A proof that ``leaf`` is the only entry of a log."""
    head = Checkpoint(origin=origin, size=1, root=leaf_hash(leaf))
    return tlog_proof(0, [], sign_checkpoint(head, ED.signer(), PQ.signer(), AT))


def check(leaf: bytes, body: str = BODY.decode(), **changes: Any) -> tuple[Mapping[str, Any], Checkpoint]:
    arguments: dict[str, Any] = {
        "iss": "yy-moj",
        "leaf": leaf.decode(),
        "salt": SALT,
        "body": body,
        "proof": logged(leaf),
        "keys": KEYS,
    }
    return check_logged_receipt(JWS, **{**arguments, **changes})


def test_the_commitment_is_that_of_the_specification() -> None:
    assert commitment(SALT, b"{}").hex() == sha256_hex(b"gw/1/log\0" + SALT + b"{}")


def test_a_leaf_is_read_and_members_of_a_newer_version_are_ignored() -> None:
    leaf = parse_leaf(a_leaf(colour="blue"))
    assert (leaf.at, leaf.event, leaf.commitment) == (AT, "bundle.consigned", commitment(SALT, BODY))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"v": 2}, "version"),
        ({"v": True}, "version"),
        ({"must": ["colour"]}, "version"),
        ({"t": "DROP"}, "malformed"),
        ({"t": "2026-03-01 12:00:00"}, "malformed"),
        ({"ev": 1}, "malformed"),
        ({"c": "AA"}, "malformed"),
        ({"c": "*" * 43}, "malformed"),
    ],
)
def test_a_leaf_of_another_shape_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal, match=code):
        parse_leaf(a_leaf(**changes))


def test_only_the_committed_body_opens_a_leaf() -> None:
    assert open_leaf(a_leaf(), SALT, BODY)["ev"] == "bundle.consigned"
    for salt, body in (
        (bytes(32), BODY),
        (SALT, BODY + b" "),
        (SALT[:31], BODY),
        (SALT + BODY[:1], BODY[1:]),
    ):
        with pytest.raises(Refusal, match="proof-invalid"):
            open_leaf(a_leaf(), salt, body)
    with pytest.raises(Refusal, match="different events"):
        open_leaf(a_leaf(ev="bundle.rejected"), SALT, BODY)


def test_a_receipt_is_found_in_the_log_of_its_issuer() -> None:
    members, head = check(a_leaf())
    assert members["receipt"] == sha256_hex(JWS.encode())
    assert (head.size, head.signed_at) == (1, AT)


def test_a_place_that_is_not_the_receipts_is_refused() -> None:
    leaf = a_leaf()
    other_body = json.dumps({"ev": "bundle.consigned", "receipt": "0" * 64}).encode()
    with pytest.raises(Refusal, match="another receipt"):
        check(a_leaf(other_body), other_body.decode())
    with pytest.raises(Refusal, match="proof-invalid"):
        check(leaf, proof=logged(a_leaf(t="2026-03-01T12:00:01Z")))
    with pytest.raises(Refusal, match="sig-invalid"):
        check(leaf, proof=logged(leaf, "zz-moj/log"))
    with pytest.raises(Refusal, match="sig-invalid"):
        check(leaf, keys=KEYS[:1])
    with pytest.raises(Refusal, match="proof-invalid"):
        check(leaf, salt=bytes(32))
    with pytest.raises(Refusal, match="malformed"):
        check(leaf, body="\ud800")


def test_the_worked_example_of_the_document_is_right() -> None:
    document = (Path(__file__).parents[2] / "docs" / "log.md").read_text()
    leaf, body = (block.strip().encode() for block in re.findall(r"```json\n(.*?)```", document, re.DOTALL))
    assert open_leaf(leaf, SALT, body)["bid"] == "0" * 31 + "1"
    assert leaf_hash(leaf).hex() in document
