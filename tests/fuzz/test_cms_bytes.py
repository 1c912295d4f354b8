"""Whatever bytes arrive as CMS or as a letter, the answer is a refusal with a known code."""

import base64
import email
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.cms import decrypt, is_encrypted, verify_opaque
from crypto.errors import Refusal
from crypto.mailcert import MailKey
from gateway.errors import LOCAL_CODES, GatewayRefusal
from gateway.services.smime.entity import Correspondent, open_letter

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parents[1] / "vectors" / "mail" / "smime"
HELD = json.loads((CORPUS / "keys.json").read_text("ascii"))
AT = datetime.fromisoformat(HELD["at"])


def der(pem: str) -> bytes:
    return load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


KEY = MailKey(
    certificate=der(HELD["keys"][1]["certificate"]),
    private=serialization.load_pem_private_key(  # type: ignore[arg-type]
        HELD["keys"][1]["private_of_this_test_only"].encode(), None
    ),
)
KNOWN = tuple(
    Correspondent(authority_id="xb-x", address=row["address"], certificate=der(row["certificate"]))
    for row in HELD["directory"]
)
TRUSTED = [each.certificate for each in KNOWN]


def _cms(mail: bytes) -> bytes:
    content = email.message_from_bytes(mail).get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


SEALED = _cms((CORPUS / "good-ecdh.eml").read_bytes())
SIGNED = _cms(decrypt(SEALED, keys=[KEY]).content)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real message with a few bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from([SEALED, SIGNED])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case _:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)


def is_known(code: str) -> bool:
    return code in {"open-failed", "sig-invalid"} or (code.startswith("smime-") and code in LOCAL_CODES)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), damaged()))
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    codes = []
    for attempt in (
        lambda: decrypt(data, keys=[KEY]),
        lambda: verify_opaque(data, trusted=TRUSTED),
        lambda: is_encrypted(data),
    ):
        try:
            attempt()
        except Refusal as refused:
            codes.append(refused.code)
    assert all(map(is_known, codes))


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), damaged()))
def test_a_letter_of_any_bytes_is_refused_or_is_what_was_signed(data: bytes) -> None:
    head = "From: duty@xb-example.example.org\r\nContent-Type: application/pkcs7-mime\r\n"
    whole = f"{head}Content-Transfer-Encoding: base64\r\n\r\n".encode() + base64.encodebytes(data)
    for raw in (data, whole):
        with suppress(GatewayRefusal):
            found = open_letter(raw, keys=[KEY], own=HELD["mailbox"], correspondents=KNOWN, now=AT)
            assert found.text == "We have received your request.\n"
