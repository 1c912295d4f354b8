"""TLS contexts whose trust store is the directory: 1.3 only, mutual, pinned to listed certificates.

A listed certificate is self-signed and stands for itself, so it is its own trust anchor
(partial chain). That alone would let a listed certificate marked as an authority vouch for
another name; therefore the certificate presented must be *exactly* one that is listed,
checked on both ends within the handshake, before a byte of HTTP passes. Which authority a
certificate belongs to is the caller's table.
"""

import ssl
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSIdentity:
    """The own certificate (DER) and the file of its private key (PEM)."""

    certificate: bytes = field(repr=False)
    key_file: Path


class _PinnedObject(ssl.SSLObject):
    """Ends a handshake whose peer shows a certificate that is not listed, whatever vouches for it."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        if not isinstance(context, PinnedContext) or self.getpeercert(binary_form=True) not in context.pins:
            raise ssl.SSLCertVerificationError("the peer's certificate is not one that the directory lists")


class PinnedContext(ssl.SSLContext):
    """TLS 1.3 with both ends authenticated by exactly the certificates in ``pins``."""

    sslobject_class = _PinnedObject
    pins: frozenset[bytes] = frozenset()

    def pin(self, certificates: Iterable[bytes]) -> None:
        """Trust these certificates; one that cannot be read is left out and harms no other peer."""
        readable = []
        for der in certificates:
            try:
                self.load_verify_locations(cadata=der)
            except (ssl.SSLError, ValueError):
                continue
            readable.append(der)
        self.pins = frozenset(readable)


def _context(protocol: int, identity: TLSIdentity, certificates: Iterable[bytes]) -> PinnedContext:
    context = PinnedContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_COMPRESSION
    # The library takes the certificate from a file only; it is public, and the key stays where it is.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(ssl.DER_cert_to_PEM_cert(identity.certificate))
        file.flush()
        context.load_cert_chain(file.name, identity.key_file)
    context.pin(certificates)
    return context


def client_context(identity: TLSIdentity, certificates: Iterable[bytes]) -> PinnedContext:
    """Return a context that talks to the holder of one of ``certificates`` and to nobody else.

    The name in the certificate is checked as well.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, certificates)


class ServerTLS:
    """The server's side: one context to listen with, behind which the current one is swapped in.

    A handshake that begins after the directory or the own certificate changed meets the new state;
    connections already open are judged again with every request, by the caller's own look-up.

    Args:
        identity: The own certificate in force; asked once per handshake.
        certificates: DER of every listed ``tls`` certificate.
        version: Changes with every directory issue.
    """

    def __init__(
        self,
        *,
        identity: Callable[[], TLSIdentity],
        certificates: Callable[[], Collection[bytes]],
        version: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._certificates = certificates
        self._version = version
        self._state: tuple[TLSIdentity, int] | None = None
        self._current = self._refreshed()
        #: Listen with this one.
        self.context = _context(ssl.PROTOCOL_TLS_SERVER, identity(), ())
        self.context.num_tickets = 0
        self.context.sni_callback = self._swap

    def _swap(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._refreshed()

    def _refreshed(self) -> PinnedContext:
        state = (self._identity(), self._version())
        if state != self._state:
            self._current = _context(ssl.PROTOCOL_TLS_SERVER, state[0], self._certificates())
            # No tickets: a resumed session would bring back a certificate that is no longer listed.
            self._current.num_tickets = 0
            self._state = state
        return self._current
