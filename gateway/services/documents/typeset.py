"""Documents for people as PDF: a template of the product, and content that goes in as data, never as source.

Set with typst and the Noto fonts of the system; neither is needed to run a gateway, so both may be missing
and are then named. The same content gives the same bytes with the same fonts.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

#: Where Noto fonts lie on common systems.
FONT_FOLDERS = (
    "/usr/share/fonts/truetype/noto",
    "/usr/share/fonts/opentype/noto",
    "/usr/share/fonts/noto",
    "/usr/share/fonts/google-noto",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "~/Library/Fonts",
)
_FONTS = (
    "NotoSerif-Regular.ttf",
    "NotoSerif-Bold.ttf",
    "NotoNaskhArabic-Regular.ttf",
    "NotoNaskhArabic-Bold.ttf",
)
#: One of them sets Chinese, Japanese and Korean as well; only documents in these need it.
_CJK_FONTS = (
    "NotoSerifCJK-Regular.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSerifSC-Regular.otf",
    "NotoSansSC-Regular.otf",
)


class CannotPrint(RuntimeError):
    """Documents cannot be set on this machine; the text says what to install."""


class Typesetter:
    """Sets documents of one template; make it once, because fonts are read then."""

    def __init__(self, template: Traversable, *, cjk: bool = False) -> None:
        """Raise ``CannotPrint`` if typst or the fonts are missing, with ``cjk`` also those for Chinese."""
        try:
            import typst
        except ImportError:
            raise CannotPrint(
                "Documents are set with typst, which is not installed. Run: pip install 'rogatory[pdf]'"
            ) from None
        with as_file(template) as page:
            self._compiler = typst.Compiler(
                input=str(page),
                root=str(page.parent),
                font_paths=[str(place) for place in find_fonts(cjk=cjk)],
                ignore_system_fonts=True,
            )

    def pdf(self, document: Mapping[str, Any]) -> bytes:
        """Return one PDF."""
        printed = self._compiler.compile(
            format="pdf", sys_inputs={"document": json.dumps(document, ensure_ascii=False)}, timestamp=0
        )
        if not isinstance(printed, bytes):
            raise TypeError("the typesetter returned pages instead of one file")
        return printed


def find_fonts(folders: Iterable[str] = FONT_FOLDERS, *, cjk: bool = False) -> tuple[Path, ...]:
    """Return the folders that hold the fonts. Raises ``CannotPrint`` naming the package to install."""
    found: dict[str, Path] = {}
    for place in (Path(name).expanduser() for name in folders):
        for font in (*_FONTS, *(_CJK_FONTS if cjk else ())):
            if font not in found:
                hit = next(place.rglob(font), None) if place.is_dir() else None
                if hit is not None:
                    found[font] = hit.parent
    if missing := [font for font in _FONTS if font not in found]:
        raise CannotPrint(
            f"The fonts for documents are not installed ({', '.join(missing)}). On Debian or Ubuntu run, "
            "as root: apt-get install fonts-noto-core. Elsewhere put Noto Serif and Noto Naskh Arabic "
            "into ~/.fonts."
        )
    if cjk and found.keys().isdisjoint(_CJK_FONTS):
        raise CannotPrint(
            "No font for Chinese is installed. On Debian or Ubuntu run, as root: "
            "apt-get install fonts-noto-cjk."
        )
    return tuple(dict.fromkeys(found.values()))
