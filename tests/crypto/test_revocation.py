"""Emergency notices: only the key itself or enough of the State's holders, and never half a signature."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.jws import sign_compact
from crypto.keys import ED25519, GW_HYB1, GW_KEM1, KeyUse, PrivateKey
from crypto.revocation import (
    NOTICE_LIMIT,
    REVOCATION_TYPE,
    Quorum,
    Revocation,
    join_lines,
    read_notice,
    sign_revocation,
)
from tests.crypto.samples import ENC, NOW, OTHER_SIG, SENDER, SIG

REQ = PrivateKey.generate(KeyUse.REQ, ED25519)
HOLDERS = [PrivateKey.generate(KeyUse.SIG, GW_HYB1) for _ in range(3)]
LOST = Revocation(
    aid=SENDER,
    kid=SIG.public.kid,
    reason="compromise",
    invalid_since=NOW - timedelta(days=3),
    at=NOW,
)


def quorum(holders: Sequence[PrivateKey] = HOLDERS, threshold: int = 4) -> Quorum:
    return Quorum(
        ed25519=frozenset(holder.public.pub[:32] for holder in holders),
        ml_dsa=frozenset(holder.public.pub[32:] for holder in holders),
        threshold=threshold,
    )


def by_holders(count: int, revocation: Revocation = LOST) -> bytes:
    return join_lines([sign_revocation(revocation, holder.signer()) for holder in HOLDERS[:count]])


def payload(**changes: object) -> bytes:
    claims = {
        "v": 1,
        "aid": SENDER,
        "kid": SIG.public.kid,
        "reason": "superseded",
        "invalid_since": None,
        "at": "2026-11-01T12:00:00Z",
    }
    return json.dumps({**claims, **changes}).encode()


def signed(raw: bytes, typ: str = REVOCATION_TYPE) -> bytes:
    return sign_compact(raw, alg=GW_HYB1, typ=typ, signer=SIG.signer())


def test_a_key_revokes_itself() -> None:
    notice = read_notice(sign_revocation(LOST, SIG.signer()), NOW)
    assert notice.revocation == LOST
    notice.verify_by_key(SIG.public)


def test_a_request_key_revokes_itself_too() -> None:
    lost = replace(LOST, kid=REQ.public.kid, reason="superseded", invalid_since=None)
    read_notice(sign_revocation(lost, REQ.signer()), NOW).verify_by_key(REQ.public)


def test_a_key_that_cannot_sign_a_notice_is_left_to_the_states_holders() -> None:
    with pytest.raises(ValueError, match="does not sign"):
        ENC.signer()
    assert ENC.alg == GW_KEM1
    notice = read_notice(by_holders(2, replace(LOST, kid=ENC.public.kid)), NOW)
    notice.verify_by_holders(quorum())


def test_no_key_revokes_another() -> None:
    notice = read_notice(sign_revocation(LOST, OTHER_SIG.signer()), NOW)
    for public in (SIG.public, OTHER_SIG.public):
        with pytest.raises(Refusal, match="sig-invalid"):
            notice.verify_by_key(public)


@pytest.mark.parametrize(
    ("count", "threshold", "good"), [(2, 4, True), (1, 2, True), (1, 4, False), (3, 6, True)]
)
def test_holders_speak_for_their_state_when_there_are_enough(count: int, threshold: int, good: bool) -> None:
    notice = read_notice(by_holders(count), NOW)
    if good:
        notice.verify_by_holders(quorum(threshold=threshold))
    else:
        with pytest.raises(Refusal, match="sig-invalid"):
            notice.verify_by_holders(quorum(threshold=threshold))


def test_one_holder_signing_twice_is_one_holder() -> None:
    lines = [sign_revocation(LOST, HOLDERS[0].signer()) for _ in range(2)]
    with pytest.raises(Refusal, match="sig-invalid"):
        read_notice(b"\n".join(lines), NOW).verify_by_holders(quorum())


def test_a_stranger_among_the_signers_spoils_the_notice() -> None:
    lines = [by_holders(2), sign_revocation(LOST, OTHER_SIG.signer())]
    with pytest.raises(Refusal, match="sig-invalid"):
        read_notice(join_lines(b"\n".join(lines).split()), NOW).verify_by_holders(quorum())


def test_a_state_without_holders_revokes_nothing() -> None:
    with pytest.raises(Refusal, match="sig-invalid"):
        read_notice(by_holders(2), NOW).verify_by_holders(quorum([], threshold=0))


def test_holders_sign_one_statement_or_none() -> None:
    lines = [sign_revocation(LOST, HOLDERS[0].signer())]
    lines.append(sign_revocation(replace(LOST, at=NOW - timedelta(days=1)), HOLDERS[1].signer()))
    with pytest.raises(Refusal, match="malformed"):
        read_notice(b"\n".join(lines), NOW)


@pytest.mark.parametrize("at", [10, 200, -10, -2000])
def test_a_changed_byte_is_refused(at: int) -> None:
    text = bytearray(sign_revocation(LOST, SIG.signer()))
    text[at] ^= 1
    with pytest.raises(Refusal):
        read_notice(bytes(text), NOW).verify_by_key(SIG.public)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (payload(v=2), "version"),
        (payload(v=True), "version"),
        (payload(reason="mood"), "version"),
        (payload(must=["scope"], scope="all"), "version"),
        (payload(reason="compromise"), "malformed"),
        (payload(invalid_since="2026-10-01T00:00:00Z"), "malformed"),
        (payload(reason="compromise", invalid_since="2026-11-02T00:00:00Z"), "malformed"),
        (payload(aid="Moj"), "malformed"),
        (payload(kid="short"), "malformed"),
        (payload(at="2026-11-01 12:00:00"), "malformed"),
        (payload(at="2026-11-01T12:06:00Z"), "clock"),
        (b"[]", "malformed"),
        (b'{"v":1}', "malformed"),
        (b"[" * 5000, "malformed"),
    ],
)
def test_another_shape_is_refused_with_a_code(raw: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_notice(signed(raw), NOW)
    assert refused.value.code == code


def test_a_holders_line_with_a_changed_signature_counts_for_nobody() -> None:
    head, body, signature = by_holders(1).strip().split(b".")
    changed = signature[:40] + (b"A" if signature[40:41] != b"A" else b"B") + signature[41:]
    with pytest.raises(Refusal, match="sig-invalid"):
        read_notice(b".".join([head, body, changed]), NOW).verify_by_holders(quorum(threshold=2))


def test_members_of_later_versions_are_ignored_unless_they_must_be_understood() -> None:
    assert read_notice(signed(payload(comment="fictional")), NOW).revocation.reason == "superseded"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"a.b.c", b"x" * (NOTICE_LIMIT + 1), b"a.b.c\n" * 17])
def test_what_is_no_notice_is_refused_before_it_is_parsed(data: bytes) -> None:
    with pytest.raises(Refusal, match="malformed"):
        read_notice(data, NOW)


def test_another_type_of_token_is_no_notice() -> None:
    with pytest.raises(Refusal, match="version"):
        read_notice(signed(payload(), typ="gw-dir+jws"), NOW)


def test_an_unprotected_algorithm_is_no_notice() -> None:
    head, body, signature = signed(payload()).split(b".")
    header = json.dumps({"alg": "none", "typ": REVOCATION_TYPE, "kid": SIG.public.kid}).encode()
    assert head != b64u(header).encode()
    with pytest.raises(Refusal, match="version"):
        read_notice(b".".join([b64u(header).encode(), body, signature]), NOW)


def test_joining_keeps_every_line_once() -> None:
    line = sign_revocation(LOST, HOLDERS[0].signer())
    assert join_lines([line, line + b"\n"]) == line + b"\n"
