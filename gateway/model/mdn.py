"""What a mail program says about a mail that it showed (RFC 8098): read as data; what it is worth is decided
by its signature, elsewhere.

Only a notice of display by a person's own act counts for anything: one that a program sent by itself says
that a program ran. Reads the ``message/disposition-notification`` part alone, bounded.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from gateway.model.dsn import StatusUnreadable, field_groups

_DISPOSITION = re.compile(
    r"(manual-action|automatic-action)\s*/\s*(MDN-sent-manually|MDN-sent-automatically)\s*;\s*"
    r"([A-Za-z-]{1,32})(?:\s*/\s*[A-Za-z0-9,\s-]{0,200})?\Z",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,250})>\Z")
#: Digests of a ``Received-content-MIC`` by their names (RFC 5751, RFC 3335), and their sizes in bytes.
_MICS = {"sha-256": 32, "sha256": 32, "sha-384": 48, "sha384": 48, "sha-512": 64, "sha512": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentDigest:
    """A ``Received-content-MIC``: ``algorithm`` as ``sha256``, and the digest."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingNotice:
    """A notice.

    Attributes:
        message_id: Of the mail it is about, without angle brackets.
        is_manual: A person did it, and a person let the notice go (both halves of the mode).
        disposition: ``displayed``, ``deleted``, ``processed``, ``dispatched``, lower case.
        mic: Digest of what was received, if it names one of a kind we know.
    """

    message_id: str
    is_manual: bool
    disposition: str
    mic: ContentDigest | None

    @property
    def says_read(self) -> bool:
        """Whether it says that a person looked at the mail; deleting it unread is something else."""
        return self.is_manual and self.disposition == "displayed"


def parse_reading_notice(body: bytes) -> ReadingNotice:
    """Return the notice of a ``message/disposition-notification`` part (RFC 8098 section 3.1).

    Raises ``StatusUnreadable`` if it is too long, or lacks a disposition or the mail it is about.
    """
    groups = field_groups(body)
    if len(groups) != 1:
        raise StatusUnreadable("not one group of fields")
    fields = groups[0]
    said = _DISPOSITION.match(fields.get("disposition", ""))
    about = _MESSAGE_ID.match(fields.get("original-message-id", ""))
    if said is None or about is None:
        raise StatusUnreadable("no disposition, or not about a mail")
    mode = (said[1].lower(), said[2].lower())
    return ReadingNotice(
        message_id=about[1],
        is_manual=mode == ("manual-action", "mdn-sent-manually"),
        disposition=said[3].lower(),
        mic=_mic(fields.get("received-content-mic", "")),
    )


def _mic(text: str) -> ContentDigest | None:
    if not text:
        return None
    encoded, _, name = text.partition(",")
    size = _MICS.get(name.strip().lower())
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise StatusUnreadable("a digest is no base64") from None
    if size is None:
        return None
    if len(digest) != size:
        raise StatusUnreadable("a digest has another length than its name says")
    return ContentDigest(algorithm=name.strip().lower().replace("-", ""), digest=digest)
