"""A passkey's key in software, for tests and the demonstration: makes it, signs with it, writes it as COSE.

Real passkeys are made by phones and tokens; their private keys are never here.
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

#: COSE numbers (RFC 9053): key type EC2, algorithm ES256, curve P-256.
_EC2, _ES256, _P256 = 2, -7, 1


@dataclass(frozen=True, slots=True)
class SoftKey:
    """An ES256 key in memory."""

    _private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "SoftKey":
        """Return a new random key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def cose(self) -> bytes:
        """Return the public key as a COSE key (RFC 9052 section 7)."""
        numbers = self._private.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return encode_cbor({1: _EC2, 3: _ES256, -1: _P256, -2: x, -3: y})

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA signature over the SHA-256 of ``message``, in DER."""
        return self._private.sign(message, ec.ECDSA(SHA256()))


def attestation_object(authenticator_data: bytes) -> bytes:
    """Return the attestation object of a new passkey that says nothing about its maker (``none``)."""
    return encode_cbor({"fmt": "none", "attStmt": {}, "authData": authenticator_data})
