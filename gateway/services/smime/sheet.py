"""The request or message as a document for people: every member of the form, in order, under readable labels.

Nothing of the form is left out: members with a label in the addressee's language come under it with the
English one beside it, others under their own name. Decides order and wording; how it looks is the template's
(``sheet.typ``), and where it cannot be set, the same lines go out as text.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final
from unicodedata import bidirectional, name

from gateway.model.codes import code_list

#: Members that head the document, in this order; the others follow as the form has them.
_FIRST: Final = (
    "request_kind",
    "message_type",
    "reference_requesting",
    "reference_requested",
    "created_at",
    "requesting_authority",
    "requested_authority",
    "author",
    "addressee",
    "instruments",
    "urgency",
    "respond_by",
    "confidentiality",
)
#: Members that only machines use; they stand at the end, so that nothing is missing.
_TECHNICAL: Final = ("schema_version", "thread", "message_id", "side", "seq", "seen", "human")

#: Lists of codes by the member that holds one: people read what a code means.
_CODE_LISTS: Final = {
    "request_kind": "request_kind",
    "message_type": "message_type",
    "crime_type": "crime_type",
    "stage": "proceeding_stage",
}
_INSTRUMENT: Final = ("instruments", "code")
_ASSISTANCE: Final = ("assistance", "type")

_MAX_DEPTH: Final = 12

#: Scripts that Noto Serif and Noto Naskh Arabic set, and those that need a font for Chinese as well.
_ALWAYS_SET: Final = ("LATIN", "GREEK", "CYRILLIC", "ARABIC")
_CJK: Final = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "IDEOGRAPHIC", "HALFWIDTH")

#: Template of the typesetter for this document.
TEMPLATE: Final = files(__package__) / "sheet.typ"

LANGUAGES: Final = ("ar", "en", "es", "fr", "ru", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: a label in the addressee's language, the English one (empty where it is the same), a value.

    Attributes:
        depth: How far it is indented; a line without value heads what follows more deeply.
    """

    depth: int
    label: str = field(repr=False)
    english: str = field(repr=False)
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The document. ``direction`` is that of its labels; each value has its own."""

    language: str
    title: str = field(repr=False)
    notice: str = field(repr=False)
    reference: str = field(repr=False)
    page_word: str
    lines: tuple[Line, ...] = field(repr=False)

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return "rtl" if self.language == "ar" else "ltr"


def language_of(languages: tuple[str, ...]) -> str:
    """Return the first language of an addressee that letters are written in, else English."""
    short = (language.split("-")[0].lower() for language in languages)
    return next((language for language in short if language in LANGUAGES), "en")


def make_sheet(
    form: Mapping[str, Any], *, language: str, title: str, reference: str, form_name: str
) -> Sheet:
    """Return the document of a form that fits its schema; ``reference`` stands at the foot of each page."""
    words = _labels()[language]
    ordered = [key for key in _FIRST if key in form]
    ordered += [key for key in form if key not in _FIRST and key not in _TECHNICAL]
    lines: list[Line] = []
    for key in ordered:
        lines += _member(key, form[key], language, 0, (key,))
    machine = {key: form[key] for key in _TECHNICAL if key in form}
    lines += _member("technical", machine, language, 0, ("technical",))
    return Sheet(
        language=language,
        title=title,
        notice=words["sheet_notice"].format(form=form_name),
        reference=reference,
        page_word=words["page"],
        lines=tuple(lines),
    )


def _member(key: str, value: Any, language: str, depth: int, path: tuple[str, ...]) -> Iterator[Line]:
    if value is None or value == [] or value == {} or depth > _MAX_DEPTH:
        return
    label, english = _label(key, language)

    def line(text: str) -> Line:
        return Line(depth=depth, label=label, english=english, value=text)

    if isinstance(value, Mapping):
        yield line("")
        for name_, inner in value.items():
            yield from _member(name_, inner, language, depth + 1, (*path, name_))
    elif isinstance(value, list) and all(not isinstance(each, list | Mapping) for each in value):
        yield line("; ".join(_written(path, each, language) for each in value))
    elif isinstance(value, list):
        for number, each in enumerate(value, 1):
            yield Line(depth=depth, label=f"{label} {number}", english=english, value="")
            inside = each.items() if isinstance(each, Mapping) else [(key, each)]
            for name_, inner in inside:
                yield from _member(name_, inner, language, depth + 1, (*path, name_))
    else:
        yield line(_written(path, value, language))


def _written(path: tuple[str, ...], value: Any, language: str) -> str:
    if isinstance(value, bool):
        return _labels()[language]["yes" if value else "no"]
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    listed = _CODE_LISTS.get(path[-1])
    if path[-2:] == _INSTRUMENT:
        listed = "instrument"
    elif path[-2:] == _ASSISTANCE:
        listed = "assistance_type"
    known = None if listed is None else code_list(listed).get(value)
    return value if known is None else f"{known.meaning} ({value})"


def _label(key: str, language: str) -> tuple[str, str]:
    english = _labels()["en"].get(key) or key.replace("_", " ").capitalize()
    own = _labels()[language].get(key, english)
    return own, "" if own == english else english


def as_text(sheet: Sheet) -> str:
    """Return the document as plain text; a value of several lines keeps them."""
    lines = [sheet.title, sheet.notice, ""]
    for line in sheet.lines:
        if line.depth == 0:
            lines.append("")
        indent = "  " * line.depth
        label = line.label + (f" / {line.english}" if line.english else "")
        value = line.value.replace("\n", "\n" + indent + "  ")
        lines.append(f"{indent}{label}: {value}".rstrip() if value else f"{indent}{label}")
    return "\n".join(lines).rstrip() + "\n"


def as_data(sheet: Sheet) -> dict[str, Any]:
    """Return the document as the template takes it."""
    return {
        "title": sheet.title,
        "notice": sheet.notice,
        "reference": sheet.reference,
        "page": sheet.page_word,
        "language": sheet.language,
        "direction": sheet.direction,
        "lines": [
            {
                "depth": line.depth,
                "label": line.label,
                "english": line.english,
                "value": line.value,
                "rtl": _is_rtl(line.value),
            }
            for line in sheet.lines
        ],
    }


def needs_cjk(sheet: Sheet) -> bool:
    """Tell whether a font for Chinese, Japanese or Korean is needed."""
    return "cjk" in _scripts(sheet)


def can_be_set(sheet: Sheet) -> bool:
    """Tell whether the fonts of the product have every letter; another script would print as empty boxes."""
    return "other" not in _scripts(sheet)


def _scripts(sheet: Sheet) -> set[str]:
    found = set()
    for letter in {letter for line in sheet.lines for letter in line.label + line.value + sheet.title}:
        if not letter.isalpha() and ord(letter) < 0x3000:
            continue
        spelled = name(letter, "")
        if spelled.startswith(_CJK):
            found.add("cjk")
        elif not spelled.startswith(_ALWAYS_SET):
            found.add("other" if letter.isalpha() else "sign")
    return found


def _is_rtl(text: str) -> bool:
    first = next((bidirectional(letter) for letter in text if bidirectional(letter) in ("L", "R", "AL")), "L")
    return first != "L"


@cache
def _labels() -> Mapping[str, Mapping[str, str]]:
    text = (files(__package__) / "labels.json").read_text(encoding="utf-8")
    parsed: Mapping[str, Mapping[str, str]] = json.loads(text)
    return parsed
