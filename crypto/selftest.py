"""Start-up self-test: whether this machine's library computes what the formats need.

A distribution's build of the library may lack the young algorithms or get them wrong;
then nothing may be sealed or believed. About 3 ms. The vectors are in
``crypto/data/selftest.json``; ``tests/vectors/README.md`` says where each comes from.
"""

import json
from collections.abc import Callable, Mapping
from importlib import resources

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from crypto import hpke
from crypto.encoding import sha256_hex
from crypto.errors import KeyRefused, Refusal
from crypto.keys import ED25519, GW_HYB1, GW_KEM1, NOTE_ML_DSA_44, KeyUse, PrivateKey, PublicKey

_Vector = Mapping[str, bytes]


class SelfTestFailed(Exception):
    """The library does not compute a known answer; nothing may be sealed or opened."""


def run_selftest() -> None:
    """Return if every primitive gives its known answer and refuses a changed one.

    Raises:
        SelfTestFailed: naming the primitive.
    """
    text = resources.files("crypto").joinpath("data/selftest.json").read_text("ascii")
    vectors: dict[str, dict[str, str]] = json.loads(text)
    for name, check in _CHECKS.items():
        vector = {field: bytes.fromhex(value) for field, value in vectors[name].items() if field != "source"}
        try:
            good = check(vector)
        except Exception as error:
            # Whatever a broken library raises, the answer is the same.
            raise SelfTestFailed(f"{name}: {type(error).__name__}") from error
        if not good:
            raise SelfTestFailed(name)


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _sha256(vector: _Vector) -> bool:
    return sha256_hex(vector["msg"]) == vector["digest"].hex()


def _ed25519(vector: _Vector) -> bool:
    private = Ed25519PrivateKey.from_private_bytes(vector["seed"])
    public = PublicKey.load(KeyUse.RCPT, ED25519, vector["pk"])
    public.verify(vector["msg"], vector["sig"])
    same = (
        private.public_key().public_bytes_raw() == vector["pk"]
        and private.sign(vector["msg"]) == vector["sig"]
    )
    return same and _refused(lambda: public.verify(vector["msg"], _flip(vector["sig"])))


def _ed25519_identity(vector: _Vector) -> bool:
    try:
        PublicKey.load(KeyUse.RCPT, ED25519, vector["pk"])
    except KeyRefused:
        return True
    return False


def _ml_dsa_65(vector: _Vector) -> bool:
    private = MLDSA65PrivateKey.from_seed_bytes(vector["seed"])
    raw = private.public_key().public_bytes_raw()
    MLDSA65PublicKey.from_public_bytes(raw).verify(vector["sig"], vector["msg"], vector["ctx"])
    return sha256_hex(raw) == vector["pk_sha256"].hex()


def _ml_kem_768(vector: _Vector) -> bool:
    private = MLKEM768PrivateKey.from_seed_bytes(vector["seed"])
    return private.decapsulate(vector["ct"]) == vector["ss"]


def _hpke(vector: _Vector) -> bool:
    private = MLKEM768X25519PrivateKey(*hpke.expand_seed(vector["seed"]))
    if hpke.unwrap_key(vector["wrap"], private, vector["info"]) != vector["bk"]:
        return False
    return _refused(lambda: hpke.unwrap_key(vector["wrap"], private, _flip(vector["info"])))


def _cobblestone(vector: _Vector) -> bool:
    decryptor = Cobblestone256Decryptor(vector["key"], vector["ctx"])
    plain = decryptor.update(vector["ct"]) + decryptor.finalize()
    encryptor = Cobblestone256Encryptor(vector["key"], vector["ctx"])
    sealed = encryptor.update(plain) + encryptor.finalize()
    damaged = Cobblestone256Decryptor(vector["key"], vector["ctx"])
    try:
        damaged.update(_flip(vector["ct"]))
        damaged.finalize()
    except InvalidTag:
        # The salt is random, so two ciphertexts of one plaintext never agree.
        return plain == vector["msg"] and sealed != vector["ct"] and len(sealed) == len(vector["ct"])
    return False


def _key_wrap(vector: _Vector) -> bool:
    wrapped = aes_key_wrap_with_padding(vector["kek"], vector["key"])
    return (
        wrapped == vector["wrapped"] and aes_key_unwrap_with_padding(vector["kek"], wrapped) == vector["key"]
    )


def _pairwise(vector: _Vector) -> bool:
    for use, alg in ((KeyUse.SIG, GW_HYB1), (KeyUse.WIT, NOTE_ML_DSA_44)):
        key = PrivateKey.generate(use, alg)
        key.public.verify(vector["msg"], key.signer().sign(vector["msg"]))
    enc = PrivateKey.generate(KeyUse.ENC, GW_KEM1)
    wrap = hpke.wrap_key(vector["bk"], enc.public, vector["msg"])
    return enc.decapsulator().unwrap(wrap, vector["msg"]) == vector["bk"]


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Refusal:
        return True
    return False


_CHECKS: dict[str, Callable[[_Vector], bool]] = {
    "sha256": _sha256,
    "ed25519": _ed25519,
    "ed25519-identity": _ed25519_identity,
    "ml-dsa-65": _ml_dsa_65,
    "ml-kem-768": _ml_kem_768,
    "hpke": _hpke,
    "cobblestone-256": _cobblestone,
    "key-wrap": _key_wrap,
    "pairwise": _pairwise,
}
