"""The port that every transport fills: what goes in, what comes out, what may happen.

An adapter sees what an observer on the wire may see and nothing more: sealed bytes, their
size, an address, an urgent mark. It decides nothing about retries, receipts or cases: it
makes one attempt and says how it ended. How to add a transport: docs/adapters.md.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from crypto.strictjson import JSONValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One sealed bundle, ready to travel.

    Attributes:
        sender, bid: Identify the bundle; both stand on the wire.
        envelope_sha256: Hex digest of the envelope in force; tells a resumed upload from an older one.
        size_bytes: Of the whole container.
        urgent: Which lane's connections it takes, and the mark the peer sees.
        read: Gives the container's bytes from an offset to its end. May be called more than once.
    """

    sender: str
    bid: str
    envelope_sha256: str
    size_bytes: int
    urgent: bool
    read: Callable[[int], AsyncIterator[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a peer is, from its verified directory record.

    Attributes:
        address: For HTTPS an origin, ``https://host[:port]``.
        certificates: DER of the TLS certificates listed for it; no other is talked to.
    """

    authority_id: str
    address: str
    certificates: tuple[bytes, ...] = field(repr=False)


class Verdict(StrEnum):
    """How an attempt ended."""

    #: The peer answered with receipts; the caller verifies them and only then believes.
    ACCEPTED = "accepted"
    #: It left; the final receipt comes another way.
    DISPATCHED = "dispatched"
    #: Not now. Everything that is not understood is this: a request is never given up by guesswork.
    RETRY = "retry"
    #: The peer says why it cannot take this bundle; a person looks at it, unless a signed receipt settles it.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one attempt.

    Attributes:
        code: A key of ``crypto.errors.CODES`` if the peer named one; ``None`` for trouble on the way.
        receipts: Receipt objects as they came, shape checked, **not** verified.
        retry_after_s: The peer's wish, at most a day.
        detail: For the local log: what happened, free of content.
    """

    verdict: Verdict
    code: str | None = None
    receipts: tuple[Mapping[str, JSONValue], ...] = field(default=(), repr=False)
    retry_after_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """How a probe ended.

    Attributes:
        answer: The peer's answer as it came, **not** verified; ``None`` if there is none, or none yet.
        is_sent: The question left; without an answer it may still come another way.
        code: Why there is no answer, a key of ``crypto.errors.CODES`` if the peer named one.
    """

    answer: str | None = field(default=None, repr=False)
    is_sent: bool
    code: str | None = None


@runtime_checkable
class Prober(Protocol):
    """A transport that also carries probes (docs/probes.md)."""

    async def probe(self, endpoint: Endpoint, question: str) -> ProbeOutcome:
        """Put one question to the peer; like ``deliver`` it raises only for our own defects."""
        ...


class Adapter(Protocol):
    """One transport.

    ``deliver`` makes one attempt, keeps to its timeouts and returns an ``Outcome`` for everything the
    network or the peer can do; it raises only for our own defects. A repeat changes nothing at the peer.
    Safe to call for several parcels at once.
    """

    scheme: str

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Make one attempt to hand the parcel to the peer."""
        ...

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as ``RETRY``."""
        ...
