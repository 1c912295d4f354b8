"""Who gets in: each route says what it needs, and nothing is reached without being asked for it here.

The session's cookie says who it is; whether this officer still counts, and with which role, is looked up at
every request, so that suspending somebody works at once. What changes something names the session's token.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from gateway.errors import GatewayRefusal
from gateway.model.officers import SYSTEM
from gateway.services.duty.sessions import Session
from gateway.services.officers.people import Officer
from gateway.web.duty.guard import is_scripted, spoken_in
from gateway.web.duty.roles import Needs, may
from gateway.web.duty.room import Room
from gateway.web.duty.visit import COOKIE, Visit, place

#: Sent by the list when it looks again by itself: that is nothing the officer does.
LOOK_HEADER = "X-Look"
TOKEN_HEADER = "X-Form-Token"  # noqa: S105 - the header's name

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the page; ``path`` as aiohttp writes it."""

    method: Literal["GET", "POST"]
    path: str
    needs: Needs
    handle: Callable[[Visit], Awaitable[web.StreamResponse]]


def admitted(room: Room, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a route behind the gate."""

    async def handler(request: web.Request) -> web.StreamResponse:
        session, officer = await _who(room, request)
        if route.needs is not Needs.NOBODY and officer is None:
            if route.method == "GET":
                return _to_sign_in(request)
            raise GatewayRefusal("signed-out")
        if officer is not None and not may(officer.role, route.needs):
            raise GatewayRefusal("officer-role")
        fields = await _fields(request) if route.method == "POST" else {}
        # Signing in twice over changes nothing that the token guards: it makes a session of its own.
        if route.method == "POST" and route.needs is not Needs.NOBODY:
            _check_token(request, session, fields)
        language = spoken_in(request, None if officer is None else officer.language)
        visit = Visit(
            request=request, room=room, language=language, session=session, officer=officer, fields=fields
        )
        return await route.handle(visit)

    return handler


async def _who(room: Room, request: web.Request) -> tuple[Session | None, Officer | None]:
    """Return who is signed in and still counts as an officer."""
    token = request.cookies.get(COOKIE, "")
    session = await room.sessions.find(token, is_seen=LOOK_HEADER not in request.headers)
    if session is None:
        return None, None
    try:
        officer = await room.officers.find(session.officer)
    except GatewayRefusal:
        officer = None
    if officer is None or not officer.is_ready:
        await room.sessions.close(session, by=SYSTEM)
        return None, None
    return session, officer


def _to_sign_in(request: web.Request) -> web.Response:
    wanted = place(request.path)
    where = "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}"
    return web.Response(status=303, headers={"Location": where})


async def _fields(request: web.Request) -> Mapping[str, str]:
    """Return a form's fields; nothing for the page's script. Raises ``GatewayRefusal`` ``malformed``."""
    if is_scripted(request):
        return {}
    if request.content_type != _FORM:
        raise GatewayRefusal("malformed", detail="media type")
    found = await request.post()
    if len(found) > 16 or len(set(found)) != len(found):
        raise GatewayRefusal("malformed", detail="fields")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _check_token(request: web.Request, session: Session | None, fields: Mapping[str, str]) -> None:
    given = request.headers.get(TOKEN_HEADER, "") if is_scripted(request) else fields.get("form_token", "")
    if session is None or not session.is_from_its_pages(given):
        raise GatewayRefusal("page-foreign", detail="token")
