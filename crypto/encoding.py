"""Small encodings that every format shares (docs/bundle.md section 1).

Each has exactly one accepted spelling; a second spelling of the same value is refused,
so that no signed or hashed thing has two forms.
"""

import hashlib
import re
from datetime import UTC, datetime

import msgspec
from pybase64 import b64decode, b64encode_as_string

from crypto.errors import Refusal

_ALPHABET = b"-_"
#: What an unpadded text may end in whose last group is not full: a character without spare bits set.
_LAST = {2: "AQgw", 3: "AEIMQUYcgkosw048"}
#: Writes a UTC instant without fraction in exactly the wire's form, in quotes.
_RFC3339 = msgspec.json.Encoder().encode
_AID = re.compile(r"(?=.{4,63}\Z)[a-z]{2}(-[a-z0-9]+)+")
_BID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KID = re.compile(r"[A-Za-z0-9_-]{43}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")


def lp(*fields: bytes) -> bytes:
    """Return the fields, each behind its length as u32be: an unambiguous concatenation."""
    return b"".join([len(field).to_bytes(4, "big") + field for field in fields])


def b64u(data: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5)."""
    return b64encode_as_string(data, _ALPHABET).rstrip("=")


def unb64u(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url.

    Raises:
        Refusal: ``malformed`` for padding, other characters or non-zero spare bits.
    """
    # The decoder would take these, too.
    if "+" in text or "/" in text or "=" in text:
        raise Refusal("malformed", "base64url")
    try:
        data = b64decode(text + "=" * (-len(text) % 4), _ALPHABET, validate=True)
    except ValueError:
        raise Refusal("malformed", "base64url") from None
    # What is left to differ is the spare bits of the last group, where it is not full.
    if (rest := len(text) % 4) and text[-1] not in _LAST[rest]:
        raise Refusal("malformed", "base64url not canonical")
    return data


def wire_time(instant: datetime) -> str:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``; fractions of a second are cut off, never rounded up.

    Raises:
        ValueError: the instant has no time zone.
    """
    if instant.tzinfo is not UTC:
        if instant.utcoffset() is None:
            raise ValueError("an instant on the wire must be aware")
        instant = instant.astimezone(UTC)
    return _RFC3339(instant.replace(microsecond=0))[1:-1].decode("ascii")


def parse_wire_time(text: str) -> datetime:
    """Return the aware UTC instant of ``YYYY-MM-DDTHH:MM:SSZ``.

    Raises:
        Refusal: ``malformed`` for any other spelling, or a date that does not exist.
    """
    # The pattern first: fromisoformat alone takes many spellings.
    if _TIME.fullmatch(text) is None:
        raise Refusal("malformed", "time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("malformed", "time") from None


def is_aid(text: object) -> bool:
    """Whether ``text`` is an authority identifier: two letters of the State, then dashed words."""
    return isinstance(text, str) and _AID.fullmatch(text) is not None


def is_bid(text: object) -> bool:
    """Whether ``text`` is a bundle identifier: 16 bytes in lower-case hex."""
    return isinstance(text, str) and _BID.fullmatch(text) is not None


def is_digest(text: object) -> bool:
    """Whether ``text`` is a SHA-256 digest in lower-case hex."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def is_kid(text: object) -> bool:
    """Whether ``text`` has the shape of a key identifier (43 base64url characters)."""
    return isinstance(text, str) and _KID.fullmatch(text) is not None


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()
