"""One request of a browser: who it is, in which language, and the ways in which it is answered.

What a visit may do was decided before (``gate``); here is what every route shares: reading a small body,
making a page or a short answer, and where to go next, which is never another site.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from gateway.errors import GatewayRefusal
from gateway.services.duty.sessions import Session
from gateway.services.officers.people import Officer
from gateway.web.duty.frame import render
from gateway.web.duty.guard import is_scripted
from gateway.web.duty.languages import N_, Language
from gateway.web.duty.roles import Needs, may
from gateway.web.duty.room import Room
from gateway.web.duty.words import in_words

T = TypeVar("T")

COOKIE = "__Host-duty"

#: Pages that one may be sent to after signing in.
_PLACE = re.compile(r"/(case/[a-z0-9-]{4,63}/[0-9a-f]{32}|act/[0-9a-f]{32})?")

#: What is said on the page one is sent to, by its code in the address.
_SAID: Mapping[str, str] = {
    "acknowledged": N_("Acknowledged and signed. It is on its way."),
    "signed": N_("Signed. It is on its way."),
    "telephone": N_("Acknowledged by telephone. It is on its way, marked as low assurance."),
    "answered": N_("It is noted that you are on it."),
    "signed-out": N_("You are signed out."),
}


def place(wanted: object) -> str:
    """Return a page of ours to go to: the one wanted, or the list."""
    return wanted if isinstance(wanted, str) and _PLACE.fullmatch(wanted) else "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that may be answered.

    Attributes:
        session, officer: Whoever is signed in, else ``None``.
        fields: A form's fields; empty for a request of the page's script.
    """

    request: web.Request
    room: Room
    language: Language
    session: Session | None = field(repr=False)
    officer: Officer | None
    fields: Mapping[str, str] = field(repr=False)

    @property
    def who(self) -> Officer:
        """The officer who is signed in. Raises ``GatewayRefusal`` ``signed-out`` if there is none."""
        if self.officer is None:
            raise GatewayRefusal("signed-out")
        return self.officer

    async def body(self, kind: type[T]) -> T:
        """Return the JSON that the page's script sent. Raises ``GatewayRefusal`` ``malformed``."""
        # A form of any site can send text that reads like JSON; only a script can say that it is.
        if not is_scripted(self.request):
            raise GatewayRefusal("malformed", detail="media type")
        try:
            return msgspec.json.decode(await self.request.read(), type=kind)
        except (msgspec.DecodeError, RecursionError):
            raise GatewayRefusal("malformed", detail="body") from None

    def page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Return a page in the visitor's language."""
        officer = self.officer
        role = None if officer is None else self.language.say(in_words("role", officer.role))
        said = _SAID.get(self.request.query.get("said", ""))
        frame = {
            "authority_name": self.room.authority_name,
            "is_lab": self.room.is_lab,
            "form_token": "" if self.session is None else self.session.form_token,
            "officer": officer,
            "role": role,
            "said": None if said is None else self.language.say(said),
            "may_act": officer is not None and may(officer.role, Needs.ACTING),
            "may_approve": officer is not None and may(officer.role, Needs.APPROVING),
            "may_work": officer is not None and may(officer.role, Needs.WORKING),
            "now": self.room.clock.now(),
        }
        text = render(
            template,
            shown_in=self.language,
            zone="UTC" if officer is None else officer.time_zone,
            values={**frame, **values},
        )
        return web.Response(
            text=text,
            status=status,
            content_type="text/html",
            headers={"Content-Language": self.language.tag},
        )

    def to(self, path: str) -> web.Response:
        """Return the answer that leads to a page of ours."""
        return web.Response(status=303, headers={"Location": path})


def short(**values: Any) -> web.Response:
    """Return a short answer for the page's script."""
    return web.Response(body=msgspec.json.encode(values), content_type="application/json")
