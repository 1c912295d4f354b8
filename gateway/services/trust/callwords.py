"""The words two authorities compare by telephone: which keys and which envelope they stand for.

Both sides hold the same envelope and the same directory records, so both come to the same words unasked;
where their directories differ, the words do too, and a person finds out why.
"""

from datetime import datetime

from crypto.bundle import Opener
from crypto.keys import KeyUse
from crypto.words import callback_words
from gateway.services.directory import Directory
from gateway.storage import bundles
from gateway.storage.database import Connection


def signing_key_at(directory: Directory, authority_id: str, at: datetime) -> str | None:
    """Return the identifier of the newest signing key that was good at an instant, revoked since or not."""
    good = [key for key in directory.keys(authority_id, KeyUse.SIG) if key.nbf <= at <= key.exp]
    newest = max(good, key=lambda key: (key.nbf, key.public.kid), default=None)
    return None if newest is None else newest.public.kid


def words_for(
    connection: Connection, directory: Directory, *, sender: str, bid: str, other: str
) -> tuple[str, str] | None:
    """Return the words for a bundle and the identifier of its sender's key.

    ``other`` is the authority at its other end. ``None`` where the bundle is not here or the other
    authority's key is not known: then there is nothing to compare.
    """
    envelopes = bundles.envelopes_of(connection, sender, bid)
    if not envelopes:
        return None
    envelope = Opener().parse(envelopes[-1].jws)
    kid = signing_key_at(directory, other, envelope.created)
    if kid is None or kid == envelope.kid:
        return None
    return callback_words(bytes.fromhex(envelope.digest), (envelope.kid, kid)), envelope.kid
