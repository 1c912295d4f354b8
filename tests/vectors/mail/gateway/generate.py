"""Makes the mails of this folder: between gateways, one defect to a file; a run makes the same bytes.

A mail's content and token cannot stand here: they are sealed and signed with keys that each test makes for
itself. Where they belong stands a line ``@@CONTENT i/n@@`` (that stretch of a real container, in base64) or
``@@TOKEN name@@``; the names are told in README.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
FROM, TO = "gw@ke-ag.example.org", "gw@sg-agc.example.org"
BUNDLE = "application/vnd.gw.bundle"


def entity(*headers: str, body: str = "") -> str:
    """Return headers and body of a part or a mail."""
    return "\r\n".join([*headers, "", body])


def attached(media: str, body: str, *, name: str = "part.bin", coding: str = "base64") -> str:
    """Return an attached part."""
    return entity(
        f"Content-Type: {media}",
        f"Content-Transfer-Encoding: {coding}",
        f'Content-Disposition: attachment; filename="{name}"',
        body=body,
    )


def multipart(parts: Sequence[str], boundary: str = "gw1-boundary") -> str:
    """Return the body of a multipart."""
    return "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"


def head(*more: str, number: int = 1, boundary: str = "gw1-boundary") -> list[str]:
    """Return the headers of a mail."""
    return [
        f"From: {FROM}",
        f"To: {TO}",
        "Subject: [GW]",
        "Date: Sat, 21 Nov 2026 09:00:00 +0000",
        f"Message-ID: <gw1.{number:032x}@ke-ag.example.org>",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
        *more,
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
    ]


SENTENCE = entity("Content-Type: text/plain; charset=us-ascii", body="Sealed data between gateways.")


def gateway_mail(
    token: str = "good 1/1",
    content: str = "@@CONTENT 1/1@@",
    *,
    media: str = BUNDLE,
    headers: Sequence[str] = (),
    sentence: str = SENTENCE,
    name: str = "part.bin",
    coding: str = "base64",
    further: Sequence[str] = (),
) -> str:
    """Return a mail of gw-mail/1, with what is to be odd about it."""
    parts = [
        sentence,
        attached(media, content, name=name, coding=coding),
        attached("application/vnd.gw.mail+jws", f"@@TOKEN {token}@@", name="mail.jws"),
        *further,
    ]
    return entity(*head(*headers), body=multipart(parts))


def nested(depth: int) -> str:
    """Return a multipart within a multipart, so many times."""
    inner = SENTENCE
    for level in range(depth):
        boundary = f"level-{level}"
        inner = entity(
            f'Content-Type: multipart/mixed; boundary="{boundary}"', body=multipart([inner], boundary)
        )
    return inner


def vacation(*headers: str) -> str:
    """Return what a responder sends."""
    return entity(
        "From: duty@sg.example.org",
        f"To: {TO}",
        "Subject: Out of office",
        *headers,
        "Content-Type: text/plain; charset=utf-8",
        body="I am away until Monday.\r\n",
    )


def report(kind: str, body: str) -> str:
    """Return a notice that a mail server or a mail program sends."""
    parts = [SENTENCE, entity(f"Content-Type: message/{kind}", body=body)]
    return entity(
        "From: MAILER-DAEMON@example.org",
        f"To: {TO}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"',
        body=multipart(parts, "b"),
    )


def files() -> Iterator[tuple[str, str]]:
    """Yield the name and text of every file."""
    yield "whole.eml", gateway_mail()
    for i in (1, 2, 3):
        yield f"segment-{i}-of-3.eml", gateway_mail(f"good {i}/3", f"@@CONTENT {i}/3@@")
    yield "segment-moved.eml", gateway_mail("moved 2/3", "@@CONTENT 3/3@@")
    yield (
        "token-missing.eml",
        gateway_mail(content="@@CONTENT 1/1@@").replace("vnd.gw.mail+jws", "octet-stream"),
    )
    yield "token-forged.eml", gateway_mail("forged")
    yield "token-flipped.eml", gateway_mail("flipped")
    yield "token-of-another-peer.eml", gateway_mail("other peer")
    yield "token-for-another.eml", gateway_mail("for another")
    yield "token-of-our-own.eml", gateway_mail("own")
    yield "token-old.eml", gateway_mail("old")
    yield "token-early.eml", gateway_mail("early")
    yield "token-other-kind.eml", gateway_mail("receipts", media=BUNDLE)
    yield (
        "token-twice.eml",
        gateway_mail(
            further=[attached("application/vnd.gw.mail+jws", "@@TOKEN good 1/1@@", name="mail.jws")]
        ),
    )
    yield "token-alg-none.eml", gateway_mail("none")
    yield "digest-wrong.eml", gateway_mail("wrong digest")
    yield "length-10-gb.eml", gateway_mail("10 GB")
    yield "length-10-gb-declared.eml", gateway_mail(headers=["Content-Length: 10737418240"])
    yield "bundle-of-another.eml", gateway_mail("other envelope")
    yield "parts-10000.eml", entity(*head(), body=multipart(["\r\nx"] * 10_000))
    yield "nested-50.eml", entity(*head(boundary="outer"), body=multipart([nested(50)], "outer"))
    yield "headers-500.eml", gateway_mail(headers=[f"X-Filler-{n}: x" for n in range(500)])
    yield "header-long.eml", gateway_mail(headers=["X-Long: " + "x" * 70_000])
    yield "header-twice.eml", gateway_mail(headers=["From: gw@eg-ppo.example.org"])
    yield "header-control.eml", gateway_mail(headers=["X-Odd: a\x00b"])
    yield "name-crlf.eml", gateway_mail(name="a\r\nBcc: everybody@example.org\r\n\r\nb")
    yield "name-encoded-crlf.eml", gateway_mail(name="=?utf-8?q?a=0D=0ABcc:_x?=")
    yield (
        "charset-wrong.eml",
        gateway_mail(sentence=entity("Content-Type: text/plain; charset=x-unknown", body="Sealed.")),
    )
    yield "coding-unknown.eml", gateway_mail(coding="x-uuencode")
    yield "coding-mixed.eml", gateway_mail(content="@@CONTENT 1/1@@\r\n=3D=0D=0A not base64")
    yield "boundary-missing.eml", gateway_mail().replace('; boundary="gw1-boundary"', "")
    yield "cut-off.eml", gateway_mail().rpartition("--gw1-boundary--")[0]
    yield (
        "receipts-not-json.eml",
        gateway_mail("receipts here", "e25vdCBqc29u", media="application/vnd.gw.receipts+json"),
    )
    yield (
        "receipts-deep.eml",
        gateway_mail(
            "receipts here",
            "W1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW10=",
            media="application/vnd.gw.receipts+json",
        ),
    )
    yield "probe-not-one.eml", gateway_mail("probe here", "bm8gcHJvYmU=", media="application/vnd.gw.probe")
    yield "vacation.eml", vacation("Auto-Submitted: auto-replied")
    yield "vacation-old.eml", vacation("Precedence: bulk", "X-Autoreply: yes")
    yield "vacation-bare.eml", vacation("Return-Path: <>")
    yield "mailing-list.eml", vacation("List-Id: <news.example.org>")
    yield (
        "dsn-forged.eml",
        report(
            "delivery-status",
            f"Reporting-MTA: dns; mail.example.org\r\nOriginal-Envelope-Id: {'0' * 32}\r\n\r\n"
            f"Final-Recipient: rfc822; {FROM}\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        ),
    )
    yield (
        "mdn-forged.eml",
        report(
            "disposition-notification",
            f"Final-Recipient: rfc822; {FROM}\r\nOriginal-Message-ID: <gw1.{1:032x}@sg-agc.example.org>\r\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\r\n",
        ),
    )
    yield "empty.eml", ""
    yield "noise.eml", "\x00\x01\x02 no mail at all"


def main() -> None:
    """Write the files."""
    for name, text in files():
        (HERE / name).write_bytes(text.encode("latin-1"))


if __name__ == "__main__":
    main()
