"""A duty page on stand-ins: the web part is real, the services below it are small and in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientResponse, ClientSession, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict

from gateway.errors import GatewayRefusal
from gateway.model.profile import Phone
from gateway.model.sender_card import Caution, KnownVoucher, Mark
from gateway.services.acts.acts import PreparedAct
from gateway.services.duty.alarms import Alarm, OnDuty
from gateway.services.duty.desk import DutyCase, Overview, Said
from gateway.services.duty.drills import WaitingDrill
from gateway.services.duty.sessions import Session
from gateway.services.officers.people import Ceremony, Officer, Passkey, Registered, SetupLink
from gateway.services.trust.cards import CardView
from gateway.services.trust.secondperson import SecondSignature
from gateway.storage.trust import SecondRow
from gateway.web.duty.guard import Site
from gateway.web.duty.room import Room
from gateway.web.duty.site import duty_application

NOW = datetime(2026, 11, 22, 1, 12, tzinfo=UTC)
ORIGIN = "https://duty.ro-diicot.example"
BID, ACT, PAGE = "1" * 32, "2" * 32, "3" * 32
PEER = "us-ccips"
CASE = f"/case/{PEER}/{BID}"
ROLES = ("duty_officer", "shift_leader", "approver", "operator", "auditor")

CASE_SHOWN = DutyCase(
    sender=PEER,
    bid=BID,
    thread_id="4" * 32,
    peer=PEER,
    peer_name="Department of Justice, Computer Crime Section (fictional)",
    is_incoming=True,
    what="preservation",
    urgency_level="urgent",
    confidentiality_level="confidential",
    language="en",
    state="preservation_requested",
    reference="US-2026/4711",
    own_reference=None,
    stored_at=NOW - timedelta(minutes=36),
    target_at=NOW + timedelta(minutes=84),
    stage="waiting",
    is_ended=False,
    acknowledgement=None,
)
ACT_WAITING = PreparedAct(
    id=ACT,
    officer="duty-7",
    message_type="preservation_report",
    sender="ro-diicot",
    bid="5" * 32,
    to=PEER,
    thread_id="4" * 32,
    lane="urgent",
    digest="6" * 64,
    challenge="Y2hhbGxlbmdl",
    options={"challenge": "Y2hhbGxlbmdl", "allowCredentials": []},
    page=f"{ORIGIN}/",
    prepared_at=NOW,
    expires_at=NOW + timedelta(hours=1),
)


def officer(role: str, **changes: Any) -> Officer:
    """Return an officer whose passkey counts."""
    key = Passkey(
        id="Y3JlZA",
        officer=f"{role}-1",
        status="active",
        words="one two three",
        added_at=NOW,
        confirmed_by="boss",
        until=NOW + timedelta(days=365),
        used_at=None,
    )
    made = Officer(
        pseudonym=role.replace("_", "-"),
        name="Fictional Person",
        role=role,
        time_zone="Europe/Bucharest",
        language="en",
        status="active",
        invited_by="boss",
        passkeys=(key,),
    )
    return replace(made, **changes)


def card(**changes: Any) -> CardView:
    """Return the card of the peer."""
    made = CardView(
        sender=PEER,
        bid=BID,
        authority_id=PEER,
        name=CASE_SHOWN.peer_name,
        state="US",
        roles=("contact_24_7",),
        listed="found",
        vouchers=[KnownVoucher(source="un-lab", assurance="own_state", fresh_until=None)],
        is_first_contact=False,
        key="k" * 43,
        key_since=NOW - timedelta(days=200),
        time_zone="America/New_York",
        there=datetime(2026, 11, 21, 20, 12, tzinfo=UTC),
        usual_hours=[9, 10],
        last_day=1,
        busiest_day=2,
        urgency_level="urgent",
        assurance="passkey",
        officer="night-3",
        weight="caution",
        marks=[Mark(code="key-young", weight=Caution.CAUTION, sentence="in English")],
        check_words="river candle orbit window silver tent",
        numbers=[Phone(use="duty", number="+1 555 0100")],
        calls=(),
        second=None,
        stood_by=(),
        is_alone=False,
    )
    return replace(made, **changes)


OWED = SecondRow(
    sender="ro-diicot",
    bid=BID,
    peer=PEER,
    thread_id="4" * 32,
    officer="shift-leader",
    sent_at=NOW,
    due_at=NOW + timedelta(minutes=60),
    told_at=None,
    closed_at=None,
    closed_by=None,
    closed_officer=None,
    next_action_at=NOW,
)


class Clock:
    """Stands still."""

    at = NOW

    def now(self) -> datetime:
        """Return the time shown."""
        return self.at


@dataclass
class Stand:
    """The services of one page; what was asked of them is in ``done``."""

    people: dict[str, Officer] = field(default_factory=lambda: {o.pseudonym: o for o in map(officer, ROLES)})
    cases: list[DutyCase] = field(default_factory=lambda: [CASE_SHOWN])
    shown_card: CardView = field(default_factory=card)
    acts: list[PreparedAct] = field(default_factory=lambda: [ACT_WAITING])
    done: list[tuple[Any, ...]] = field(default_factory=list)
    open_sessions: dict[str, Session] = field(default_factory=dict)
    looked: list[bool] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    turns: Sequence[OnDuty] = (OnDuty(part="duty", officer="duty-officer", until=NOW + timedelta(hours=5)),)
    fails: Exception | None = None

    # Officers

    async def begin_registration(self, token: str) -> Ceremony:
        if token != "good":
            raise GatewayRefusal("setup-link-invalid")
        self.done.append(("begin", token))
        return Ceremony(options={"challenge": "YQ"}, expires_at=NOW)

    async def complete_registration(self, token: str, response: Mapping[str, Any]) -> Registered:
        self.done.append(("register", token))
        link = SetupLink(officer="x", token="further", url=f"{ORIGIN}/setup#further", expires_at=NOW)
        return Registered(passkey=self.people["duty-officer"].passkeys[0], further=link)

    def sign_in_options(self) -> Ceremony:
        return Ceremony(options={"challenge": "YQ"}, expires_at=NOW)

    async def find(self, pseudonym: str) -> Officer:
        if pseudonym not in self.people:
            raise GatewayRefusal("officer-unknown")
        return self.people[pseudonym]

    async def listed(self) -> list[Officer]:
        return list(self.people.values())

    # Acts

    async def waiting(self, officer: str | None = None) -> list[PreparedAct]:
        return self.acts

    async def sign(self, act_id: str, *, officer: str, assertion: Mapping[str, Any]) -> Any:
        self.done.append(("sign", act_id, officer, dict(assertion)))
        if self.fails is not None:
            raise self.fails

    async def withdraw(self, act_id: str, *, is_outdated: bool = False) -> None:
        self.done.append(("withdraw", act_id, is_outdated))

    # Sessions

    async def sign_in(self, response: Mapping[str, Any], *, instead_of: str | None = None) -> Session:
        if self.fails is not None:
            raise self.fails
        officer = response.get("id")
        if officer not in self.people:
            raise GatewayRefusal("human-challenge")
        if not self.people[officer].is_ready:
            raise GatewayRefusal("officer-not-ready")
        self.done.append(("open", officer, instead_of))
        token = f"{len(self.done):043d}"
        made = Session(officer=officer, token=token, form_token=f"form-{token}", opened_at=NOW, ends_at=NOW)
        self.open_sessions.pop(instead_of or "", None)
        self.open_sessions[token] = made
        return made

    async def find_session(self, token: str, *, is_seen: bool = True) -> Session | None:
        self.looked.append(is_seen)
        return self.open_sessions.get(token)

    async def close(self, session: Session, *, by: str | None = None) -> None:
        self.done.append(("close", session.officer, by))
        self.open_sessions.pop(session.token)

    # Cases

    async def overview(self) -> Overview:
        if self.fails is not None:
            raise self.fails
        return Overview(
            incoming=[c for c in self.cases if c.is_incoming and not c.is_ended],
            outgoing=[c for c in self.cases if not c.is_incoming and not c.is_ended],
            done=[c for c in self.cases if c.is_ended],
            further={},
        )

    async def case(self, sender: str, bid: str) -> DutyCase:
        for found in self.cases:
            if (found.sender, found.bid) == (sender, bid):
                return found
        raise GatewayRefusal("not-found")

    async def acknowledge(self, sender: str, bid: str, *, officer: str) -> Any:
        self.done.append(("acknowledge", sender, bid, officer))
        return ACT_WAITING

    async def by_telephone(self, sender: str, bid: str, *, officer: str, second: str) -> Any:
        self.done.append(("telephone", sender, bid, officer, second))

    def name(self, authority_id: str) -> str:
        return CASE_SHOWN.peer_name

    async def card(self, ref: str) -> CardView:
        return self.shown_card

    # Second persons

    async def stand_by(self, ref: str, *, officer: str) -> SecondSignature:
        self.done.append(("second", ref, officer))
        return SecondSignature(owed=OWED, made=ACT_WAITING)

    # Drills

    async def waiting_drills(self) -> Sequence[WaitingDrill]:
        return [WaitingDrill(peer="fr-ofac", peer_name="Office (fictional)", arrived_at=NOW)]

    async def acknowledge_drill(self, peer: str, *, officer: str) -> Any:
        self.done.append(("drill", peer, officer))
        return ACT_WAITING

    # Alarms

    async def ringing(self) -> Sequence[Alarm]:
        return [
            Alarm(
                id=PAGE,
                peer=PEER,
                peer_name=CASE_SHOWN.peer_name,
                level="urgent",
                audience="duty",
                raised_at=NOW,
                count=3,
                reasons=["arrived", "not-acknowledged"],
            )
        ]

    async def answer(self, page_id: str, *, officer: str) -> None:
        self.done.append(("answer", page_id, officer))

    async def on_duty(self) -> Sequence[OnDuty]:
        return self.turns

    def application(self, **changes: Any) -> web.Application:
        """Return the page."""
        site = Site(origin=ORIGIN, is_behind_proxy=False, keeps_https=True)
        return duty_application(
            Room(
                site=replace(site, **changes),
                authority_name="Ministry of Justice, 24/7 point (fictional)",
                is_lab=False,
                clock=self.clock,
                officers=self,
                acts=self,
                sessions=_Sessions(self),
                cases=self,
                cards=self,
                seconds=_Seconds(self),
                drills=_Drills(self),
                alarms=self,
            )
        )


class _Seconds:
    def __init__(self, stand: Stand) -> None:
        self.sign = stand.stand_by


class _Drills:
    def __init__(self, stand: Stand) -> None:
        self.waiting, self.acknowledge = stand.waiting_drills, stand.acknowledge_drill


class _Sessions:
    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.sign_in, self.find, self.close = stand.sign_in, stand.find_session, stand.close


def ended(**changes: Any) -> DutyCase:
    """Return the case once it was acknowledged."""
    said = Said(at=NOW, officer="duty-7", assurance="passkey", stops_clock=True)
    return replace(CASE_SHOWN, is_ended=True, target_at=None, stage=None, acknowledgement=said, **changes)


@dataclass
class Browser:
    """Speaks HTTP as a browser would, without its protections: tests say what it sends."""

    base: str
    http: ClientSession
    origin: str = ORIGIN
    cookie: str = ""
    form_token: str = ""

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, **more: Any
    ) -> ClientResponse:
        """Return the answer, its body read; headers that are ``None`` are left out."""
        sent: CIMultiDict[str] = CIMultiDict({"Host": self.origin.removeprefix("https://")})
        if method == "POST":
            sent["Origin"] = self.origin
            sent["Sec-Fetch-Site"] = "same-origin"
            sent["X-Form-Token"] = self.form_token
        if self.cookie:
            sent["Cookie"] = f"__Host-duty={self.cookie}"
        for name, value in (headers or {}).items():
            sent.popall(name, None)
            if value is not None:
                sent[name] = value
        answer = await self.http.request(
            method, self.base + path, headers=sent, allow_redirects=False, **more
        )
        await answer.read()
        return answer

    async def sign_in(self, pseudonym: str) -> "Browser":
        """Sign in and keep the cookie and the token of the pages."""
        answer = await self.ask("POST", "/sign-in", json={"response": {"id": pseudonym}})
        assert answer.status == 200, await answer.text()
        self.cookie = answer.cookies["__Host-duty"].value
        self.form_token = f"form-{self.cookie}"
        return self


@asynccontextmanager
async def served(stand: Stand, **changes: Any) -> AsyncIterator[Browser]:
    """Serve a page on loopback."""
    runner = web.AppRunner(stand.application(**changes), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with ClientSession(
            connector=TCPConnector(force_close=True), cookie_jar=DummyCookieJar()
        ) as http:
            yield Browser(base=f"http://127.0.0.1:{port}", http=http)
    finally:
        await runner.cleanup()
