"""Mail tokens: of one use, for one addressee, about one content, and for one stretch of one container."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crypto import mailtoken, strictjson
from crypto.errors import Refusal
from crypto.jws import EDDSA, sign_compact
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey
from crypto.mailtoken import MailClaims, MailKind, Segment

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
KEYS = {aid: PrivateKey.generate(KeyUse.REQ, ED25519) for aid in ("xx-moj", "yy-moj")}
RECEIPTS = PrivateKey.generate(KeyUse.RCPT, ED25519)
SEGMENT = Segment(bid="0" * 32, envelope_sha256="e" * 64, offset=10, total=30, i=2, n=3)


def find(aid: str, kid: str) -> PublicKey:
    for key in (KEYS.get(aid), RECEIPTS):
        if key is not None and key.public.kid == kid:
            return key.public
    raise Refusal("unknown-key" if aid in KEYS else "unknown-sender")


def read(token: str, own: str = "yy-moj", now: datetime = NOW) -> MailClaims:
    return mailtoken.read_mail_token(token.encode(), own=own, find_key=find, now=now)


def token(kind: MailKind = MailKind.BUNDLE, segment: Segment | None = SEGMENT, size: int = 10) -> str:
    return mailtoken.sign_mail(
        KEYS["xx-moj"].signer(),
        sender="xx-moj",
        to="yy-moj",
        kind=kind,
        sha256="a" * 64,
        size=size,
        now=NOW,
        segment=segment,
    )


def test_a_token_says_who_sends_what_to_whom_and_which_stretch_of_which_container() -> None:
    assert read(token()) == MailClaims(
        sender="xx-moj",
        to="yy-moj",
        kind=MailKind.BUNDLE,
        sha256="a" * 64,
        size=10,
        at=NOW,
        segment=SEGMENT,
    )


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind is not MailKind.BUNDLE])
def test_what_is_no_bundle_has_no_segment(kind: MailKind) -> None:
    assert read(token(kind, None)).segment is None
    with pytest.raises(ValueError, match="segment"):
        token(kind, SEGMENT)
    with pytest.raises(ValueError, match="segment"):
        token(MailKind.BUNDLE, None)


@pytest.mark.parametrize(
    ("minutes", "is_taken"),
    [(-6, False), (-5, True), (14 * 24 * 60, True), (14 * 24 * 60 + 1, False)],
)
def test_a_token_is_taken_for_fourteen_days_and_hardly_before_its_time(minutes: int, is_taken: bool) -> None:
    now = NOW + timedelta(minutes=minutes)
    if is_taken:
        assert read(token(), now=now).at == NOW
        return
    with pytest.raises(Refusal, match="clock"):
        read(token(), now=now)


def signed(key: PrivateKey = KEYS["xx-moj"], typ: str = mailtoken.TYP, **changes: object) -> str:
    payload: dict[str, object] = {
        "v": 1,
        "from": "xx-moj",
        "to": "yy-moj",
        "kind": "bundle",
        "sha256": "a" * 64,
        "size": 10,
        "at": "2026-11-21T09:00:00Z",
        "bid": "0" * 32,
        "envelope": "e" * 64,
        "offset": 10,
        "total": 30,
        "i": 2,
        "n": 3,
    } | changes
    held = strictjson.dumps({k: v for k, v in payload.items() if v != "absent"})
    return sign_compact(held, alg=EDDSA, typ=typ, signer=key.signer()).decode()


def test_a_member_that_is_not_known_is_passed_over() -> None:
    assert read(signed(more=[1])).segment == SEGMENT


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: signed(v=2), "version"),
        (lambda: signed(v=True), "version"),
        (lambda: signed(must=["more"], more=1), "version"),
        (lambda: signed(kind="letter"), "version"),
        (lambda: signed(kind=7), "version"),
        (lambda: signed(typ="gw-req+jwt"), "version"),
        (lambda: signed(key=KEYS["yy-moj"]), "unknown-key"),
        (lambda: signed(**{"from": "zz-moj"}), "unknown-sender"),
        (lambda: signed(**{"from": "ZZ"}), "malformed"),
        (lambda: signed(key=RECEIPTS), "sig-invalid"),
        (lambda: signed(to="xx-moj"), "not-for-us"),
        (lambda: signed(sha256="A" * 64), "malformed"),
        (lambda: signed(sha256="absent"), "malformed"),
        (lambda: signed(size=True), "malformed"),
        (lambda: signed(size=-1), "malformed"),
        (lambda: signed(at="yesterday"), "malformed"),
        (lambda: signed(bid="absent"), "malformed"),
        (lambda: signed(envelope="e" * 63), "malformed"),
        (lambda: signed(offset="absent"), "malformed"),
        (lambda: signed(i=0), "malformed"),
        (lambda: signed(i=4), "malformed"),
        (lambda: signed(n=9, i=2), "malformed"),
        (lambda: signed(size=0), "malformed"),
        (lambda: signed(total=19), "malformed"),
        # First and last are where they must be, or n segments without a gap were not the whole.
        (lambda: signed(offset=0), "malformed"),
        (lambda: signed(offset=20), "malformed"),
        (lambda: signed(i=1), "malformed"),
        (lambda: signed(i=3), "malformed"),
        (lambda: signed()[:-4] + "AAAA", "sig-invalid"),
        (lambda: signed().replace(".", ",", 1), "malformed"),
        (lambda: "x" * 5000, "malformed"),
    ],
)
def test_anything_else_is_refused(made: Callable[[], str], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(made())
    assert refused.value.code == code


def test_a_key_of_another_use_signs_no_mail() -> None:
    with pytest.raises(ValueError, match="req"):
        mailtoken.sign_mail(
            RECEIPTS.signer(),
            sender="xx-moj",
            to="yy-moj",
            kind=MailKind.PROBE,
            sha256="a" * 64,
            size=1,
            now=NOW,
        )
