"""Which addresses may be connected to (docs/adapters.md section 4)."""

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.base import Endpoint, Verdict
from adapters.egress import CheckedResolver, EgressPolicy, EgressRefused, Network, check_origin
from adapters.https import HTTPSAdapter
from tests.adapters.peers import LAB, Authority, Listing, Served, SettableClock, endpoint_of, parcel_of

REAL = EgressPolicy()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://moj.example.org", "https://moj.example.org"),
        ("https://MOJ.Example.org/", "https://moj.example.org"),
        ("https://moj.example.org:443", "https://moj.example.org"),
        ("https://moj.example.org:8443", "https://moj.example.org:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_with_a_name_and_a_standard_port_is_taken(address: str, url: str) -> None:
    assert check_origin(address, REAL).url == url


HOSTILE = [
    "http://moj.example.org",
    "ftp://moj.example.org",
    "moj.example.org",
    "//moj.example.org",
    "https://",
    "https://moj.example.org/path",
    "https://moj.example.org?x",
    "https://moj.example.org#x",
    "https://user@moj.example.org",
    "https://user:pw@moj.example.org",
    "https://moj.example.org:80",
    "https://moj.example.org:22",
    "https://moj.example.org:0",
    "https://moj.example.org:65536",
    "https://moj.example.org:443:443",
    "https://moj.example.org.",
    "https://moj..example.org",
    "https://-moj.example.org",
    "https://moj_x.example.org",
    "https://moj.example.org\n",
    " https://moj.example.org",
    "https://moj.example.org\\@evil.example",
    "https://moj%2eexample.org",
    "https://möj.example.org",
    "https://localhost",
    "https://intranet",
    "https://93.184.216.34",
    "https://127.0.0.1",
    "https://127.1",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.0.0.1",
    "https://017700000001",
    "https://1.2.3.4.5",
    "https://[::1]",
    "https://[2606:2800:220:1::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1%25eth0]",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(EgressRefused):
        check_origin(address, REAL)


def test_further_ports_are_the_operators_to_allow() -> None:
    allowing = EgressPolicy(extra_ports=frozenset({9443}))
    assert check_origin("https://moj.example.org:9443", allowing).port == 9443
    with pytest.raises(EgressRefused):
        check_origin("https://moj.example.org:9443", REAL)


@pytest.mark.parametrize("address", ["https://localhost:1", "https://127.0.0.1:65535", "https://[::1]:8443"])
def test_a_lab_may_use_loopback_and_any_port(address: str) -> None:
    assert check_origin(address, LAB).url == address


@pytest.mark.parametrize("address", ["https://10.0.0.1", "https://93.184.216.34", "https://[2606::1]"])
def test_a_lab_gets_nothing_but_loopback(address: str) -> None:
    with pytest.raises(EgressRefused):
        check_origin(address, LAB)


NOT_GLOBAL = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "64:ff9b::7f00:1",
    "64:ff9b::5db8:d822",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:5db8:d822::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not-an-address",
]


class FakeDNS:
    """Gives the answers in order, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0)


@pytest.mark.parametrize("address", NOT_GLOBAL)
async def test_a_name_with_one_address_that_is_not_global_is_refused_whole(address: str) -> None:
    resolver = CheckedResolver(REAL, lookup=FakeDNS(["93.184.216.34", address]))
    with pytest.raises(EgressRefused):
        await resolver.resolve("moj.example.org", 443)


async def test_global_addresses_are_given_out_as_numbers_with_their_family() -> None:
    resolver = CheckedResolver(REAL, lookup=FakeDNS(["93.184.216.34", "2606:2800:220:1::1"]))
    found = await resolver.resolve("moj.example.org", 8443)
    assert [(r["hostname"], r["host"], r["port"], r["family"]) for r in found] == [
        ("moj.example.org", "93.184.216.34", 8443, socket.AF_INET),
        ("moj.example.org", "2606:2800:220:1::1", 8443, socket.AF_INET6),
    ]


async def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(EgressRefused):
        await CheckedResolver(REAL, lookup=FakeDNS([])).resolve("moj.example.org", 443)


async def test_a_lab_refuses_a_name_that_leaves_loopback() -> None:
    resolver = CheckedResolver(EgressPolicy(network=Network.LAB), lookup=FakeDNS(["93.184.216.34"]))
    with pytest.raises(EgressRefused):
        await resolver.resolve("moj.example.org", 443)


async def test_a_rebinding_name_reaches_only_what_was_checked(tmp_path: Path) -> None:
    # Asked once per connection, which then goes to the checked address; the next connection is checked anew.
    own = Authority.make("xx-moj", tmp_path)
    peer = Authority.make("yy-moj", tmp_path, hosts=("moj.example.org",))
    dns, clock = FakeDNS(["127.0.0.1"], ["10.0.0.1"]), SettableClock()
    served = Served(peer, Listing(own), clock)
    await served.start()
    tokens = own.token_maker(clock)
    adapter = HTTPSAdapter(identity=lambda: own.identity, token=tokens, policy=LAB, lookup=dns)
    address = f"https://moj.example.org:{served.port}"
    endpoint = Endpoint(authority_id="yy-moj", address=address, certificates=(peer.certificate,))
    for body in (b"sealed 1", b"sealed 2"):
        outcome = await adapter.deliver(parcel_of(body), endpoint)
        assert (outcome.verdict, dns.asked) == (Verdict.ACCEPTED, 1)
    await adapter.aclose()
    outcome = await adapter.deliver(parcel_of(b"sealed 3"), endpoint)
    assert (outcome.verdict, dns.asked) == (Verdict.RETRY, 2)
    assert "allowed address" in outcome.detail
    assert len(served.acceptor.whole) == 2
    await adapter.aclose()
    await served.stop()


async def test_an_address_that_is_no_origin_is_an_outcome_and_asks_no_resolver(tmp_path: Path) -> None:
    own = Authority.make("xx-moj", tmp_path)
    dns = FakeDNS()
    adapter = HTTPSAdapter(
        identity=lambda: own.identity, token=own.token_maker(SettableClock()), policy=REAL, lookup=dns
    )
    outcome = await adapter.deliver(parcel_of(b"sealed"), endpoint_of(own, 8443))
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert outcome.detail == "host is not a full DNS name"
    assert dns.asked == 0
