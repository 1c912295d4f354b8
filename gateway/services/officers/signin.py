"""Signing in with a passkey: a challenge that is good once, and the officer whose passkey signed it.

Challenges are made and known again by a secret of this process, so that asking for one keeps nothing here,
however often anybody asks; one that was used is remembered until its time is over. A restart forgets all.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from crypto import strictjson
from crypto.assertion import Assertion, assertion_of, verify_assertion
from crypto.encoding import unb64u
from crypto.errors import HumanRefusal, Refusal
from crypto.passkey import authentication_options
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.services.officers.people import Ceremony, Officer, RelyingParty
from gateway.services.officers.rows import officer_view
from gateway.storage import officers
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.officers import CredentialRow, OfficerRow

_WAIT = timedelta(minutes=5)
_RANDOM, _TIME, _TAG = 16, 8, 32


#: What else is done as an officer signs in, in the same transaction.
Also = Callable[[Transaction, Officer], None]


def nothing(_tx: Transaction, _officer: Officer) -> None:
    """Nothing else is done."""


@dataclass(slots=True)
class Challenges:
    """Challenges that are good once, for five minutes."""

    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _used: dict[bytes, datetime] = field(default_factory=dict, repr=False)

    def make(self, now: datetime) -> bytes:
        """Return a new one."""
        body = secrets.token_bytes(_RANDOM) + int(now.timestamp()).to_bytes(_TIME, "big")
        return body + self._tag(body)

    def is_good(self, challenge: bytes, now: datetime) -> bool:
        """Tell whether it was made here, within its time; ``use`` says whether it was used."""
        body, tag = challenge[: _RANDOM + _TIME], challenge[_RANDOM + _TIME :]
        if len(challenge) != _RANDOM + _TIME + _TAG or not hmac.compare_digest(tag, self._tag(body)):
            return False
        made_at = datetime.fromtimestamp(int.from_bytes(body[_RANDOM:], "big"), UTC)
        # A clock that was set back must not lengthen it for ever.
        return -_WAIT < now - made_at <= _WAIT

    def use(self, challenge: bytes, now: datetime) -> bool:
        """Use it up; ``False`` if somebody else just did."""
        self._used = {one: until for one, until in self._used.items() if until > now}
        if challenge in self._used:
            return False
        self._used[challenge] = now + 2 * _WAIT
        return True

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")


class SignIn:
    """Knows officers by their passkeys."""

    def __init__(self, *, database: Database, party: RelyingParty | None, clock: Clock) -> None:
        self._database = database
        self._party = party
        self._clock = clock
        self._challenges = Challenges()

    @property
    def _page(self) -> RelyingParty:
        if self._party is None:
            raise GatewayRefusal("duty-page-none")
        return self._party

    def options(self) -> Ceremony:
        """Return what the browser is asked; any passkey of this page may answer."""
        now = self._clock.now()
        options = authentication_options(
            rp=self._page.rp,
            challenge=self._challenges.make(now),
            allowed=(),
            wait_s=int(_WAIT.total_seconds()),
        )
        return Ceremony(options=options, expires_at=now + _WAIT)

    async def sign_in(self, response: Mapping[str, Any], *, also: Also = nothing) -> Officer:
        """Return the officer whose passkey signed a challenge of ours.

        ``also`` is done in the transaction that notes the use of the passkey; if it refuses, nothing changes.
        Raises ``GatewayRefusal`` with the ``human-*`` code of the check that failed.
        """
        now = self._clock.now()
        try:
            assertion = assertion_of(response)
            challenge = _challenge_in(assertion)
            if not self._challenges.is_good(challenge, now):
                raise HumanRefusal("human-digest", "no challenge of ours, too old, or used")
            found = await self._database.read(lambda c: held(c, assertion.id))
            count = self.check(assertion, found, user_handle(response), challenge, now)
        except HumanRefusal as refusal:
            raise GatewayRefusal(refusal.code, detail=refusal.detail) from None
        if not self._challenges.use(challenge, now):
            raise GatewayRefusal("human-digest", detail="used")

        def unit(tx: Transaction) -> Officer:
            key, officer = held(tx.view(("officers",)), assertion.id)
            refuse_out_of_force(key, officer, now)
            officers.store_credential(tx, replace(key, sign_count=count, used_at=now))
            found = officer_view(tx.connection, officer.pseudonym)
            if found is None:
                raise GatewayRefusal("human-credential")
            also(tx, found)
            return found

        try:
            return await self._database.write(unit)
        except HumanRefusal as refusal:
            raise GatewayRefusal(refusal.code, detail=refusal.detail) from None

    def check(
        self,
        assertion: Assertion,
        found: tuple[CredentialRow, OfficerRow],
        handle: bytes | None,
        challenge: bytes,
        now: datetime,
    ) -> int:
        """Return the passkey's new count if it is in force and signed the challenge on our page.

        Raises ``HumanRefusal``.
        """
        key, officer = found
        refuse_out_of_force(key, officer, now)
        if handle is not None and handle != officer.user_id:
            raise HumanRefusal("human-credential", "the passkey calls its holder otherwise")
        return verify_assertion(
            assertion,
            challenge=challenge,
            rp=self._page.rp,
            origin=self._page.origin,
            credential=key.id,
            pub=key.pub,
            alg=key.alg,
            sign_count=key.sign_count,
        )


def held(connection: Connection, credential_id: str) -> tuple[CredentialRow, OfficerRow]:
    """Return a passkey with its officer. Raises ``HumanRefusal`` ``human-credential``."""
    key = officers.find_credential(connection, credential_id)
    officer = None if key is None else officers.find_officer(connection, key.officer)
    if key is None or officer is None:
        raise HumanRefusal("human-credential", "unknown here")
    return key, officer


def refuse_out_of_force(key: CredentialRow, officer: OfficerRow, now: datetime) -> None:
    """Raise ``HumanRefusal`` for a passkey or officer that is not in force now."""
    if officer.status != "active" or key.status != "active":
        raise HumanRefusal("human-suspended", f"{officer.status}, {key.status}")
    if key.exp is None or now > key.exp:
        raise HumanRefusal("human-expired", "its year is over")


def _challenge_in(assertion: Assertion) -> bytes:
    """Return the challenge that the client data says; whether it is the right one is checked later again."""
    try:
        said = strictjson.loads_object(assertion.client_data, max_depth=4).get("challenge")
        return unb64u(said) if isinstance(said, str) else b""
    except Refusal:
        raise HumanRefusal("human-form", "client data") from None


def user_handle(response: Mapping[str, Any]) -> bytes | None:
    """Return what the passkey calls its holder, if it says so; nobody is called by no bytes."""
    answer = response.get("response")
    said = answer.get("userHandle") if isinstance(answer, Mapping) else None
    if said is None:
        return None
    try:
        return unb64u(said) if isinstance(said, str) and len(said) <= 128 else b""
    except Refusal:
        return b""
