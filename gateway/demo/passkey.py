"""An officer's passkey in software: answers ``navigator.credentials`` as a browser with a phone would.

For the demonstration and the tests only: keys live in memory, and the officer is always verified unless
told otherwise. Options and answers are those of the browser's JSON forms (WebAuthn Level 3, 5.1.8 to 5.1.10).
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crypto.encoding import b64u, unb64u
from crypto.softkey import SoftKey, attestation_object

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_NO_AAGUID = bytes(16)


@dataclass
class _Held:
    rp: str
    user: str
    key: SoftKey = field(repr=False)


@dataclass
class SoftPasskeys:
    """The passkeys of one officer, on one page.

    Attributes:
        origin: Of the page that asks, as the browser would state it.
        verifies: Whether the phone asks for finger or PIN.
        count: How often it says it has signed; 0, as passkeys kept in step between devices say.
    """

    origin: str
    verifies: bool = True
    count: int = 0
    _held: dict[str, _Held] = field(default_factory=dict, repr=False)

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to ``navigator.credentials.create``; the new passkey is kept."""
        key, raw_id = SoftKey.generate(), secrets.token_bytes(32)
        rp = options["rp"]["id"]
        cose = key.cose()
        attested = _NO_AAGUID + len(raw_id).to_bytes(2, "big") + raw_id + cose
        data = self._authenticator_data(rp, flags=_ATTESTED) + attested
        self._held[b64u(raw_id)] = _Held(rp=rp, user=options["user"]["id"], key=key)
        return {
            "id": b64u(raw_id),
            "rawId": b64u(raw_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64u(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": b64u(attestation_object(data)),
                "transports": ["internal"],
            },
        }

    def get(self, options: Mapping[str, Any], *, credential: str | None = None) -> dict[str, Any]:
        """Return the answer to ``navigator.credentials.get``, by the first passkey that is allowed.

        Raises ``LookupError`` if none fits.
        """
        allowed = [row["id"] for row in options.get("allowCredentials") or ()] or list(self._held)
        wanted = [credential] if credential is not None else [one for one in allowed if one in self._held]
        if not wanted:
            raise LookupError("no passkey here is allowed")
        return self.assertion(wanted[0], challenge=unb64u(options["challenge"]))

    def assertion(self, credential: str, *, challenge: bytes) -> dict[str, Any]:
        """Return the answer of one passkey over any challenge."""
        held = self._held[credential]
        data = self._authenticator_data(held.rp)
        client = self._client_data("webauthn.get", b64u(challenge))
        return {
            "id": credential,
            "rawId": credential,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64u(client),
                "authenticatorData": b64u(data),
                "signature": b64u(held.key.sign(data + hashlib.sha256(client).digest())),
                "userHandle": held.user,
            },
        }

    def _authenticator_data(self, rp: str, *, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()
