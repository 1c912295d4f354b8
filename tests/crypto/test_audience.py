"""One text for many readers: each of them opens it, nobody else does, and no byte of it can be changed."""

import json

import pytest

from crypto.audience import open_for, seal_for
from crypto.errors import KeyRefused, Refusal
from crypto.keys import GW_KEM1, KeyUse, PrivateKey
from crypto.spki import ml_dsa_65_pem, ml_dsa_65_raw
from crypto.strictjson import dumps

READERS = [PrivateKey.generate(KeyUse.ENC, GW_KEM1) for _ in range(3)]
STRANGER = PrivateKey.generate(KeyUse.ENC, GW_KEM1)
SEALED = seal_for(b"telephone", [reader.public for reader in READERS], b"net")


def opened(data: bytes, reader: PrivateKey, context: bytes = b"net") -> bytes | None:
    return open_for(data, {reader.public.kid: reader.decapsulator()}, context)


def test_every_reader_opens_it_and_a_stranger_does_not() -> None:
    assert [opened(SEALED, reader) for reader in READERS] == [b"telephone"] * 3
    assert opened(SEALED, STRANGER) is None


def test_it_is_bound_to_its_purpose() -> None:
    with pytest.raises(Refusal, match="open-failed"):
        opened(SEALED, READERS[0], b"other-net")


def test_what_was_changed_does_not_open() -> None:
    whole = json.loads(SEALED)
    first = READERS[0].public.kid
    wraps = {first: whole["wraps"][READERS[1].public.kid]}
    for change in (
        {"sealed": whole["sealed"][:-4] + "AAAA"},
        {"sealed": whole["sealed"][:-8]},
        {"size": whole["size"] + 1},
        {"size": True},
        {"size": -1},
        {"bid": "0" * 32},
        {"bid": "x"},
        {"bid": None},
        {"v": 2},
        {"wraps": wraps},
        {"wraps": {first: 1}},
        {"wraps": {first: "AA"}},
        {"wraps": []},
    ):
        with pytest.raises(Refusal):
            opened(dumps(whole | change), READERS[0])


def test_an_ml_dsa_key_has_one_spelling() -> None:
    pub = bytes(range(256)) * 8
    pem = ml_dsa_65_pem(pub[:1952])
    assert ml_dsa_65_raw(pem) == pub[:1952]
    for other in (
        pem.strip(),
        pem.replace("\n", "\r\n"),
        pem + "\n",
        "",
        "x" * 3000,
        pem.replace("MIIH", "MIIG"),
    ):
        with pytest.raises(KeyRefused):
            ml_dsa_65_raw(other)
    with pytest.raises(ValueError, match="1952"):
        ml_dsa_65_pem(pub)
