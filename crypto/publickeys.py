"""Public keys of an authority: their uses, identifiers and import checks, and what signs.

Decides which key may exist at all (docs/keys.md): one algorithm per use, identifiers
recomputed on import, weak points and sizes refused. Private material sits behind
``Signer`` and ``Decapsulator``, which a token can satisfy half by half; the software
implementations are in ``crypto.privatekeys``. Whether a key is in force is judged in
``crypto.opener``, where it comes from in the directory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from crypto.encoding import b64u, lp
from crypto.errors import KeyRefused, Refusal
from crypto.points import refuse_weak_ed25519, refuse_weak_x25519

GW_HYB1 = "GW-HYB1"
GW_KEM1 = "GW-KEM1"
ED25519 = "Ed25519"
NOTE_ED25519 = "note-01-Ed25519"
NOTE_ML_DSA_44 = "note-06-ML-DSA-44"
X509 = "X509"

#: Ed25519 half, then ML-DSA-65 half; no other length is a GW-HYB1 signature.
ED25519_SIGNATURE_SIZE = 64
ML_DSA_65_SIGNATURE_SIZE = 3309
HYBRID_SIGNATURE_SIZE = ED25519_SIGNATURE_SIZE + ML_DSA_65_SIGNATURE_SIZE
ML_DSA_44_SIGNATURE_SIZE = 2420

_ML_KEM_768_SIZE = 1184
_CERTIFICATE_LIMIT = 16 * 1024


class KeyUse(StrEnum):
    """What a key is for. One key has one use."""

    #: Signs envelopes and other objects of legal weight.
    SIG = "sig"
    #: Receives content keys.
    ENC = "enc"
    #: Signs request tokens; its theft harms availability only.
    REQ = "req"
    #: Signs receipts.
    RCPT = "rcpt"
    #: Signs log checkpoints; two entries, both signatures required.
    LOG = "log"
    #: Cosigns other authorities' checkpoints.
    WIT = "wit"
    #: TLS certificate, pinned as such.
    TLS = "tls"
    #: S/MIME signing certificate.
    SMIME_SIG = "smime_sig"
    #: S/MIME encryption certificate.
    SMIME_ENC = "smime_enc"


#: Algorithms per use; anything else is refused.
ALGORITHMS: Mapping[KeyUse, tuple[str, ...]] = MappingProxyType(
    {
        KeyUse.SIG: (GW_HYB1,),
        KeyUse.ENC: (GW_KEM1,),
        KeyUse.REQ: (ED25519,),
        KeyUse.RCPT: (ED25519,),
        KeyUse.LOG: (NOTE_ED25519, NOTE_ML_DSA_44),
        KeyUse.WIT: (NOTE_ML_DSA_44,),
        KeyUse.TLS: (X509,),
        KeyUse.SMIME_SIG: (X509,),
        KeyUse.SMIME_ENC: (X509,),
    }
)


def key_id(use: str, alg: str, pub: bytes) -> str:
    """Return the identifier of a key: it commits to use, algorithm and key bytes (docs/keys.md section 2)."""
    return b64u(sha256(b"gw/1/kid\0" + lp(use.encode(), alg.encode(), pub)).digest())


class Signer(Protocol):
    """Signs with one private key, wherever that key lives.

    ``sign`` returns a signature that ``public.verify`` accepts; it may block on a token.
    """

    @property
    def public(self) -> "PublicKey": ...

    def sign(self, message: bytes, /) -> bytes: ...


class HalfSigner(Protocol):
    """One half of a hybrid signature: plain Ed25519 or ML-DSA-65 (empty context) over the message."""

    def sign(self, message: bytes, /) -> bytes: ...


class Decapsulator(Protocol):
    """Opens wraps made for one encryption key, wherever its private halves live."""

    @property
    def public(self) -> "PublicKey": ...

    def unwrap(self, wrap: bytes, info: bytes) -> bytes:
        """Return the content key.

        Raises:
            Refusal: ``open-failed``, whatever was wrong.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Hybrid:
    ed25519: Ed25519PublicKey
    ml_dsa: MLDSA65PublicKey


_Parsed = _Hybrid | MLKEM768X25519PublicKey | Ed25519PublicKey | MLDSA44PublicKey | x509.Certificate


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key, checked; made by ``load`` only.

    Attributes:
        use: What it is for.
        alg: Its algorithm, one of ``ALGORITHMS[use]``.
        pub: Raw key bytes, halves concatenated; for certificates the DER.
        kid: Recomputed identifier, 43 characters.
    """

    use: KeyUse
    alg: str
    pub: bytes = field(repr=False)
    kid: str
    _parsed: _Parsed = field(repr=False, compare=False)

    @classmethod
    def load(cls, use: str, alg: str, pub: bytes, *, kid: str | None = None) -> "PublicKey":
        """Return the key after every import check; repeated loads are cheap.

        Raises:
            KeyRefused: unknown use or algorithm, wrong size, weak key, or ``kid`` names another key.
        """
        public = _load(use, alg, bytes(pub))
        if kid is not None and kid != public.kid:
            raise KeyRefused("kid names another key")
        return public

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if the signature over ``message`` is good; for GW-HYB1 both halves.

        Raises:
            Refusal: ``sig-invalid``, also for a key whose use is not to sign.
        """
        parsed = self._parsed
        try:
            if isinstance(parsed, _Hybrid):
                if len(signature) != HYBRID_SIGNATURE_SIZE:
                    raise Refusal("sig-invalid", "length")
                parsed.ed25519.verify(signature[:ED25519_SIGNATURE_SIZE], message)
                parsed.ml_dsa.verify(signature[ED25519_SIGNATURE_SIZE:], message)
            elif isinstance(parsed, Ed25519PublicKey | MLDSA44PublicKey):
                parsed.verify(signature, message)
            else:
                raise Refusal("sig-invalid", f"a key of use {self.use} verifies nothing")
        except (InvalidSignature, ValueError):
            raise Refusal("sig-invalid", "signature") from None

    @property
    def encapsulation_key(self) -> MLKEM768X25519PublicKey:
        """The library's object of an encryption key.

        Raises:
            ValueError: the key has another use.
        """
        if not isinstance(self._parsed, MLKEM768X25519PublicKey):
            raise ValueError(f"a key of use {self.use} receives nothing")
        return self._parsed

    @property
    def certificate(self) -> x509.Certificate:
        """The parsed certificate.

        Raises:
            ValueError: the key is no certificate.
        """
        if not isinstance(self._parsed, x509.Certificate):
            raise ValueError(f"a key of use {self.use} is no certificate")
        return self._parsed


# The directory of 200 States has about 2,000 keys; the import checks cost 0.15 ms each.
@lru_cache(maxsize=4096)
def _load(use: str, alg: str, pub: bytes) -> PublicKey:
    try:
        key_use = KeyUse(use)
    except ValueError:
        raise KeyRefused("unknown use") from None
    if alg not in ALGORITHMS[key_use]:
        raise KeyRefused("algorithm does not belong to this use")
    try:
        parsed = _PARSERS[alg](pub)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused(f"{alg}: form") from None
    return PublicKey(use=key_use, alg=alg, pub=pub, kid=key_id(key_use, alg, pub), _parsed=parsed)


def _ed25519(pub: bytes) -> Ed25519PublicKey:
    refuse_weak_ed25519(pub)
    return Ed25519PublicKey.from_public_bytes(pub)


def _hybrid(pub: bytes) -> _Hybrid:
    return _Hybrid(_ed25519(pub[:32]), MLDSA65PublicKey.from_public_bytes(pub[32:]))


def _kem(pub: bytes) -> MLKEM768X25519PublicKey:
    x25519 = pub[_ML_KEM_768_SIZE:]
    refuse_weak_x25519(x25519)
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(pub[:_ML_KEM_768_SIZE]), X25519PublicKey.from_public_bytes(x25519)
    )


def _certificate(pub: bytes) -> x509.Certificate:
    if len(pub) > _CERTIFICATE_LIMIT:
        raise KeyRefused("certificate: too long")
    certificate = x509.load_der_x509_certificate(pub)
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if not 2048 <= key.key_size <= 8192 or key.public_numbers().e < 65537:
            raise KeyRefused("certificate: weak RSA key")
    elif not (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    ):
        raise KeyRefused("certificate: key is neither RSA nor P-256 or P-384")
    return certificate


_PARSERS: dict[str, Callable[[bytes], _Parsed]] = {
    GW_HYB1: _hybrid,
    GW_KEM1: _kem,
    ED25519: _ed25519,
    NOTE_ED25519: _ed25519,
    NOTE_ML_DSA_44: MLDSA44PublicKey.from_public_bytes,
    X509: _certificate,
}
