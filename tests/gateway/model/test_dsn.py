"""Delivery notices and notices of reading: read as data, bounded, never trusted."""

import pytest

from gateway.model.dsn import Action, StatusUnreadable, parse_delivery_status
from gateway.model.mdn import parse_reading_notice

#: The form that Postfix 3.7 writes (RFC 3464); hosts and addresses are fictional.
FAILED = b"""\
Reporting-MTA: dns; mail.xx-moj.example.org\r
Original-Envelope-Id: 00000000000000000000000000000001\r
X-Postfix-Queue-ID: 3C2B81F2A\r
Arrival-Date: Sat, 21 Nov 2026 09:00:00 +0000 (UTC)\r
\r
Final-Recipient: rfc822; mla@yy-moj.example.org\r
Original-Recipient: rfc822;MLA@yy-moj.example.org\r
Action: failed\r
Status: 5.1.1\r
Remote-MTA: dns; mx.yy-moj.example.org\r
Diagnostic-Code: smtp; 550 5.1.1 <mla@yy-moj.example.org>: Recipient address\r
    rejected: User unknown\r
"""

MDN = b"""\
Reporting-UA: mail.yy-moj.example.org; Example Mail 1.0\r
Final-Recipient: rfc822;mla@yy-moj.example.org\r
Original-Message-ID: <gw1.00000000000000000000000000000001.1@xx-moj.example.org>\r
Disposition: manual-action/MDN-sent-manually; displayed\r
"""


def test_a_failure_names_its_envelope_the_address_and_why() -> None:
    report = parse_delivery_status(FAILED)
    assert report.envelope_id == "0" * 31 + "1"
    said = report.about("MLA@yy-moj.example.org")
    assert said is not None
    assert (said.action, said.status) == (Action.FAILED, "5.1.1")
    assert report.about("somebody@else.example.org") is None


def test_of_several_statements_about_one_address_the_worst_counts() -> None:
    both = (
        FAILED
        + b"\r\nFinal-Recipient: rfc822; mla@yy-moj.example.org\r\nAction: relayed\r\nStatus: 2.0.0\r\n"
    )
    said = parse_delivery_status(both).about("mla@yy-moj.example.org")
    assert said is not None
    assert said.action is Action.FAILED


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_every_action_is_read(action: str) -> None:
    report = parse_delivery_status(FAILED.replace(b"failed", action.encode()))
    assert report.recipients[0].action == action


def test_an_envelope_identifier_in_xtext_is_decoded() -> None:
    report = parse_delivery_status(FAILED.replace(b"00000000000000000000000000000001", b"a+2Bb+3D"))
    assert report.envelope_id == "a+b="


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Reporting-MTA: dns; a\r\n",
        FAILED.replace(b"Action: failed", b"Action: exploded"),
        FAILED.replace(b"Action: failed", b"no colon here"),
        FAILED.replace(b"Status: 5.1.1", b"Action: delivered"),
        FAILED.replace(b"User unknown", b"Benutzer unbekannt \xc3\xbc"),
        FAILED + b"X-Long: " + b"a" * 70_000,
        FAILED + b"\r\nFinal-Recipient: rfc822; a@b.c\r\nAction: failed\r\n" * 30,
        FAILED + b"".join(b"X-Field-%d: a\r\n" % n for n in range(80)),
    ],
    ids=["empty", "nobody", "action", "line", "twice", "letters", "long", "many", "fields"],
)
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(StatusUnreadable):
        parse_delivery_status(body)


def test_a_notice_of_reading_by_hand_says_read() -> None:
    notice = parse_reading_notice(MDN)
    assert notice.says_read
    assert notice.message_id == "gw1.00000000000000000000000000000001.1@xx-moj.example.org"


@pytest.mark.parametrize(
    "disposition",
    [
        b"automatic-action/MDN-sent-manually; displayed",
        b"manual-action/MDN-sent-automatically; displayed",
        b"automatic-action/MDN-sent-automatically; processed",
        b"manual-action/MDN-sent-manually; deleted",
        b"manual-action/MDN-sent-manually; dispatched/error",
    ],
)
def test_what_no_person_did_is_no_reading(disposition: bytes) -> None:
    said = MDN.replace(b"manual-action/MDN-sent-manually; displayed", disposition)
    assert not parse_reading_notice(said).says_read


def test_a_digest_of_what_was_received_is_read_with_its_kind() -> None:
    mic = b"Received-content-MIC: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=, sha-256\r\n"
    found = parse_reading_notice(MDN + mic).mic
    assert found is not None
    assert found.algorithm == "sha256"
    assert len(found.digest) == 32


@pytest.mark.parametrize(
    "body",
    [
        b"",
        MDN.replace(b"Disposition:", b"Position:"),
        MDN.replace(b"Original-Message-ID:", b"Message-ID:"),
        MDN.replace(b"displayed", b"displayed; and <more>"),
        MDN + b"\r\n" + MDN,
        MDN + b"Received-content-MIC: not base64, sha256\r\n",
        MDN + b"Received-content-MIC: AAAA, sha256\r\n",
    ],
    ids=["empty", "silent", "about nothing", "more", "two", "not base64", "short"],
)
def test_what_is_no_notice_of_reading_is_refused(body: bytes) -> None:
    with pytest.raises(StatusUnreadable):
        parse_reading_notice(body)
