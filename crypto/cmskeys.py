"""How a content key travels to the holder of a certificate: RSA PKCS #1 v1.5, RSA OAEP, or ECDH.

A content key that cannot be recovered is ``None`` and nothing else: no reason leaves this module, and
PKCS #1 v1.5 failures never raise (implicit rejection, RFC 3218). Which recipient is ours is decided by
the pointer in the message; the directory decides which certificates there are.
"""

from collections.abc import Callable
from functools import partial

from asn1crypto import algos, cms, core
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from crypto import cmsnames as names
from crypto.ber import OCTET_STRING, SEQUENCE, tlv
from crypto.errors import KeyRefused
from crypto.keys import X509, KeyUse, PublicKey
from crypto.mailcert import MailKey

_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    # OAEP and key derivation do not rest on collisions, and SHA-1 is the default of many programs.
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
#: ECDH forms (RFC 5753, cofactor 1): key derivation with these hashes.
_ECDH: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "1.3.133.16.840.63.0.2": hashes.SHA1,
    "1.3.132.1.11.0": hashes.SHA224,
    names.ECDH_SHA256: hashes.SHA256,
    "1.3.132.1.11.2": hashes.SHA384,
    "1.3.132.1.11.3": hashes.SHA512,
}
#: Key wraps and the length of their keys, in bytes.
_WRAPS = {"2.16.840.1.101.3.4.1.5": 16, "2.16.840.1.101.3.4.1.25": 24, names.AES256_WRAP: 32}

_ORIGINATOR_KEY = 0xA1
_KEY_AGREEMENT = 0xA1
_SUPPLEMENT = 0xA2
_BIT_STRING = 0x03


def recipient_info(key: bytes, certificate: bytes, *, is_oaep: bool) -> bytes:
    """Return a RecipientInfo (DER) that carries ``key`` to the holder of ``certificate`` (DER).

    Raises ``KeyRefused`` for a certificate that may not be listed.
    """
    parsed = PublicKey.load(KeyUse.SMIME_ENC, X509, certificate).certificate
    public = parsed.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return _transported(key, certificate, public, is_oaep=is_oaep)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _agreed(key, certificate, public)
    raise KeyRefused("certificate: key is neither RSA nor P-256 or P-384")


def _transported(key: bytes, certificate: bytes, public: rsa.RSAPublicKey, *, is_oaep: bool) -> bytes:
    if is_oaep:
        sha256 = names.algorithm(names.SHA256, names.NULL)
        mask = names.algorithm(names.MGF1, sha256)
        parameters = tlv(SEQUENCE, tlv(0xA0, sha256), tlv(0xA1, mask))
        form, how = names.algorithm(names.OAEP, parameters), _oaep(hashes.SHA256(), hashes.SHA256())
        encrypted = public.encrypt(key, how)
    else:
        form = names.algorithm(names.RSA, names.NULL)
        encrypted = public.encrypt(key, padding.PKCS1v15())
    number = names.certificate_number(certificate)
    return tlv(SEQUENCE, names.integer(0), number.issuer_and_serial, form, tlv(OCTET_STRING, encrypted))


def _agreed(key: bytes, certificate: bytes, public: ec.EllipticCurvePublicKey) -> bytes:
    ephemeral = ec.generate_private_key(public.curve)
    wrap = names.algorithm(names.AES256_WRAP)
    kek = _kek(ephemeral.exchange(ec.ECDH(), public), hashes.SHA256(), wrap, 32, None)
    point = ephemeral.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    originator = tlv(_ORIGINATOR_KEY, names.algorithm(names.EC_PUBLIC_KEY), tlv(_BIT_STRING, b"\0", point))
    number = names.certificate_number(certificate)
    encrypted = tlv(SEQUENCE, number.issuer_and_serial, tlv(OCTET_STRING, keywrap.aes_key_wrap(kek, key)))
    return tlv(
        _KEY_AGREEMENT,
        names.integer(3),
        tlv(names.EXPLICIT_0, originator),
        names.algorithm(names.ECDH_SHA256, wrap),
        tlv(SEQUENCE, encrypted),
    )


def _kek(shared: bytes, kdf_hash: hashes.HashAlgorithm, wrap: bytes, length: int, ukm: bytes | None) -> bytes:
    """Return the key-encryption key of ECDH (RFC 5753 section 7.2)."""
    extra = b"" if ukm is None else tlv(names.EXPLICIT_0, tlv(OCTET_STRING, ukm))
    bits = tlv(_SUPPLEMENT, tlv(OCTET_STRING, (8 * length).to_bytes(4)))
    info = tlv(SEQUENCE, wrap, extra, bits)
    return X963KDF(algorithm=kdf_hash, length=length, sharedinfo=info).derive(shared)


def _oaep(of: hashes.HashAlgorithm, mask: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=of, label=None)


def recover_key(infos: list[bytes], keys: list[MailKey], *, size: int) -> tuple[bytes | None, MailKey | None]:
    """Return the content key of ``size`` bytes for the first recipient that is ours, and our key.

    The key is ``None`` where none of ``infos`` (RecipientInfo, DER-like) is for us or it does not open.
    """
    for info in infos:
        try:
            found = _key_for(info, keys)
        except (ValueError, TypeError, KeyError):
            continue
        if found is None:
            continue
        mine, opening = found
        try:
            key = opening()
        except Exception:  # every defect looks the same here: bad lengths, points, padding, wraps
            key = None
        return (key if key is not None and len(key) == size else None), mine
    return None, None


def _key_for(info: bytes, keys: list[MailKey]) -> tuple[MailKey, Callable[[], bytes]] | None:
    if info[0] == SEQUENCE:
        transport = cms.KeyTransRecipientInfo.load(info)
        mine = _ours(transport["rid"].chosen, keys)
        return None if mine is None else (mine, partial(_untransport, transport, mine))
    if info[0] == _KEY_AGREEMENT:
        agreement = cms.KeyAgreeRecipientInfo.load(tlv(SEQUENCE, info[_header(info) :]))
        for encrypted in agreement["recipient_encrypted_keys"]:
            mine = _ours(encrypted["rid"].chosen, keys)
            if mine is not None:
                return mine, partial(_unagree, agreement, encrypted["encrypted_key"].native, mine)
    return None


def _header(info: bytes) -> int:
    return 2 + (info[1] & 0x7F if info[1] & 0x80 else 0)


def _ours(pointer: core.Asn1Value, keys: list[MailKey]) -> MailKey | None:
    issuer = serial = identifier = None
    if isinstance(pointer, cms.IssuerAndSerialNumber):
        issuer, serial = pointer["issuer"], pointer["serial_number"].native
    elif isinstance(pointer, cms.RecipientKeyIdentifier):
        identifier = pointer[0].native
    else:
        identifier = pointer.native
    for key in keys:
        number = names.certificate_number(key.certificate)
        if number.is_meant(issuer=issuer, serial=serial, identifier=identifier):
            return key
    return None


def _untransport(info: cms.KeyTransRecipientInfo, mine: MailKey) -> bytes:
    if not isinstance(mine.private, rsa.RSAPrivateKey):
        raise ValueError("another kind of key")
    how, encrypted = info["key_encryption_algorithm"], info["encrypted_key"].native
    form = how["algorithm"].dotted
    if form == names.RSA:
        return mine.private.decrypt(encrypted, padding.PKCS1v15())
    if form != names.OAEP:
        raise ValueError("another form")
    parameters = how["parameters"] or algos.RSAESOAEPParams()
    mask = parameters["mask_gen_algorithm"]
    source = parameters["p_source_algorithm"]["parameters"].native
    if mask["algorithm"].native != "mgf1" or source:
        raise ValueError("another form")
    of = _HASHES[parameters["hash_algorithm"]["algorithm"].native]
    inside = _HASHES[mask["parameters"]["algorithm"].native]
    return mine.private.decrypt(encrypted, _oaep(of(), inside()))


def _unagree(info: cms.KeyAgreeRecipientInfo, wrapped: bytes, mine: MailKey) -> bytes:
    if not isinstance(mine.private, ec.EllipticCurvePrivateKey):
        raise ValueError("another kind of key")
    how = info["key_encryption_algorithm"]
    wrap = how["parameters"]
    length = _WRAPS[core.Sequence.load(wrap.dump())[0].dotted]
    originator = info["originator"].chosen
    if not isinstance(originator, cms.PublicKeyInfo):
        raise ValueError("another form")
    point = originator["public_key"].contents[1:]
    public = ec.EllipticCurvePublicKey.from_encoded_point(mine.private.curve, point)
    shared = mine.private.exchange(ec.ECDH(), public)
    ukm = info["ukm"].native
    return keywrap.aes_key_unwrap(
        _kek(shared, _ECDH[how["algorithm"].dotted](), wrap.dump(), length, ukm), wrapped
    )
