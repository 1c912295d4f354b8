"""Keys: one use each, recomputed identifiers, and no weak key gets in."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from crypto import hpke
from crypto.errors import KeyRefused, Refusal
from crypto.halves import HybridDecapsulator
from crypto.keys import (
    ALGORITHMS,
    GW_HYB1,
    GW_KEM1,
    HYBRID_SIGNATURE_SIZE,
    X509,
    HybridSigner,
    KeyUse,
    PrivateKey,
    PublicKey,
    key_id,
)

PASSPHRASE = b"fictional passphrase"
KINDS = [(use, alg) for use, algs in ALGORITHMS.items() for alg in algs if alg != X509]
KEYS = {kind: PrivateKey.generate(*kind) for kind in KINDS}
SIGNING = [kind for kind in KINDS if kind[1] != GW_KEM1]
INFO = hpke.wrap_info("ab" * 16, "xx-moj", "k" * 43, "yy-moj", "l" * 43)


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_survives_its_encrypted_file(kind: tuple[str, str]) -> None:
    key = KEYS[kind]
    pem = key.to_pem(PASSPHRASE)
    assert pem.count(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") == (2 if kind[1] in (GW_HYB1, GW_KEM1) else 1)
    again = PrivateKey.from_pem(*kind, pem, PASSPHRASE)
    assert again.public == key.public
    if kind in SIGNING:
        key.public.verify(b"message", again.signer().sign(b"message"))
    else:
        wrap = hpke.wrap_key(bytes(32), key.public, INFO)
        assert again.decapsulator().unwrap(wrap, INFO) == bytes(32)


def test_a_private_key_shows_its_identifier_and_nothing_else() -> None:
    for key in KEYS.values():
        shown = repr(key)
        assert key.public.kid in shown
        assert "PrivateKey object" not in shown
        assert key.public.pub.hex()[:16] not in shown


def test_a_short_passphrase_is_not_taken() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KEYS[SIGNING[0]].to_pem(b"short")


def _damaged_files() -> Iterator[tuple[str, bytes, bytes]]:
    sig, enc = KEYS[(KeyUse.SIG, GW_HYB1)], KEYS[(KeyUse.ENC, GW_KEM1)]
    pem = sig.to_pem(PASSPHRASE)
    end = b"-----END ENCRYPTED PRIVATE KEY-----\n"
    first, second, _ = pem.split(end)
    yield "wrong passphrase", pem, b"another passphrase"
    yield "first half only", first + end, PASSPHRASE
    yield "halves swapped", second + end + first + end, PASSPHRASE
    yield "three blocks", pem + first + end, PASSPHRASE
    yield "halves of another algorithm", enc.to_pem(PASSPHRASE), PASSPHRASE
    yield "cut short", pem[:-40], PASSPHRASE
    yield "empty", b"", PASSPHRASE
    yield "huge", pem + b" " * 20_000, PASSPHRASE
    plain = sig._halves[0].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    yield "unencrypted half", plain + second + end, PASSPHRASE


@pytest.mark.parametrize(("pem", "passphrase"), [pytest.param(*c[1:], id=c[0]) for c in _damaged_files()])
def test_a_damaged_key_file_is_refused(pem: bytes, passphrase: bytes) -> None:
    with pytest.raises(KeyRefused):
        PrivateKey.from_pem(KeyUse.SIG, GW_HYB1, pem, passphrase)


def test_a_key_has_one_use_and_the_identifier_says_which() -> None:
    for (use, alg), key in KEYS.items():
        for other in KeyUse:
            if alg not in ALGORITHMS[other]:
                with pytest.raises(KeyRefused):
                    PublicKey.load(other, alg, key.public.pub)
            elif other != use:
                assert PublicKey.load(other, alg, key.public.pub).kid != key.public.kid
    with pytest.raises(KeyRefused, match="unknown use"):
        PublicKey.load("root", GW_HYB1, b"")


def test_an_identifier_is_recomputed_and_never_believed() -> None:
    key = KEYS[(KeyUse.SIG, GW_HYB1)].public
    assert PublicKey.load(key.use, key.alg, key.pub, kid=key.kid) == key
    assert key.kid == key_id("sig", GW_HYB1, key.pub)
    assert len(key.kid) == 43
    with pytest.raises(KeyRefused, match="kid"):
        PublicKey.load(key.use, key.alg, key.pub, kid="A" * 43)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_another_size_is_refused(kind: tuple[str, str]) -> None:
    pub = KEYS[kind].public.pub
    for wrong in (b"", pub[:-1], pub + b"\0", pub[:32] if len(pub) > 32 else pub * 2):
        with pytest.raises(KeyRefused):
            PublicKey.load(*kind, wrong)


@pytest.mark.parametrize(
    "half",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        b"\x09" + bytes(30) + b"\x80",
    ],
)
def test_a_low_order_or_non_canonical_x25519_half_is_refused(half: bytes) -> None:
    good = KEYS[(KeyUse.ENC, GW_KEM1)].public.pub
    with pytest.raises(KeyRefused, match="X25519"):
        PublicKey.load(KeyUse.ENC, GW_KEM1, good[:-32] + half)


def test_an_ml_kem_half_with_unreduced_coefficients_is_refused() -> None:
    good = KEYS[(KeyUse.ENC, GW_KEM1)].public.pub
    with pytest.raises(KeyRefused):
        PublicKey.load(KeyUse.ENC, GW_KEM1, b"\xff" * 384 + good[384:])


def test_an_ed25519_key_off_the_curve_is_refused() -> None:
    req = (KeyUse.REQ, "Ed25519")
    refused = 0
    for number in range(2, 40):
        try:
            PublicKey.load(*req, number.to_bytes(32, "little"))
        except KeyRefused:
            refused += 1
    assert 10 < refused < 30


def test_what_one_key_signs_no_other_key_verifies() -> None:
    signatures = {kind: KEYS[kind].signer().sign(b"message") for kind in SIGNING}
    for signed, verifying in product(SIGNING, KINDS):
        public = KEYS[verifying].public
        if signed == verifying:
            public.verify(b"message", signatures[signed])
            continue
        with pytest.raises(Refusal, match="sig-invalid"):
            public.verify(b"message", signatures[signed])


def test_keys_do_only_what_their_use_says() -> None:
    sig, enc = KEYS[(KeyUse.SIG, GW_HYB1)], KEYS[(KeyUse.ENC, GW_KEM1)]
    for attempt in (
        enc.signer,
        sig.decapsulator,
        lambda: sig.public.encapsulation_key,
        lambda: enc.public.certificate,
        lambda: hpke.wrap_key(bytes(32), sig.public, INFO),
        lambda: hpke.wrap_key(bytes(31), enc.public, INFO),
    ):
        with pytest.raises(ValueError):
            attempt()
    with pytest.raises(KeyRefused):
        PrivateKey.generate(KeyUse.TLS, X509)


class _Token:
    """Stands in for a hardware token that holds the classical half and logs what it was asked."""

    def __init__(self, half: Any) -> None:
        self._half = half
        self.asked: list[bytes] = []

    def sign(self, message: bytes, /) -> bytes:
        self.asked.append(message)
        return bytes(self._half.sign(message))

    def exchange(self, peer: bytes, /) -> bytes:
        self.asked.append(peer)
        return bytes(self._half.exchange(X25519PublicKey.from_public_bytes(peer)))


def test_a_token_may_hold_one_half_of_the_signature() -> None:
    key = KEYS[(KeyUse.SIG, GW_HYB1)]
    classical, lattice = key._halves
    token = _Token(classical)
    signer = HybridSigner(ed25519=token, ml_dsa=lattice, public=key.public)
    signature = signer.sign(b"message")
    assert len(signature) == HYBRID_SIGNATURE_SIZE
    key.public.verify(b"message", signature)
    assert token.asked == [b"message"]
    broken = replace(signer, ml_dsa=token)
    with pytest.raises(RuntimeError, match="wrong length"):
        broken.sign(b"message")


def test_a_token_may_hold_one_half_of_the_encryption_key() -> None:
    key = KEYS[(KeyUse.ENC, GW_KEM1)]
    lattice, classical = key._halves
    token = _Token(classical)
    halves = HybridDecapsulator(ml_kem=lattice, x25519=token, public=key.public)
    bk = bytes(range(32))
    wrap = hpke.wrap_key(bk, key.public, INFO)
    assert halves.unwrap(wrap, INFO) == key.decapsulator().unwrap(wrap, INFO) == bk
    assert token.asked == [wrap[1088:1120]]
    damaged = [
        wrap[:position] + bytes([wrap[position] ^ 1]) + wrap[position + 1 :]
        for position in range(0, 1168, 73)
    ]
    for decapsulator in (halves, key.decapsulator()):
        for wrong in (*damaged, wrap[:-1], wrap + b"\0", b"", bytes(1168)):
            with pytest.raises(Refusal, match="open-failed"):
                decapsulator.unwrap(wrong, INFO)
        with pytest.raises(Refusal, match="open-failed"):
            decapsulator.unwrap(wrap, INFO + b"\0")


def test_the_wrap_is_bound_to_every_field() -> None:
    fields = ("ab" * 16, "xx-moj", "k" * 43, "yy-moj", "l" * 43)
    others = ("cd" * 16, "xx-mo", "m" * 43, "jyy-moj", "n" * 43)
    infos = {hpke.wrap_info(*fields)}
    for position in range(5):
        infos.add(hpke.wrap_info(*fields[:position], others[position], *fields[position + 1 :]))
    # Length prefixes: "xx-mo" + "jyy-moj" must not equal "xx-moj" + "yy-moj".
    assert len(infos) == 6


def test_certificates_with_weak_or_foreign_keys_are_refused() -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    now = datetime(2026, 11, 1, tzinfo=UTC)

    def certificate(key: Any, algorithm: Any) -> bytes:
        name = x509.Name([])
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
        return bytes(builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER))

    sha256 = hashes.SHA256()
    good = certificate(ec.generate_private_key(ec.SECP256R1()), sha256)
    assert PublicKey.load(KeyUse.TLS, X509, good).certificate.not_valid_before_utc == now
    for bad in (
        certificate(rsa.generate_private_key(65537, 1024), sha256),
        certificate(ec.generate_private_key(ec.SECP256K1()), sha256),
        certificate(ed25519.Ed25519PrivateKey.generate(), None),
        good + b"\0",
        good[:-1],
        b"\x30" * 20_000,
    ):
        with pytest.raises(KeyRefused):
            PublicKey.load(KeyUse.TLS, X509, bad)
