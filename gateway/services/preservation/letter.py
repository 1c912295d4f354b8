"""The letter to the holder of the data, for the domestic step: which data to keep, until when, in silence.

It names the data and nothing of the case: neither the requesting authority nor the offence, the facts or a
person, because a custodian needs none of them to preserve. The law it rests on is the office's to state; a
blank stands there otherwise. Decides what stands in it; how it looks is the template's (``letter.typ``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.model.fields import at, rows, text, texts
from gateway.model.plaintext import plain
from gateway.model.preservation_form_rules import instant

LANGUAGES: Final = ("ar", "en", "es", "fr", "ru", "zh")

#: Template of the typesetter for this document.
TEMPLATE: Final = files(__package__) / "letter.typ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The office that writes, by the own directory record."""

    state: str
    authority: str
    office: str
    email: str
    phone: str
    is_lab: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What the letter says beside the data.

    Attributes:
        custodian: As the request or the officer names it; empty for a blank.
        until: Last day of the preservation.
        items: Numbers of the items, all of the request if empty.
    """

    language: str
    sender: Sender
    reference: str = field(repr=False)
    custodian: str = field(repr=False)
    legal_basis: str
    on: datetime
    until: date
    items: Sequence[int] = ()


def letter_data(letter: Letter, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the letter as the template takes it, from a preservation request that fits its schema."""
    words = _wording()[letter.language]
    sender, details = letter.sender, at(request, "kind_details")
    contact = [sender.office, sender.email, sender.phone]
    custodian = [letter.custodian] if letter.custodian else _custodian(details)
    secret = [at(request, "confidentiality", member) for member in ("keep_fact", "no_user_notification")]
    return {
        "language": letter.language,
        "words": {name: said for name, said in words.items() if isinstance(said, str)},
        "lab": sender.is_lab,
        "state": _value(sender.state),
        "authority": _value(sender.authority),
        "custodian": [_value(line) for line in custodian or [words["custodian_blank"]]],
        "date": _value(letter.on.date().isoformat()),
        "reference": _value(letter.reference),
        "basis": _value(letter.legal_basis or words["basis_blank"]),
        "ask": words["ask"].format(until=_value(letter.until.isoformat())),
        "secret": any(said is True for said in secret),
        "items": list(_items(details, letter.items, words)),
        "contact": [_value(line) for line in contact if line],
        "confirm": words["confirm_intro"].format(contact=_value(sender.email)),
    }


def item_numbers(request: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the data items of a request, in its order."""
    found = [at(row, "item_no") for _, row in rows(request, "kind_details", "data_items")]
    return [number for number in found if isinstance(number, int)]


def _custodian(details: Any) -> list[str]:
    members = ("name", "legal_contact", "address")
    return [said for member in members if (said := text(details, "custodian", member))]


def _items(details: Any, numbers: Sequence[int], words: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for _, row in rows(details, "data_items"):
        number = at(row, "item_no")
        if numbers and number not in numbers:
            continue
        kinds = [words["categories_of"].get(code, plain(code)) for code in texts(row, "data_categories")]
        yield {
            "name": words["item"].format(number=number),
            "description": _value(text(row, "description")),
            "categories": "; ".join(kinds),
            "identifiers": [_identifier(each, words) for _, each in rows(row, "identifiers")],
            "period": _period(at(row, "period")),
        }


def _identifier(each: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, str]:
    kind = text(each, "type")
    said = [text(each, "value")]
    if isinstance(port := at(each, "port"), int):
        said.append(words["port"].format(port=port))
    if moment := _moment(text(each, "at")):
        said.append(moment)
    label = words["identifier_of"].get(kind, plain(kind))
    return {"label": label, "value": " \u2013 ".join(_value(part) for part in said)}


def _period(period: Any) -> str:
    begin, end = _moment(text(period, "from")), _moment(text(period, "to"))
    return _value(f"{begin} \u2013 {end}") if begin or end else ""


def _moment(written: str) -> str:
    """Return an instant as people compare it with logs: in UTC, to the second."""
    found = instant(written)
    return found.strftime("%Y-%m-%d %H:%M:%S UTC") if found else written


def _value(said: str) -> str:
    """Return a text from outside that keeps its own direction, whatever stands around it."""
    return f"\u2068{plain(said)}\u2069"


@cache
def _wording() -> Mapping[str, Mapping[str, Any]]:
    parsed: Mapping[str, Mapping[str, Any]] = json.loads(
        (files(__package__) / "wording.json").read_text(encoding="utf-8")
    )
    return parsed
