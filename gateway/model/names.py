"""What a file name may be, how it is shown, and under which name a file is saved.

A name is outside material and for display only: nothing builds a path from it. Only what cannot be
kept is refused, because a name must never cost a deadline: umlauts, Arabic, CJK and even
direction overrides pass, and are shown escaped where they could deceive.
"""

import unicodedata
from typing import Final

MAX_CHARACTERS: Final = 200
MAX_BYTES: Final = 255

_EXTENSIONS: Final = """
7z asc bmp csv doc docx dwg e01 eml geojson gif gz heic jp2 jpeg jpg json log m4a mbox mkv mov mp3 mp4
msg odp ods odt ogg p7m p7s pcap pcapng pdf png ppt pptx rtf tar tif tiff tsv txt wav
webm webp xls xlsx xml xz zip zst
"""
#: Extensions a saved file keeps. Anything else is saved as ``.bin``, so that a double click runs nothing.
ALLOWED_EXTENSIONS: Final = frozenset(_EXTENSIONS.split())

#: Letters for the reader's eye that show nothing at all, and so can hide a difference.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
#: Cc controls, Cf formats (bidi marks and overrides, zero-width, tags), Cs surrogates, Zl and Zp line breaks.
_ESCAPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_STEM_CHARACTERS: Final = 60
_STEM_BYTES: Final = 180


class UnsafeName(ValueError):
    """A name that no file may have; ``code`` is the refusal code of the protocol."""

    code = "name-unsafe"


def check_name(name: str) -> None:
    """Accept a name, or raise ``UnsafeName`` with what to change.

    Refused are: empty, ``.`` and ``..``, NUL, ``/``, a backslash, more than 200 characters or 255
    bytes of UTF-8, and what has no UTF-8 form at all. Source: docs/bundle.md section 7, step 14.
    """
    if not name:
        raise UnsafeName("The file name is empty: give the file a name.")
    if name in {".", ".."}:
        raise UnsafeName("The file name is only dots: give the file a name.")
    for character, spelt in (("\0", "a NUL character"), ("/", "a slash"), ("\\", "a backslash")):
        if character in name:
            raise UnsafeName(f"The file name contains {spelt}: rename the file.")
    if len(name) > MAX_CHARACTERS:
        raise UnsafeName(
            f"The file name has {len(name)} characters; at most {MAX_CHARACTERS} are possible: shorten it."
        )
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise UnsafeName("The file name is not valid Unicode: rename the file.") from None
    if size > MAX_BYTES:
        raise UnsafeName(f"The file name takes {size} bytes; at most {MAX_BYTES} are possible: shorten it.")


def display_name(name: str) -> str:
    r"""Return the name for the eye: NFC, with every invisible or direction-changing character as ``\u{…}``.

    A name cannot hold a backslash, so the escape is unambiguous; the original stays in the manifest.
    """
    return "".join(
        f"\\u{{{ord(character):04X}}}"
        if character in _INVISIBLE or unicodedata.category(character) in _ESCAPED_CATEGORIES
        else character
        for character in unicodedata.normalize("NFC", name)
    )


def safe_alias(name: str, n: int) -> str:
    """Return the name to save part ``n`` under: one path component, unique per ``n``, on every system.

    It starts with the number (so it is no option, no hidden file and no Windows device name), keeps
    letters and digits of any script and an extension of ``ALLOWED_EXTENSIONS``, and has at most 255 bytes.
    """
    pieces = unicodedata.normalize("NFC", name).split(".")
    kept: list[str] = []
    while len(pieces) > 1 and len(kept) < 2 and pieces[-1].lower() in ALLOWED_EXTENSIONS:
        kept.insert(0, pieces.pop().lower())
    stem = "".join(
        character if character == "-" or unicodedata.category(character)[0] in "LMN" else "_"
        for character in "_".join(pieces)
    )
    stem = "_".join(piece for piece in stem.split("_") if piece)[:_STEM_CHARACTERS]
    stem = stem.encode("utf-8", "ignore")[:_STEM_BYTES].decode("utf-8", "ignore")
    return f"{n:04d}-{stem or 'file'}.{'.'.join(kept) or 'bin'}"
