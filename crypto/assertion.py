"""A passkey's assertion: whether it signed this challenge, on this page, with a person there.

The challenge of an act is bound to the exact bytes of its structured form (docs/human-acts.md section 3).
Each check has a code of its own, so that an officer can be told; all of it is repeated by the WebAuthn
library before anything counts. What the passkey is and whose, is the caller's to say.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import verify_authentication_response
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

from crypto import strictjson
from crypto.encoding import b64u, lp, unb64u
from crypto.errors import HumanRefusal, Refusal
from crypto.members import text
from crypto.officer import MAX_CREDENTIAL_BYTES, MAX_KEY_BYTES

#: COSE numbers of what a passkey may sign with: ES256, EdDSA, RS256 (RFC 9053, RFC 8812).
ALGORITHMS = (-7, -8, -257)
#: Longest encoded assertion; a usual one has 700 characters.
MAX_TEXT = 12 * 1024

_CLIENT_DATA_LIMIT = 4 * 1024
_AUTHENTICATOR_DATA_LIMIT = 1024
_SIGNATURE_LIMIT = 1024
_RSA_LEAST_BITS = 2048
_USER_PRESENT, _USER_VERIFIED = 0x01, 0x04
_CONTEXT = b"gw/1/human"


def act_challenge(form_sha256: bytes) -> bytes:
    """Return what a passkey signs for an act: SHA-256(LP("gw/1/human", SHA-256 of the form's bytes))."""
    return hashlib.sha256(lp(_CONTEXT, form_sha256)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a passkey answered, not verified yet. ``id`` is base64url, the rest raw bytes."""

    id: str
    authenticator_data: bytes = field(repr=False)
    client_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def encoded(self) -> str:
        """Return it as the manifest's ``human`` slot carries it: base64url of compact JSON."""
        members = {
            "id": self.id,
            "authenticatorData": b64u(self.authenticator_data),
            "clientDataJSON": b64u(self.client_data),
            "signature": b64u(self.signature),
        }
        return b64u(strictjson.dumps(dict(members)))


def read_assertion(encoded: str) -> Assertion:
    """Return the assertion of a manifest's ``human`` slot.

    Raises:
        HumanRefusal: ``human-form``.
    """
    try:
        if len(encoded) > MAX_TEXT:
            raise Refusal("malformed", "too long")
        return _assertion(strictjson.loads_object(unb64u(encoded), max_bytes=MAX_TEXT, max_depth=1))
    except Refusal as refusal:
        raise HumanRefusal("human-form", f"assertion: {refusal.detail}") from None


def assertion_of(response: Mapping[str, Any]) -> Assertion:
    """Return the assertion in a browser's answer (``PublicKeyCredential.toJSON()``).

    Raises:
        HumanRefusal: ``human-form``.
    """
    answer = response.get("response")
    if not isinstance(answer, Mapping):
        raise HumanRefusal("human-form", "assertion: response")
    named = ("authenticatorData", "clientDataJSON", "signature")
    try:
        return _assertion({"id": response.get("id")} | {name: answer.get(name) for name in named})
    except Refusal as refusal:
        raise HumanRefusal("human-form", f"assertion: {refusal.detail}") from None


def _assertion(members: dict[str, Any]) -> Assertion:
    def taken(name: str, limit: int) -> bytes:
        value = text(members, name)
        if len(value) > limit * 4 // 3 + 2:
            raise Refusal("malformed", f"{name} too long")
        return unb64u(value)

    return Assertion(
        id=b64u(taken("id", MAX_CREDENTIAL_BYTES)),
        authenticator_data=taken("authenticatorData", _AUTHENTICATOR_DATA_LIMIT),
        client_data=taken("clientDataJSON", _CLIENT_DATA_LIMIT),
        signature=taken("signature", _SIGNATURE_LIMIT),
    )


def check_public_key(pub: bytes, alg: int) -> None:
    """Return if ``pub`` is a COSE key of this algorithm, and the algorithm one that is taken here.

    Raises:
        HumanRefusal: ``human-form``.
    """
    try:
        # The first byte 4 would be a bare point, which names no algorithm.
        if alg not in ALGORITHMS or not 0 < len(pub) <= MAX_KEY_BYTES or pub[0] == 4:
            raise ValueError("algorithm or size")
        decoded = decode_credential_public_key(pub)
        if decoded.alg != alg:
            raise ValueError("another algorithm")
        key = decoded_public_key_to_cryptography(decoded)
        if isinstance(key, RSAPublicKey) and key.key_size < _RSA_LEAST_BITS:
            raise ValueError("too short")
    except Exception as error:
        # The library expects a key it has seen before: what is none may fail in it in any way.
        raise HumanRefusal("human-form", f"public key: {type(error).__name__}") from None


def check_client_data(client_data: bytes, *, kind: str, challenge: bytes, origin: str) -> None:
    """Return if the browser asked for this, over this challenge, on this page (WebAuthn 7.1 and 7.2).

    Raises:
        HumanRefusal: ``human-form``, ``human-digest``, ``human-origin``.
    """
    try:
        said = strictjson.loads_object(client_data, max_bytes=_CLIENT_DATA_LIMIT, max_depth=4)
        asked, signed, where = (text(said, name) for name in ("type", "challenge", "origin"))
    except Refusal as refusal:
        raise HumanRefusal("human-form", f"client data: {refusal.detail}") from None
    if asked != kind:
        raise HumanRefusal("human-form", "client data: another ceremony")
    if signed != b64u(challenge):
        raise HumanRefusal("human-digest", "another challenge")
    # A page within another one could have its button lie under something else.
    if where != origin or said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise HumanRefusal("human-origin", "another page, or within another one")


def check_authenticator_data(data: bytes, *, rp: str) -> None:
    """Return if a passkey of this host answered, and its holder was there and known to it.

    Raises:
        HumanRefusal: ``human-form``, ``human-origin``, ``human-unverified``.
    """
    if len(data) < 37:
        raise HumanRefusal("human-form", "authenticator data: too short")
    if data[:32] != hashlib.sha256(rp.encode()).digest():
        raise HumanRefusal("human-origin", "a passkey of another host")
    if data[32] & (_USER_PRESENT | _USER_VERIFIED) != _USER_PRESENT | _USER_VERIFIED:
        raise HumanRefusal("human-unverified", "user present or user verified")


def verify_assertion(
    assertion: Assertion,
    *,
    challenge: bytes,
    rp: str,
    origin: str,
    credential: str,
    pub: bytes,
    alg: int,
    sign_count: int = 0,
) -> int:
    """Return the passkey's count if it signed ``challenge``; ``sign_count`` is the last one known here.

    Raises:
        HumanRefusal: ``human-credential``, ``human-form``, ``human-digest``, ``human-origin``,
            ``human-unverified``, ``human-signature``.
    """
    if assertion.id != credential:
        raise HumanRefusal("human-credential", "another passkey than the stated one")
    check_public_key(pub, alg)
    check_client_data(assertion.client_data, kind="webauthn.get", challenge=challenge, origin=origin)
    check_authenticator_data(assertion.authenticator_data, rp=rp)
    response = {
        "clientDataJSON": b64u(assertion.client_data),
        "authenticatorData": b64u(assertion.authenticator_data),
        "signature": b64u(assertion.signature),
    }
    try:
        verified = verify_authentication_response(
            credential={"id": credential, "rawId": credential, "type": "public-key", "response": response},
            expected_challenge=challenge,
            expected_rp_id=rp,
            expected_origin=origin,
            credential_public_key=pub,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except Exception as error:
        raise HumanRefusal("human-signature", type(error).__name__) from None
    return verified.new_sign_count
