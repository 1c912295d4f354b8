"""How often one client may try: a bucket for each address, a bounded number of buckets.

No limit over all clients: whoever floods the page would lock the officers out with it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_MOST_CLIENTS = 4096


class Rate:
    """``per_minute`` tries of one client, as many at once; the oldest clients are forgotten first."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> bool:
        """Count a try, and return whether it is still within the limit."""
        now, key = self._monotonic(), network_of(client)
        left, at = self._left.pop(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / 60)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        while len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return taken


def network_of(client: str) -> str:
    """Return what one client is known by: in IPv6 a whole /64 is one."""
    try:
        address = ip_address(client)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
