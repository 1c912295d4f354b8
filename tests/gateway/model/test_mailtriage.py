"""Whose work a mail is, row by row: what a machine may have sent by itself is never answered."""

from typing import Any

import pytest

from gateway.model.mailtriage import AUTOMATIC_REASONS, REASONS, Kind, Seen, Triage, triage

PLAIN: dict[str, Any] = {
    "headers": (("from", "clerk@justice.example"), ("subject", "Re: request")),
    "media": "text/plain",
    "parameters": {},
    "mail_from": "clerk@justice.example",
    "has_token": False,
    "is_own": False,
}


def seen(*headers: tuple[str, str], **other: Any) -> Seen:
    return Seen(**{**PLAIN, "headers": (*PLAIN["headers"], *headers), **other})


def report(kind: str) -> dict[str, Any]:
    return {"media": "multipart/report", "parameters": {"report-type": kind, "boundary": "b"}}


TABLE: list[tuple[str, Seen, Kind, str | None]] = [
    ("a person's letter", seen(), Kind.HUMAN, None),
    ("said to be no machine's", seen(("auto-submitted", "no")), Kind.HUMAN, None),
    ("the same with a comment", seen(("auto-submitted", "no (really)")), Kind.HUMAN, None),
    ("an ordinary precedence", seen(("precedence", "first-class")), Kind.HUMAN, None),
    ("a gateway's", seen(("auto-submitted", "auto-generated"), has_token=True), Kind.GATEWAY, None),
    ("a gateway's, without a sender", seen(has_token=True, mail_from=""), Kind.GATEWAY, None),
    ("a gateway's that went through a list", seen(("list-id", "<x>"), has_token=True), Kind.GATEWAY, None),
    ("of a gateway at the same domain", seen(has_token=True, is_own=True), Kind.GATEWAY, None),
    ("our own letter, come back", seen(is_own=True), Kind.ASIDE, "mail-own"),
    ("a vacation notice", seen(("auto-submitted", "auto-replied")), Kind.ASIDE, "mail-automatic"),
    ("its cause named", seen(("auto-submitted", "auto-replied; x=y")), Kind.ASIDE, "mail-automatic"),
    ("written large", seen(("auto-submitted", "Auto-Replied (vacation)")), Kind.ASIDE, "mail-automatic"),
    ("an empty value", seen(("auto-submitted", "")), Kind.ASIDE, "mail-automatic"),
    ("an older responder", seen(("x-autoreply", "yes")), Kind.ASIDE, "mail-automatic"),
    # It asks others not to answer by machine; people's mail has it too, and must not be set aside for it.
    ("Exchange's wish", seen(("x-auto-response-suppress", "All")), Kind.HUMAN, None),
    ("a loop's mark", seen(("x-loop", "clerk@justice.example")), Kind.ASIDE, "mail-automatic"),
    ("auto_reply", seen(("precedence", "auto_reply")), Kind.ASIDE, "mail-automatic"),
    ("bulk", seen(("precedence", "Bulk")), Kind.ASIDE, "mail-list"),
    ("a list", seen(("precedence", "list")), Kind.ASIDE, "mail-list"),
    ("a list's header", seen(("list-unsubscribe", "<mailto:x@list.example>")), Kind.ASIDE, "mail-list"),
    ("no sender", seen(mail_from=""), Kind.ASIDE, "mail-no-sender"),
    ("no sender, as servers write it", seen(mail_from="<>"), Kind.ASIDE, "mail-no-sender"),
    ("its trace only", seen(("return-path", "<>"), mail_from=None), Kind.ASIDE, "mail-no-sender"),
    ("a trace with a sender", seen(("return-path", "<a@b.example>"), mail_from=None), Kind.HUMAN, None),
    ("nothing known of the sender", seen(mail_from=None), Kind.HUMAN, None),
    ("a delivery notice", seen(mail_from="", **report("delivery-status")), Kind.DSN, None),
    ("the same in capitals", seen(mail_from="", **report("Delivery-Status")), Kind.DSN, None),
    ("a read notice", seen(**report("disposition-notification")), Kind.MDN, None),
    ("a read notice of a machine", seen(mail_from="", **report("disposition-notification")), Kind.MDN, None),
    ("another report", seen(**report("feedback-report")), Kind.HUMAN, None),
    ("another report, no sender", seen(mail_from="", **report("x")), Kind.ASIDE, "mail-no-sender"),
    ("encrypted", seen(media="application/pkcs7-mime"), Kind.SMIME, None),
    ("encrypted, the old name", seen(media="application/x-pkcs7-mime"), Kind.SMIME, None),
    (
        "signed beside",
        seen(media="multipart/signed", parameters={"protocol": "application/pkcs7-signature"}),
        Kind.SMIME,
        None,
    ),
    (
        "signed otherwise",
        seen(media="multipart/signed", parameters={"protocol": "application/pgp-signature"}),
        Kind.HUMAN,
        None,
    ),
    (
        "signed by a machine",
        seen(("auto-submitted", "auto-replied"), media="application/pkcs7-mime"),
        Kind.SMIME,
        None,
    ),
]


@pytest.mark.parametrize(
    ("mail", "kind", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_mail_is_whose_work_the_table_says(mail: Seen, kind: Kind, reason: str | None) -> None:
    found = triage(mail)
    assert (found.kind, found.reason) == (kind, reason)
    assert reason is None or reason in REASONS


def test_whatever_a_machine_may_have_sent_is_marked_so_that_nothing_answers_it() -> None:
    automatic = {name for name, mail, _, _ in TABLE if triage(mail).is_automatic}
    assert {"a gateway's", "a delivery notice", "a read notice", "signed by a machine"} <= automatic
    assert not automatic & {"a person's letter", "encrypted", "signed beside", "a trace with a sender"}
    aside = [found for _, mail, _, _ in TABLE if (found := triage(mail)).kind is Kind.ASIDE]
    assert all(found.is_automatic and found.reason in AUTOMATIC_REASONS for found in aside)


def test_a_reason_stands_for_what_is_set_aside_and_for_nothing_else() -> None:
    assert triage(seen()) == Triage(kind=Kind.HUMAN)
    assert set(REASONS) >= AUTOMATIC_REASONS
