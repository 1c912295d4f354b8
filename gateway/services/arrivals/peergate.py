"""Who is calling: the token of a request, the certificate behind it, and that both are one authority.

Decides whether a request from a peer comes from whom it says (docs/peer-api.md section 2). Leaves
replay to the accepting service, which records ``(aid, jti)`` in its own transaction, and what the
caller may do to the routes. Does the cryptography so that ``web`` needs none.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from crypto import strictjson
from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.opener import KeyInForce, key_verdict
from crypto.reqjwt import LEEWAY, LIFE, verify_request_token
from gateway.errors import GatewayRefusal, from_refusal

_SCHEME = "GW "
#: Longest ``Authorization`` header looked at.
MAX_AUTHORIZATION_BYTES = 4096


class PeerDirectory(Protocol):
    """What is asked of the directory."""

    def key_in_force(self, authority_id: str, use: str, kid: str) -> KeyInForce:
        """Return one key; raises ``Refusal`` ``unknown-sender`` or ``unknown-key``."""
        ...

    def tls_certificates(self) -> Mapping[bytes, str]:
        """Return certificate (DER) → authority."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authority that made a request, proved by token and certificate.

    Attributes:
        jti: With ``aid`` the replay key.
        exp: After this instant the token is refused anyway, so that the replay key may be forgotten.
        bd: Digest of the JSON body the token covers, base64url.
        off, len: The container bytes the token covers.
    """

    aid: str
    jti: str
    exp: datetime
    bd: str | None
    off: int | None
    len: int | None

    def nth(self, n: int) -> "Caller":
        """Return the caller of the ``n``-th bundle that came in one request: each has its own replay key."""
        digest = hashlib.sha256(f"{self.jti}.{n}".encode("ascii")).digest()
        return replace(self, jti=b64u(digest[:16]))


class PeerGate:
    """Authenticates requests of peers.

    Args:
        own_aid: The audience every token must name.
        heard: Told of each authenticated request, so that what waits for that peer is woken.
    """

    def __init__(
        self,
        *,
        own_aid: str,
        directory: PeerDirectory,
        heard: Callable[[str, datetime], None] | None = None,
    ) -> None:
        self.own_aid = own_aid
        self._directory = directory
        self._heard = heard

    def authenticate(
        self,
        *,
        authorization: str | None,
        method: str,
        path_qs: str,
        peer_cert_der: bytes | None,
        now: datetime,
    ) -> Caller:
        """Return who is calling.

        Args:
            path_qs: Path and query exactly as they came.
            peer_cert_der: The certificate of the TLS connection.

        Raises ``GatewayRefusal``: ``unknown-sender``, ``unknown-key``, ``sig-revoked``, ``clock`` or
        ``auth-invalid``.
        """
        if (
            authorization is None
            or len(authorization) > MAX_AUTHORIZATION_BYTES
            or not authorization.startswith(_SCHEME)
        ):
            raise GatewayRefusal("auth-invalid", detail="authorization header")
        used: list[KeyInForce] = []

        def find_key(iss: str, kid: str) -> PublicKey:
            key = self._directory.key_in_force(iss, KeyUse.REQ, kid)
            used.append(key)
            return key.public

        try:
            claims = verify_request_token(
                authorization[len(_SCHEME) :],
                aud=self.own_aid,
                method=method,
                path_qs=path_qs,
                now=now,
                find_key=find_key,
            )
            key_verdict(used[0], claims.iat, now)
        except Refusal as refusal:
            raise from_refusal(refusal) from None
        # Looked up for every request, not once per connection: a certificate that left the directory
        # since the handshake is worth nothing any more.
        holder = None if peer_cert_der is None else self._directory.tls_certificates().get(peer_cert_der)
        if holder != claims.iss:
            raise GatewayRefusal("auth-invalid", detail="certificate and token name different authorities")
        if self._heard is not None:
            self._heard(claims.iss, now)
        return Caller(
            aid=claims.iss,
            jti=claims.jti,
            exp=claims.iat + LIFE + LEEWAY,
            bd=claims.bd,
            off=claims.off,
            len=claims.len,
        )

    def read_json(self, caller: Caller, body: bytes) -> dict[str, strictjson.JSONValue]:
        """Return the members of a JSON body that the caller's token covers.

        Raises ``GatewayRefusal``: ``auth-invalid`` if the digest is another, ``malformed``.
        """
        digest = b64u(hashlib.sha256(body).digest())
        if caller.bd is None or not hmac.compare_digest(caller.bd, digest):
            raise GatewayRefusal("auth-invalid", detail="body digest")
        try:
            return strictjson.loads_object(body, max_bytes=len(body))
        except Refusal as refusal:
            raise from_refusal(refusal) from None
