"""Mail is read as a tree or refused with one error, whatever the bytes are."""

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.mailformat import is_gateway_mail, open_mail
from adapters.mimeread import (
    REASONS,
    MailLimits,
    MailUnreadable,
    MimePart,
    read_fields,
    read_mail,
    sole_address,
)
from crypto.errors import Refusal

#: What mail is made of, so that random order gets far into the reader.
PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/digest; boundary=b\n",
        b"Content-Type: text/plain; charset=utf-8; name*0*=utf-8''%ff; name*1=\"x\"\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: application/vnd.gw.mail+jws\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b'Content-Disposition: attachment; filename="a\\"b"\r\n',
        b"Subject: =?utf-8?B?R3I=?= =?x?Q?=?=\r\n",
        b"From: a@b.example\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"--b",
        b"QUJD\r\n",
        b"QQ==",
        b"=C3=\r\n",
        b"\xff\x00",
    ]
)
MAIL = st.one_of(st.binary(max_size=300), st.lists(PIECES | st.binary(max_size=4), max_size=25).map(b"".join))


@contextmanager
def allowed() -> Iterator[None]:
    """Let the two refusals pass, and nothing else."""
    try:
        yield
    except MailUnreadable as unreadable:
        if unreadable.reason not in REASONS:
            raise
    except Refusal:
        pass


def look_at_everything(part: MimePart) -> None:
    for name, _ in part.headers:
        for value in part.all(name):
            assert value.isprintable() or not {"\r", "\n", "\0", "\u2028"} & set(value)
            sole_address(value)
    assert part.filename is None or not {"\r", "\n"} & set(part.filename)
    for part_within in part.parts:
        assert part_within.path
        look_at_everything(part_within)
    for leaf in part.leaves():
        for read in (leaf.body, leaf.text):
            with allowed():
                read()


@given(MAIL)
@example(b"\n")
@example(b"\r\n\r\n")
@example(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--")
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_mail_or_one_kind_of_refusal(data: bytes) -> None:
    limits = MailLimits(bytes=1000, parts=4, depth=3, header_bytes=200, headers=8)
    for reader in (read_mail, read_fields):
        with allowed():
            read = reader(data, limits=limits)
            if isinstance(read, MimePart):
                look_at_everything(read)
                if is_gateway_mail(read):
                    open_mail(read)
