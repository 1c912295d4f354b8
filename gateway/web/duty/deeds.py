"""What is done on the page: signing in and out, making a passkey, acknowledging, signing, answering alarms.

Each deed is one call of a service, which checks it, writes it in one transaction and logs it. What a passkey
signs is never made here: the options come from the services, and its answer goes back to them as it is.
"""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from gateway.errors import GatewayRefusal
from gateway.model.escalation import ACKNOWLEDGEMENTS
from gateway.services.acts.acts import PreparedAct
from gateway.web.duty.gate import Route
from gateway.web.duty.guard import client_of
from gateway.web.duty.looks import colleagues, find_act
from gateway.web.duty.rate import Rate
from gateway.web.duty.roles import Needs
from gateway.web.duty.visit import COOKIE, Visit, place, short

#: Tries of one address in a minute to sign in or to make a passkey, each of two requests.
_TRIES_A_MINUTE = 20

_CASE = "/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}"
_DRILL = "/drill/{peer:[a-z0-9-]{4,63}}"
_ACT = "/act/{act:[0-9a-f]{32}}"


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing is sent."""


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    """The secret of a one-time link."""

    token: Annotated[str, msgspec.Meta(max_length=200)]


class _Made(msgspec.Struct, forbid_unknown_fields=True):
    """A passkey that the browser made by a one-time link."""

    token: Annotated[str, msgspec.Meta(max_length=200)]
    response: dict[str, Any]
    next: str | None = None


class _Answered(msgspec.Struct, forbid_unknown_fields=True):
    """A passkey's answer, and where to go next."""

    response: dict[str, Any]
    next: str | None = None


class Deeds:
    """The deeds of one page, with what is counted of its visitors."""

    def __init__(self) -> None:
        self._tries = Rate(_TRIES_A_MINUTE)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that change something."""
        return (
            Route(method="POST", path="/sign-in/options", needs=Needs.NOBODY, handle=self._sign_in_options),
            Route(method="POST", path="/sign-in", needs=Needs.NOBODY, handle=self._sign_in),
            Route(method="POST", path="/setup/options", needs=Needs.NOBODY, handle=self._setup_options),
            Route(method="POST", path="/setup", needs=Needs.NOBODY, handle=self._setup),
            Route(method="POST", path="/sign-out", needs=Needs.OFFICER, handle=_sign_out),
            Route(method="POST", path="/page/{page:[0-9a-f]{32}}", needs=Needs.WORKING, handle=_answer),
            Route(method="POST", path=f"{_CASE}/acknowledge", needs=Needs.ACTING, handle=_acknowledge),
            Route(method="POST", path=f"{_CASE}/telephone", needs=Needs.WORKING, handle=_telephone),
            Route(method="POST", path=f"{_CASE}/second", needs=Needs.APPROVING, handle=_second),
            Route(method="POST", path=_DRILL, needs=Needs.ACTING, handle=_answer_drill),
            Route(method="POST", path=f"{_ACT}/options", needs=Needs.WORKING, handle=_act_options),
            Route(method="POST", path=f"{_ACT}/sign", needs=Needs.WORKING, handle=_sign),
        )

    def _count(self, visit: Visit) -> None:
        if not self._tries.take(client_of(visit.request, visit.room.site)):
            raise GatewayRefusal("rate")

    async def _sign_in_options(self, visit: Visit) -> web.Response:
        self._count(visit)
        await visit.body(_Nothing)
        return short(options=visit.room.officers.sign_in_options().options)

    async def _sign_in(self, visit: Visit) -> web.Response:
        self._count(visit)
        sent = await visit.body(_Answered)
        before = visit.request.cookies.get(COOKIE)
        session = await visit.room.sessions.sign_in(sent.response, instead_of=before)
        answer = short(next=place(sent.next))
        answer.set_cookie(COOKIE, session.token, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    async def _setup_options(self, visit: Visit) -> web.Response:
        self._count(visit)
        sent = await visit.body(_Token)
        ceremony = await visit.room.officers.begin_registration(sent.token)
        return short(options=ceremony.options)

    async def _setup(self, visit: Visit) -> web.Response:
        self._count(visit)
        sent = await visit.body(_Made)
        made = await visit.room.officers.complete_registration(sent.token, sent.response)
        return short(words=made.passkey.words, further=None if made.further is None else made.further.url)


async def _sign_out(visit: Visit) -> web.Response:
    if visit.session is not None:
        await visit.room.sessions.close(visit.session)
    answer = visit.to("/sign-in?said=signed-out")
    answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


async def _answer(visit: Visit) -> web.Response:
    await visit.room.alarms.answer(visit.request.match_info["page"], officer=visit.who.pseudonym)
    return visit.to("/?said=answered")


async def _acknowledge(visit: Visit) -> web.Response:
    await visit.body(_Nothing)
    sender, bid = visit.request.match_info["sender"], visit.request.match_info["bid"]
    act = await visit.room.cases.acknowledge(sender, bid, officer=visit.who.pseudonym)
    if not isinstance(act, PreparedAct):
        return short(next=f"/case/{sender}/{bid}?said=acknowledged")
    return short(options=act.options, end=f"/act/{act.id}/sign")


async def _answer_drill(visit: Visit) -> web.Response:
    await visit.body(_Nothing)
    peer = visit.request.match_info["peer"]
    act = await visit.room.drills.acknowledge(peer, officer=visit.who.pseudonym)
    if not isinstance(act, PreparedAct):
        return short(next="/?said=signed")
    return short(options=act.options, end=f"/act/{act.id}/sign")


async def _telephone(visit: Visit) -> web.Response:
    named = visit.fields.get("officer", "")
    if visit.fields.get("rang") != "yes" or all(o.pseudonym != named for o in await colleagues(visit)):
        raise GatewayRefusal("two-persons")
    sender, bid = visit.request.match_info["sender"], visit.request.match_info["bid"]
    await visit.room.cases.by_telephone(sender, bid, officer=named, second=visit.who.pseudonym)
    return visit.to(f"/case/{sender}/{bid}?said=telephone")


async def _second(visit: Visit) -> web.Response:
    await visit.body(_Nothing)
    sender, bid = visit.request.match_info["sender"], visit.request.match_info["bid"]
    act = (await visit.room.seconds.sign(f"{sender}/{bid}", officer=visit.who.pseudonym)).made
    if not isinstance(act, PreparedAct):
        return short(next=f"/case/{sender}/{bid}?said=signed")
    return short(options=act.options, end=f"/act/{act.id}/sign")


async def _act_options(visit: Visit) -> web.Response:
    await visit.body(_Nothing)
    act = await find_act(visit)
    return short(options=act.options, end=f"/act/{act.id}/sign")


async def _sign(visit: Visit) -> web.Response:
    sent = await visit.body(_Answered)
    act = await find_act(visit)
    try:
        await visit.room.acts.sign(act.id, officer=visit.who.pseudonym, assertion=sent.response)
    except GatewayRefusal as refusal:
        if refusal.code == "act-outdated":
            # It can never be sent; the next one is made from the case as it stands now.
            await visit.room.acts.withdraw(act.id, is_outdated=True)
        raise
    said = "acknowledged" if act.message_type in ACKNOWLEDGEMENTS else "signed"
    return short(next=f"/?said={said}")
