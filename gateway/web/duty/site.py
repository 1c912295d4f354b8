"""The duty page as an application: its routes behind the gate, the gate behind the guard."""

from aiohttp import web

from gateway.web.duty.deeds import Deeds
from gateway.web.duty.gate import Route, admitted
from gateway.web.duty.guard import BODY_MAX_BYTES, guard
from gateway.web.duty.languages import Language
from gateway.web.duty.looks import LOOKS
from gateway.web.duty.room import Room
from gateway.web.duty.visit import Visit


def routes() -> tuple[Route, ...]:
    """Return every route of the page."""
    return (*LOOKS, *Deeds().routes())


def duty_application(room: Room) -> web.Application:
    """Return the page of one authority."""

    def refused(
        request: web.Request, language: Language, code: str, sentence: str, status: int
    ) -> web.Response:
        visit = Visit(request=request, room=room, language=language, session=None, officer=None, fields={})
        return visit.page("refused.html", status=status, code=code, sentence=sentence)

    app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[guard(room.site, refused)])
    for route in routes():
        app.router.add_route(route.method, route.path, admitted(room, route))
    return app
