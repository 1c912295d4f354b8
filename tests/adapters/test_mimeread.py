"""Reading any mail: what honest programs write is read as meant, anything else ends with a reason."""

import base64
import email
import email.policy
import random
import time
from email.message import EmailMessage

import pytest

from adapters.mimeread import REASONS, MailLimits, MailUnreadable, read_fields, read_mail, sole_address


def mail(body: str, *headers: str) -> bytes:
    return "\r\n".join(["From: a@example.org", "To: b@example.org", *headers, "", body]).encode()


def multipart(*parts: str, boundary: str = "b1", closed: bool = True) -> bytes:
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + (
        f"--{boundary}--\r\n" if closed else ""
    )
    return mail(body, f'Content-Type: multipart/mixed; boundary="{boundary}"')


def nested(levels: int) -> bytes:
    body = "Content-Type: text/plain\r\n\r\nin the middle"
    for n in range(levels):
        kind = f'Content-Type: multipart/mixed; boundary="b{n}"'
        body = f"{kind}\r\n\r\n--b{n}\r\n{body}\r\n--b{n}--\r\n"
    return body.encode()


def refused(data: bytes, **limits: int) -> str:
    with pytest.raises(MailUnreadable) as unreadable:
        [leaf.text() for leaf in read_mail(data, limits=MailLimits(**limits)).leaves()]
    assert unreadable.value.reason in REASONS
    return unreadable.value.reason


def test_a_mail_of_the_standard_library_reads_as_it_was_written() -> None:
    rng = random.Random(1)
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = "Jürgen Müller <j@example.org>"
    made["Subject"] = "Réponse à la demande — très urgent, première partie de plusieurs"
    made.set_content("Grüße\nзапрос\n")
    annexes = [rng.randbytes(size) for size in (0, 1, 57, 3_000_000)]
    for n, annex in enumerate(annexes):
        made.add_attachment(annex, maintype="application", subtype="pdf", filename=f"Übersetzung {n}.pdf")
    read = read_mail(made.as_bytes())
    assert read.header("subject") == made["Subject"]
    assert [leaf.media for leaf in read.leaves()] == ["text/plain"] + ["application/pdf"] * 4
    assert read.parts[0].text() == "Grüße\r\nзапрос\r\n"
    assert [part.body() for part in read.parts[1:]] == annexes
    assert [part.filename for part in read.parts[1:]] == [f"Übersetzung {n}.pdf" for n in range(4)]
    assert {part.disposition for part in read.parts[1:]} == {"attachment"}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_nested_parts_are_those_that_the_standard_library_sees(end: str) -> None:
    data = nested(5).replace(b"\r\n", end.encode())
    theirs = [part.get_content_type() for part in email.message_from_bytes(data).walk()]
    ours, at = [], read_mail(data)
    while at.parts:
        ours.append(at.media)
        [at] = at.parts
    assert [*ours, at.media] == theirs
    assert at.body() == b"in the middle"
    assert at.path == "1.1.1.1.1"


def test_preamble_and_epilogue_are_passed_over_and_a_longer_delimiter_is_none() -> None:
    body = "for old programs\r\n--b1\r\n\r\nfirst\r\n--b1x\r\nstill\r\n--b1 \r\n\r\nsecond\r\n--b1--\r\nafter"
    parts = read_mail(mail(body, "Content-Type: multipart/mixed; boundary=b1")).parts
    assert [part.body() for part in parts] == [b"first\r\n--b1x\r\nstill", b"second"]


def test_a_mail_inside_a_mail_is_one_part_and_is_read_on_its_own() -> None:
    inner = mail("inner", "Subject: of the inner")
    part = read_mail(multipart("Content-Type: message/rfc822\r\n\r\n" + inner.decode())).parts[0]
    assert (part.media, part.parts) == ("message/rfc822", ())
    assert read_mail(part.body()).header("subject") == "of the inner"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (nested(8), "mail-too-deep"),
        (nested(50), "mail-too-deep"),
        (multipart(*["\r\nx"] * 65), "mail-too-many-parts"),
        (multipart(*["\r\nx"] * 10_000), "mail-too-many-parts"),
        (mail("", *[f"X-{n}: y" for n in range(199)]), "mail-too-many-headers"),
        (mail("", "X: " + "y" * 70_000), "mail-headers-too-long"),
        (b"X: " + b"y" * 70_000, "mail-headers-too-long"),
        (multipart("X: " + "y" * 70_000 + "\r\n\r\nx"), "mail-headers-too-long"),
        (mail("", "X: a\rBcc: c@example.org"), "mail-header-form"),
        (mail("", "X: a\0b"), "mail-header-form"),
        (mail("", "no colon at all"), "mail-header-form"),
        (mail("", "with space: x"), "mail-header-form"),
        (b" begins folded: x\r\n\r\n", "mail-header-form"),
        (mail("", "FROM: c@example.org"), "mail-header-twice"),
        (mail("", "Content-Type: text/plain", "content-type: text/html"), "mail-header-twice"),
        (mail("", "Content-Disposition: ;"), "mail-header-form"),
        (mail("", "Content-Type: text"), "mail-content-type"),
        (mail("", "Content-Type: text/plain; charset=a; charset=b"), "mail-content-type"),
        (mail("", "Content-Type: text/plain; a*0=x; a*2=y"), "mail-content-type"),
        (mail("", 'Content-Type: text/plain; a="open'), "mail-content-type"),
        (mail("", "Content-Type: multipart/mixed"), "mail-structure"),
        (mail("", 'Content-Type: multipart/mixed; boundary="' + "b" * 71 + '"'), "mail-structure"),
        (mail("no parts", "Content-Type: multipart/mixed; boundary=b1"), "mail-structure"),
        (mail("--b1--\r\n", "Content-Type: multipart/mixed; boundary=b1"), "mail-structure"),
        (multipart("\r\nx", closed=False), "mail-structure"),
        (mail("", "Content-Transfer-Encoding: x-zip"), "mail-encoding"),
        (
            multipart("\r\nx").replace(b"To: b", b"Content-Transfer-Encoding: base64\r\nTo: b"),
            "mail-encoding",
        ),
        (mail("QUJ*", "Content-Transfer-Encoding: base64"), "mail-encoding"),
        (mail("QUI", "Content-Transfer-Encoding: base64"), "mail-encoding"),
        (mail("QQ==QUJD", "Content-Transfer-Encoding: base64"), "mail-encoding"),
        (mail("=ZZ", "Content-Transfer-Encoding: quoted-printable"), "mail-encoding"),
        (mail("grün"), "mail-charset"),
        (mail("gr\xfcn", "Content-Type: text/plain; charset=utf-16"), "mail-charset"),
        (mail("", "Content-Type: text/plain; charset=unicode_escape"), "mail-charset"),
        (mail("", "Content-Type: text/plain; charset=rot13"), "mail-charset"),
    ],
)
def test_what_is_not_read_further_has_its_reason(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_size_is_checked_before_anything_else() -> None:
    assert refused(b"\0" * 101, bytes=100) == "mail-too-large"


def test_exactly_the_limits_are_still_read() -> None:
    assert len(list(read_mail(multipart(*["\r\nx"] * 64)).leaves())) == 64
    assert len(read_mail(mail("", *[f"X-{n}: y" for n in range(198)])).headers) == 200
    assert read_mail(nested(7)).parts


def test_base64_that_ends_where_a_stretch_ends_is_whole() -> None:
    for size in (1 << 20, (1 << 20) - 1, 786_432, 786_433, 786_431):
        content = random.Random(size).randbytes(size)
        data = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)
        assert read_mail(data).body() == content


def test_padding_before_the_end_is_refused_wherever_a_stretch_ends() -> None:
    text = base64.b64encode(bytes((1 << 20) // 4 * 3 - 4)) + b"QUJD" * 100
    assert b"=" in text
    with pytest.raises(MailUnreadable, match="mail-encoding"):
        read_mail(b"Content-Transfer-Encoding: base64\r\n\r\n" + text).body()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= =?iso-8859-1?q?_alle_=FC?= x", "Grüße an alle ü x"),
        ("=?utf-8?B?not base64?=", "=?utf-8?B?not base64?="),
        ("=?rot13?Q?abc?=", "=?rot13?Q?abc?="),
        ("=?utf-8?Q?a=0D=0ABcc:_c@example.org?=", "a\ufffd\ufffdBcc: c@example.org"),
        ("=?utf-8?Q?a=E2=80=A8b=C2=85?=", "a\ufffdb\ufffd"),
    ],
)
def test_encoded_words_are_shown_in_one_line_or_as_they_came(value: str, shown: str) -> None:
    assert read_mail(mail("", f"Subject: {value}")).header("subject") == shown


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("gw@mj.example.org", "gw@mj.example.org"),
        ("<gw@MJ.Example.ORG>", "gw@mj.example.org"),
        ('"Müller, J." <j.m@example.org>', "j.m@example.org"),
        ("Jean Müller <j.m@example.org> ", "j.m@example.org"),
        ("a@example.org, b@example.org", None),
        ("a@example.org <b@example.org>", None),
        ("A: a@example.org;", None),
        ('"a b"@example.org', None),
        ("a@[127.0.0.1]", None),
        ("a..b@example.org", None),
        (f"{'a' * 65}@example.org", None),
        (f"a@{'b.' * 130}org", None),
        ("jürgen@example.org", None),
        ("a@exa_mple.org", None),
        (" " * 60_000, None),
    ],
)
def test_one_plain_mailbox_is_an_address_and_nothing_else_is(value: str, address: str | None) -> None:
    assert sole_address(value) == address


def test_a_file_name_in_pieces_and_another_character_set_is_put_together() -> None:
    header = "Content-Disposition: attachment; filename*0*=iso-8859-1''D%E9; filename*1=\"cision.pdf\""
    assert read_mail(mail("", header)).filename == "Décision.pdf"
    assert refused(mail("", "Content-Disposition: attachment; filename*=rot13''x")) == "mail-charset"


def test_the_blocks_of_a_delivery_notice_are_fields() -> None:
    first = b"Reporting-MTA: dns; a\r\nX: 1\r\n\r\n"
    data = first + b"Final-Recipient: rfc822;\r\n b@example.org\r\nAction: failed\r\n"
    assert read_fields(data) == (
        (("reporting-mta", "dns; a"), ("x", "1")),
        (("final-recipient", "rfc822; b@example.org"), ("action", "failed")),
    )
    with pytest.raises(MailUnreadable, match="mail-header-form"):
        read_fields(b"nothing\r\n")
    with pytest.raises(MailUnreadable, match="mail-too-many-headers"):
        read_fields(b"A: b\n\n" * 300)


@pytest.mark.parametrize("line", [b"-", b"\n---x"], ids=["one long line", "many lines"])
def test_a_mail_full_of_what_is_nearly_a_delimiter_costs_little(line: bytes) -> None:
    head = b'Content-Type: multipart/mixed; boundary="-"\r\n\r\n'
    data = head + line * ((4 << 20) // len(line))
    before = time.process_time()
    assert refused(data) == "mail-structure"
    # A step for each of them would take several times as long.
    assert time.process_time() - before < 0.6
