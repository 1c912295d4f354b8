"""What the duty page asks of the services, and nothing more of them.

The contracts live with the services themselves; here stands the part that the routes use, so that they can be
tried against small stand-ins. Nothing in it gives access to a case's content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.services.acts.acts import PreparedAct
from gateway.services.duty.alarms import Alarm, OnDuty
from gateway.services.duty.desk import DutyCase, Overview
from gateway.services.duty.drills import WaitingDrill
from gateway.services.duty.sessions import Session
from gateway.services.officers.people import Ceremony, Officer, Registered
from gateway.services.sending.submit import Submission
from gateway.services.trust.cards import CardView
from gateway.services.trust.secondperson import SecondSignature
from gateway.web.duty.guard import Site


class Officers(Protocol):
    """Who the officers are, and their passkeys."""

    async def begin_registration(self, token: str) -> Ceremony:
        """Return what the browser is asked to make a passkey."""

    async def complete_registration(self, token: str, response: Mapping[str, Any]) -> Registered:
        """Keep the passkey that the browser made."""

    def sign_in_options(self) -> Ceremony:
        """Return what the browser is asked to sign in."""

    async def find(self, pseudonym: str) -> Officer:
        """Return one officer."""

    async def listed(self) -> list[Officer]:
        """Return every officer."""


class Acts(Protocol):
    """Acts that wait for a passkey."""

    async def waiting(self, officer: str | None = None) -> list[PreparedAct]:
        """Return what an officer is to sign."""

    async def sign(self, act_id: str, *, officer: str, assertion: Mapping[str, Any]) -> Submission:
        """Send what the officer signed."""

    async def withdraw(self, act_id: str, *, is_outdated: bool = False) -> None:
        """End an act unsigned."""


class Sessions(Protocol):
    """Who is signed in."""

    async def sign_in(self, response: Mapping[str, Any], *, instead_of: str | None = None) -> Session:
        """Begin a session of the officer whose passkey signed."""

    async def find(self, token: str, *, is_seen: bool = True) -> Session | None:
        """Return the session of a token."""

    async def close(self, session: Session, *, by: str | None = None) -> None:
        """End a session."""


class Cases(Protocol):
    """Urgent cases without their content."""

    async def overview(self) -> Overview:
        """Return the list."""

    async def case(self, sender: str, bid: str) -> DutyCase:
        """Return one of them."""

    async def acknowledge(self, sender: str, bid: str, *, officer: str) -> Submission | PreparedAct:
        """Prepare the acknowledgement."""

    async def by_telephone(self, sender: str, bid: str, *, officer: str, second: str) -> Submission:
        """Acknowledge for a colleague who was rung back."""

    def name(self, authority_id: str) -> str:
        """Return what an authority is called."""


class Cards(Protocol):
    """Who is at the other end."""

    async def card(self, ref: str) -> CardView:
        """Return the card of a bundle's other end."""


class Seconds(Protocol):
    """The second person of an emergency that one officer sent."""

    async def sign(self, ref: str, *, officer: str) -> SecondSignature:
        """Prepare the message by which an officer stands by it."""


class Drills(Protocol):
    """Tests of the network that wait for a person."""

    async def waiting(self) -> Sequence[WaitingDrill]:
        """Return what nobody has answered."""

    async def acknowledge(self, peer: str, *, officer: str) -> Submission | PreparedAct:
        """Prepare the answer to a peer's drill."""


class Alarms(Protocol):
    """Pages that ring, and who is on duty."""

    async def ringing(self) -> Sequence[Alarm]:
        """Return what rings."""

    async def answer(self, page_id: str, *, officer: str) -> None:
        """Note that an officer is on it."""

    async def on_duty(self) -> Sequence[OnDuty]:
        """Return who is on duty now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Everything the routes work with."""

    site: Site
    authority_name: str
    is_lab: bool
    clock: Clock
    officers: Officers
    acts: Acts
    sessions: Sessions
    cases: Cases
    cards: Cards
    seconds: Seconds
    drills: Drills
    alarms: Alarms
