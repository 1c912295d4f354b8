"""The acknowledgement code: what a person quotes to show that somebody opened the letter.

It stands only inside the encryption, so whoever knows it has decrypted. Sixteen characters of HMAC-SHA256
over sender, bundle and addressee under a key drawn for the bundle, in letters that survive a telephone: no I,
L, O or U (Crockford's base 32). Reading forgives what people do to such codes; comparing takes the same time
whatever differs.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from unicodedata import normalize

from crypto.encoding import lp

KEY_BYTES = 32
_LENGTH = 16
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
#: Keyboards of Arabic and Persian write other digits; full-width ones are folded by NFKC.
_DIGITS = str.maketrans({chr(zero + n): str(n) for zero in (0x0660, 0x06F0) for n in range(10)})
#: Dashes that word processors and keyboards put in place of a plain one.
_DASHES = "\\-\u2010\u2011\u2012\u2013\u2014\u2212"
_GAP = rf"[ \u00a0\t{_DASHES}]{{0,3}}"
#: Looks ahead, so that a word of four letters before the code hides nothing.
_CODE = re.compile(
    rf"(?<![0-9A-Za-z])(?=([0-9A-Za-z]{{4}}(?:{_GAP}[0-9A-Za-z]{{4}}){{3}})(?![0-9A-Za-z]))",
)
_SEPARATORS = re.compile(rf"[ \u00a0\t{_DASHES}]")

#: Text that is searched, and codes that are tried: more is no person's reply.
_SEARCHED_CHARACTERS = 200_000
_MOST_TRIED = 1000


def new_key() -> bytes:
    """Return a key for one bundle; it is kept wrapped under the storage key."""
    return secrets.token_bytes(KEY_BYTES)


def acknowledgement_code(key: bytes, *, sender: str, bid: str, to: str) -> str:
    """Return the code as it is shown, ``XXXX-XXXX-XXXX-XXXX``: 80 bits."""
    mac = hmac.digest(key, lp(sender.encode(), bid.encode(), to.encode()), "sha256")
    number = int.from_bytes(mac[:10])
    letters = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    return "-".join(letters[at : at + 4] for at in range(0, _LENGTH, 4))


def codes_in(text: str) -> Iterator[str]:
    """Yield what could be a code in a person's text, as it would have been shown, each once.

    Capital or small letters, in one piece or four with spaces or dashes between; O is read as 0, I, L as 1.
    """
    seen: set[str] = set()
    plain = normalize("NFKC", text[:_SEARCHED_CHARACTERS]).translate(_DIGITS)
    for found in _CODE.finditer(plain):
        letters = _SEPARATORS.sub("", found[1]).upper().translate(_READ_AS)
        if letters not in seen and all(letter in _ALPHABET for letter in letters):
            seen.add(letters)
            yield "-".join(letters[at : at + 4] for at in range(0, _LENGTH, 4))
            if len(seen) >= _MOST_TRIED:
                return
