"""Making passkeys and asking for them: what a browser is asked, and whether what it made may be kept.

Passkeys here are discoverable and ask for finger, face or PIN, always; their maker is not asked for
(docs/human-acts.md section 7). Who may make one is decided elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_registration_response,
)
from webauthn.helpers import options_to_json_dict, parse_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from crypto.assertion import (
    ALGORITHMS,
    MAX_TEXT,
    check_authenticator_data,
    check_client_data,
    check_public_key,
)
from crypto.encoding import b64u, unb64u
from crypto.errors import HumanRefusal, Refusal
from crypto.officer import MAX_CREDENTIAL_BYTES
from crypto.words import CHECK_WORDS, fingerprint_words

#: What a phone that was asked for no word on its maker may give all the same (WebAuthn 5.1.3).
_STATEMENTS = frozenset({"none", "packed"})
_ASKED = [COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey that was just made.

    Attributes:
        id: Its identifier, base64url.
        alg, pub: COSE number of its algorithm, and its public key as a COSE key.
        count: How often it says it has signed; 0 for those that do not count.
    """

    id: str
    alg: int
    pub: bytes = field(repr=False)
    count: int


def passkey_words(pub: bytes) -> str:
    """Return the words by which officer and second person know that they speak of the same passkey."""
    return " ".join(fingerprint_words(pub, words=CHECK_WORDS))


def registration_options(
    *,
    rp: str,
    rp_name: str,
    officer: str,
    user_id: bytes,
    challenge: bytes,
    known: Sequence[str],
    wait_s: int,
) -> dict[str, Any]:
    """Return what ``navigator.credentials.create`` is asked, as JSON; ``known`` may not be made again."""
    options = generate_registration_options(
        rp_id=rp,
        rp_name=rp_name,
        user_name=officer,
        user_id=user_id,
        challenge=challenge,
        timeout=wait_s * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=unb64u(one)) for one in known],
        supported_pub_key_algs=_ASKED,
    )
    return options_to_json_dict(options)


def authentication_options(
    *, rp: str, challenge: bytes, allowed: Sequence[str], wait_s: int
) -> dict[str, Any]:
    """Return what ``navigator.credentials.get`` is asked, as JSON; with none ``allowed`` any may answer."""
    options = generate_authentication_options(
        rp_id=rp,
        challenge=challenge,
        timeout=wait_s * 1000,
        allow_credentials=[PublicKeyCredentialDescriptor(id=unb64u(one)) for one in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def verify_registration(response: Mapping[str, Any], *, challenge: bytes, rp: str, origin: str) -> NewPasskey:
    """Return the passkey in a browser's answer to ``registration_options``.

    Raises:
        HumanRefusal: ``human-form``, ``human-digest``, ``human-origin``, ``human-unverified``.
    """
    client, attestation, named = _answer(response)
    check_client_data(client, kind="webauthn.create", challenge=challenge, origin=origin)
    check_authenticator_data(_authenticator_data(attestation), rp=rp)
    answer = {"clientDataJSON": b64u(client), "attestationObject": b64u(attestation)}
    try:
        made = verify_registration_response(
            credential={"id": named, "rawId": named, "type": "public-key", "response": answer},
            expected_challenge=challenge,
            expected_rp_id=rp,
            expected_origin=origin,
            require_user_verification=True,
            supported_pub_key_algs=_ASKED,
        )
    except Exception as error:
        # The library expects what a browser made; anything else may fail in it in any way.
        raise HumanRefusal("human-form", f"registration: {type(error).__name__}") from None
    if made.fmt not in _STATEMENTS or not 0 < len(made.credential_id) <= MAX_CREDENTIAL_BYTES:
        raise HumanRefusal("human-form", "registration: statement or identifier")
    if b64u(made.credential_id) != named:
        raise HumanRefusal("human-form", "registration: another identifier")
    alg = _algorithm(made.credential_public_key)
    return NewPasskey(id=named, alg=alg, pub=made.credential_public_key, count=made.sign_count)


def _answer(response: Mapping[str, Any]) -> tuple[bytes, bytes, str]:
    answer = response.get("response")
    named = response.get("id")
    if not isinstance(answer, Mapping) or not isinstance(named, str):
        raise HumanRefusal("human-form", "registration: response")
    found = []
    for name in ("clientDataJSON", "attestationObject"):
        value = answer.get(name)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise HumanRefusal("human-form", f"registration: {name}")
        try:
            found.append(unb64u(value))
        except Refusal:
            raise HumanRefusal("human-form", f"registration: {name}") from None
    return found[0], found[1], named


def _authenticator_data(attestation: bytes) -> bytes:
    try:
        data = parse_cbor(attestation)["authData"]
    except Exception as error:
        raise HumanRefusal("human-form", f"registration: {type(error).__name__}") from None
    if not isinstance(data, bytes):
        raise HumanRefusal("human-form", "registration: authenticator data")
    return data


def _algorithm(pub: bytes) -> int:
    for alg in ALGORITHMS:
        try:
            check_public_key(pub, alg)
        except HumanRefusal:
            continue
        return alg
    raise HumanRefusal("human-form", "registration: algorithm")
