"""Everything that is done with officers and their passkeys; each step is durable and logged.

An officer is invited by one person, makes a passkey by a one-time link, and counts once a second person,
who is neither the officer nor the inviter, has confirmed it. Suspending ends all passkeys at once.
"""

from collections.abc import Mapping
from typing import Any

from gateway.services.officers.people import Ceremony, Officer, Passkey, Registered, SetupLink


class Officers:
    """The officers of one authority."""

    async def invite(
        self, pseudonym: str, *, name: str, role: str, time_zone: str, language: str, by: str
    ) -> SetupLink:
        """Enter an officer, or invite one again, and return a one-time link that is good for 24 hours.

        Raises ``GatewayRefusal`` ``officer-invalid`` (pseudonym, role, zone or language), ``duty-page-none``
        where the settings name no duty page.
        """
        raise NotImplementedError

    async def begin_registration(self, token: str) -> Ceremony:
        """Return what the browser is asked to make a passkey. Raises ``setup-link-invalid``."""
        raise NotImplementedError

    async def complete_registration(self, token: str, response: Mapping[str, Any]) -> Registered:
        """Keep the passkey the browser made; the link is used up.

        Raises ``GatewayRefusal`` ``setup-link-invalid``, or the ``human-*`` code of the check that failed.
        """
        raise NotImplementedError

    async def confirm(self, pseudonym: str, *, by: str) -> Officer:
        """A second person vouches for the officer and every passkey that waits; from now on they count.

        Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-nothing-to-confirm``, ``two-persons``.
        """
        raise NotImplementedError

    async def suspend(self, pseudonym: str, *, by: str) -> Officer:
        """End all passkeys, links and prepared acts of an officer at once. Raises ``officer-unknown``."""
        raise NotImplementedError

    async def end_credential(self, credential_id: str, *, by: str) -> Passkey:
        """End one passkey: a phone was lost, say. ``credential_id`` or the beginning of one.

        Raises ``GatewayRefusal`` ``credential-unknown``.
        """
        raise NotImplementedError

    async def listed(self) -> list[Officer]:
        """Return every officer, by pseudonym."""
        raise NotImplementedError

    async def find(self, pseudonym: str) -> Officer:
        """Return one officer. Raises ``GatewayRefusal`` ``officer-unknown``."""
        raise NotImplementedError

    def sign_in_options(self) -> Ceremony:
        """Return what the browser is asked so that any officer may sign in; the challenge is good once."""
        raise NotImplementedError

    async def sign_in(self, response: Mapping[str, Any]) -> Officer:
        """Return the officer whose passkey signed the challenge; logged.

        Raises ``GatewayRefusal`` with the ``human-*`` code of the check that failed.
        """
        raise NotImplementedError

    async def anybody_is_ready(self) -> bool:
        """Tell whether any officer can sign acts: then nobody's word alone stands for the authority."""
        raise NotImplementedError
