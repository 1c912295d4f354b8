"""Private keys held in software, and the hybrid signer whose halves may live anywhere.

Leaves to the caller where the encrypted PEM is kept and where its passphrase comes from.
A private key is shown as its identifier only.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from crypto import hpke
from crypto.errors import KeyRefused
from crypto.publickeys import (
    ED25519,
    ED25519_SIGNATURE_SIZE,
    GW_HYB1,
    GW_KEM1,
    ML_DSA_65_SIGNATURE_SIZE,
    NOTE_ED25519,
    NOTE_ML_DSA_44,
    Decapsulator,
    HalfSigner,
    PublicKey,
    Signer,
)

_Half = Ed25519PrivateKey | MLDSA44PrivateKey | MLDSA65PrivateKey | MLKEM768PrivateKey | X25519PrivateKey

#: The private halves of each algorithm, in the order of the public bytes.
_HALVES: dict[str, tuple[type[_Half], ...]] = {
    GW_HYB1: (Ed25519PrivateKey, MLDSA65PrivateKey),
    GW_KEM1: (MLKEM768PrivateKey, X25519PrivateKey),
    ED25519: (Ed25519PrivateKey,),
    NOTE_ED25519: (Ed25519PrivateKey,),
    NOTE_ML_DSA_44: (MLDSA44PrivateKey,),
}

# PKCS8 as the library writes it stretches the passphrase with 2,048 rounds only: it must be random.
_SHORTEST_PASSPHRASE = 16
_PEM_END = b"-----END ENCRYPTED PRIVATE KEY-----"
_PEM_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridSigner:
    """GW-HYB1 from two halves, each of which may be a token."""

    ed25519: HalfSigner = field(repr=False)
    ml_dsa: HalfSigner = field(repr=False)
    public: PublicKey

    def sign(self, message: bytes, /) -> bytes:
        """Return the Ed25519 signature followed by the ML-DSA-65 signature.

        Raises:
            RuntimeError: a half answered with something that is no signature.
        """
        classical = self.ed25519.sign(message)
        lattice = self.ml_dsa.sign(message)
        if len(classical) != ED25519_SIGNATURE_SIZE or len(lattice) != ML_DSA_65_SIGNATURE_SIZE:
            raise RuntimeError("half of a hybrid signature has the wrong length")
        return classical + lattice


@dataclass(frozen=True, slots=True, kw_only=True)
class _SingleSigner:
    half: HalfSigner = field(repr=False)
    public: PublicKey

    def sign(self, message: bytes, /) -> bytes:
        return self.half.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SoftwareDecapsulator:
    private: MLKEM768X25519PrivateKey = field(repr=False)
    public: PublicKey

    def unwrap(self, wrap: bytes, info: bytes) -> bytes:
        return hpke.unwrap_key(wrap, self.private, info)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key in memory; ``repr`` shows the identifier only."""

    public: PublicKey
    _halves: tuple[_Half, ...] = field(repr=False, compare=False)

    @property
    def use(self) -> str:
        """What the key is for."""
        return self.public.use

    @property
    def alg(self) -> str:
        """Its algorithm."""
        return self.public.alg

    @classmethod
    def generate(cls, use: str, alg: str) -> "PrivateKey":
        """Return a new random key.

        Raises:
            KeyRefused: the algorithm does not belong to this use, or is made elsewhere (certificates).
        """
        return cls._of(use, alg, tuple(kind.generate() for kind in _kinds(alg)))

    @classmethod
    def from_pem(cls, use: str, alg: str, pem: bytes, passphrase: bytes) -> "PrivateKey":
        """Return the key that ``to_pem`` wrote.

        Raises:
            KeyRefused: wrong passphrase, an unencrypted or missing half, or halves of another algorithm.
        """
        kinds = _kinds(alg)
        blocks = [block + _PEM_END for block in pem.split(_PEM_END)[:-1]]
        if len(pem) > _PEM_LIMIT or len(blocks) != len(kinds) or pem.count(b"-----BEGIN") != len(kinds):
            raise KeyRefused("private key: not the encrypted PEM blocks of this algorithm")
        halves: list[_Half] = []
        for kind, block in zip(kinds, blocks, strict=True):
            try:
                half = serialization.load_pem_private_key(block, passphrase)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                raise KeyRefused("private key: wrong passphrase or damaged") from None
            if not isinstance(half, kind):
                raise KeyRefused("private key: halves of another algorithm")
            halves.append(half)
        return cls._of(use, alg, tuple(halves))

    @classmethod
    def _of(cls, use: str, alg: str, halves: tuple[_Half, ...]) -> "PrivateKey":
        pub = b"".join(half.public_key().public_bytes_raw() for half in halves)
        return cls(PublicKey.load(use, alg, pub), halves)

    def to_pem(self, passphrase: bytes) -> bytes:
        """Return encrypted PKCS8, one PEM block per half in the order of the public bytes.

        Raises:
            ValueError: the passphrase is shorter than 16 bytes.
        """
        if len(passphrase) < _SHORTEST_PASSPHRASE:
            raise ValueError("a passphrase has at least 16 bytes")
        return b"".join(
            half.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase),
            )
            for half in self._halves
        )

    def signer(self) -> Signer:
        """Return what signs with this key.

        Raises:
            ValueError: the key does not sign.
        """
        match self._halves:
            case (Ed25519PrivateKey() as classical, MLDSA65PrivateKey() as lattice):
                return HybridSigner(ed25519=classical, ml_dsa=lattice, public=self.public)
            case (Ed25519PrivateKey() | MLDSA44PrivateKey() as half,):
                return _SingleSigner(half=half, public=self.public)
            case _:
                raise ValueError(f"a key of use {self.use} does not sign")

    def decapsulator(self) -> Decapsulator:
        """Return what opens wraps made for this key.

        Raises:
            ValueError: the key is no encryption key.
        """
        match self._halves:
            case (MLKEM768PrivateKey() as lattice, X25519PrivateKey() as classical):
                private = MLKEM768X25519PrivateKey(lattice, classical)
                return _SoftwareDecapsulator(private=private, public=self.public)
            case _:
                raise ValueError(f"a key of use {self.use} opens nothing")


def _kinds(alg: str) -> tuple[type[_Half], ...]:
    kinds = _HALVES.get(alg)
    if kinds is None:
        raise KeyRefused("no private keys of this algorithm are made here")
    return kinds
