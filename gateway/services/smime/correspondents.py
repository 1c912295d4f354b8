"""What the directory says about letters: whose certificates count, and how an authority wants them sealed.

A certificate counts if it is listed for the use and in force, and is itself an end entity's, made for that
use, for the very mailbox of the channel ``email_smime``, and in time. Others are passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from crypto.cms import ContentCipher, SignatureForm
from crypto.errors import KeyRefused
from crypto.keys import KeyUse
from crypto.mailcert import check_mail_certificate
from gateway.model.authority import DirectoryEntry
from gateway.model.channels import LETTERS
from gateway.model.fields import at, text
from gateway.services.directory import Directory
from gateway.services.smime.entityform import Correspondent


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWishes:
    """How an authority's mail programs want letters, as its record says under ``transport``.

    Attributes:
        max_message_bytes: Largest mail its server takes; ``None`` where the record does not tell.
    """

    cipher: ContentCipher
    form: SignatureForm
    max_message_bytes: int | None


def mailbox_of_entry(entry: DirectoryEntry) -> str | None:
    """Return the mailbox of the channel for letters, ``None`` where the record lists none or suspended it."""
    return next(
        (
            channel.address
            for channel in entry.channels
            if channel.channel == LETTERS and channel.status != "suspended"
        ),
        None,
    )


def wishes_of(entry: DirectoryEntry) -> MailWishes:
    """Return how an authority wants letters: what is not said is what every mail program reads."""
    said = entry.raw.get("transport")
    transport: Mapping[str, object] = said if isinstance(said, Mapping) else {}
    largest = at(transport, "max_message_bytes")
    is_gcm = text(transport, "smime_content_enc") == ContentCipher.AES256_GCM
    is_pss = text(transport, "smime_signature") == SignatureForm.PSS
    return MailWishes(
        cipher=ContentCipher.AES256_GCM if is_gcm else ContentCipher.AES256_CBC,
        form=SignatureForm.PSS if is_pss else SignatureForm.PKCS1,
        max_message_bytes=largest if isinstance(largest, int) and not isinstance(largest, bool) else None,
    )


def smime_certificates(
    directory: Directory, authority_id: str, use: KeyUse, now: datetime
) -> tuple[bytes, ...]:
    """Return the certificates (DER) of an authority that count for one S/MIME use, newest first.

    None where the authority is not known, or its record lists no mailbox for letters.
    """
    entry = directory.lookup(authority_id).entry
    address = None if entry is None else mailbox_of_entry(entry)
    return () if address is None else _counting(directory, authority_id, use, address, now)


def correspondents(directory: Directory, now: datetime) -> tuple[Correspondent, ...]:
    """Return everybody who may write us letters, one row per signing certificate; not the own authority."""
    own = directory.own.authority_id
    return tuple(
        Correspondent(authority_id=entry.authority_id, address=address, certificate=certificate)
        for entry in directory.entries()
        if entry.authority_id != own and (address := mailbox_of_entry(entry)) is not None
        for certificate in _counting(directory, entry.authority_id, KeyUse.SMIME_SIG, address, now)
    )


def _counting(
    directory: Directory, authority_id: str, use: KeyUse, address: str, now: datetime
) -> tuple[bytes, ...]:
    good = [
        key
        for key in directory.keys(authority_id, use)
        if key.status == "active" and key.nbf <= now <= key.exp and _fits(key.public.pub, use, address, now)
    ]
    return tuple(key.public.pub for key in sorted(good, key=lambda key: key.nbf, reverse=True))


def _fits(certificate: bytes, use: KeyUse, address: str, now: datetime) -> bool:
    try:
        check_mail_certificate(certificate, use=use, address=address, now=now)
    except KeyRefused:
        return False
    return True
