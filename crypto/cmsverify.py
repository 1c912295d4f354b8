"""CMS signatures, read: one signer, who must be one of the certificates the caller trusts.

Certificates, chains and revocation lists inside a message are not looked at and nothing is fetched: the
signer's pointer is looked up among the trusted certificates, and pyHanko judges the signature with
exactly that one. Signatures without signed attributes are refused, because their content can be
reinterpreted as attributes.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms, x509
from pyhanko.sign.general import CMSStructuralError, find_unique_cms_attribute
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext

from crypto import cmsnames as names
from crypto.ber import OCTET_STRING, SEQUENCE, SET, Element, read_ber
from crypto.cmsenvelope import MESSAGE_LIMIT
from crypto.errors import Refusal

_CERTIFICATES = 0xA0
_REVOCATIONS = 0xA1
_STRONG = {"sha256", "sha384", "sha512"}
#: Forms of signature, and the kind of key that makes each.
_FORMS = {"rsassa_pkcs1v15": "rsa", "rsassa_pss": "rsa", "ecdsa": "ec"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Signed content whose signature is good.

    Attributes:
        certificate: DER of the signer's certificate: one of the trusted ones, byte for byte.
        signed_at: What the signer says about the time; ``None`` where it says nothing. No proof.
    """

    content: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    signed_at: datetime | None


def verify_opaque(signed: bytes, *, trusted: Sequence[bytes]) -> Verified:
    """Return the content of signed-data with exactly one good signature by one of ``trusted`` (DER).

    Whether that certificate is in time, and for whom it speaks, is ``check_mail_certificate``'s;
    ``signed_at`` is judged by the caller.

    Raises:
        Refusal: ``smime-form``, ``smime-signer`` (none of ``trusted``), ``smime-weak``, ``sig-invalid``.
    """
    return _verified(signed, None, trusted)


def verify_beside(content: bytes, signature: bytes, *, trusted: Sequence[bytes]) -> Verified:
    """Return ``content`` if signed-data that stands beside it has exactly one good signature over it.

    As other mail programs sign in the clear (multipart/signed). Otherwise as ``verify_opaque``.
    """
    return _verified(signature, content, trusted)


def _verified(signed: bytes, beside: bytes | None, trusted: Sequence[bytes]) -> Verified:
    if len(signed) > MESSAGE_LIMIT:
        raise Refusal("smime-form", "signed message: too large")
    try:
        inside, signer = _read(read_ber(signed))
        content = beside if inside is None else inside
        if content is None or (inside is not None and beside is not None):
            raise ValueError("content where none is to be, or none")
        return _believed(content, signer, _meant(signer, trusted))
    except Refusal:
        raise
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise Refusal("smime-form", f"signed message: {type(error).__name__}") from None


def _read(whole: Element) -> tuple[bytes | None, cms.SignerInfo]:
    """Return the content and the only signer."""
    kind, holder = whole.children()
    (body,) = holder.children()
    if names.dotted(kind.body) != names.SIGNED_DATA or (whole.tag, body.tag) != (SEQUENCE, SEQUENCE):
        raise ValueError("not signed")
    _, digests, inside, *rest = body.children()
    while rest and rest[0].tag in {_CERTIFICATES, _REVOCATIONS}:
        rest.pop(0)
    if digests.tag != SET or len(rest) != 1 or rest[0].tag != SET:
        raise ValueError("form")
    (signer,) = rest[0].children()
    inner_kind, *held = inside.children()
    if names.dotted(inner_kind.body) != names.DATA:
        raise ValueError("content")
    return _content(held), cms.SignerInfo.load(signer.definite(), strict=True)


def _content(held: list[Element]) -> bytes | None:
    if not held:
        return None
    (holder,) = held
    (text,) = holder.children()
    if holder.tag != names.EXPLICIT_0 or text.tag & ~0x20 != OCTET_STRING:
        raise ValueError("content")
    return b"".join(text.pieces())


def _meant(signer: cms.SignerInfo, trusted: Sequence[bytes]) -> list[bytes]:
    """Return the trusted certificates that the signer may point to, each once.

    Whoever makes a certificate chooses its issuer, number and key identifier: another listed one may bear
    the same, and must not stand in the way of the true one.
    """
    pointer = signer["sid"].chosen
    issuer = serial = identifier = None
    if isinstance(pointer, cms.IssuerAndSerialNumber):
        issuer, serial = pointer["issuer"], pointer["serial_number"].native
    else:
        identifier = pointer.native
    found = [
        certificate
        for certificate in dict.fromkeys(trusted)
        if names.certificate_number(certificate).is_meant(issuer=issuer, serial=serial, identifier=identifier)
    ]
    if not found:
        raise Refusal("smime-signer", "no certificate of the directory")
    return found


def _believed(content: bytes, signer: cms.SignerInfo, certificates: Sequence[bytes]) -> Verified:
    """Return what the first of the certificates verifies whose key made the signature."""
    refused = None
    for certificate in certificates:
        try:
            return _judge(content, signer, certificate)
        except Refusal as refusal:
            refused = refused or refusal
    raise refused or Refusal("smime-signer", "no certificate of the directory")


def _judge(content: bytes, signer: cms.SignerInfo, certificate: bytes) -> Verified:
    """Let pyHanko judge the signature by exactly this certificate."""
    digest = signer["digest_algorithm"]["algorithm"].native
    how = signer["signature_algorithm"]
    if digest not in _STRONG or how.signature_algo not in _FORMS or _hash_of(how, digest) not in _STRONG:
        raise Refusal("smime-weak", "algorithm of the signature")
    if len(signer["signed_attrs"]) == 0:
        raise ValueError("no signed attributes")
    signer["unsigned_attrs"] = None
    pinned = x509.Certificate.load(certificate, strict=True)
    if pinned.public_key.algorithm != _FORMS[how.signature_algo]:
        raise Refusal("sig-invalid", "signed message: another kind of key")
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [signer["digest_algorithm"]],
            "encap_content_info": {"content_type": "data"},
            "certificates": [cms.CertificateChoices(name="certificate", value=pinned)],
            "signer_infos": [signer],
        }
    )
    context = ValidationContext(
        trust_roots=[pinned], other_certs=[], allow_fetching=False, revocation_mode="soft-fail"
    )
    try:
        status = _finished(async_validate_detached_cms(content, data, signer_validation_context=context))
    except (SignatureValidationError, CMSStructuralError):
        raise Refusal("sig-invalid", "signed message: attributes") from None
    if not (status.intact and status.valid):
        raise Refusal("sig-invalid", "signed message")
    return Verified(content=content, certificate=certificate, signed_at=_signed_at(signer))


def _hash_of(how: cms.SignedDigestAlgorithm, digest: str) -> str:
    """Return the hash the signature itself uses; plain ``rsa`` names none and takes the digest's."""
    if how["algorithm"].native in {"rsassa_pkcs1v15", "rsa"}:
        return digest
    return str(how.hash_algo)


def _signed_at(signer: cms.SignerInfo) -> datetime | None:
    for attribute in signer["signed_attrs"]:
        if attribute["type"].native == "signing_time":
            at = find_unique_cms_attribute(signer["signed_attrs"], "signing_time").native
            return at.astimezone(UTC) if isinstance(at, datetime) else None
    return None


def _finished(judging: Coroutine[Any, Any, Any]) -> Any:
    """Run what only looks asynchronous: nothing is fetched, so it never waits."""
    try:
        judging.send(None)
    except StopIteration as done:
        return done.value
    judging.close()
    raise RuntimeError("judging a signature waited for something")
