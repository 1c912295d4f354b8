"""Step 9 of the open procedure: who may bring how much at once (docs/operator-guide.md, section 5, Limits).

Counts what is arriving now, in memory; an answer of ``quota``, ``rate`` or ``busy`` is temporary and the
sender tries again. A share of everything is kept for the urgent lane, so that routine traffic, a large
transfer or a flood from one peer never keeps an urgent bundle out.
"""

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass

from crypto.errors import Refusal
from gateway.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """Bounds of what may arrive; sizes in bytes, rates in bundles per minute and peer."""

    max_bundle_bytes: int
    routine_arriving_bytes: int = 256 * 2**30
    routine_bundles: int = 64
    routine_bundles_per_peer: int = 32
    urgent_bundles_per_peer: int = 16
    per_peer_per_minute: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arriving:
    caller: str
    lane: str
    size_bytes: int


class Admission:
    """Who is bringing what at the moment."""

    def __init__(self, *, limits: AdmissionLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._arriving: dict[Hashable, _Arriving] = {}
        # The same counted: bundles by lane and caller, bundles and bytes by lane.
        self._from_peer: Counter[tuple[str, str]] = Counter()
        self._in_lane: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}

    @property
    def max_bundle_bytes(self) -> int:
        """Largest container that is taken."""
        return self._limits.max_bundle_bytes

    def enter(self, key: Hashable, *, caller: str, lane: str, size_bytes: int) -> None:
        """Let a bundle in, or raise ``Refusal`` ``too-large``, ``quota`` or ``rate``; ``leave`` ends it."""
        limits = self._limits
        if size_bytes > limits.max_bundle_bytes:
            raise Refusal("too-large", "container", step=9)
        self._pace(caller)
        from_peer = self._from_peer[lane, caller]
        if lane == "urgent":
            if from_peer >= limits.urgent_bundles_per_peer:
                raise Refusal("quota", "urgent bundles of one peer", step=9)
        elif (
            from_peer >= limits.routine_bundles_per_peer
            or self._in_lane[lane] >= limits.routine_bundles
            or self._bytes[lane] + size_bytes > limits.routine_arriving_bytes
        ):
            raise Refusal("quota", "routine bundles", step=9)
        self.leave(key)
        self._arriving[key] = _Arriving(caller=caller, lane=lane, size_bytes=size_bytes)
        self._count(lane, caller, 1, size_bytes)

    def leave(self, key: Hashable) -> None:
        """The bundle is in, paused or refused; repeated calls do nothing."""
        gone = self._arriving.pop(key, None)
        if gone is not None:
            self._count(gone.lane, gone.caller, -1, -gone.size_bytes)

    def _count(self, lane: str, caller: str, bundles: int, size_bytes: int) -> None:
        self._from_peer[lane, caller] += bundles
        self._in_lane[lane] += bundles
        self._bytes[lane] += size_bytes

    def _pace(self, caller: str) -> None:
        now = self._clock.now().timestamp()
        recent = self._recent.setdefault(caller, deque())
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= self._limits.per_peer_per_minute:
            raise Refusal("rate", "bundles of one peer in a minute", step=9)
        recent.append(now)
