"""Who an authority is in the directory: its channels, keys, designations, and how it is reached.

Parses a verified directory record once, at the edge. Unknown members and unknown codes are kept and
never chosen. Says nothing about signatures: who vouches for a record is decided before it comes here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, NewType

from gateway.model.channels import HTTPS, PULL
from gateway.model.codes import Lane
from gateway.model.fields import text
from gateway.model.profile import Profile, parse_profile
from gateway.model.record_parts import (
    Channel,
    Designation,
    EntryInvalid,
    Hours,
    KeyRecord,
    PublishedRequirements,
    parse_channel,
    parse_designation,
    parse_hours,
    parse_key,
    parse_published,
)

AuthorityID = NewType("AuthorityID", str)

_AUTHORITY_ID = re.compile(r"(?=.{4,63}\Z)[a-z]{2}(-[a-z0-9]+)+\Z")

#: Channels that this version can drive by itself; the others are a person's work.
USABLE_CHANNELS = frozenset({HTTPS, PULL})

#: A record that nobody has confirmed for longer is shown as unconfirmed; it stays usable.
CONFIRMED_FOR = timedelta(days=180)


class LookupStatus(StrEnum):
    """How looking up an authority came out: not being listed is not the same as not knowing.

    A directory that is fetched from a publisher adds the last two; files that a person hands over do not.
    """

    FOUND = "found"  # the verified directory lists it
    NOT_LISTED = "not_listed"  # the verified directory does not list it
    UNVERIFIABLE = "unverifiable"  # what is said of it cannot be read or believed, or contradicts itself
    STALE = "stale"  # listed, but the directory's freshness has run out


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """An authority as the verified directory describes it.

    Attributes:
        part: ``part_1_central`` (central authorities) or ``part_2_competent`` (all others).
        region: Special region or territory it stands for (UNTOC 18(13)); empty for the whole State.
        forms: Highest major version it takes, per form; empty where only people work.
        member_contacts_sha256: Digest, in hex, of its contacts that only enrolled authorities get.
        verified_at: When its State last confirmed the record.
        raw: The record as it was verified.
    """

    authority_id: AuthorityID
    state: str
    name_en: str
    roles: frozenset[str]
    designations: tuple[Designation, ...]
    languages: tuple[str, ...]
    channels: tuple[Channel, ...]
    keys: tuple[KeyRecord, ...]
    status: str
    requires_paper_original: bool
    accepts_oral_in_urgency: bool
    part: str
    region: str
    hours: Hours
    forms: Mapping[str, int]
    published: PublishedRequirements | None
    member_contacts_sha256: str
    verified_at: date | None
    profile: Profile = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    def keys_for(self, use: str) -> tuple[KeyRecord, ...]:
        """Return its keys of one use, in the order of the record, whatever their status."""
        return tuple(key for key in self.keys if key.use == use)

    @property
    def requires_diplomatic_channel(self) -> bool:
        """Whether the formal route is the diplomatic channel (UNTOC 18(13))."""
        return any(c.channel == "diplomatic" and c.status == "required" for c in self.channels)

    def is_unconfirmed(self, today: date) -> bool:
        """Say whether nobody has confirmed the record for ``CONFIRMED_FOR``; without a date nobody has."""
        return self.verified_at is None or today - self.verified_at > CONFIRMED_FOR


def is_authority_id(text: object) -> bool:
    """Say whether the whole text has the shape of an ``authority_id`` (docs/bundle.md section 1)."""
    return isinstance(text, str) and _AUTHORITY_ID.match(text) is not None


def parse_entry(record: Mapping[str, Any]) -> DirectoryEntry:
    """Return the entry of a record that fits the directory schema. Raises ``EntryInvalid`` otherwise.

    The first two letters of the id must be the record's State, so that no State speaks for another.
    """
    try:
        aid, state = record["authority_id"], record["state"]
        if not is_authority_id(aid):
            raise EntryInvalid("authority_id is not well formed")
        if aid[:2] != state.lower():
            raise EntryInvalid(f"authority_id {aid} does not belong to State {state}")
        return DirectoryEntry(
            authority_id=AuthorityID(aid),
            state=state,
            name_en=record["name_en"],
            roles=frozenset(record["roles"]),
            designations=tuple(parse_designation(row) for row in record["designations"]),
            languages=tuple(record["languages"]),
            channels=tuple(parse_channel(row) for row in record["channels"]),
            keys=tuple(parse_key(row) for row in record["keys"]),
            status=record["status"],
            requires_paper_original=bool(record.get("requires_paper_original", False)),
            accepts_oral_in_urgency=bool(record.get("accepts_oral_in_urgency", False)),
            part=record["directory_part"],
            region=text(record, "region"),
            hours=parse_hours(record["hours"]),
            forms=dict(record["forms"]),
            published=parse_published(record.get("requirements")),
            member_contacts_sha256=text(record, "member_contacts_sha256"),
            verified_at=_date(text(record, "verified_at")),
            profile=parse_profile(record),
            raw=record,
        )
    except KeyError as missing:
        raise EntryInvalid(f"{missing.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        if isinstance(error, EntryInvalid):
            raise
        raise EntryInvalid("a member has the wrong type") from None


def channels_for(
    entry: DirectoryEntry, lane: str, carried: Collection[str] = USABLE_CHANNELS
) -> tuple[Channel, ...]:
    """Return the channels among ``carried`` that the record allows for the lane, best first.

    ``required`` comes first, then those made for the lane, then by priority. Suspended channels are left
    out, and ``accepted_urgent`` counts in the urgent lane only. Where the formal route is another one, the
    gateway channel carries the advance copy (UNTOC 18(13)).
    """
    wanted = {"urgent"} if lane == Lane.URGENT else {"formal"}
    statuses = {"accepted", "required"} | ({"accepted_urgent"} if lane == Lane.URGENT else set())
    fitting = [
        channel
        for channel in entry.channels
        if channel.channel in carried
        and channel.status in statuses
        and channel.use & (wanted | {"advance_copy"})
    ]
    return tuple(
        sorted(fitting, key=lambda c: (c.status != "required", not c.use & wanted, c.priority, c.channel))
    )


def _date(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
