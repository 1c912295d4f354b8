"""How a peer can be called: a question of its signed record, answered in one place."""

from adapters.base import Endpoint
from crypto.keys import KeyUse
from gateway.model.authority import DirectoryEntry, LookupStatus, channels_for
from gateway.model.channels import HTTPS, SEALED_MAIL
from gateway.model.codes import Lane
from gateway.services.directory import Directory


def endpoint_at(directory: Directory, authority_id: str, address: str) -> Endpoint:
    """Return where and by which certificates a peer is known; a revoked certificate is known no more."""
    pins = [key.public.pub for key in directory.keys(authority_id, KeyUse.TLS) if key.status == "active"]
    return Endpoint(authority_id=authority_id, address=address, certificates=tuple(pins))


def push_address(directory: Directory, authority_id: str) -> str | None:
    """Return the origin at which a peer's gateway takes calls, ``None`` if it only calls out or is unknown.

    An authority whose first channel is ``https_pull`` is not called, whatever else it lists.
    """
    entry = directory.lookup(authority_id).entry
    return None if entry is None else _address(entry)


def _address(entry: DirectoryEntry) -> str | None:
    channels = channels_for(entry, Lane.URGENT) or channels_for(entry, Lane.ROUTINE)
    if not channels or channels[0].channel != HTTPS:
        return None
    return channels[0].address


def mail_address(directory: Directory, authority_id: str) -> str | None:
    """Return the mailbox of a peer's gateway, ``None`` if it lists none or is unknown."""
    entry = directory.lookup(authority_id).entry
    return None if entry is None else _mailbox(entry)


def _mailbox(entry: DirectoryEntry) -> str | None:
    listed = (channels_for(entry, lane, {SEALED_MAIL}) for lane in (Lane.URGENT, Lane.ROUTINE))
    channels = next(filter(None, listed), ())
    return channels[0].address if channels else None


def pullable(directory: Directory, own: str) -> dict[str, str]:
    """Return authority → origin of every peer whose outbox can be fetched.

    One that lists no certificate in force has no gateway that we could recognise.
    """
    known = frozenset(directory.tls_certificates().values())
    found = {}
    for entry in directory.entries():
        address = _address(entry) if entry.authority_id in known else None
        if entry.authority_id != own and address is not None:
            found[str(entry.authority_id)] = address
    return found


class DirectoryReach:
    """Tells from the directory which peers have to be waited for.

    Args:
        serves: This gateway takes calls, so that a peer can fetch what waits for it here.
        mails: This gateway has a mailbox.
    """

    def __init__(self, directory: Directory, *, serves: bool = True, mails: bool = False) -> None:
        self._directory = directory
        self._serves = serves
        self._mails = mails

    def calls_out_only(self, authority_id: str) -> bool:
        """Tell whether the peer lists ``https_pull`` first, or can neither be called nor written to.

        One that is only not known for now is waited for like one that can be called.
        """
        found = self._directory.lookup(authority_id)
        if found.entry is None:
            return found.status is LookupStatus.NOT_LISTED
        if _address(found.entry) is not None:
            return False
        fetches = channels_for(found.entry, Lane.URGENT) or channels_for(found.entry, Lane.ROUTINE)
        can_be_written_to = self._mails and _mailbox(found.entry) is not None
        return not can_be_written_to or (self._serves and bool(fetches))
