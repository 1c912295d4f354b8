"""One key of the own authority, and when its successor begins.

Decides how keys follow one another: the next one is listed before it is used, so that every peer knows it in
time. Where private parts lie is the keyring's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crypto.encoding import b64u, parse_wire_time, unb64u, wire_time
from crypto.keys import X509, KeyUse, PublicKey

#: A key is listed this long before it is used, so that every peer knows it when it signs for the first time.
LISTED_AHEAD = timedelta(days=30)

#: How long before the end of a key its successor is made. An ``enc`` key is used by others as soon as they
#: know it, so it needs no time in which it is only listed.
_RENEWED_BEFORE = {KeyUse.ENC: timedelta(days=30)}
_RENEWED_BEFORE_OTHERS = timedelta(days=60)

#: The successor begins this long before its predecessor ends, where less time is left than ``LISTED_AHEAD``.
_OVERLAP = timedelta(days=1)

#: A key is good before it was made: the peers' clocks are not ours, and our own may be set back.
BACKDATED = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """One key of ours: public part, validity, and the file its private part is in."""

    public: PublicKey
    nbf: datetime
    exp: datetime
    status: str
    file: str | None = field(repr=False)
    revoked_at: datetime | None = None
    reason: str | None = None
    invalid_since: datetime | None = None

    @property
    def begins(self) -> datetime:
        """When we begin to use it: later than ``nbf``, so that a peer whose clock is slow takes it too."""
        return self.nbf + BACKDATED

    def is_in_force(self, now: datetime) -> bool:
        """Tell whether it may be used at ``now``."""
        return self.status == "active" and self.nbf <= now <= self.exp

    def record(self) -> dict[str, Any]:
        """Return the entry of ``keys[]`` in the directory record."""
        held = "cert" if self.public.alg == X509 else "pub"
        return {
            **self.ending(),
            "use": str(self.public.use),
            "alg": self.public.alg,
            "kid": self.public.kid,
            held: b64u(self.public.pub),
            "nbf": wire_time(self.nbf),
            "exp": wire_time(self.exp),
            "status": self.status,
        }

    def ending(self) -> dict[str, Any]:
        """Return how a revoked key ended, as members of its entry; empty for any other."""
        said = {"revoked_at": self.revoked_at, "invalid_since": self.invalid_since}
        found: dict[str, Any] = {name: wire_time(at) for name, at in said.items() if at is not None}
        return found if self.reason is None else {**found, "reason": self.reason}


def successor_begins(like: Sequence[HeldKey], now: datetime, *, early: bool) -> datetime | None:
    """Return when a successor of these keys, of one use and algorithm, is to be used; ``None``: not needed.

    ``LISTED_AHEAD`` from now, or a day before the last one ends if that is earlier; at once for keys that
    others encrypt for, and where none is good any more. ``early``: however long the last one lasts.
    """
    good = [key for key in like if key.status == "active" and key.exp >= now]
    if not good:
        return now
    newest = max(good, key=lambda key: key.exp)
    use = newest.public.use
    is_near = newest.exp - now < _RENEWED_BEFORE.get(use, _RENEWED_BEFORE_OTHERS)
    if newest.begins > now or not (early or is_near):
        return None
    if use in (KeyUse.ENC, KeyUse.SMIME_ENC):
        return now
    return max(min(now + LISTED_AHEAD, newest.exp - _OVERLAP), now)


def index_row(key: HeldKey) -> dict[str, Any]:
    """Return a key as the keyring's index holds it."""
    return {
        "use": str(key.public.use),
        "alg": key.public.alg,
        "kid": key.public.kid,
        "pub": b64u(key.public.pub),
        "nbf": wire_time(key.nbf),
        "exp": wire_time(key.exp),
        "status": key.status,
        "file": key.file,
        **key.ending(),
    }


def held_key(row: Mapping[str, Any]) -> HeldKey:
    """Return the key of an index row. Raises ``Refusal``, ``KeyError`` or ``TypeError``."""
    return HeldKey(
        public=PublicKey.load(row["use"], row["alg"], unb64u(row["pub"]), kid=row["kid"]),
        nbf=parse_wire_time(row["nbf"]),
        exp=parse_wire_time(row["exp"]),
        status=row["status"],
        file=row["file"],
        revoked_at=_instant(row, "revoked_at"),
        reason=row.get("reason"),
        invalid_since=_instant(row, "invalid_since"),
    )


def _instant(row: Mapping[str, Any], name: str) -> datetime | None:
    return None if row.get(name) is None else parse_wire_time(row[name])
