"""When an authority that only calls out looks in at those it never dealt with: pure, no clock of its own.

A first bundle may wait at anyone who is listed, so each is looked in at, but seldom: whoever writes records
decides which host they name, and a network of a thousand must not become a stream of calls against one of
them. Invariants: no host more than ``PER_HOST`` times in ``EVERY_S`` seconds, never twice at a time, and
never more than ``AT_ONCE`` hosts at a time; those that waited longest come first.
"""

import random
from collections import deque
from collections.abc import Collection, Mapping

from gateway.services.following.dealings import PER_HOST, host_of

#: Mean pause between two visits to one authority, seconds; each pause is up to a fifth shorter or longer.
EVERY_S = 900.0
_SPREAD = 0.2

#: Hosts that are visited at the same time.
AT_ONCE = 8


class Visits:
    """Remembers when each authority is to be visited next, and which hosts were called lately."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._due: dict[str, float] = {}
        self._calls: dict[str, deque[float]] = {}

    def begin(self, addresses: Mapping[str, str], now: float, *, under_way: Collection[str]) -> list[str]:
        """Return who is to be visited now, and count the visits as made.

        Args:
            addresses: Authority → origin of all that are to be visited; others are forgotten.
            now: Seconds of a clock that only goes forward.
            under_way: Origins that are being visited.
        """
        self._forget(addresses, now)
        for aid in addresses.keys() - self._due.keys():
            # The first falls anywhere in the time: a thousand new records are no thousand calls at once.
            self._due[aid] = now + self._rng.random() * EVERY_S
        busy = {host_of(address) for address in under_way}
        found = []
        for _, aid in sorted((due, aid) for aid, due in self._due.items() if due <= now):
            host = host_of(addresses[aid])
            calls = self._calls.setdefault(host, deque())
            if len(busy) >= AT_ONCE:
                break
            if host in busy or len(calls) >= PER_HOST:
                continue
            busy.add(host)
            calls.append(now)
            self._due[aid] = now + EVERY_S * (1 - _SPREAD + 2 * _SPREAD * self._rng.random())
            found.append(aid)
        return found

    def _forget(self, addresses: Mapping[str, str], now: float) -> None:
        for aid in self._due.keys() - addresses.keys():
            del self._due[aid]
        for host in [host for host, calls in self._calls.items() if not calls or calls[-1] <= now - EVERY_S]:
            del self._calls[host]
        for calls in self._calls.values():
            while calls[0] <= now - EVERY_S:
                calls.popleft()
