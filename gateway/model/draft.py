"""What the rules about contents look at, and what they find.

A draft may be of any shape; ``fields`` reads it without raising.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gateway.model.addressee import DirectoryFacts
from gateway.model.codes import CheckResult, Severity
from gateway.model.fields import rows, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a rule may look at.

    Attributes:
        kind: The request kind, empty where there is none.
        primary: Code of the primary instrument; the first one where none is marked.
        items: The items of assistance with their places in the list; ``item_types`` are their types.
    """

    form: Mapping[str, Any]
    facts: DirectoryFacts | None
    documents: Mapping[str, tuple[int, str]] | None
    today: date
    # Read once, because many rules ask for them.
    kind: str = field(init=False)
    primary: str = field(init=False)
    items: list[tuple[int, Mapping[str, Any]]] = field(init=False)
    item_types: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        form = self.form
        named = [row for _, row in rows(form, "instruments")]
        chosen = next((row for row in named if row.get("primary") is True), named[0] if named else None)
        object.__setattr__(self, "kind", text(form, "request_kind"))
        object.__setattr__(self, "primary", text(chosen, "code"))
        items = rows(form, "assistance")
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "item_types", tuple([text(row, "type") for _, row in items]))

    @property
    def instruments(self) -> frozenset[str]:
        """Codes of all instruments named."""
        return frozenset(text(row, "code") for _, row in rows(self.form, "instruments"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something a rule found at one place; severity and source are the rule's where they are empty."""

    field: str
    sentence: str
    severity: Severity | None = None
    source: str = ""
    result: CheckResult = CheckResult.FAILED


def absent(field: str, sentence: str) -> Lack:
    """Return what is missing at a place, with the severity of the rule."""
    return Lack(field=field, sentence=sentence)


def without_directory(what: str) -> list[Lack]:
    """Return that something could not be checked because the directory is not at hand."""
    return [
        Lack(
            field="$.requested_authority",
            sentence=f"{what} could not be checked: the addressee's directory entry is not at hand.",
            result=CheckResult.NOT_CHECKED,
        )
    ]
