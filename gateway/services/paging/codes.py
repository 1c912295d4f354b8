"""The one-time code of a notice: whoever quotes it has read what came by that path.

Made from the notice's identifier under a key of this home, so that a notice that leaves twice after a crash
bears the same code; what is kept is its digest. Written and read like the codes of letters.
"""

import hashlib
import hmac
from itertools import islice

from crypto.encoding import lp
from gateway.services.quotedcode import acknowledgement_code, codes_in

_PURPOSE = b"gw/1/page-code"
#: A whole notice may be pasted; words of four letters look like pieces of a code.
TEXT_MAX = 2000
_MOST_TRIED = 20


class Codes:
    """Makes and reads the codes of one home."""

    def __init__(self, kek: bytes) -> None:
        self._key = hmac.digest(kek, lp(_PURPOSE), "sha256")

    def of(self, notice_id: str, path_id: str) -> str:
        """Return the code of a notice, ``XXXX-XXXX-XXXX-XXXX``."""
        return acknowledgement_code(self._key, sender="page", bid=notice_id, to=path_id)


def code_digest(code: str) -> str:
    """Return what is kept of a code: hex SHA-256."""
    return hashlib.sha256(code.encode("ascii")).hexdigest()


def read_codes(text: str) -> list[str]:
    """Return what could be codes in what a person typed or pasted, as they would have been shown, a few."""
    return list(islice(codes_in(text[:TEXT_MAX]), _MOST_TRIED))
