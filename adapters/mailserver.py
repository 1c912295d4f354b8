"""Where the own mail server is, and how it is known: shared by sending (SMTP) and fetching (IMAP).

The server belongs to the operator and is named in the settings, so no rule about peers' addresses holds here.
What does hold: nothing is said in clear. The file of certificates may hold an authority's or the server's own
certificate; the latter pins it. The password is read from its file with each new connection and kept nowhere.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class MailTLS(StrEnum):
    """When TLS begins. There is no setting without it."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """One server.

    Attributes:
        host: Its name as it stands in its certificate.
        ca_file: PEM certificates to trust, an authority's or the server's own; ``None`` for the system's.
        user, password_file: For AUTH or LOGIN; both or neither. The file's first line is the password.
    """

    host: str
    port: int
    tls: MailTLS
    ca_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return a client context that checks certificate and name.

        Raises:
            OSError: the file cannot be read, or holds no certificate (``ssl.SSLError``).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION
        if self.ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            # A server's own certificate in the file vouches for itself, although no authority signed it.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cafile=self.ca_file)
        return context

    def password(self) -> str:
        """Return the password. Raises ``OSError``, also for an empty file; ``ValueError`` without a file."""
        if self.password_file is None:
            raise ValueError("no password file is set")
        with self.password_file.open(encoding="utf-8") as file:
            password = file.readline(1024).rstrip("\r\n")
        if not password:
            raise OSError("the password file is empty")
        return password


def abort_now(transport: asyncio.WriteTransport) -> None:
    """Close a connection at once, without waiting for the other side to say that TLS ends.

    A TLS transport of Python 3.11.2 that was closed twice has let go of what it would abort, and fails.
    """
    with contextlib.suppress(AttributeError):
        transport.abort()
