"""S/MIME keys: what is written is read with its own certificate and passphrase only."""

import pytest

from crypto.errors import KeyRefused
from crypto.keys import KeyUse
from crypto.mailcert import (
    check_mail_certificate,
    is_same_mailbox,
    load_mail_key,
    mail_addresses,
    make_mail_certificate,
)
from tests.mailcerts import NOW, identity

MAILBOX = "registry@xa-example.example.org"
WORD = b"a random passphrase of this test"


@pytest.mark.slow
def test_a_key_is_read_with_its_certificate_and_passphrase_only() -> None:
    certificate, pem = make_mail_certificate(
        "xa-example", mailbox=MAILBOX, use=KeyUse.SMIME_ENC, now=NOW, days=30, passphrase=WORD
    )
    assert mail_addresses(certificate) == (MAILBOX,)
    check_mail_certificate(certificate, use=KeyUse.SMIME_ENC, address=MAILBOX.upper(), now=NOW)
    held = load_mail_key(certificate, pem, WORD)
    assert held.certificate == certificate
    assert MAILBOX not in repr(held)
    other = identity(MAILBOX)
    for given, text, word in (
        (certificate, pem, b"another"),
        (other.key.certificate, pem, WORD),
        (certificate, other.key_pem, WORD),
        (certificate, pem[:-200], WORD),
        (certificate, pem * 9, WORD),
        (pem, pem, WORD),
    ):
        with pytest.raises(KeyRefused):
            load_mail_key(given, text, word)


@pytest.mark.parametrize(("use", "mailbox"), [(KeyUse.TLS, MAILBOX), (KeyUse.SMIME_SIG, "ü@example.org")])
def test_what_no_mail_certificate_can_carry_is_refused(use: KeyUse, mailbox: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        make_mail_certificate("xa-example", mailbox=mailbox, use=use, now=NOW, days=30, passphrase=WORD)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a@example.org", "A@Example.ORG", True),
        ("a@example.org", "b@example.org", False),
        ("a@example.org", "a@example.org ", False),
        # The Kelvin sign, and a sharp s that upper-cases to two letters.
        ("kate@example.org", "\u212aate@example.org", False),
        ("stra\u00dfe@example.org", "STRASSE@example.org", False),
    ],
)
def test_mailboxes_are_compared_as_ascii(one: str, other: str, same: bool) -> None:
    assert is_same_mailbox(one, other) is same
