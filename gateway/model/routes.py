"""By which channels an authority may be reached in a lane, in order, and why the others are left out. Pure.

The addressee's signed list decides. Beside the channels this gateway drives it names those that are a
person's work. Which of them is tried when is decided in ``channel_choice``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.authority import USABLE_CHANNELS, DirectoryEntry
from gateway.model.codes import Lane, is_known
from gateway.model.record_parts import Channel


class Carries(StrEnum):
    """What goes by a channel."""

    FORMAL = "formal"  # the request itself
    URGENT = "urgent"  # the request itself, in the urgent lane
    ADVANCE_COPY = "advance_copy"  # a copy ahead of the formal route (UNTOC 18(13))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One channel that may be used now.

    Attributes:
        by_gateway: Whether this gateway drives it; otherwise it is a person's work.
        condition: What has to hold first; empty where nothing has.
    """

    channel: Channel
    carries: Carries
    by_gateway: bool
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One channel of the record that may not be used now, and why."""

    channel: Channel
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The channels in order, and those left out.

    Attributes:
        required: The mandatory route; while it is not confirmed, whatever else was sent is an advance copy.
    """

    ordered: tuple[Route, ...]
    left_out: tuple[LeftOut, ...]
    required: Channel | None


def lists_interpol(entry: DirectoryEntry) -> bool:
    """Say whether an authority takes requests through INTERPOL in urgency (UNTOC 18(13))."""
    return any(
        c.channel == "interpol" and c.status in {"accepted", "accepted_urgent"} for c in entry.channels
    )


def routes_for(
    entry: DirectoryEntry,
    lane: str,
    *,
    we_list_interpol: bool | None,
    carried: Collection[str] = USABLE_CHANNELS,
) -> Routes:
    """Return how an authority is reached in a lane.

    A required channel wins over all others: those then carry advance copies only, where the record allows
    it. INTERPOL is for urgent circumstances and needs both sides.

    Args:
        we_list_interpol: Whether the requesting authority's record lists it; ``None`` if it is not known.
        carried: Channels this gateway drives by itself.
    """
    wanted = Carries.URGENT if lane == Lane.URGENT else Carries.FORMAL
    required = min(
        (c for c in entry.channels if c.status == "required" and c.use & {wanted, Carries.FORMAL}),
        key=lambda c: c.priority,
        default=None,
    )
    routes: list[Route] = []
    left_out: list[LeftOut] = []
    for channel in sorted(entry.channels, key=lambda c: (c.priority, c.channel)):
        reason = _reason_against(channel, wanted, required, we_list_interpol)
        if reason:
            left_out.append(LeftOut(channel=channel, sentence=reason))
            continue
        routes.append(
            Route(
                channel=channel,
                carries=_carries(channel, wanted, required),
                by_gateway=channel.channel in carried,
                condition=(
                    "Only if your own authority lists INTERPOL as well."
                    if channel.channel == "interpol" and we_list_interpol is None
                    else ""
                ),
            )
        )
    routes.sort(key=lambda r: (r.channel.status != "required", r.carries is Carries.ADVANCE_COPY))
    return Routes(ordered=tuple(routes), left_out=tuple(left_out), required=required)


def _carries(channel: Channel, wanted: Carries, required: Channel | None) -> Carries:
    if required is not None and channel.status != "required":
        return Carries.ADVANCE_COPY
    if wanted in channel.use:
        return wanted
    return Carries.FORMAL if channel.status == "required" else Carries.ADVANCE_COPY


def _reason_against(
    channel: Channel, wanted: Carries, required: Channel | None, we_list_interpol: bool | None
) -> str:
    """Return why a channel may not be used now; empty if it may."""
    if not is_known("channel", channel.channel) or not is_known("channel_status", channel.status):
        return "This version does not know it: a person reads the record."
    if channel.status == "suspended":
        return "The authority has suspended it."
    if channel.status == "accepted_urgent" and wanted is not Carries.URGENT:
        return "It is for urgent circumstances only."
    if channel.channel == "interpol" and wanted is not Carries.URGENT:
        return "INTERPOL is for urgent circumstances only."
    if channel.channel == "interpol" and we_list_interpol is False:
        return "Your own authority does not list INTERPOL; both sides have to."
    if required is not None and channel.status != "required" and Carries.ADVANCE_COPY not in channel.use:
        return f"The formal route is required: {required.channel}."
    if channel.status == "required" and channel.use & {wanted, Carries.FORMAL}:
        return ""
    if not channel.use & {wanted, Carries.ADVANCE_COPY}:
        if channel.use == {"notice"}:
            return "It carries a notice without case data, never a request."
        lane = Lane.URGENT if wanted is Carries.URGENT else Lane.ROUTINE
        return f"Its record does not allow it for the {lane} lane."
    return ""
