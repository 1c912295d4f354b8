"""Key entries for an authority that has a mailbox and no gateway: the S/MIME certificates its office uses.

Takes a certificate for whatever it is made for, signing, encryption or both, by the rules by which letters
use it (docs/mail.md section 4.2). Whose certificate it is, people compare by telephone, not this.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from crypto.errors import KeyRefused
from crypto.keys import X509, KeyUse, PublicKey
from crypto.mailcert import check_mail_certificate, valid_between
from gateway.services.keys.heldkey import HeldKey

#: The longest that an entry is listed for; then the certificate is looked at again.
_LISTED_FOR = timedelta(days=730)
_USES = (KeyUse.SMIME_SIG, KeyUse.SMIME_ENC)


def certificate_keys(
    record: Mapping[str, Any], certificates: Iterable[bytes], *, now: datetime
) -> list[dict[str, Any]]:
    """Return the entries of ``keys[]`` for certificates (DER) of the mailbox that the record lists.

    Raises ``KeyRefused`` for one that is good for neither use: not in time, of another mailbox, weak.
    """
    rows = record.get("channels", ())
    mailbox = next((str(row["address"]) for row in rows if row["channel"] == "email_smime"), "")
    found = []
    for certificate in certificates:
        refused: list[KeyRefused] = []
        for use in _USES:
            try:
                check_mail_certificate(certificate, use=use, address=mailbox, now=now)
            except KeyRefused as refusal:
                refused.append(refusal)
                continue
            begins, ends = valid_between(certificate)
            key = HeldKey(
                public=PublicKey.load(use, X509, certificate),
                nbf=max(begins, now - timedelta(days=1)),
                exp=min(ends, now + _LISTED_FOR),
                status="active",
                file=None,
            )
            found.append(key.record())
        if len(refused) == len(_USES):
            raise refused[0]
    return found
