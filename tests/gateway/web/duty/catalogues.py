"""The texts of the duty page as they stand in code and templates, and its catalogues of translations."""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import gateway.web.duty

FOLDER = Path(gateway.web.duty.__file__).parent
_METHODS = [("**.py", "python"), ("**.html", "jinja2")]
_OPTIONS = {"**.html": {"trimmed": "true", "silent": "false"}}


def texts() -> Iterator[str]:
    """Yield every text that is shown to a person, in English."""
    for _file, _line, text, _comments, _context in extract_from_dir(FOLDER, _METHODS, _OPTIONS):
        assert isinstance(text, str)
        if text:
            yield text


def catalogue(code: str) -> Catalog:
    """Return the catalogue of a language as it lies in the package."""
    return read_po(io.BytesIO((FOLDER / "locales" / f"{code}.po").read_bytes()))
