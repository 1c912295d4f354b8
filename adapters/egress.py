"""Where the gateway may connect to: addresses come from peers' records and are not to be trusted.

Decides which origins are well formed and which network addresses may be reached, and makes
the connection go to the very address that was checked: a name that changes its mind between
check and use (DNS rebinding) changes nothing. One address that is not allowed refuses the
whole name. Names behind an explicit CONNECT proxy are resolved by the proxy; there the pin
of the certificate is what holds (docs/adapters.md section 4).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

#: Ports every peer may use; others are a matter of the allow-list.
STANDARD_PORTS = frozenset({443, 8443})

_ORIGIN = re.compile(r"https://(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

#: IANA special-purpose registry, and one cloud metadata service that hides in public space.
_REFUSED_V4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "168.63.129.16/32",
    )
)
#: Only this block is global unicast; mapped, compatible, NAT64, ULA, link-local and multicast lie outside.
_GLOBAL_V6 = IPv6Network("2000::/3")
#: Inside it: IETF protocol assignments with Teredo, documentation, 6to4.
_REFUSED_V6 = tuple(ip_network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


class Network(StrEnum):
    """Which network this gateway belongs to; fixed at init, the two never mix."""

    REAL = "real"
    #: Demonstrations and tests: loopback on any port, and nothing else.
    LAB = "lab"


class EgressRefused(OSError):
    """An address may not be connected to. The text says which rule, and names no more than the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What may be connected to.

    Attributes:
        extra_ports: Ports the operator allows besides 443 and 8443.
    """

    network: Network = Network.REAL
    extra_ports: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A checked origin: lower-case host without brackets, and port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The origin as a URL without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}" if self.port == 443 else f"https://{host}:{self.port}"


def is_allowed(address: IPv4Address | IPv6Address, network: Network) -> bool:
    """Whether a connection to ``address`` is allowed: global unicast, or in a lab loopback only."""
    if network is Network.LAB:
        return address in IPv4Network("127.0.0.0/8") or address == IPv6Address("::1")
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _REFUSED_V4)
    return address in _GLOBAL_V6 and not any(address in net for net in _REFUSED_V6)


def check_origin(address: str, policy: EgressPolicy) -> Origin:
    """Return the origin of a directory address.

    Raises ``EgressRefused`` unless it is ``https``, a DNS name (in a lab also a loopback address), an
    allowed port, and nothing else: no user, path, query or fragment.
    """
    match = _ORIGIN.fullmatch(address)
    if match is None:
        raise EgressRefused("address is not https://host[:port]")
    host = match[1].lower()
    port = int(match[2]) if match[2] else 443
    if not 0 < port < 65536:
        raise EgressRefused("port out of range")
    if policy.network is not Network.LAB and port not in STANDARD_PORTS | policy.extra_ports:
        raise EgressRefused(f"port {port} is not allowed")
    bare = host.strip("[]")
    try:
        literal = ip_address(bare)
    except ValueError:
        literal = None
    if literal is not None:
        if policy.network is not Network.LAB or not is_allowed(literal, policy.network):
            raise EgressRefused("a network address in place of a name")
        return Origin(host=bare, port=port)
    labels = host.split(".")
    # A last label that starts with a digit is how 127.1, 2130706433 and 0x7f000001 reach the resolver.
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1][0].isdigit():
        raise EgressRefused("host is not a DNS name")
    if policy.network is not Network.LAB and len(labels) < 2:
        raise EgressRefused("host is not a full DNS name")
    return Origin(host=host, port=port)


#: Names are looked up in threads of their own: a resolver that hangs must not hold up what reads and writes
#: files in the loop's.
_LOOKUPS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="names")

#: Looks a name up: (host, port, family) -> network addresses as text.
Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[Sequence[str]]]


async def system_lookup(host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
    """Return the addresses that the system's resolver gives, each once, in its order."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
    rows = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class CheckedResolver(AbstractResolver):
    """Resolves a name once and gives out only addresses that passed; aiohttp connects to exactly these."""

    def __init__(self, policy: EgressPolicy, *, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses; raises ``EgressRefused`` if any is not allowed, or there is none."""
        found = []
        for text in await self._addresses(host, port, family):
            try:
                address = ip_address(text)
            except ValueError:
                raise EgressRefused(f"{host} resolves to no network address") from None
            if not is_allowed(address, self._policy.network):
                raise EgressRefused(f"{host} resolves to an address that is not allowed")
            found.append(
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        if not found:
            raise EgressRefused(f"{host} resolves to nothing")
        return found

    async def _addresses(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        # RFC 6761 section 6.3: localhost names are loopback and need no resolver, which may not know them.
        if self._policy.network is Network.LAB and (host == "localhost" or host.endswith(".localhost")):
            return ("127.0.0.1", "::1")
        return await self._lookup(host, port, family)

    async def close(self) -> None:
        """Nothing is held."""
