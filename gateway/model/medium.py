"""What lies on a medium: names of folders and files, limits, and which file is what. Pure.

Names only help people and sort files. Who sent what to whom stands in signed bytes; a name that lies leads
to a refusal, never to a wrong acceptance. The index tells damage from loss, and is believed in nothing else.
"""

import re
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a file on a medium is."""

    BUNDLE = "bundle"
    RECEIPTS = "receipts"
    NOTICES = "notices"
    COVER = "cover"


#: Written last: a folder without it was not finished.
INDEX: Final = "index.json"

#: Entries of one folder, and folders of a medium, that are looked at.
MOST_ENTRIES: Final = 10_000

#: Largest file of receipts, of notices, or index.
TEXT_MAX_BYTES: Final = 4 * 1024 * 1024

#: Of a file that is being written: a crash leaves it behind, and the next export replaces it.
UNFINISHED: Final = ".part"

_SUFFIXES: Final = {".gwb": Kind.BUNDLE, ".gwr": Kind.RECEIPTS, ".gwn": Kind.NOTICES}
_AID: Final = r"[a-z]{2}(?:-[a-z0-9]+)+?"
_FOLDER: Final = re.compile(rf"for-({_AID})-from-[a-z]{{2}}(?:-[a-z0-9]+)+\Z")

#: Notices first, so that no key is believed that ended; receipts before new bundles.
_ORDER: Final = (Kind.NOTICES, Kind.RECEIPTS, Kind.BUNDLE)


def folder_for(to: str, sender: str) -> str:
    """Return the name of the folder with everything from one authority to another."""
    return f"for-{to}-from-{sender}"


def is_for_another(name: str, own: str) -> bool:
    """Tell whether a folder's name says that it is for another authority: then it is left alone."""
    return _FOLDER.match(name) is not None and not name.startswith(f"for-{own}-from-")


def bundle_name(bid: str) -> str:
    """Return the name of a container."""
    return f"{bid}.gwb"


def text_name(kind: Kind, sha256: str) -> str:
    """Return the name of a file of receipts or notices: by its digest, so that none replaces another."""
    suffix = next(suffix for suffix, its in _SUFFIXES.items() if its is kind)
    return f"{kind}-{sha256[:16]}{suffix}"


def kind_of(name: str) -> Kind | None:
    """Return what a file's name says it is, ``None`` for what is not to be taken in."""
    stem, dot, suffix = name.rpartition(".")
    return _SUFFIXES.get((dot + suffix).lower()) if stem and not name.startswith(".") else None


def is_unfinished(name: str) -> bool:
    """Tell whether writing this file was broken off."""
    return name.endswith(UNFINISHED)


def reading_order(kind: Kind, name: str) -> tuple[int, str]:
    """Return the place of a file in the order of taking in."""
    return _ORDER.index(kind), name
