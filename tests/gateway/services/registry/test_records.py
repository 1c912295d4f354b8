"""Records of a real network: which addresses, names and keys may stand in them."""

from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registry.records import check_record, member_entry, split_members
from tests.gateway.services.registry.networks import record


def with_address(address: str) -> dict[str, Any]:
    row = record("at-moj")
    row["channels"][0]["address"] = address
    return row


@pytest.mark.parametrize("reader", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1",
        "https://10.1.2.3",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://2130706433",
        "https://0x7f000001",
        "https://localhost",
        "https://gw.example.org:8080",
        "https://gw.example.org/path",
        "https://gw.example.org?x",
        "https://user:word@gw.example.org",
        "http://gw.example.org",
        "ftp://gw.example.org",
        "",
        "see postal_address",
    ],
)
def test_an_address_that_no_gateway_may_connect_to_is_refused(address: str, reader: bool) -> None:
    with pytest.raises(GatewayRefusal, match="record-invalid"):
        check_record(split_members(with_address(address))[0], "at", "real", reader=reader)


def test_a_lab_may_use_loopback_and_a_real_network_its_names() -> None:
    check_record(split_members(with_address("https://127.0.0.1:9443"))[0], "at", "lab", reader=False)
    check_record(split_members(record("at-moj"))[0], "at", "real", reader=False)


@pytest.mark.parametrize(
    "name",
    [
        "Federal Ministry of Justiсe",  # a Cyrillic letter
        "Federal Ministry of Ju\u200bstice",
        "Federal Ministry of \u202eecitsuJ",
        "Министерство юстиции",  # no English name
        "Ｆederal Ministry of Justice",
    ],
)
def test_a_name_that_only_looks_like_another_is_refused(name: str) -> None:
    with pytest.raises(GatewayRefusal, match="record-invalid"):
        check_record(split_members(record("at-moj") | {"name_en": name})[0], "at", "real", reader=True)


def test_contacts_are_split_off_and_put_back_whole() -> None:
    row = record("at-moj")
    public, entry = split_members(row)
    assert not {"phones", "fax", "contacts"} & public.keys()
    found = member_entry(public, entry)
    assert found == {name: row[name] for name in ("phones", "fax", "contacts")}
    assert member_entry(public, (entry or b"") + b" ") is None
    # The salt makes each digest another one, so that a number cannot be tried against it.
    assert split_members(row)[0]["member_contacts_sha256"] != public["member_contacts_sha256"]
    assert split_members({name: row[name] for name in row if name not in found})[1] is None
