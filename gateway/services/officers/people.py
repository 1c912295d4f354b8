"""What is said of officers, their passkeys and their setup links; secrets never show in ``repr``.

Who decides about an officer is named by a pseudonym, for the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.model.officers import is_pseudonym


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Where passkeys of this authority are used: what browsers call the relying party.

    Attributes:
        rp: Host name that passkeys are bound to (WebAuthn RP ID).
        origin: ``https://name[:port]``, exactly as browsers state it.
        name: Shown by the phone when a passkey is made.
    """

    rp: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of an officer.

    Attributes:
        id: Credential identifier, base64url.
        status: ``pending`` until a second person confirmed it, ``active``, ``ended``.
        words: What the officer reads to the second person; ``None`` while it waits, except on its own phone.
        until: Until when it is good, once it was confirmed.
    """

    id: str
    officer: str
    status: str
    words: str | None
    added_at: datetime
    confirmed_by: str | None
    until: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """An officer as the own people see them; ``pseudonym`` is all that leaves the authority.

    Attributes:
        role: ``duty_officer``, ``approver``, ``operator``, ``shift_leader`` or ``auditor``.
        status: ``invited``, ``enrolled`` (waits for the second person), ``active`` or ``suspended``.
        time_zone: IANA name.
        language: Of the duty page.
        invited_by: Pseudonym; may not confirm.
    """

    pseudonym: str
    name: str = field(repr=False)
    role: str
    time_zone: str
    language: str
    status: str
    invited_by: str
    passkeys: tuple[Passkey, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether this officer can sign acts: confirmed, and with a passkey in force."""
        return self.status == "active" and any(key.status == "active" for key in self.passkeys)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupLink:
    """What an invited officer opens once to make a passkey. ``token`` is secret and kept nowhere here."""

    officer: str
    token: str = field(repr=False)
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceremony:
    """What a browser is asked: ``options`` goes to ``navigator.credentials`` as JSON."""

    options: Mapping[str, Any] = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A passkey that was made and waits for the second person.

    Attributes:
        further: A new one-time link, for the second passkey every officer should have; ``None`` from two on.
    """

    passkey: Passkey
    further: SetupLink | None


def refuse_unnamed(by: str) -> None:
    """Raise ``GatewayRefusal`` ``officer-invalid`` unless whoever decides is named by a pseudonym."""
    if not is_pseudonym(by):
        raise GatewayRefusal("officer-invalid", field="by")
