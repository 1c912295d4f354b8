"""Who an authority is in the directory: its channels, keys, designations, and how it is reached.

Parses a verified directory record once, at the edge. Unknown members and unknown codes are kept and
never chosen. Says nothing about signatures: who vouches for a record is decided before it comes here.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NewType

from gateway.model.codes import Lane, code_list
from gateway.model.fields import rows, text

AuthorityID = NewType("AuthorityID", str)

_AUTHORITY_ID = re.compile(r"(?=.{4,63}\Z)[a-z]{2}(-[a-z0-9]+)+\Z")

#: Channels that this version can drive by itself; the others are a person's work.
USABLE_CHANNELS = frozenset({"gateway_https", "https_pull"})

#: Legal bases that need no treaty in force between the two States.
BASES_WITHOUT_TREATY = frozenset({"bilateral", "reciprocity", "domestic_law"})

#: Kinds whose addressee is looked for by role alone when no 24/7 point stands under the instrument.
_FALLBACK_ROLE = "contact_24_7"


class EntryInvalid(ValueError):
    """A directory record that cannot be used; the text names the member."""


class LookupStatus(StrEnum):
    """How looking up an authority came out: not being listed is not the same as not knowing.

    A directory that is fetched from a publisher adds the last two; files that a person hands over do not.
    """

    FOUND = "found"  # the verified directory lists it
    NOT_LISTED = "not_listed"  # the verified directory does not list it
    UNVERIFIABLE = "unverifiable"  # there is a directory, and its signature does not hold
    STALE = "stale"  # listed, but the directory's freshness has run out


class DesignationMatch(StrEnum):
    """How the addressee's designation fits the request (UNTOC 18(13), Budapest 35)."""

    EXACT = "exact"  # role and instrument match
    FALLBACK = "fallback"  # role matches under another instrument or network
    NONE = "none"  # no matching role


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
    """A task given to an authority under an instrument."""

    instrument: str
    article: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """An authority as the verified directory describes it.

    Attributes:
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
    raw: Mapping[str, Any] = field(repr=False)

    def keys_for(self, use: str) -> tuple[KeyRecord, ...]:
        """Return its keys of one use, in the order of the record, whatever their status."""
        return tuple(key for key in self.keys if key.use == use)

    @property
    def requires_diplomatic_channel(self) -> bool:
        """Whether the formal route is the diplomatic channel (UNTOC 18(13))."""
        return any(c.channel == "diplomatic" and c.status == "required" for c in self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """What a State is to an instrument. ``in_force`` speaks of the instrument, not of the State."""

    status: str
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """What the directory says of a State."""

    state: str
    name: str
    accepted_languages: tuple[str, ...]
    participation: Mapping[str, Participation]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """What the rules of ``contents`` need to know from the directory about one request.

    Attributes:
        accepted_languages: Of the addressee.
        both_bound: Whether the primary instrument is in force for both States, or needs no treaty;
            ``None`` where the directory does not say.
        both_accept_oral: Whether both sides take oral requests in urgency; ``None`` where unknown.
        requirements: The addressee's published requirements, if there are any.
    """

    accepted_languages: frozenset[str]
    both_bound: bool | None
    designation: DesignationMatch
    requires_paper_original: bool
    requires_diplomatic_channel: bool
    both_accept_oral: bool | None
    requirements: Mapping[str, Any] | None = field(default=None, repr=False)


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
            designations=tuple(_designation(row) for row in record["designations"]),
            languages=tuple(record["languages"]),
            channels=tuple(_channel(row) for row in record["channels"]),
            keys=tuple(_key(row) for row in record["keys"]),
            status=record["status"],
            requires_paper_original=bool(record.get("requires_paper_original", False)),
            accepts_oral_in_urgency=bool(record.get("accepts_oral_in_urgency", False)),
            raw=record,
        )
    except KeyError as missing:
        raise EntryInvalid(f"{missing.args[0]} is missing") from None
    except (TypeError, AttributeError):
        raise EntryInvalid("a member has the wrong type") from None


def parse_state(record: Mapping[str, Any]) -> StateRecord:
    """Return the State of a record that fits the directory schema. Raises ``EntryInvalid`` otherwise."""
    try:
        return StateRecord(
            state=record["state"],
            name=record["name"],
            accepted_languages=tuple(record["accepted_languages"]),
            participation={
                code: Participation(status=row["status"], in_force=row.get("instrument_in_force", True))
                for code, row in record["participation"].items()
            },
        )
    except KeyError as missing:
        raise EntryInvalid(f"{missing.args[0]} is missing") from None
    except (TypeError, AttributeError):
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


def match_designation(
    entry: DirectoryEntry, request_kind: str, instruments: Iterable[str]
) -> DesignationMatch:
    """Return how the authority is designated for a kind under the instruments named (UNTOC 18(13))."""
    kind = code_list("request_kind").get(request_kind)
    if kind is None:
        return DesignationMatch.NONE
    named = set(instruments)
    roles = set(kind.roles)
    if any(d.role in roles and d.instrument in named for d in entry.designations):
        return DesignationMatch.EXACT
    held = {d.role for d in entry.designations} | entry.roles
    # A basis that is no treaty with a register of authorities designates nobody: the role decides.
    if named <= BASES_WITHOUT_TREATY and roles & held:
        return DesignationMatch.EXACT
    if _FALLBACK_ROLE in roles and roles & held:
        return DesignationMatch.FALLBACK
    return DesignationMatch.NONE


def facts_from(
    form: Mapping[str, Any],
    requested: DirectoryEntry,
    *,
    requesting: DirectoryEntry | None = None,
    states: Mapping[str, StateRecord] | None = None,
    requirements: Mapping[str, Any] | None = None,
) -> DirectoryFacts:
    """Return what the directory says about the addressee of a form, for ``contents.check_contents``."""
    listed = [(code, row) for _, row in rows(form, "instruments") if (code := text(row, "code"))]
    codes = [code for code, _ in listed]
    primary = next((code for code, row in listed if row.get("primary")), codes[0] if codes else None)
    requesting_state = text(form, "requesting_authority", "state")
    return DirectoryFacts(
        accepted_languages=frozenset(requested.languages),
        both_bound=_both_bound(primary, requesting_state, requested.state, states or {}),
        designation=match_designation(requested, text(form, "request_kind"), codes),
        requires_paper_original=requested.requires_paper_original,
        requires_diplomatic_channel=requested.requires_diplomatic_channel,
        both_accept_oral=(
            None
            if requesting is None
            else requesting.accepts_oral_in_urgency and requested.accepts_oral_in_urgency
        ),
        requirements=requirements,
    )


def _both_bound(
    instrument: str | None, one: str | None, other: str, states: Mapping[str, StateRecord]
) -> bool | None:
    """Return whether the instrument binds both States, ``None`` where the directory does not say."""
    if instrument is None:
        return None
    if instrument in BASES_WITHOUT_TREATY:
        return True
    known = [states[s].participation.get(instrument) if s in states else None for s in (one or "", other)]
    if any(p is not None and (p.status in {"not_party", "signatory"} or not p.in_force) for p in known):
        return False
    if any(p is None or p.status not in {"party", "bound"} for p in known):
        return None
    return True


def _channel(row: Mapping[str, Any]) -> Channel:
    return Channel(
        channel=row["channel"],
        priority=row["priority"],
        use=frozenset(row["use"]),
        address=row["address"],
        status=row["status"],
    )


def _designation(row: Mapping[str, Any]) -> Designation:
    return Designation(
        instrument=row["instrument"],
        article=row["article"],
        role=row["role"],
    )


def _key(row: Mapping[str, Any]) -> KeyRecord:
    if ("pub" in row) == ("cert" in row):
        raise EntryInvalid("a key needs exactly one of pub and cert")
    revoked_at, invalid_since = row.get("revoked_at"), row.get("invalid_since")
    return KeyRecord(
        use=row["use"],
        alg=row["alg"],
        kid=row["kid"],
        material=_unb64u(row["pub"] if "pub" in row else row["cert"]),
        nbf=_instant(row["nbf"]),
        exp=_instant(row["exp"]),
        status=row["status"],
        revoked_at=None if revoked_at is None else _instant(revoked_at),
        reason=row.get("reason"),
        invalid_since=None if invalid_since is None else _instant(invalid_since),
    )


def _unb64u(text: str) -> bytes:
    """Decode canonical base64url without padding; another spelling of the same bytes is refused."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise EntryInvalid("a key is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise EntryInvalid("a key is not canonical base64url")
    return raw


def _instant(text: str) -> datetime:
    """Parse the wire form of an instant, exactly."""
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise EntryInvalid("a time is not of the form YYYY-MM-DDTHH:MM:SSZ") from None
    if at.strftime("%Y-%m-%dT%H:%M:%SZ") != text:
        raise EntryInvalid("a time is not of the form YYYY-MM-DDTHH:MM:SSZ")
    return at
