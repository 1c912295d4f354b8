"""Invariant: any text given to the readers of notes, heads, proofs, receipts and tokens yields a value or a
``Refusal``, never another exception. Texts are random, and good ones with random changes.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crypto.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_cosignature,
)
from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.keys import ED25519, NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey
from crypto.leaf import commitment, open_leaf, parse_leaf
from crypto.merkle import Frontier
from crypto.note import split_note
from crypto.proof import parse_tlog_proof, tlog_proof, verify_tlog_proof
from crypto.receipts import ReceiptClaims, issue, read_receipt
from crypto.reqjwt import issue_request_token, verify_request_token
from gateway.model.audit import leaf_bytes

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ED = PrivateKey.generate("log", NOTE_ED25519)
PQ = PrivateKey.generate("log", NOTE_ML_DSA_44)
RCPT = PrivateKey.generate("rcpt", ED25519)
REQ = PrivateKey.generate("req", ED25519)
KEYS = (ED.public, PQ.public)
HEAD = Checkpoint(origin="xx-moj/log", size=3, root=bytes(32))
NOTE = sign_checkpoint(HEAD, ED.signer(), PQ.signer(), AT)
PROOF = tlog_proof(1, [bytes(32), bytes(32)], NOTE)
RECEIPT = issue(
    ReceiptClaims(
        type="relay",
        sender="xx-moj",
        bid="0" * 32,
        envelope="0" * 64,
        manifest=None,
        iss="yy-moj",
        to="xx-moj",
        at=AT,
        n=1,
        prev=None,
        reason=None,
    ),
    RCPT.signer(),
)
LEAF = leaf_bytes("2026-03-01T12:00:00Z", "bundle.consigned", b64u(bytes(32)))
TOKEN = issue_request_token(
    REQ.signer(), iss="xx-moj", aud="yy-moj", method="GET", path_qs="/gw/v1/hello", now=AT
)


def read_token(text: str) -> object:
    return verify_request_token(
        text, aud="yy-moj", method="GET", path_qs="/gw/v1/hello", now=AT, find_key=lambda iss, kid: REQ.public
    )


READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "note": (split_note, NOTE),
    "head": (lambda text: open_checkpoint(text, "xx-moj/log", KEYS), NOTE),
    "head's text": (parse_checkpoint, HEAD.encode()),
    "cosignature": (lambda text: verify_cosignature(text, "xx-moj/log", PQ.public), NOTE),
    "proof": (parse_tlog_proof, PROOF),
    "proof with keys": (lambda text: verify_tlog_proof(text, b"leaf", "xx-moj/log", KEYS), PROOF),
    "receipt": (lambda text: read_receipt(text, lambda iss, kid: RCPT.public), RECEIPT),
    "token": (read_token, TOKEN),
}


#: Those that check a signature: nothing made up may pass them.
SIGNED = {"head", "cosignature", "proof with keys", "receipt", "token"}


@pytest.mark.parametrize("name", READERS)
def test_the_good_text_that_is_changed_below_is_read(name: str) -> None:
    if name == "proof with keys":
        # Its path is made up; it is refused there, behind the signatures.
        with pytest.raises(Refusal, match="proof-invalid"):
            READERS[name][0](READERS[name][1])
    else:
        READERS[name][0](READERS[name][1])


def value_or_refusal(name: str, text: str) -> None:
    with suppress(Refusal):
        READERS[name][0](text)


@pytest.mark.parametrize("name", READERS)
@given(text=st.text(st.characters(), max_size=300))
@example(text="")
@example(text="\ud800")
@example(text="..")
@example(text="\n\n\n")
def test_any_text_is_a_value_or_a_refusal(name: str, text: str) -> None:
    if name in SIGNED:
        with pytest.raises(Refusal):
            READERS[name][0](text)
    else:
        value_or_refusal(name, text)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_a_good_text_with_a_piece_changed_is_a_value_or_a_refusal(name: str, data: st.DataObject) -> None:
    good = READERS[name][1]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 60)))
    piece = data.draw(
        st.text(st.characters(), max_size=30) | st.sampled_from(["\n", "\n\n", "=", ".", "A" * 44, "— "])
    )
    value_or_refusal(name, good[:start] + piece + good[end:])


@given(st.binary(max_size=300), st.binary(max_size=40), st.binary(max_size=300))
def test_any_bytes_are_no_leaf_and_no_body_of_another_leaf(leaf: bytes, salt: bytes, body: bytes) -> None:
    with pytest.raises(Refusal):
        parse_leaf(leaf)
    with pytest.raises(Refusal, match="proof-invalid"):
        open_leaf(LEAF, salt, body)
    # A leaf that does commit to whatever bytes there are: only what they say can be refused now.
    hidden = b64u(commitment(bytes(32), body))
    with pytest.raises(Refusal) as refused:
        open_leaf(leaf_bytes("2026-03-01T12:00:00Z", "bundle.consigned", hidden), bytes(32), body)
    assert (
        refused.value.code != "proof-invalid" or refused.value.detail == "leaf and body name different events"
    )


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=9), max_size=4))
def test_any_body_that_names_the_leafs_event_is_opened(members: dict[str, int | str]) -> None:
    members = {**members, "ev": "bundle.consigned"}
    body = json.dumps(members).encode()
    hidden = b64u(commitment(bytes(32), body))
    assert (
        open_leaf(leaf_bytes("2026-03-01T12:00:00Z", "bundle.consigned", hidden), bytes(32), body) == members
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frontier_or_a_refusal(data: bytes) -> None:
    with suppress(Refusal):
        assert Frontier.from_bytes(data).to_bytes() == data


def test_a_head_whose_origin_is_no_text_is_refused() -> None:
    with pytest.raises(Refusal):
        parse_checkpoint("\ud800xx-moj/log\n3\n" + "A" * 43 + "=\n")
