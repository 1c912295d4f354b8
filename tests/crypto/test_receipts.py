"""Receipts: readable by any JOSE library, and nothing but a receipt."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey

from crypto.encoding import b64u, sha256_hex
from crypto.errors import Refusal
from crypto.keys import ED25519, PrivateKey, PublicKey
from crypto.receipts import RECEIPT_TYPES, ReceiptClaims, issue, read_receipt, receipt_digest

#: joserfc warns that RFC 9864 prefers the name "Ed25519"; the format keeps the name every library knows.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

KEY = PrivateKey.generate("rcpt", ED25519)
REQ = PrivateKey.generate("req", ED25519)
CLAIMS = ReceiptClaims(
    type="consignment",
    sender="xx-moj",
    bid="0" * 31 + "1",
    envelope="ab" * 32,
    manifest="cd" * 32,
    iss="yy-moj",
    to="xx-moj",
    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    n=1,
    prev=None,
    reason=None,
)


def find(iss: str, kid: str) -> PublicKey:
    if iss != "yy-moj":
        raise Refusal("unknown-sender")
    for key in (KEY, REQ):
        if key.public.kid == kid:
            return key.public
    raise Refusal("unknown-key")


def signed(payload: bytes, header: dict[str, Any] | None = None, key: PrivateKey = KEY) -> str:
    """A token over any payload, signed as an attacker with a listed key could."""
    header = header or {"alg": "EdDSA", "typ": "gw-rcpt+jws", "kid": key.public.kid}
    message = f"{b64u(json.dumps(header).encode())}.{b64u(payload)}"
    return f"{message}.{b64u(key.signer().sign(message.encode()))}"


def members(**changes: Any) -> dict[str, Any]:
    plain = json.loads(joserfc_jws.extract_compact(issue(CLAIMS, KEY.signer()).encode()).payload)
    return {name: value for name, value in {**plain, **changes}.items() if value != "DROP"}


def test_a_receipt_reads_back_and_keeps_its_text() -> None:
    text = issue(CLAIMS, KEY.signer())
    assert read_receipt(text, find) == CLAIMS
    assert receipt_digest(text) == sha256_hex(text.encode())


def test_the_wire_form_is_that_of_the_specification() -> None:
    token = joserfc_jws.extract_compact(issue(CLAIMS, KEY.signer()).encode())
    assert token.protected == {"alg": "EdDSA", "typ": "gw-rcpt+jws", "kid": KEY.public.kid}
    assert token.payload.decode() == (
        '{"v":1,"type":"consignment","from":"xx-moj","bid":"00000000000000000000000000000001",'
        f'"envelope":"{"ab" * 32}","manifest":"{"cd" * 32}","iss":"yy-moj","to":"xx-moj",'
        '"at":"2026-03-01T12:00:00Z","n":1,"prev":null,"reason":null}'
    )


def test_an_independent_jose_library_verifies_a_receipt_and_notices_a_change() -> None:
    x = urlsafe_b64encode(KEY.public.pub).rstrip(b"=").decode()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    text = issue(CLAIMS, KEY.signer())
    assert joserfc_jws.deserialize_compact(text, key, algorithms=["EdDSA"]).payload.startswith(b'{"v":1')
    head, _, tail = text.split(".")
    with pytest.raises(Exception, match="bad_signature"):
        joserfc_jws.deserialize_compact(f"{head}.{b64u(b'{}')}.{tail}", key, algorithms=["EdDSA"])


def test_every_changed_character_is_noticed() -> None:
    text = issue(CLAIMS, KEY.signer())
    for position, character in enumerate(text):
        with pytest.raises(Refusal):
            read_receipt(text[:position] + ("A" if character != "A" else "B") + text[position + 1 :], find)


def test_members_of_a_newer_minor_version_are_kept_unless_it_says_they_must_be_understood() -> None:
    newer = signed(json.dumps(members(colour="blue")).encode())
    assert read_receipt(newer, find).extra == {"colour": "blue"}
    assert read_receipt(signed(json.dumps(members(must=["type"])).encode()), find).type == "consignment"
    with pytest.raises(Refusal, match="version"):
        read_receipt(signed(json.dumps(members(must=["colour"], colour="blue")).encode()), find)


def test_an_unknown_type_is_read_and_left_to_a_person() -> None:
    assert (
        read_receipt(signed(json.dumps(members(type="stamped", reason="x")).encode()), find).type == "stamped"
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"v": 2}, "version"),
        ({"v": True}, "version"),
        ({"v": "1"}, "version"),
        ({"v": "DROP"}, "version"),
        ({"must": "type"}, "version"),
        ({"must": [1]}, "version"),
        ({"type": None}, "malformed"),
        ({"type": "a b"}, "malformed"),
        ({"from": "XX-moj"}, "malformed"),
        ({"from": "DROP"}, "malformed"),
        ({"bid": "0" * 31}, "malformed"),
        ({"bid": "A" * 32}, "malformed"),
        ({"envelope": "ab" * 31}, "malformed"),
        ({"envelope": None}, "malformed"),
        ({"manifest": "DROP"}, "malformed"),
        ({"manifest": 1}, "malformed"),
        ({"to": "x"}, "malformed"),
        ({"at": "2026-03-01T12:00:00.0Z"}, "malformed"),
        ({"at": "2026-02-30T12:00:00Z"}, "malformed"),
        ({"n": 0}, "malformed"),
        ({"n": "1"}, "malformed"),
        ({"n": True}, "malformed"),
        ({"n": 2}, "malformed"),
        ({"prev": "ab" * 32}, "malformed"),
        ({"reason": "policy"}, "malformed"),
        ({"type": "rejection"}, "malformed"),
        ({"type": "submission"}, "malformed"),
        ({"iss": "zz-moj"}, "unknown-sender"),
    ],
)
def test_claims_of_another_shape_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal, match=code):
        read_receipt(signed(json.dumps(members(**changes)).encode()), find)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "none"}, "version"),
        ({"alg": "HS256"}, "version"),
        ({"typ": "JWT"}, "version"),
        ({"typ": "gw-req+jwt"}, "version"),
        ({"jku": "https://xx.example/keys"}, "malformed"),
        ({"jwk": {}}, "malformed"),
        ({"crit": ["b64"], "b64": False}, "malformed"),
        ({"kid": "x" * 43}, "unknown-key"),
        ({"kid": 7}, "malformed"),
    ],
)
def test_a_hostile_header_is_refused(header: dict[str, Any], code: str) -> None:
    good = {"alg": "EdDSA", "typ": "gw-rcpt+jws", "kid": KEY.public.kid}
    with pytest.raises(Refusal, match=code):
        read_receipt(signed(json.dumps(members()).encode(), {**good, **header}), find)


def test_a_key_of_another_use_cannot_issue_or_stand_behind_a_receipt() -> None:
    with pytest.raises(ValueError, match="use rcpt"):
        issue(CLAIMS, REQ.signer())
    with pytest.raises(Refusal, match="another use"):
        read_receipt(signed(json.dumps(members()).encode(), key=REQ), find)


def test_what_a_receipt_cannot_say_is_refused_when_made() -> None:
    for changes in (
        {"n": 2},
        {"prev": "ab" * 32},
        {"reason": "policy"},
        {"type": "failure"},
        {"at": datetime(2026, 3, 1)},  # noqa: DTZ001 (naive on purpose)
    ):
        with pytest.raises(ValueError, match="cannot say"):
            replace(CLAIMS, **changes)  # type: ignore[arg-type]
    chained = replace(CLAIMS, n=2, prev="ab" * 32, type="handover")
    assert read_receipt(issue(chained, KEY.signer()), find) == chained


def test_every_type_of_version_one_can_be_issued() -> None:
    for kind in RECEIPT_TYPES:
        reason = "policy" if kind in ("rejection", "failure", "submission_refused") else None
        claims = replace(CLAIMS, type=kind, reason=reason, sender="yy-moj")
        assert read_receipt(issue(claims, KEY.signer()), find) == claims
