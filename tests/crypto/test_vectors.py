"""Published vectors: the library, our import checks and the independent reader agree with them."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from crypto import hpke, publickeys, selftest
from crypto.errors import KeyRefused, Refusal
from crypto.halves import combine, key_schedule
from crypto.keys import ED25519, GW_HYB1, GW_KEM1, KeyUse, PublicKey
from tests.crypto.chunked import read_chunked

VECTORS = Path(__file__).parents[1] / "vectors"


def _read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("ascii"))


def test_every_low_order_or_non_canonical_ed25519_key_is_refused_and_no_other() -> None:
    keys = _read("ed25519_cctv_keys.json")
    assert len(keys) == 22
    for key, flags in keys.items():
        weak = "low_order_A" in flags or "non_canonical_A" in flags
        try:
            PublicKey.load(KeyUse.RCPT, ED25519, bytes.fromhex(key))
        except KeyRefused:
            assert weak, key
        else:
            assert not weak, key


def test_the_same_keys_are_refused_as_half_of_a_hybrid_key() -> None:
    lattice = bytes.fromhex(_read("ml_dsa_65.json")[0]["pk"])
    for key, flags in _read("ed25519_cctv_keys.json").items():
        if "low_order_A" in flags:
            with pytest.raises(KeyRefused, match="Ed25519"):
                PublicKey.load(KeyUse.SIG, GW_HYB1, bytes.fromhex(key) + lattice)


def test_ed25519_verifies_what_wycheproof_says() -> None:
    count = 0
    for group in _read("ed25519_wycheproof.json"):
        public = PublicKey.load(KeyUse.RCPT, ED25519, bytes.fromhex(group["pk"]))
        for message, signature, valid in group["tests"]:
            count += 1
            try:
                public.verify(bytes.fromhex(message), bytes.fromhex(signature))
            except Refusal:
                assert not valid
            else:
                assert valid
    assert count == 151


def _library(key: bytes, context: bytes, sealed: bytes) -> bytes:
    decryptor = Cobblestone256Decryptor(key, context)
    return decryptor.update(sealed) + decryptor.finalize()


@pytest.mark.parametrize("read", [_library, read_chunked], ids=["library", "oracle"])
def test_chunked_encryption_opens_what_is_valid_and_refuses_the_rest(
    read: Callable[[bytes, bytes, bytes], bytes],
) -> None:
    tests = [
        test for group in _read("chunked_encryption_wycheproof.json")["testGroups"] for test in group["tests"]
    ]
    assert len(tests) == 35
    for test in tests:
        sealed = zlib.decompress(bytes.fromhex(test["ct"]))
        try:
            plain = read(bytes.fromhex(test["key"]), bytes.fromhex(test["ctx"]), sealed)
        except (InvalidTag, ValueError):
            assert test["result"] == "invalid", test["comment"]
        else:
            assert test["result"] == "valid", test["comment"]
            assert hashlib.sha512(plain).hexdigest() == test["msgSha512"]


def test_ml_dsa_65_derives_the_key_and_verifies() -> None:
    for vector in _read("ml_dsa_65.json"):
        raw = bytes.fromhex(vector["pk"])
        private = MLDSA65PrivateKey.from_seed_bytes(bytes.fromhex(vector["seed"]))
        assert private.public_key().public_bytes_raw() == raw
        MLDSA65PublicKey.from_public_bytes(raw).verify(
            bytes.fromhex(vector["sig"]), bytes.fromhex(vector["msg"]), bytes.fromhex(vector["ctx"])
        )


def test_ml_kem_768_derives_decapsulates_and_rejects_implicitly() -> None:
    for vector in _read("ml_kem_768.json"):
        private = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(vector["seed"]))
        assert private.public_key().public_bytes_raw().hex() == vector["pk"]
        assert private.decapsulate(bytes.fromhex(vector["ct"])).hex() == vector["ss"]
        assert private.decapsulate(bytes.fromhex(vector["ct_n"])).hex() == vector["ss_n"]


def test_the_hybrid_kem_of_the_wraps_is_0x647a() -> None:
    # The published vectors have another AEAD and associated data, hence the library's own test hook.
    vectors = _read("hpke_0x647a.json")
    assert len(vectors) == 2
    for vector in vectors:
        field = {name: bytes.fromhex(value) for name, value in vector.items() if isinstance(value, str)}
        ml_kem, x25519 = hpke.expand_seed(field["skRm"])
        pub = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        assert pub == field["pkRm"]
        PublicKey.load(KeyUse.ENC, GW_KEM1, pub)
        ephemeral = field["enc"][1088:]
        shared = combine(
            ml_kem.decapsulate(field["enc"][:1088]),
            x25519.exchange(X25519PublicKey.from_public_bytes(ephemeral)),
            ephemeral,
            pub[-32:],
        )
        assert shared == field["shared_secret"]
        kdf = {1: KDF.HKDF_SHA256, 17: KDF.SHAKE256}[vector["kdf_id"]]
        suite = Suite(KEM.MLKEM768_X25519, kdf, AEAD.CHACHA20_POLY1305)
        encryption = {name: bytes.fromhex(value) for name, value in vector["encryption"].items()}
        private = MLKEM768X25519PrivateKey(ml_kem, x25519)
        sealed = field["enc"] + encryption["ct"]
        plain = rust_openssl.hpke._decrypt_with_aad(suite, sealed, private, field["info"], encryption["aad"])
        assert plain == encryption["pt"]
        if vector["kdf_id"] == 1:
            suite_id = b"HPKE" + bytes.fromhex("647a00010003")
            key = key_schedule(shared, field["info"], suite_id=suite_id)
            assert key == (field["key"], field["base_nonce"])


def test_the_self_test_passes_here() -> None:
    selftest.run_selftest()


@pytest.mark.parametrize("name", sorted(set(selftest._CHECKS) - {"pairwise", "ed25519-identity"}))
def test_the_self_test_names_the_primitive_whose_answer_is_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = json.loads(
        Path(selftest.__file__).with_name("data").joinpath("selftest.json").read_text("ascii")
    )
    for field in ("digest", "pk_sha256", "ss", "bk", "wrapped", "msg", "sig"):
        if field in vectors[name]:
            vectors[name][field] = f"{int(vectors[name][field][0], 16) ^ 1:x}" + vectors[name][field][1:]
            break
    monkeypatch.setattr(json, "loads", lambda _text: vectors)
    with pytest.raises(selftest.SelfTestFailed, match=f"^{name}"):
        selftest.run_selftest()


def test_a_library_that_takes_the_identity_point_fails_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crypto.publickeys.refuse_weak_ed25519", lambda _key: None)
    Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))
    try:
        with pytest.raises(selftest.SelfTestFailed, match="ed25519-identity"):
            selftest.run_selftest()
    finally:
        # The key that was let in must not be remembered for the tests that follow.
        publickeys._load.cache_clear()
