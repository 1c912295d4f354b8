"""One cell of a register as a value of our records: parsed strictly, or refused with what to correct.

An empty cell says nothing and never takes a value away. Nothing is guessed: a language, State or phrase
that no table knows is refused, a time zone is a name and no offset, a date has the form the mapping
declares. Every function raises ``ValueError`` with half a sentence for the person who corrects the file.
"""

import json
import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.model.lookalikes import disguise, plain
from gateway.services.registers.mapping import RegisterMapping
from gateway.services.registers.tables import heading_key

_MAX_NAME: Final = 300
_MAX_TEXT: Final = 4_000
_MAX_LISTED: Final = 50
_SEPARATORS: Final = re.compile(r"\s*[;\n]\s*")
_LANGUAGE_SEPARATORS: Final = re.compile(r"\s*(?:[;,/\n]|\band\b)\s*")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{3,30}(?: ?(?:ext\.?|x) ?[0-9]{1,6})?")
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_WEBSITE: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:/[!-~]*)?")
_YES_NO: Final = {"yes": True, "no": False, "oui": True, "non": False, "sí": True, "si": True}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(
    r"(?P<first>[a-z]{3,9}) ?(?:-|–|to) ?(?P<last>[a-z]{3,9}),? "
    r"(?P<from>\d{1,2}[:.]\d\d) ?(?:-|–|to) ?(?P<to>\d{1,2}[:.]\d\d)"
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES: Final = {
    "yyyy-mm-dd": re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"),
    "dd/mm/yyyy": re.compile(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})"),
    "d Mon yyyy": re.compile(r"(?P<d>\d{1,2}) +(?P<m>[A-Za-z]{3}) +(?P<y>\d{4})"),
}


@cache
def _names() -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads((files(__package__) / "names.json").read_text(encoding="utf-8"))
    return data


@cache
def _state_codes() -> Mapping[str, str]:
    return {plain(name): code for code, names in _names()["states"].items() for name in names}


@cache
def _language_codes() -> Mapping[str, str]:
    return {plain(name): code for code, names in _names()["languages"].items() for name in names}


def language_name(code: str) -> str:
    """Return the English name of a language; a code that no list knows is shown as it is."""
    names = _names()["languages"].get(code.partition("-")[0])
    return code if names is None else str(names[0])


def state_code(cell: str) -> str:
    """Return the two-letter code of a State named by code or as the depositaries name it."""
    found = cell if cell in _names()["states"] else _state_codes().get(plain(cell))
    if found is None:
        raise ValueError("names a State that no list knows; write its two-letter code")
    return found


def participant(cell: str) -> tuple[str | None, bool]:
    """Return the State of a depositary's list and whether it has withdrawn (its name is in brackets).

    The State is ``None`` for an organisation that is no State. Numbers of footnotes are left out.
    """
    name = re.sub(r"[\s,]*\d[\d,\s]*$", "", cell).strip()
    withdrawn = name.startswith("[") and name.endswith("]")
    name = name[1:-1].strip() if withdrawn else name
    name = re.sub(r"[\s,]*\d[\d,\s]*$", "", name)
    if any(plain(name).startswith(plain(other)) for other in _names()["no_states"]):
        return None, withdrawn
    return state_code(name), withdrawn


def parse_date(cell: str, form: str) -> date:
    """Return a date of the declared form; another form is refused, because 03/04 has two readings."""
    match = _DATES[form].fullmatch(cell.strip())
    if match is None:
        raise ValueError(f"is no date like {form}")
    month = match["m"].lower()
    try:
        number = _MONTHS.index(month) + 1 if month.isalpha() else int(month)
        return datetime(int(match["y"]), number, int(match["d"]), tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"is no day of the calendar in the form {form}") from None


def marked_date(cell: str, mapping: RegisterMapping) -> tuple[date, str]:
    """Return a date and what the mark behind it means; empty where there is none."""
    day, _, mark = cell.strip().rpartition(" ")
    if day and mark in mapping.marks:
        return parse_date(day, mapping.date_form), mapping.marks[mark]
    return parse_date(cell, mapping.date_form), ""


def convert(value: str, cells: list[str], mapping: RegisterMapping) -> Any:
    """Return the value that the cells of an authority's entry say; they are not empty.

    Args:
        value: One of ``AUTHORITY_VALUES``.
        cells: One cell, or several for values that columns fill together.
    """
    cell = cells[0]
    match value:
        case "state":
            return state_code(cell)
        case "name_en" | "name_local" | "region":
            return _name(cell, latin_only=value == "name_en")
        case "designation":
            return _designations(cells, mapping)
        case "address":
            return _bounded(", ".join(line for text in cells for line in text.split("\n")))
        case "phones":
            return [_fits(_PHONE, number, "is no telephone number") for number in _several(cells)]
        case "emails":
            return [_fits(_EMAIL, _lower_domain(mail), "is no e-mail address") for mail in _several(cells)]
        case "fax":
            return _fits(_PHONE, cell, "is no fax number")
        case "website":
            return _fits(_WEBSITE, cell, "is no address of a website")
        case "languages":
            return _languages(cell)
        case "office_hours":
            return _office_hours(cell)
        case "time_zone":
            return _time_zone(cell)
        case "always" | "interpol":
            return _yes_no(cell)
        case "forms_of_transmission" | "networks":
            known = mapping.phrases.get(value, {})
            return _unique([_phrase(part, known) for part in _several(cells)])
        case "verified_at":
            return parse_date(cell, mapping.date_form).isoformat()
        case _:
            return _bounded(cell)


def _several(cells: list[str]) -> list[str]:
    parts = [part for cell in cells for part in _SEPARATORS.split(cell) if part]
    if len(parts) > _MAX_LISTED:
        raise ValueError(f"lists more than {_MAX_LISTED} things")
    return parts


def _unique(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _bounded(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"has more than {_MAX_TEXT} characters")
    return text


def _name(cell: str, *, latin_only: bool) -> str:
    name = " ".join(cell.split())
    if len(name) > _MAX_NAME:
        raise ValueError(f"has more than {_MAX_NAME} characters")
    if (wrong := disguise(name, latin_only=latin_only)) is not None:
        raise LookAlikeName(wrong)
    return name


class LookAlikeName(ValueError):
    """A name that is made to be taken for another one."""


def _fits(pattern: re.Pattern[str], text: str, otherwise: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(otherwise)
    return text


def _lower_domain(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def _languages(cell: str) -> list[str]:
    codes = []
    for part in _LANGUAGE_SEPARATORS.split(cell):
        if part:
            code = part if part in _names()["languages"] else _language_codes().get(plain(part))
            if code is None:
                raise ValueError("names a language that no list knows; write its code, such as pt")
            codes.append(code)
    return _unique(codes)


def _yes_no(cell: str) -> bool:
    try:
        return _YES_NO[cell.casefold()]
    except KeyError:
        raise ValueError("is neither yes nor no") from None


def _time_zone(cell: str) -> str:
    if cell not in zoneinfo.available_timezones() or "/" not in cell:
        raise ValueError("is no time zone by name, such as Africa/Cairo")
    return cell


def _office_hours(cell: str) -> dict[str, Any]:
    match = _HOURS.fullmatch(" ".join(cell.casefold().split()))
    days = [day[:3] for day in (match["first"], match["last"])] if match else []
    if match is None or any(day not in _DAYS for day in days):
        raise ValueError("is not like “Mon-Fri 08:30-16:30”")
    first, last = (_DAYS.index(day) for day in days)
    opens, closes = (_clock(match[end]) for end in ("from", "to"))
    if opens >= closes:
        raise ValueError("ends before it begins")
    # A week may begin on Sunday, so the days run on past its end.
    count = (last - first) % 7 + 1
    return {"days": [_DAYS[(first + n) % 7] for n in range(count)], "from": opens, "to": closes}


def _clock(text: str) -> str:
    hour, minute = (int(part) for part in re.split(r"[:.]", text))
    if hour > 23 or minute > 59:
        raise ValueError("names a time that no clock shows")
    return f"{hour:02d}:{minute:02d}"


def _phrase(part: str, known: Mapping[str, Any]) -> Any:
    code = known.get(heading_key(part))
    if code is None:
        raise ValueError(f"says “{part[:60]}”, which the mapping does not know")
    return code


def _designations(cells: list[str], mapping: RegisterMapping) -> list[dict[str, str]]:
    """Return designations. Columns in front hold one thing each; the last one may hold several."""
    known = mapping.phrases.get("designation", {})
    found: list[dict[str, str]] = []
    for last in _several(cells[-1:]):
        for row in _phrase(" / ".join([*cells[:-1], last]), known):
            if row not in found:
                found.append(dict(row))
    return found
