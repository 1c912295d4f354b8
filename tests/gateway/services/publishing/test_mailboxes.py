"""Certificates of a mailbox as key entries: for an authority that has no gateway and so no enrolment file."""

from datetime import timedelta

import pytest

from crypto.errors import KeyRefused
from gateway.model.authority import parse_entry
from gateway.services.publishing.mailboxes import certificate_keys
from tests.gateway.services.registry.networks import record
from tests.mailcerts import NOW, identity

OFFICE = "mla@moj.zz.example"
LISTED = {**record("ke-ag"), "channels": [{"channel": "email_smime", "priority": 1, "address": OFFICE}]}


def test_one_certificate_for_both_purposes_is_listed_under_both_uses() -> None:
    rows = certificate_keys(LISTED, [identity(OFFICE).key.certificate], now=NOW)
    assert [row["use"] for row in rows] == ["smime_sig", "smime_enc"]
    entry = parse_entry({**record("ke-ag"), "keys": rows})
    assert len(entry.raw["keys"]) == 2


def test_a_certificate_is_listed_for_what_it_is_made_for_and_two_years_at_most() -> None:
    signs = identity(OFFICE, opens=False).key.certificate
    (row,) = certificate_keys(LISTED, [signs], now=NOW)
    assert row["use"] == "smime_sig"
    assert row["exp"] == (NOW + timedelta(days=730)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "certificate",
    [
        identity("other@moj.zz.example"),
        identity(OFFICE, is_ca=True),
        identity(OFFICE, end=NOW - timedelta(1)),
    ],
    ids=["another mailbox", "an authority's", "out of time"],
)
def test_a_certificate_that_no_letter_could_use_is_not_listed(certificate: object) -> None:
    with pytest.raises(KeyRefused):
        certificate_keys(LISTED, [certificate.key.certificate], now=NOW)  # type: ignore[attr-defined]
