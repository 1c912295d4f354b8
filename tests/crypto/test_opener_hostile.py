"""Hostile bundles, each with its code and step; after every refusal nothing is released."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crypto.bundle import (
    MAGIC,
    Opener,
    PartRef,
    container_prefix,
    outward_code,
    rewrap_envelope,
    seal_manifest,
    seal_part,
)
from crypto.encoding import b64u, sha256_hex, unb64u
from crypto.errors import CODES, Refusal
from crypto.keys import ED25519, KeyUse, PrivateKey
from crypto.parts import encrypt_part, manifest_size
from tests.crypto.samples import (
    ENC,
    FORM,
    LETTER,
    NOW,
    OTHER_ENC,
    OTHER_SIG,
    RECIPIENT,
    SENDER,
    SIG,
    Opened,
    Sealed,
    envelope_for,
    in_force,
    manifest_bytes,
    manifest_part,
    open_container,
    seal,
)

GOOD = seal()


def refused(container: bytes, code: str, step: int | None = None, **how: Any) -> Refusal:
    opened = Opened(released={})
    with pytest.raises(Refusal) as caught:
        open_container(container, into=opened, **how)
    assert opened.released == {}
    assert (caught.value.code, caught.value.step) == (code, step or caught.value.step), caught.value.detail
    assert code in CODES
    return caught.value


def with_jws(sealed: Sealed, jws: bytes) -> bytes:
    return container_prefix(jws) + b"".join(sealed.parts)


def signed(
    payload: Mapping[str, Any], *, key: PrivateKey = SIG, header: Any = None, raw: bytes | None = None
) -> bytes:
    """Sign any payload under any header: what a malicious but listed peer can do."""
    protected = {"alg": "GW-HYB1", "typ": "gw-env+jws", "kid": key.public.kid} if header is None else header
    head = protected if isinstance(protected, bytes) else json.dumps(protected).encode()
    body = json.dumps(payload).encode() if raw is None else raw
    message = f"{b64u(head)}.{b64u(body)}".encode()
    return message + b"." + b64u(key.signer().sign(message)).encode()


def payload_of(sealed: Sealed) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(unb64u(sealed.envelope.jws.split(b".")[1].decode()))
    return value


def test_the_bundle_that_all_others_are_made_from_opens() -> None:
    opened = open_container(GOOD.container)
    assert opened.released == {1: FORM, 2: LETTER}
    assert open_container(GOOD.container, step=1009).released == opened.released


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 11, 12, 13, 500, -1, -100, -7000])
def test_a_truncated_container_is_incomplete(cut: int) -> None:
    refused(GOOD.container[:cut], "incomplete", 1)


def test_an_appended_byte_is_malformed() -> None:
    refused(GOOD.container + b"\0", "malformed", 10)


def test_another_magic_is_malformed_at_its_first_wrong_byte() -> None:
    for position in range(len(MAGIC)):
        damaged = bytearray(GOOD.container)
        damaged[position] ^= 0x20
        refused(bytes(damaged[: position + 1]), "malformed", 1)


def test_an_envelope_longer_than_its_limit_is_refused_before_it_is_read() -> None:
    refused(MAGIC + (512 * 1024 + 1).to_bytes(4, "big"), "malformed", 1)


def test_reordered_parts_have_other_digests() -> None:
    sealed = seal([FORM, b"a" * 100, b"b" * 100])
    one, two = sealed.parts[2], sealed.parts[3]
    assert len(one) == len(two)
    refused(
        container_prefix(sealed.envelope.jws) + sealed.parts[0] + sealed.parts[1] + two + one,
        "part-digest",
        10,
    )


def test_parts_swapped_between_two_bundles_have_other_digests() -> None:
    other = seal()
    swapped = replace(GOOD, parts=(GOOD.parts[0], other.parts[1], GOOD.parts[2]))
    refused(swapped.container, "part-digest", 10)


def test_a_part_moved_to_another_bundle_and_signed_there_does_not_decrypt() -> None:
    # The sender itself splices: digests right, signature right, but the part belongs to another bid.
    other = seal()
    sink = io.BytesIO()
    facts = seal_part(io.BytesIO(FORM), sink, bk=other.bk, bid=GOOD.bid, n=1, plain_size=len(FORM))
    refs = [other.envelope.parts[0], PartRef(1, facts.size, facts.sha256), other.envelope.parts[2]]
    env = envelope_for(other.bid, other.bk, other.envelope.manifest, refs)
    container = container_prefix(env.jws) + other.parts[0] + sink.getvalue() + other.parts[2]
    refused(container, "content-digest", 13)


def test_every_bit_flip_in_the_envelope_is_refused() -> None:
    start = len(MAGIC) + 4
    codes = set()
    for position in range(start, start + len(GOOD.envelope.jws), 61):
        damaged = bytearray(GOOD.container)
        damaged[position] ^= 1 << (position % 7)
        codes.add(refused(bytes(damaged), _code_of(bytes(damaged))).code)
    assert codes <= {"malformed", "version", "sig-invalid", "unknown-key", "incomplete"}
    assert "sig-invalid" in codes


def _code_of(container: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        open_container(container)
    return caught.value.code


def test_every_bit_flip_in_a_part_is_found_by_its_digest() -> None:
    start = GOOD.envelope.part_offset(0)
    for position in range(start, len(GOOD.container), 397):
        damaged = bytearray(GOOD.container)
        damaged[position] ^= 1 << (position % 8)
        refused(bytes(damaged), "part-digest", 10)


def test_bit_flips_that_pass_the_digest_fail_decryption() -> None:
    # A recipient among several holds the content key and may give others altered ciphertext with an
    # altered envelope only if it could sign; here the cipher alone is asked.
    env, opener = GOOD.envelope, Opener()
    manifest = open_container(GOOD.container).manifest
    assert manifest is not None
    for position in range(0, len(GOOD.parts[2]), 131):
        damaged = bytearray(GOOD.parts[2])
        damaged[position] ^= 0x80
        with pytest.raises(Refusal, match="content-digest"):
            opener.check_part(env, manifest, 2, io.BytesIO(bytes(damaged)), GOOD.bk)


# --- signature -------------------------------------------------------------------------------


def test_a_bundle_re_signed_by_another_authority_does_not_open() -> None:
    payload = payload_of(GOOD) | {"from": "zz-moj"}
    jws = signed(payload, key=OTHER_SIG)
    # Listed for zz-moj, so steps 4 and 5 pass; the wrap is bound to the first sender and its key.
    refused(with_jws(GOOD, jws), "open-failed", 11, keys=[in_force(OTHER_SIG)])


def test_a_bundle_re_signed_by_another_key_of_the_same_name_is_unknown() -> None:
    refused(with_jws(GOOD, signed(payload_of(GOOD), key=OTHER_SIG)), "unknown-key", 4)


def test_a_sender_that_wraps_another_bundles_key_cannot_change_from() -> None:
    # The thief re-wraps a content key it holds as a recipient, but the manifest inside names the author.
    thief = envelope_for(
        GOOD.bid,
        GOOD.bk,
        GOOD.envelope.manifest,
        GOOD.envelope.parts,
        sender="zz-moj",
        signer=OTHER_SIG.signer(),
    )
    refused(with_jws(GOOD, thief.jws), "manifest-mismatch", 12, keys=[in_force(OTHER_SIG)])


@pytest.mark.parametrize("kept", ["ed25519", "ml-dsa"])
@pytest.mark.parametrize("filling", ["absent", "zero", "other"])
def test_half_a_signature_is_worth_nothing(kept: str, filling: str) -> None:
    head, body, signature_text = GOOD.envelope.jws.split(b".")
    signature = unb64u(signature_text.decode())
    other = OTHER_SIG.signer().sign(head + b"." + body)
    halves = {
        "absent": (b"", b""),
        "zero": (bytes(64), bytes(3309)),
        "other": (other[:64], other[64:]),
    }[filling]
    forged = signature[:64] + halves[1] if kept == "ed25519" else halves[0] + signature[64:]
    jws = head + b"." + body + b"." + b64u(forged).encode()
    refused(with_jws(GOOD, jws), "sig-invalid")


@pytest.mark.parametrize("length", [0, 1, 64, 3308, 3309, 3372, 3374, 6746])
def test_a_signature_of_another_length_is_invalid(length: int) -> None:
    head, body, signature_text = GOOD.envelope.jws.split(b".")
    signature = (unb64u(signature_text.decode()) * 2)[:length]
    refused(with_jws(GOOD, head + b"." + body + b"." + b64u(signature).encode()), "sig-invalid", 2)


def test_a_token_that_names_another_key_than_the_one_that_signed_is_invalid() -> None:
    # One signature may verify under several keys; the identifier in the signed header says which was meant.
    header = {"alg": "GW-HYB1", "typ": "gw-env+jws", "kid": OTHER_SIG.public.kid}
    env = Opener().parse(signed(payload_of(GOOD), header=header))
    for key in (SIG, OTHER_SIG):
        with pytest.raises(Refusal, match="sig-invalid"):
            env.token.verify(key.public)


def test_a_key_of_another_use_is_not_found() -> None:
    req = PrivateKey.generate(KeyUse.REQ, ED25519)
    keys = [replace(in_force(), public=req.public)]
    refused(GOOD.container, "unknown-key", 4, keys=keys)


# --- headers ---------------------------------------------------------------------------------

_KID = SIG.public.kid
_RIGHT = {"alg": "GW-HYB1", "typ": "gw-env+jws", "kid": _KID}
HEADERS: list[tuple[str, Any, str]] = [
    ("alg none", {**_RIGHT, "alg": "none"}, "version"),
    ("alg None", {**_RIGHT, "alg": "None"}, "version"),
    ("alg empty", {**_RIGHT, "alg": ""}, "version"),
    ("alg HS256", {**_RIGHT, "alg": "HS256"}, "version"),
    ("alg HS512", {**_RIGHT, "alg": "HS512"}, "version"),
    ("alg EdDSA", {**_RIGHT, "alg": "EdDSA"}, "version"),
    ("alg Ed25519", {**_RIGHT, "alg": "Ed25519"}, "version"),
    ("alg ML-DSA-65", {**_RIGHT, "alg": "ML-DSA-65"}, "version"),
    ("alg RS256", {**_RIGHT, "alg": "RS256"}, "version"),
    ("alg ES256", {**_RIGHT, "alg": "ES256"}, "version"),
    ("alg lower case", {**_RIGHT, "alg": "gw-hyb1"}, "version"),
    ("alg with a space", {**_RIGHT, "alg": "GW-HYB1 "}, "version"),
    ("alg next version", {**_RIGHT, "alg": "GW-HYB2"}, "version"),
    ("alg null", {**_RIGHT, "alg": None}, "malformed"),
    ("alg number", {**_RIGHT, "alg": 1}, "malformed"),
    ("alg list", {**_RIGHT, "alg": ["GW-HYB1"]}, "malformed"),
    ("typ of a receipt", {**_RIGHT, "typ": "gw-rcpt+jws"}, "version"),
    ("typ of a request", {**_RIGHT, "typ": "gw-req+jwt"}, "version"),
    ("typ JWT", {**_RIGHT, "typ": "JWT"}, "version"),
    ("typ upper case", {**_RIGHT, "typ": "GW-ENV+JWS"}, "version"),
    ("typ as media type", {**_RIGHT, "typ": "application/gw-env+jws"}, "version"),
    ("typ absent", {"alg": "GW-HYB1", "kid": _KID}, "malformed"),
    ("alg absent", {"typ": "gw-env+jws", "kid": _KID}, "malformed"),
    ("kid absent", {"alg": "GW-HYB1", "typ": "gw-env+jws"}, "malformed"),
    ("kid empty", {**_RIGHT, "kid": ""}, "malformed"),
    ("kid of another length", {**_RIGHT, "kid": _KID + "A"}, "malformed"),
    ("kid a path", {**_RIGHT, "kid": "../../../../../../../dev/null/aaaaaaaaaaaaaa"}, "malformed"),
    ("kid with a final newline", {**_RIGHT, "kid": _KID[:-1] + "\n"}, "malformed"),
    ("kid null", {**_RIGHT, "kid": None}, "malformed"),
    ("kid unknown", {**_RIGHT, "kid": "A" * 43}, "unknown-key"),
    ("kid of the encryption key", {**_RIGHT, "kid": ENC.public.kid}, "unknown-key"),
    ("jku", {**_RIGHT, "jku": "https://example.org/keys"}, "malformed"),
    ("jwk", {**_RIGHT, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, "malformed"),
    ("x5u", {**_RIGHT, "x5u": "https://example.org/cert"}, "malformed"),
    ("x5c", {**_RIGHT, "x5c": ["AAAA"]}, "malformed"),
    ("x5t", {**_RIGHT, "x5t": "AAAA"}, "malformed"),
    ("crit", {**_RIGHT, "crit": ["exp"], "exp": 1}, "malformed"),
    ("b64 false", {**_RIGHT, "b64": False, "crit": ["b64"]}, "malformed"),
    ("zip", {**_RIGHT, "zip": "DEF"}, "malformed"),
    ("cty", {**_RIGHT, "cty": "JWT"}, "malformed"),
    ("no object", ["GW-HYB1"], "malformed"),
    ("text", "GW-HYB1", "malformed"),
    (
        "duplicate alg",
        b'{"alg":"none","alg":"GW-HYB1","typ":"gw-env+jws","kid":"%s"}' % _KID.encode(),
        "malformed",
    ),
    (
        "duplicate kid",
        b'{"alg":"GW-HYB1","typ":"gw-env+jws","kid":"A","kid":"%s"}' % _KID.encode(),
        "malformed",
    ),
    ("nested", b'{"alg":"GW-HYB1","typ":"gw-env+jws","kid":{"a":1}}', "malformed"),
    ("deeply nested", b"[" * 700, "malformed"),
    ("empty", b"", "malformed"),
    ("byte order mark", b'\xef\xbb\xbf{"alg":"GW-HYB1","typ":"gw-env+jws","kid":"A"}', "malformed"),
    ("not UTF-8", b'{"alg":"GW-HYB1\xff"}', "malformed"),
]


@pytest.mark.parametrize(
    ("header", "code"), [case[1:] for case in HEADERS], ids=[case[0] for case in HEADERS]
)
def test_a_hostile_header_is_refused_although_the_signature_over_it_is_right(header: Any, code: str) -> None:
    if isinstance(header, str):
        header = json.dumps(header).encode()
    refused(with_jws(GOOD, signed(payload_of(GOOD), header=header)), code)


@pytest.mark.parametrize(
    "change",
    [
        lambda jws: jws + b"=",
        lambda jws: jws + b".",
        lambda jws: b"." + jws,
        lambda jws: jws.replace(b".", b"", 1),
        lambda jws: b" " + jws,
        lambda jws: jws + b"\n",
        lambda jws: jws.replace(b".", b"..", 1),
        lambda jws: jws[:40] + b"+" + jws[41:],
        lambda jws: jws[:40] + "ä".encode() + jws[41:],
        lambda jws: jws[:40] + b"\0" + jws[41:],
        lambda jws: jws[:-1] + bytes([jws[-1] + 1]),
        lambda jws: b"",
        lambda jws: b"..",
        lambda jws: json.dumps({"payload": "", "signatures": []}).encode(),
    ],
)
def test_another_spelling_of_the_same_token_is_refused(change: Callable[[bytes], bytes]) -> None:
    assert refused(with_jws(GOOD, change(GOOD.envelope.jws)), "malformed").step == 1


# --- envelope members ------------------------------------------------------------------------

_WRAP = payload_of(GOOD)["to"][0]
_PARTS = payload_of(GOOD)["parts"]
MEMBERS: list[tuple[str, dict[str, Any], str]] = [
    ("v 2", {"v": 2}, "version"),
    ("v true", {"v": True}, "version"),
    ("v text", {"v": "1"}, "version"),
    ("v null", {"v": None}, "version"),
    ("must names a member of tomorrow", {"must": ["seal2"], "seal2": 1}, "version"),
    ("must names nothing present", {"must": ["seal2"]}, "version"),
    ("must is text", {"must": "bid"}, "malformed"),
    ("must holds a number", {"must": [1]}, "malformed"),
    ("bid upper case", {"bid": "A" * 32}, "malformed"),
    ("bid short", {"bid": "a" * 31}, "malformed"),
    ("bid with a newline", {"bid": "a" * 32 + "\n"}, "malformed"),
    ("rev negative", {"rev": -1}, "malformed"),
    ("rev true", {"rev": True}, "malformed"),
    ("rev text", {"rev": "0"}, "malformed"),
    ("from upper case", {"from": "XX-moj"}, "malformed"),
    ("from without dash", {"from": "xxmoj"}, "malformed"),
    ("from with a newline", {"from": SENDER + "\n"}, "malformed"),
    ("from 64 characters", {"from": "xx-" + "a" * 61}, "malformed"),
    ("created local time", {"created": "2026-11-01T12:00:00+00:00"}, "malformed"),
    ("created with fractions", {"created": "2026-11-01T12:00:00.0Z"}, "malformed"),
    ("created on 30 February", {"created": "2026-02-30T12:00:00Z"}, "malformed"),
    ("created in other digits", {"created": "٢٠٢٦-11-01T12:00:00Z"}, "malformed"),
    ("expires before created", {"expires": "2026-10-31T12:00:00Z"}, "malformed"),
    ("expires with created", {"expires": "2026-11-01T12:00:00Z"}, "malformed"),
    ("expires after 401 days", {"expires": "2027-12-07T12:00:00Z"}, "malformed"),
    ("lane unknown", {"lane": "express"}, "malformed"),
    ("lane null", {"lane": None}, "malformed"),
    ("to empty", {"to": []}, "malformed"),
    ("to no list", {"to": _WRAP}, "malformed"),
    ("to holds text", {"to": ["yy-moj"]}, "malformed"),
    ("to names one twice", {"to": [_WRAP, _WRAP]}, "malformed"),
    ("to names 17", {"to": [{**_WRAP, "aid": f"yy-m{n}"} for n in range(17)]}, "malformed"),
    ("to names no authority", {"to": [{**_WRAP, "aid": "YY-moj"}]}, "malformed"),
    ("wrap for a key that cannot be", {"to": [{**_WRAP, "kid": _WRAP["kid"][:-1]}]}, "malformed"),
    ("wrap short", {"to": [{**_WRAP, "wrap": _WRAP["wrap"][:-2]}]}, "malformed"),
    ("wrap padded", {"to": [{**_WRAP, "wrap": _WRAP["wrap"] + "="}]}, "malformed"),
    ("wrap with spare bits", {"to": [{**_WRAP, "wrap": _WRAP["wrap"][:-1] + "_"}]}, "malformed"),
    ("wrap demands tomorrow", {"to": [{**_WRAP, "must": ["kem2"]}]}, "version"),
    ("manifest upper case", {"manifest": "A" * 64}, "malformed"),
    ("parts empty", {"parts": []}, "malformed"),
    ("parts with a gap", {"parts": [_PARTS[0], _PARTS[2]]}, "malformed"),
    ("parts out of order", {"parts": [_PARTS[1], _PARTS[0], _PARTS[2]]}, "malformed"),
    ("parts from 1", {"parts": _PARTS[1:]}, "malformed"),
    ("part size below the smallest", {"parts": [_PARTS[0], {**_PARTS[1], "size": 71}]}, "malformed"),
    ("part size true", {"parts": [_PARTS[0], {**_PARTS[1], "size": True}]}, "malformed"),
    (
        "part digest upper case",
        {"parts": [_PARTS[0], {**_PARTS[1], "sha256": "A" * 64}, *_PARTS[2:]]},
        "malformed",
    ),
    (
        "part 0 below the smallest manifest",
        {"parts": [{**_PARTS[0], "size": 4167}, *_PARTS[1:]]},
        "malformed",
    ),
    ("part 0 above a manifest's limit", {"parts": [{**_PARTS[0], "size": 2**22}]}, "malformed"),
    ("1002 parts", {"parts": [{**_PARTS[0], "n": n} for n in range(1002)]}, "malformed"),
]


@pytest.mark.parametrize(
    ("change", "code"), [case[1:] for case in MEMBERS], ids=[case[0] for case in MEMBERS]
)
def test_a_hostile_envelope_member_is_refused(change: dict[str, Any], code: str) -> None:
    refused(with_jws(GOOD, signed(payload_of(GOOD) | change)), code, 2 if code == "version" else 1)


@pytest.mark.parametrize(
    "name", ["v", "bid", "rev", "from", "created", "expires", "lane", "to", "manifest", "parts"]
)
def test_an_absent_member_is_refused(name: str) -> None:
    payload = payload_of(GOOD)
    del payload[name]
    refused(with_jws(GOOD, signed(payload)), "version" if name == "v" else "malformed")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"v":1,"v":1}',
        b'{"v":1.0}',
        b'{"v":1e0}',
        b'{"v":NaN}',
        b'{"v":Infinity}',
        b'{"v":9007199254740992}',
        b'{"v":' + b"9" * 5000 + b"}",
        b'{"v":1,"a":"\\ud800"}',
        b'{"v":1,"a":"\xed\xa0\x80"}',
        b'{"v":1,"a":' + b"[" * 16 + b"]" * 16 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"' + b'\\"' * 100_000,
        b'{"v":1}{}',
        b"[1]",
        b"1",
        b"",
        b"\xff\xfe{}",
    ],
)
def test_hostile_json_is_refused_and_fast(raw: bytes) -> None:
    refused(with_jws(GOOD, signed({}, raw=raw)), "malformed", 1)


def test_unknown_members_are_kept_and_ignored() -> None:
    payload = payload_of(GOOD) | {"note": {"of": "tomorrow"}}
    payload["to"][0]["hint"] = 1
    payload["parts"][1]["hint"] = [1]
    jws = signed(payload)
    assert open_container(with_jws(GOOD, jws)).released[1] == FORM
    assert dict(Opener().parse(jws).extra) == {"note": {"of": "tomorrow"}}


# --- address and time ------------------------------------------------------------------------


def test_a_bundle_for_another_authority_is_not_for_us() -> None:
    refused(GOOD.container, "not-for-us", 7, aid="zz-moj")


def test_a_bundle_for_a_key_no_longer_held_asks_for_a_re_wrap() -> None:
    refused(GOOD.container, "key-expired", 7, enc=OTHER_ENC)


def test_a_wrap_moved_to_another_recipient_does_not_open() -> None:
    payload = payload_of(GOOD)
    payload["to"] = [{**payload["to"][0], "aid": "zz-moj"}]
    refused(with_jws(GOOD, signed(payload)), "open-failed", 11, aid="zz-moj")


def test_a_wrap_relabelled_to_another_key_does_not_open() -> None:
    payload = payload_of(GOOD)
    payload["to"] = [{**payload["to"][0], "kid": OTHER_ENC.public.kid}]
    refused(with_jws(GOOD, signed(payload)), "open-failed", 11, enc=OTHER_ENC)


def test_a_recipient_that_re_wraps_to_a_third_is_caught_by_the_manifest() -> None:
    env = envelope_for(
        GOOD.bid,
        GOOD.bk,
        GOOD.envelope.manifest,
        GOOD.envelope.parts,
        recipients=[("zz-moj", OTHER_ENC.public)],
    )
    refused(with_jws(GOOD, env.jws), "manifest-mismatch", 12, aid="zz-moj", enc=OTHER_ENC)


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (timedelta(minutes=-5), None),
        (timedelta(minutes=-5, seconds=-1), "clock"),
        (timedelta(days=60), None),
        (timedelta(days=60, seconds=1), "expired"),
    ],
)
def test_the_future_and_the_past_end_at_the_second(after: timedelta, code: str | None) -> None:
    if code is None:
        assert open_container(GOOD.container, now=NOW + after).released
    else:
        refused(GOOD.container, code, 8, now=NOW + after)


@pytest.mark.parametrize(
    "key",
    [
        {"nbf": NOW + timedelta(seconds=1)},
        {"exp": NOW - timedelta(seconds=1)},
        {"status": "revoked", "reason": "superseded", "revoked_at": NOW},
        {"status": "revoked", "reason": "cessation", "revoked_at": NOW - timedelta(days=1)},
        {"status": "revoked", "reason": "superseded"},
        {"status": "revoked", "reason": "compromise", "revoked_at": NOW + timedelta(days=1)},
        {"status": "revoked", "reason": "unheard_of", "revoked_at": NOW + timedelta(days=1)},
        {"status": "revoked"},
    ],
)
def test_a_key_not_in_force_is_refused(key: dict[str, Any]) -> None:
    later = NOW + timedelta(days=2)
    refused(GOOD.container, "sig-revoked", 5, keys=[replace(in_force(), **key)], now=later)


def test_a_key_superseded_after_it_signed_is_good() -> None:
    key = replace(in_force(), status="revoked", reason="superseded", revoked_at=NOW + timedelta(seconds=1))
    assert open_container(GOOD.container, keys=[key], now=NOW + timedelta(days=3)).released


# --- manifest --------------------------------------------------------------------------------


def test_a_manifest_of_another_bundle_is_a_mismatch() -> None:
    refused(seal(manifest={"bid": "ab" * 16}).container, "manifest-mismatch", 12)


@pytest.mark.parametrize(
    "manifest",
    [{"sender": "zz-moj"}, {"to": ["zz-moj"]}, {"to": [RECIPIENT, "zz-moj"]}, {"urgency_level": "urgent"}],
)
def test_a_manifest_that_contradicts_the_envelope_is_a_mismatch(manifest: dict[str, Any]) -> None:
    refused(seal(manifest=manifest).container, "manifest-mismatch", 12)


def test_an_unknown_urgency_takes_the_lane_of_the_envelope() -> None:
    sealed = seal(manifest={"urgency_level": "of tomorrow"}, envelope={"lane": "urgent"})
    assert open_container(sealed.container).released


def test_a_manifest_that_demands_tomorrow_is_refused_as_version() -> None:
    raw = GOOD.raw.replace(b'"must":[]', b'"must":["seal2"],"seal2":1')
    refusal = refused(_with_manifest(GOOD, raw).container, "version", 12)
    assert outward_code(refusal.code) == "version"


def test_a_manifest_with_unknown_members_and_codes_opens() -> None:
    more = {"message_type": "of_tomorrow", "request_kind": "of_tomorrow", "extra": {"note": [1]}}
    opened = open_container(seal(manifest=more).container)
    assert opened.manifest is not None
    assert opened.manifest.message_type == "of_tomorrow"
    assert dict(opened.manifest.extra) == {"note": [1]}


def test_a_manifest_that_lists_another_size_or_fewer_parts_is_a_mismatch() -> None:
    refused(seal(part={"size": 1}).container, "manifest-mismatch", 12)
    refused(seal(part={"size": 10**9}).container, "manifest-mismatch", 12)
    sealed = seal()
    raw = manifest_bytes(sealed.bid, [manifest_part(1, FORM, sha256_hex(FORM))])
    refused(_with_manifest(sealed, raw).container, "manifest-mismatch", 12)


def test_a_manifest_that_lists_another_digest_is_a_content_digest() -> None:
    refused(seal(part={"sha256": "0" * 64}).container, "content-digest", 13)


def test_a_manifest_the_envelope_does_not_commit_to_is_a_mismatch() -> None:
    env = envelope_for(GOOD.bid, GOOD.bk, "0" * 64, GOOD.envelope.parts)
    refused(with_jws(GOOD, env.jws), "manifest-mismatch", 12)


def test_manifest_json_that_no_parser_agrees_on_is_a_mismatch() -> None:
    for raw in (b"", b"{}", b"[" * 5000, b'{"v":1,"v":1}', GOOD.raw.replace(b'"seq":1', b'"seq":1.0')):
        code = "version" if raw == b"{}" else "manifest-mismatch"
        refused(_with_manifest(seal(), raw).container, code, 12)


@pytest.mark.parametrize(
    "plain",
    [
        bytes(4096),
        (4093).to_bytes(4, "big") + bytes(4092),
        (2**32 - 1).to_bytes(4, "big") + bytes(4092),
        len(GOOD.raw).to_bytes(4, "big") + GOOD.raw.ljust(8188, b"\0"),
        (len(GOOD.raw).to_bytes(4, "big") + GOOD.raw).ljust(4095, b"\0") + b"\1",
    ],
    ids=["length 0", "length past the end", "length 2**32-1", "a block too many", "padding not zero"],
)
def test_part_0_with_a_wrong_length_or_padding_is_a_mismatch(plain: bytes) -> None:
    part0 = encrypt_part(plain, bk=GOOD.bk, bid=GOOD.bid, n=0)
    refs = [PartRef(0, len(part0), sha256_hex(part0)), *GOOD.envelope.parts[1:]]
    env = envelope_for(GOOD.bid, GOOD.bk, GOOD.envelope.manifest, refs)
    sealed = replace(GOOD, parts=(part0, *GOOD.parts[1:]), envelope=env)
    refused(sealed.container, "manifest-mismatch", 12)


def test_padding_of_a_part_that_is_not_zero_is_a_content_digest() -> None:
    # The sender hides bytes behind the document, where no digest in the manifest would show them.
    size = 10_000
    plain = bytes(size) + b"hidden"
    part = encrypt_part(plain.ljust(10_240, b"\0"), bk=GOOD.bk, bid=GOOD.bid, n=1)
    raw = manifest_bytes(GOOD.bid, [manifest_part(1, bytes(size), sha256_hex(bytes(size)))])
    part0, facts = seal_manifest(raw, GOOD.bk, GOOD.bid)
    refs = [PartRef(0, facts.size, facts.sha256), PartRef(1, len(part), sha256_hex(part))]
    env = envelope_for(GOOD.bid, GOOD.bk, facts.plain_sha256, refs)
    refused(container_prefix(env.jws) + part0 + part, "content-digest", 13)


def _with_manifest(sealed: Sealed, raw: bytes) -> Sealed:
    part0, facts = seal_manifest(raw, sealed.bk, sealed.bid)
    refs = [PartRef(0, facts.size, facts.sha256), *sealed.envelope.parts[1:]]
    env = envelope_for(sealed.bid, sealed.bk, facts.plain_sha256, refs)
    return replace(sealed, parts=(part0, *sealed.parts[1:]), envelope=env)


def test_steps_11_to_13_look_alike_from_outside() -> None:
    assert {outward_code(code) for code in ("open-failed", "manifest-mismatch", "content-digest")} == {
        "open-failed"
    }
    assert manifest_size(4092) == 4096 < manifest_size(4093)


# --- re-wrap ---------------------------------------------------------------------------------


def test_a_re_wrap_changes_the_first_bytes_only_and_opens_under_the_new_keys() -> None:
    later = NOW + timedelta(days=50)
    env = rewrap_envelope(
        GOOD.envelope,
        signer=OTHER_SIG.signer(),
        bk=GOOD.bk,
        recipients=[(RECIPIENT, OTHER_ENC.public)],
        created=later,
        expires=later + timedelta(days=60),
        rev=1,
    )
    assert (env.bid, env.manifest, env.parts, env.rev) == (
        GOOD.bid,
        GOOD.envelope.manifest,
        GOOD.envelope.parts,
        1,
    )
    container = with_jws(GOOD, env.jws)
    opened = open_container(container, keys=[in_force(OTHER_SIG)], enc=OTHER_ENC, now=later)
    assert opened.released == {1: FORM, 2: LETTER}
    refused(container, "key-expired", 7, keys=[in_force(OTHER_SIG)], now=later)


def test_a_re_wrap_to_others_or_backwards_is_not_made() -> None:
    same: dict[str, Any] = {
        "signer": SIG.signer(),
        "bk": GOOD.bk,
        "recipients": [(RECIPIENT, ENC.public)],
        "created": NOW,
        "expires": NOW + timedelta(days=1),
        "rev": 1,
    }
    for change in ({"recipients": [("zz-moj", ENC.public)]}, {"rev": 0}):
        with pytest.raises(ValueError, match="re-wrap"):
            rewrap_envelope(GOOD.envelope, **(same | change))
