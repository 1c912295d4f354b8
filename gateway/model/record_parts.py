"""The parts of a verified directory record that decisions rest on: channels, designations, hours, keys.

Parses each part once and strictly; codes this version does not know are kept. What only people read is
in ``profile``.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.model.fields import at, text, texts

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class EntryInvalid(ValueError):
    """A directory record that cannot be used; the text names the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to reach an authority, as its signed record allows it."""

    channel: str
    priority: int
    use: frozenset[str]
    address: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One public key or certificate of a record; ``kid`` is a claim until it is recomputed.

    Attributes:
        material: Raw public key, or DER for certificates.
        invalid_since: For a compromise: from when the key may have been in other hands.
    """

    use: str
    alg: str
    kid: str
    material: bytes = field(repr=False)
    nbf: datetime
    exp: datetime
    status: str
    revoked_at: datetime | None
    reason: str | None
    invalid_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Designation:
    """A task given to an authority under an instrument; ``provisional`` until the instrument is in force."""

    instrument: str
    article: str
    role: str
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When an office answers: ``always``, or on ``days`` from ``opens`` to ``closes`` in its time zone.

    Attributes:
        time_zone: IANA name, so that summer time is counted; unknown names make the answers ``None``.
        days: Office days as ``mon`` to ``sun``; empty where the record names no office hours.
    """

    time_zone: str
    always: bool
    days: tuple[str, ...] = ()
    opens: time | None = None
    closes: time | None = None

    def local(self, now: datetime) -> datetime | None:
        """Return an instant in the office's zone, ``None`` where the zone is not known here."""
        try:
            return now.astimezone(ZoneInfo(self.time_zone))
        except (KeyError, ValueError, OSError):
            return None

    def is_open(self, now: datetime) -> bool | None:
        """Say whether somebody answers at an instant; ``None`` where the record does not tell."""
        if self.always:
            return True
        there = self.local(now)
        if there is None or self.opens is None or self.closes is None:
            return None
        return _DAYS[there.weekday()] in self.days and self.opens <= there.time() < self.closes

    def next_opening(self, now: datetime) -> datetime | None:
        """Return when the office opens next, in its own zone; ``None`` if it is open or does not tell."""
        there = self.local(now)
        if there is None or self.opens is None or self.is_open(now) is not False:
            return None
        for ahead in range(8):
            day = (there + timedelta(days=ahead)).date()
            opening = datetime.combine(day, self.opens, there.tzinfo)
            if _DAYS[day.weekday()] in self.days and opening > there:
                return opening
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRequirements:
    """Which issue of its requirements an authority has signed: version and SHA-256 of the file, in hex."""

    version: int
    sha256: str


def parse_channel(row: Mapping[str, Any]) -> Channel:
    """Return a channel. Raises ``KeyError`` or ``TypeError`` for a row of the wrong shape."""
    return Channel(
        channel=_code(row["channel"]),
        priority=row["priority"],
        use=frozenset(row["use"]),
        address=row["address"],
        status=_code(row["status"]),
    )


def parse_designation(row: Mapping[str, Any]) -> Designation:
    """Return a designation. Raises ``KeyError`` or ``TypeError`` for a row of the wrong shape."""
    return Designation(
        instrument=row["instrument"],
        article=row["article"],
        role=row["role"],
        provisional=row.get("provisional") is True,
    )


def parse_hours(row: Mapping[str, Any]) -> Hours:
    """Return the hours; times of the wrong form read as absent. Raises ``KeyError`` or ``TypeError``."""
    zone, always, office = row["time_zone"], row["always"] is True, row.get("office")
    if not isinstance(zone, str):
        raise TypeError("time_zone")
    try:
        opens, closes = time.fromisoformat(text(office, "from")), time.fromisoformat(text(office, "to"))
    except ValueError:
        return Hours(time_zone=zone, always=always)
    return Hours(time_zone=zone, always=always, days=tuple(texts(office, "days")), opens=opens, closes=closes)


def parse_key(row: Mapping[str, Any]) -> KeyRecord:
    """Return a key. Raises ``EntryInvalid``, ``KeyError`` or ``TypeError`` for a row of the wrong shape."""
    if ("pub" in row) == ("cert" in row):
        raise EntryInvalid("a key needs exactly one of pub and cert")
    revoked_at, invalid_since = row.get("revoked_at"), row.get("invalid_since")
    return KeyRecord(
        use=_code(row["use"]),
        alg=_code(row["alg"]),
        kid=row["kid"],
        material=_unb64u(row["pub"] if "pub" in row else row["cert"]),
        nbf=_instant(row["nbf"]),
        exp=_instant(row["exp"]),
        status=_code(row["status"]),
        revoked_at=None if revoked_at is None else _instant(revoked_at),
        reason=row.get("reason"),
        invalid_since=None if invalid_since is None else _instant(invalid_since),
    )


def parse_published(row: object) -> PublishedRequirements | None:
    """Return which requirements a record points to, ``None`` where it points to none."""
    version, digest = at(row, "version"), text(row, "sha256")
    if not isinstance(version, int) or isinstance(version, bool) or not digest:
        return None
    return PublishedRequirements(version=version, sha256=digest)


def _code(value: object) -> str:
    """Return a code, known or not. As a reader the schema leaves out lists of values, and with them types."""
    if not isinstance(value, str):
        raise TypeError("a code is no text")
    return value


def _unb64u(encoded: str) -> bytes:
    """Decode canonical base64url without padding; another spelling of the same bytes is refused."""
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        raise EntryInvalid("a key is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != encoded:
        raise EntryInvalid("a key is not canonical base64url")
    return raw


def _instant(written: str) -> datetime:
    """Parse the wire form of an instant, exactly."""
    try:
        instant = datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise EntryInvalid("a time is not of the form YYYY-MM-DDTHH:MM:SSZ") from None
    if instant.strftime("%Y-%m-%dT%H:%M:%SZ") != written:
        raise EntryInvalid("a time is not of the form YYYY-MM-DDTHH:MM:SSZ")
    return instant
