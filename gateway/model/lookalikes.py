"""Whether a name could be taken for another one by the eye: mixed alphabets, hidden letters, equal shapes.

Authorities are chosen by name, so a name that only looks like a known one is an attack or an accident, and
neither may pass. Says nothing about whose name is the right one: a person compares. The table of shapes
holds the letters of common alphabets; a name outside it is judged by its alphabets alone.
"""

import re
import unicodedata
from typing import Final

from gateway.model.names import display_name

#: Alphabets whose letters share shapes: two of them in one word are a disguise.
_ALIKE: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE"})
#: Raised letters of ordinals, as in "3ª": letters to Unicode, and no disguise.
_ORDINALS: Final = "ªº"

#: Letters of other alphabets that look like a Latin one, after case folding: Cyrillic, then Greek.
_FOREIGN: Final = str.maketrans(
    "авгеѕіјкмнорстухьԁԛԝѵһӏ" + "αβγεζηικνορτυχω", "abresijkmhopctyxbdqwvhl" + "abyeznikvoptuxw"
)
#: Latin letters and digits that stand in for each other.
_LATIN: Final = str.maketrans("01i|ıłøđħŧ5", "olllllodhts")
_JOINERS: Final = dict.fromkeys((0x200C, 0x200D))
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_QUOTES: Final = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "`": "'", "–": "-", "‑": "-", "—": "-"}
)


def plain(name: str) -> str:
    """Return the name as it is compared: one case, one kind of quotes, dashes and spaces."""
    folded = unicodedata.normalize("NFC", name).casefold().translate(_QUOTES)
    return " ".join(re.sub(r"[\s\-]+", " ", folded).split())


def shape(name: str) -> str:
    """Return what the eye sees of a name; two names of one shape are easily taken for each other."""
    decomposed = unicodedata.normalize("NFKD", plain(name))
    seen = "".join(c for c in decomposed if c.isalnum() or c == "|").translate(_FOREIGN).translate(_LATIN)
    for pair, single in _PAIRS:
        seen = seen.replace(pair, single)
    return seen


def look_alike(one: str, other: str) -> bool:
    """Say whether two names differ and could still be taken for each other."""
    return plain(one) != plain(other) and shape(one) == shape(other)


def disguise(name: str, *, latin_only: bool = False) -> str | None:
    """Return what is wrong with a name, as half a sentence, or ``None``.

    Refused are letters that show nothing or turn the direction, letters that are another's picture (full
    width, mathematical), and a word that mixes alphabets of like shapes. With ``latin_only`` any letter
    of another alphabet is refused: an English name has none.
    """
    for word in re.split(r"[\s\-/,.;:()]+", unicodedata.normalize("NFC", name)):
        letters = [c for c in word if unicodedata.category(c)[0] == "L" and c not in _ORDINALS]
        if any(unicodedata.normalize("NFKC", c) != unicodedata.normalize("NFC", c) for c in letters):
            return "holds letters that are pictures of others"
        scripts = {unicodedata.name(c, "UNKNOWN").split()[0] for c in letters}
        # Persian and Indic words need the joiners; between letters of alike alphabets they hide a difference.
        shown = word if scripts & _ALIKE else word.translate(_JOINERS)
        if display_name(shown) != shown:
            return "holds characters that show nothing or change the direction of the text"
        if latin_only and scripts - {"LATIN"}:
            return "is said to be English and holds letters that are not Latin"
        if len(scripts & _ALIKE) > 1:
            return "mixes alphabets in one word"
    return None
