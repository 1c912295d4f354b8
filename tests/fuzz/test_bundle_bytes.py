"""Invariant: any bytes given to a reader of bundles, envelopes, manifests, JSON or keys yield a value or a
``Refusal`` with a listed code, never another exception. Bytes are random, and good ones with random changes.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto import strictjson
from crypto.bundle import ContainerReader, Opener, parse_manifest
from crypto.directory import DIRECTORY_TYPE, unverified_statement
from crypto.encoding import b64u, unb64u
from crypto.envelope import parse_envelope
from crypto.errors import CODES, Refusal
from crypto.jws import EDDSA, parse_compact
from crypto.keys import ALGORITHMS, GW_HYB1, X509, KeyUse, PrivateKey, PublicKey
from crypto.manifest import open_manifest_part
from crypto.parts import open_bytes, padme, sealed_size
from crypto.storagekey import unwrap_content_key
from crypto.x509 import make_tls_certificate
from tests.crypto.samples import ENC, NOW, SIG, open_container, seal

GOOD = seal()
CERTIFICATE = make_tls_certificate("xx-moj", now=NOW, hosts=["gw.example"])[0]
PEM = SIG.to_pem(b"fictional passphrase")

READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "JSON": (strictjson.loads, GOOD.raw),
    "manifest": (parse_manifest, GOOD.raw),
    "envelope": (parse_envelope, GOOD.envelope.jws),
    "container": (open_container, GOOD.container),
    "receipt token": (lambda data: parse_compact(data, alg=EDDSA, typ="gw-rcpt+jws"), GOOD.envelope.jws),
    "statement": (lambda data: unverified_statement(data, DIRECTORY_TYPE), GOOD.envelope.jws),
    "part": (lambda data: _open_part(data, 5200), GOOD.parts[2]),
    "part 0": (lambda data: open_manifest_part(data, 4096, GOOD.bk, GOOD.bid), GOOD.parts[0]),
    "wrap": (lambda data: ENC.decapsulator().unwrap(data, b""), GOOD.envelope.to[0].wrap),
    "storage wrap": (lambda data: unwrap_content_key(GOOD.bk, data), bytes(40)),
    "signature": (lambda data: SIG.public.verify(b"", data), bytes(3373)),
    "signing key": (lambda data: PublicKey.load(KeyUse.SIG, GW_HYB1, data), SIG.public.pub),
    "encryption key": (
        lambda data: PublicKey.load(KeyUse.ENC, ALGORITHMS[KeyUse.ENC][0], data),
        ENC.public.pub,
    ),
    "certificate": (lambda data: PublicKey.load(KeyUse.TLS, X509, data), CERTIFICATE),
    "key file": (lambda data: PrivateKey.from_pem(KeyUse.SIG, GW_HYB1, data, b"fictional passphrase"), PEM),
}


def _open_part(data: bytes, size: int) -> bytes:
    return open_bytes(data, bk=GOOD.bk, bid=GOOD.bid, n=2, plain_size=size)


def _value_or_refusal(read: Callable[[bytes], object], data: bytes) -> None:
    code = None
    try:
        read(data)
    except Refusal as refusal:
        code = refusal.code
    assert code is None or code in CODES


@pytest.mark.parametrize("read", [reader for reader, _ in READERS.values()], ids=READERS)
@given(data=st.binary(max_size=2000))
@example(data=b"")
@example(data=b"[" * 1500)
@settings(max_examples=40, deadline=None)
def test_any_bytes_are_a_value_or_a_refusal(read: Callable[[bytes], object], data: bytes) -> None:
    _value_or_refusal(read, data)


@pytest.mark.parametrize(("read", "good"), READERS.values(), ids=READERS)
@given(change=st.data())
@settings(max_examples=40, deadline=None)
def test_good_bytes_with_changes_are_a_value_or_a_refusal(
    read: Callable[[bytes], object], good: bytes, change: st.DataObject
) -> None:
    data = bytearray(good)
    for _ in range(change.draw(st.integers(1, 4))):
        start = change.draw(st.integers(0, len(data)))
        removed = change.draw(st.integers(0, 8))
        data[start : start + removed] = change.draw(st.binary(max_size=8))
    _value_or_refusal(read, bytes(data))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
ENVELOPE: dict[str, Any] = json.loads(unb64u(GOOD.envelope.jws.split(b".")[1].decode()))
MANIFEST: dict[str, Any] = json.loads(GOOD.raw)


@pytest.mark.slow
@given(name=st.sampled_from([*sorted(ENVELOPE), "must", "extra"]), value=JSON_VALUES)
@settings(max_examples=150, deadline=None)
def test_any_value_of_any_envelope_member_is_read_or_refused(name: str, value: Any) -> None:
    head, _, tail = GOOD.envelope.jws.split(b".")
    body = b64u(json.dumps(ENVELOPE | {name: value}).encode()).encode()
    _value_or_refusal(Opener().parse, b".".join((head, body, tail)))


@pytest.mark.slow
@given(name=st.sampled_from(sorted(MANIFEST)), value=JSON_VALUES, inside=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_value_of_any_manifest_member_is_read_or_refused(name: str, value: Any, inside: bool) -> None:
    members = json.loads(GOOD.raw)
    if inside:
        key = sorted(members["parts"][0])[len(name) % 9]
        members["parts"][0][key] = value
    else:
        members[name] = value
    _value_or_refusal(parse_manifest, json.dumps(members).encode())


@given(cuts=st.lists(st.integers(0, len(GOOD.container)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_however_a_container_is_cut_the_reader_gives_the_same_parts(cuts: list[int]) -> None:
    reader, parts = ContainerReader(), bytearray()
    edges = [0, *sorted(cuts), len(GOOD.container)]
    for start, end in pairwise(edges):
        for event in reader.feed(GOOD.container[start:end]):
            if event[0] == "part":
                parts += event[2]
    reader.finish()
    assert bytes(parts) == b"".join(GOOD.parts)


@pytest.mark.slow
@given(value=JSON_VALUES)
@settings(max_examples=150, deadline=None)
def test_strict_json_agrees_with_the_ordinary_parser_where_it_reads_at_all(value: Any) -> None:
    data = json.dumps(value).encode()
    try:
        found = strictjson.loads(data)
    except Refusal:
        return
    assert found == value
    assert strictjson.loads(strictjson.dumps(found)) == found


@given(size=st.integers(0, 2**50))
def test_padding_costs_little_and_sizes_are_exact(size: int) -> None:
    padded = padme(size)
    assert size <= padded <= size + size // 8 + 1
    assert sealed_size(padded) > padded + 56
