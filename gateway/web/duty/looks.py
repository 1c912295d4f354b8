"""What is looked at: the list, a case, an act, signing in, setting up. Nothing here changes anything."""

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.errors import GatewayRefusal
from gateway.services.acts.acts import PreparedAct
from gateway.services.officers.people import Officer
from gateway.web.duty.frame import ASSET_KEPT, assets
from gateway.web.duty.gate import Route
from gateway.web.duty.roles import Needs, may
from gateway.web.duty.visit import Visit, place


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAct:
    """An act that waits for its officer, as the page shows it: what, to whom, until when; no content."""

    id: str
    message_type: str
    peer_name: str
    to: str
    sender: str
    bid: str
    digest: str
    prepared_at: datetime
    expires_at: datetime


def shown(act: PreparedAct, peer_name: str) -> ShownAct:
    """Return what is shown of a prepared act."""
    return ShownAct(
        id=act.id,
        message_type=act.message_type,
        peer_name=peer_name,
        to=act.to,
        sender=act.sender,
        bid=act.bid,
        digest=act.digest,
        prepared_at=act.prepared_at,
        expires_at=act.expires_at,
    )


async def find_act(visit: Visit) -> PreparedAct:
    """Return the act that the address names, if it is this officer's. Raises ``act-unknown``."""
    wanted = visit.request.match_info["act"]
    for act in await visit.room.acts.waiting(visit.who.pseudonym):
        if act.id == wanted:
            return act
    raise GatewayRefusal("act-unknown")


async def colleagues(visit: Visit) -> list[Officer]:
    """Return who may acknowledge by telephone, with this officer as the second person."""
    return [
        officer
        for officer in await visit.room.officers.listed()
        if officer.pseudonym != visit.who.pseudonym
        and officer.status == "active"
        and may(officer.role, Needs.ACTING)
    ]


async def _list(visit: Visit) -> web.Response:
    room = visit.room
    overview = await room.cases.overview()
    acts = await room.acts.waiting(visit.who.pseudonym)
    return visit.page(
        "list.html",
        overview=overview,
        names={peer: room.cases.name(peer) for peer in overview.further},
        pages=await room.alarms.ringing(),
        drills=await room.drills.waiting(),
        acts=[shown(act, room.cases.name(act.to)) for act in acts],
        on_duty=await room.alarms.on_duty(),
    )


async def _case(visit: Visit) -> web.Response:
    sender, bid = visit.request.match_info["sender"], visit.request.match_info["bid"]
    case = await visit.room.cases.case(sender, bid)
    card = await visit.room.cards.card(f"{sender}/{bid}")
    return visit.page("case.html", case=case, card=card, others=await colleagues(visit))


async def _act(visit: Visit) -> web.Response:
    act = await find_act(visit)
    return visit.page("act.html", act=shown(act, visit.room.cases.name(act.to)))


async def _sign_in(visit: Visit) -> web.Response:
    wanted = place(visit.request.query.get("next"))
    if visit.officer is not None:
        return visit.to(wanted)
    return visit.page("sign-in.html", next=wanted)


async def _setup(visit: Visit) -> web.Response:
    return visit.page("setup.html")


async def _signed_in(visit: Visit) -> web.Response:
    return web.Response(status=401 if visit.officer is None else 204)


async def _asset(visit: Visit) -> web.Response:
    asset = assets().get(visit.request.match_info["name"])
    if asset is None:
        raise GatewayRefusal("not-found")
    kept = f"public, max-age={int(ASSET_KEPT.total_seconds())}, immutable"
    charset = None if asset.content_type.startswith("image/") else "utf-8"
    return web.Response(
        body=asset.body,
        content_type=asset.content_type,
        charset=charset,
        headers={"Cache-Control": kept},
    )


LOOKS = (
    Route(method="GET", path="/", needs=Needs.OFFICER, handle=_list),
    Route(
        method="GET",
        path="/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}",
        needs=Needs.OFFICER,
        handle=_case,
    ),
    Route(method="GET", path="/act/{act:[0-9a-f]{32}}", needs=Needs.OFFICER, handle=_act),
    Route(method="GET", path="/sign-in", needs=Needs.NOBODY, handle=_sign_in),
    Route(method="GET", path="/signed-in", needs=Needs.NOBODY, handle=_signed_in),
    Route(method="GET", path="/setup", needs=Needs.NOBODY, handle=_setup),
    Route(method="GET", path="/static/{name:[a-z0-9.-]{1,80}}", needs=Needs.NOBODY, handle=_asset),
)
