"""Text from outside as it may stand on a page: what moves a cursor or turns a line's direction is shown.

Letters of every script pass, and the marks without which some of them cannot be written.
"""

import unicodedata
from typing import Final

#: A line break, and the marks that join letters or say where neutral signs belong; they override nothing.
_KEPT: Final = frozenset("\n\u200c\u200d\u200e\u200f\u061c")
#: Controls, formats (overrides, isolates, tags), surrogates, line and paragraph separators.
_SHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def shows_itself(character: str) -> bool:
    """Tell whether a character is one that a reader sees, or that changes nothing of what he sees."""
    return character in _KEPT or unicodedata.category(character) not in _SHOWN


def plain(text: str) -> str:
    r"""Return a text in which a character that would act on the page stands as ``\u{…}``."""
    return "".join(c if shows_itself(c) else f"\\u{{{ord(c):04X}}}" for c in text)
