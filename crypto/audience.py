"""One text for many readers in one file: sealed once, its key wrapped for every reader's ``enc`` key.

For what a whole network may read and nobody else, so that it can lie on any web server. It is not signed:
who made it must not matter, or must be checked by what it says. The context ties a file to its purpose.
"""

import secrets
from collections.abc import Iterable, Mapping

from crypto.encoding import b64u, lp, unb64u
from crypto.errors import Refusal
from crypto.hpke import CONTENT_KEY_SIZE, wrap_key
from crypto.parts import open_bytes, seal_bytes
from crypto.publickeys import Decapsulator, PublicKey
from crypto.strictjson import dumps, loads_object

#: A thousand readers with two keys each need about 3 MB of wraps.
AUDIENCE_LIMIT = 16 * 1024 * 1024


def seal_for(plain: bytes, readers: Iterable[PublicKey], context: bytes) -> bytes:
    """Return the file that every holder of one of these encryption keys can open, for this ``context``.

    Its size tells the number of readers and, padded, the size of the text.
    """
    key, bid = secrets.token_bytes(CONTENT_KEY_SIZE), secrets.token_hex(16)
    size = len(plain)
    wraps = {p.kid: b64u(wrap_key(key, p, _info(context, bid, size, p.kid))) for p in readers}
    sealed, _ = seal_bytes(plain, bk=key, bid=bid, n=0)
    return dumps({"v": 1, "bid": bid, "size": size, "sealed": b64u(sealed), "wraps": wraps})


def open_for(data: bytes, decapsulators: Mapping[str, Decapsulator], context: bytes) -> bytes | None:
    """Return the text, ``None`` if it was sealed for none of these keys (by identifier).

    Raises ``Refusal`` ``malformed``, ``open-failed`` or ``content-digest``.
    """
    claimed = loads_object(data, max_bytes=AUDIENCE_LIMIT, max_depth=3)
    wraps, bid, size, sealed = (claimed.get(name) for name in ("wraps", "bid", "size", "sealed"))
    if (
        claimed.get("v") != 1
        or not isinstance(wraps, dict)
        or not isinstance(bid, str)
        or type(size) is not int
        or not 0 <= size <= AUDIENCE_LIMIT
        or not isinstance(sealed, str)
    ):
        raise Refusal("malformed", "audience")
    kid = next((kid for kid in wraps if kid in decapsulators), None)
    if kid is None:
        return None
    wrap = wraps[kid]
    if not isinstance(wrap, str):
        raise Refusal("malformed", "audience")
    try:
        key = decapsulators[kid].unwrap(unb64u(wrap), _info(context, bid, size, kid))
        return open_bytes(unb64u(sealed), bk=key, bid=bid, n=0, plain_size=size)
    except ValueError:
        raise Refusal("malformed", "audience") from None


def _info(context: bytes, bid: str, size: int, kid: str) -> bytes:
    """Return what a wrap is bound to: purpose, file, length of the text before its padding, and reader."""
    return lp(b"gw/1/audience", context, bytes.fromhex(bid), size.to_bytes(8, "big"), kid.encode("ascii"))
