"""Holders: the people, and the secretariat's machine, whose keys sign a network's directory.

A holder owns one key pair of each family, Ed25519 and ML-DSA-65, so that no broken family alone
reaches a threshold. Metadata names both as ordinary TUF keys (ML-DSA after TAP 21); the holder's name
stands beside them, which TUF ignores. Where the private half is kept is the caller's.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import ED25519 as ED25519_SCHEME
from securesystemslib.signer import KEY_TYPE_ED25519, KEY_TYPE_MLDSA, MLDSA_65_1, Key, Signature, SSlibKey
from securesystemslib.signer import Signer as TufSigner

from crypto.encoding import b64u, unb64u
from crypto.errors import KeyRefused, Refusal
from crypto.keys import ED25519, GW_HYB1, HalfSigner, HybridSigner, KeyUse, PrivateKey, PublicKey
from crypto.spki import ml_dsa_65_pem, ml_dsa_65_raw
from crypto.strictjson import dumps, loads_object
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.model.names import display_name

#: Member of a TUF key that names its holder; a stock TUF client ignores it.
HOLDER_MEMBER = "x-rogatory-holder"

_ED25519_SIZE = 32
_HOLDER_LIMIT = 16 * 1024
_NAME = re.compile(r"\S(?:[^\r\n]{0,98}\S)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The public half of a holder, as a small file hands it over.

    Attributes:
        name: Office or person as shown, 1 to 100 characters on one line.
        public: Both public keys as one GW-HYB1 key.
    """

    name: str
    public: PublicKey

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or display_name(self.name) != self.name:
            raise GatewayRefusal("holder-invalid", detail="name")

    def to_json(self) -> bytes:
        """Return the file a holder hands over: name and public keys, nothing secret."""
        return dumps({"v": 1, "name": self.name, "pub": b64u(self.public.pub)})

    @classmethod
    def from_json(cls, data: bytes) -> "Holder":
        """Return the holder of a file. Raises ``GatewayRefusal`` ``holder-invalid``, also for weak keys."""
        try:
            claimed = loads_object(data, max_bytes=_HOLDER_LIMIT, max_depth=4)
            name, pub = claimed["name"], claimed["pub"]
            if claimed["v"] != 1 or not isinstance(name, str) or not isinstance(pub, str):
                raise GatewayRefusal("holder-invalid")
            return cls(name=name, public=PublicKey.load(KeyUse.SIG, GW_HYB1, unb64u(pub)))
        except (Refusal, KeyError):
            raise GatewayRefusal("holder-invalid") from None

    def words(self) -> tuple[str, ...]:
        """Return twelve words to read out and compare by telephone before this holder is trusted."""
        return fingerprint_words(self.public.pub)

    def tuf_keys(self) -> tuple[Key, Key]:
        """Return both keys as TUF knows them, Ed25519 first."""
        return (
            _tuf_key(self.name, KEY_TYPE_ED25519, ED25519_SCHEME, self.public.pub[:_ED25519_SIZE].hex()),
            _tuf_key(self.name, KEY_TYPE_MLDSA, MLDSA_65_1, ml_dsa_65_pem(self.public.pub[_ED25519_SIZE:])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderKeys:
    """The private half of a holder, opened; ``repr`` shows the name only."""

    name: str
    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> "HolderKeys":
        """Return a holder with new random keys. Raises ``GatewayRefusal`` ``holder-invalid`` for the name."""
        keys = cls(name=name, private=PrivateKey.generate(KeyUse.SIG, GW_HYB1))
        Holder(name=name, public=keys.private.public)
        return keys

    def to_pem(self, passphrase: bytes) -> bytes:
        """Return both private keys as encrypted PKCS8. Raises ``ValueError`` below 16 bytes of passphrase."""
        return self.private.to_pem(passphrase)

    @classmethod
    def from_pem(cls, name: str, pem: bytes, passphrase: bytes) -> "HolderKeys":
        """Return what ``to_pem`` wrote. Raises ``GatewayRefusal`` ``holder-invalid`` (passphrase, damage)."""
        try:
            return cls(name=name, private=PrivateKey.from_pem(KeyUse.SIG, GW_HYB1, pem, passphrase))
        except KeyRefused as refused:
            raise GatewayRefusal("holder-invalid", detail=str(refused)) from None

    @property
    def public(self) -> Holder:
        """The public half, to hand over."""
        return Holder(name=self.name, public=self.private.public)

    def tuf_signers(self) -> tuple[TufSigner, TufSigner]:
        """Return what signs metadata with each of the two keys, Ed25519 first."""
        signer = self.private.signer()
        if not isinstance(signer, HybridSigner):
            raise TypeError("a holder signs with two keys")
        ed25519, ml_dsa = self.public.tuf_keys()
        return _HalfTufSigner(ed25519, signer.ed25519), _HalfTufSigner(ml_dsa, signer.ml_dsa)


class _HalfTufSigner(TufSigner):
    """One key of a holder as a TUF signer; the half may live in a token."""

    def __init__(self, public_key: Key, half: HalfSigner) -> None:
        self._public_key = public_key
        self._half = half

    @property
    def public_key(self) -> Key:
        return self._public_key

    @classmethod
    def from_priv_key_uri(cls, *_args: object, **_kwargs: object) -> "_HalfTufSigner":
        raise NotImplementedError("keys are opened by HolderKeys")

    def sign(self, payload: bytes) -> Signature:
        signed = _ml_dsa_payload(payload) if self._public_key.keytype == KEY_TYPE_MLDSA else payload
        return Signature(self._public_key.keyid, self._half.sign(signed).hex())


def _ml_dsa_payload(payload: bytes) -> bytes:
    """Return what an ML-DSA key signs: TAP 21 marks it as TUF's and hashes it first."""
    return b"tuf\x01" + hashlib.sha512(payload).digest()


def _tuf_key(name: str, keytype: str, scheme: str, public: str) -> Key:
    keyval = {"public": public}
    return SSlibKey(_tuf_key_id(keytype, scheme, keyval), keytype, scheme, keyval, {HOLDER_MEMBER: name})


def _tuf_key_id(keytype: str, scheme: str, keyval: Mapping[str, str]) -> str:
    canonical = {"keytype": keytype, "keyval": dict(keyval), "scheme": scheme}
    encoded = encode_canonical(canonical) or ""
    return hashlib.sha256(encoded.encode()).hexdigest()


def holder_of(key: Key) -> tuple[str, bytes]:
    """Return the holder named by a TUF key and the raw public key, from the one spelling that counts.

    Raises ``KeyRefused``: another algorithm, a weak or misspelt key, an identifier that is not its digest.
    """
    public, name = key.keyval.get("public"), key.unrecognized_fields.get(HOLDER_MEMBER)
    if not isinstance(public, str) or not isinstance(name, str) or set(key.keyval) != {"public"}:
        raise KeyRefused("TUF key: form")
    if key.keyid != _tuf_key_id(key.keytype, key.scheme, key.keyval):
        raise KeyRefused("TUF key: identifier")
    match key.keytype, key.scheme:
        case "ed25519", "ed25519":
            raw = bytes.fromhex(public) if re.fullmatch(r"[0-9a-f]{64}", public) else b""
            return name, PublicKey.load(KeyUse.REQ, ED25519, raw).pub
        case "ml-dsa", "ml-dsa-65/1":
            return name, ml_dsa_65_raw(public)
        case _:
            raise KeyRefused("TUF key: algorithm")
