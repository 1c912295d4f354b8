"""gw-mail/1: what is composed is what is opened, and no header or address says more than it should."""

import email
import email.policy
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mailformat import (
    MEDIA,
    ComposedMail,
    check_mailbox,
    checked_content,
    compose,
    is_gateway_mail,
    is_own_message_id,
    open_mail,
)
from adapters.mimeread import MailUnreadable, read_mail
from crypto.encoding import sha256_hex
from crypto.errors import Refusal
from crypto.mailtoken import MailClaims, MailKind

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BID = "0123456789abcdef" * 2
OURS, THEIRS = "gw@mj.xx.example", "gateway@mj.yy.example"


def made(
    content: bytes = b"sealed", *, kind: MailKind = MailKind.BUNDLE, bid: str | None = BID
) -> ComposedMail:
    return compose(kind=kind, content=content, token="a.b.c", sender=OURS, to=THEIRS, now=NOW, bid=bid)


def claims(content: bytes = b"sealed", kind: MailKind = MailKind.BUNDLE) -> MailClaims:
    return MailClaims(
        sender="xx-moj", to="yy-moj", kind=kind, sha256=sha256_hex(content), size=len(content), at=NOW
    )


@pytest.mark.parametrize("size", [0, 1, 57, 57_000, 57_001, 1_000_000])
@pytest.mark.parametrize("kind", list(MailKind))
def test_what_is_composed_is_what_is_opened_also_by_another_reader(kind: MailKind, size: int) -> None:
    content = random.Random(size).randbytes(size)
    data = made(content, kind=kind).data
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    tree = read_mail(data)
    assert is_gateway_mail(tree)
    mail = open_mail(tree)
    assert (mail.kind, mail.token) == (kind, b"a.b.c")
    assert checked_content(mail, claims(content, kind)) == content
    other = email.message_from_bytes(data, policy=email.policy.default)
    text, sealed, _token = other.iter_parts()
    assert (sealed.get_content_type(), sealed.get_content()) == (MEDIA[kind], content)
    assert "sealed data" in text.get_content()


def test_the_headers_are_these_and_no_others() -> None:
    mail = made()
    headers = dict(read_mail(mail.data).headers)
    assert headers.pop("content-type").startswith('multipart/mixed; boundary="gw1-')
    assert headers == {
        "from": OURS,
        "to": THEIRS,
        "subject": f"[GW] {BID}",
        "date": "Sat, 21 Nov 2026 09:00:00 +0000",
        "message-id": mail.message_id,
        "mime-version": "1.0",
        "auto-submitted": "auto-generated",
        "x-auto-response-suppress": "OOF, AutoReply, RN, NRN",
    }
    assert read_mail(made(kind=MailKind.PROBE, bid=None).data).header("subject") == "[GW]"


@pytest.mark.parametrize(
    "address",
    [
        "a@b\r\nBcc: c@d.example",
        "a@b\nX: y",
        "a\u2028b@c.example",
        "=?utf-8?q?a=0d=0a?=@b.example",
        "<a@b.example>",
        "a@b.example, c@d.example",
        "a b@c.example",
        '"a"@b.example',
        "a@",
        "@b",
        "a@-b.example",
        "a@b.example.",
        "",
    ],
)
def test_an_address_that_is_none_reaches_no_header(address: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        check_mailbox(address)
    for ours, theirs in ((address, THEIRS), (OURS, address)):
        with pytest.raises(Refusal, match="malformed"):
            compose(kind=MailKind.PROBE, content=b"", token="a.b.c", sender=ours, to=theirs, now=NOW)


@given(st.text(max_size=40), st.sampled_from(["", "@b.example", "a@", "a@b.example"]))
@settings(max_examples=200, deadline=None)
def test_no_text_in_place_of_an_address_makes_a_line_more(text: str, rest: str) -> None:
    for address in (text + rest, rest + text):
        try:
            data = compose(
                kind=MailKind.PROBE, content=b"", token="a.b.c", sender=OURS, to=address, now=NOW
            ).data
        except Refusal:
            continue
        head = data.partition(b"\r\n\r\n")[0]
        assert len(head.split(b"\r\n")) == 9
        assert head.isascii()


def test_a_longest_address_is_not_folded() -> None:
    long = "a" * 64 + "@" + ("b" * 59 + ".") * 3 + "example"
    data = compose(kind=MailKind.PROBE, content=b"", token="a.b.c", sender=OURS, to=long, now=NOW).data
    assert f"To: {long}\r\n".encode() in data


def test_a_subject_names_nothing_but_an_identifier() -> None:
    with pytest.raises(ValueError, match="identifier"):
        made(bid="Bank records of Mr X")


@pytest.mark.parametrize("change", ["kind", "size", "sha256"])
def test_content_that_its_token_does_not_name_is_not_handed_out(change: str) -> None:
    mail = open_mail(read_mail(made().data))
    said = claims()
    if change == "kind":
        other, code = replace(said, kind=MailKind.RECEIPTS), "malformed"
    elif change == "size":
        other, code = replace(said, size=7), "part-digest"
    else:
        other, code = replace(said, sha256="0" * 64), "part-digest"
    with pytest.raises(Refusal) as refused:
        checked_content(mail, other)
    assert refused.value.code == code
    assert checked_content(mail, said) == b"sealed"


def test_other_parts_than_the_three_are_refused_and_damage_is_seen() -> None:
    data = made().data
    boundary = read_mail(data).parameters["boundary"].encode()
    for changed in (
        data.replace(b"multipart/mixed", b"multipart/related"),
        data.replace(b"vnd.gw.bundle", b"vnd.gw.bungle"),
        data.replace(b"--" + boundary + b"--", b"--" + boundary + b"\r\n\r\nmore\r\n--" + boundary + b"--"),
        data.replace(b"text/plain", b"text/html"),
    ):
        tree = read_mail(changed)
        assert is_gateway_mail(tree)
        with pytest.raises(Refusal, match="malformed"):
            open_mail(tree)
    damaged = open_mail(read_mail(data.replace(b"c2VhbGVk", b"c2VhbGV*")))
    with pytest.raises(MailUnreadable, match="mail-encoding"):
        checked_content(damaged, claims())


def test_a_mail_of_our_own_is_known_by_its_identifier() -> None:
    mail = made()
    assert is_own_message_id(mail.message_id, OURS)
    assert not is_own_message_id(mail.message_id, THEIRS)
    assert not is_own_message_id("<1@mj.xx.example>", OURS)
    assert made().message_id != mail.message_id
