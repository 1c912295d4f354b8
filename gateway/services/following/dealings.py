"""With whom this gateway deals, and how much of what it does by itself may go to one host.

Whoever writes records decides which host they name, so a record alone makes nobody call: a network of a
thousand authorities must not be an amplifier against a stranger, at a start or once a day.
"""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gateway.services.directory import Directory
from gateway.services.directory.views import BILATERAL
from gateway.storage import channels, peers
from gateway.storage.database import Connection, Database

#: Whom a gateway calls by itself: enrolled by hand, heard of, or written to in this time.
DEALT_WITH = timedelta(days=90)

#: Unasked calls of one kind that go to one host: probes in a day, greetings at a start.
PER_HOST = 8


async def dealt_with(directory: Directory, database: Database, since: datetime) -> set[str]:
    """Return whom a person enrolled, whom we heard of or wrote to since an instant or still try to reach."""

    def query(connection: Connection) -> set[str]:
        heard = {aid for aid, at in peers.all_heard(connection).items() if at >= since}
        return heard | channels.sent_to_since(connection, since) | channels.under_way_to_whom(connection)

    return enrolled_by_hand(directory) | await database.read(query)


def enrolled_by_hand(directory: Directory) -> set[str]:
    """Return whose words a person compared by telephone: whom to call is that person's decision."""
    return {
        aid
        for aid, merged in directory.view.authorities.items()
        if any(claim.voucher.assurance == BILATERAL for claim in merged.claims)
    }


def host_of(address: str) -> str:
    """Return the host that is called for an address: that of a URL, or what follows a mailbox's ``@``."""
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    return (host or address.rpartition("@")[2].lower()).rstrip(".")
