"""What the doctor says of letters: whether there are certificates for the mailbox that the record lists."""

from collections.abc import Iterable
from datetime import datetime

from crypto.keys import KeyUse
from crypto.mailcert import is_same_mailbox
from gateway.model.authority import DirectoryEntry
from gateway.services.diagnosis import Diagnosis, Level
from gateway.services.keys.heldkey import HeldKey
from gateway.services.smime.correspondents import mailbox_of_entry

_CHECK = "letters"


def check_letters(
    own: DirectoryEntry, held: Iterable[HeldKey], *, mailbox: str, now: datetime
) -> list[Diagnosis]:
    """Where the record lists this gateway's mailbox for letters, a key signs them and a key opens answers."""
    address = mailbox_of_entry(own)
    if address is None or not is_same_mailbox(address, mailbox):
        return []
    good = {key.public.use for key in held if key.is_in_force(now)}
    missing = [str(use) for use in (KeyUse.SMIME_SIG, KeyUse.SMIME_ENC) if use not in good]
    if not missing:
        return [Diagnosis(check=_CHECK, level=Level.GREEN, sentence="Certificates for letters are in force.")]
    return [
        Diagnosis(
            check=_CHECK,
            level=Level.YELLOW,
            sentence="No letters can be sent by S/MIME, as there is no certificate for them.",
            action=f"Run: rogatory keys rotate --use {' '.join(missing)}",
        )
    ]
