"""What an authority publishes about itself, as a document for people: its record and its requirements.

States may be asked for it in writing, and the directory's own form is for machines. Decides which sections
the document has and in which order, and its form as text; how it looks on paper is the typesetter's.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from gateway.model.plaintext import plain
from gateway.services.documents.statementparts import (
    Section,
    about,
    designations,
    office,
    passages,
    requirements_sections,
    resources,
    transmission,
    treaties,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The document."""

    title: str
    authority: str
    state: str
    notice: str
    sections: tuple[Section, ...] = field(repr=False)


#: Where a line may end: at spaces, and in addresses behind a mark that a letter follows.
_BREAKS: Final = re.compile(r"\s+|(?<=[-/.@])(?=[A-Za-z])")
_WIDEST_TEXT: Final = 30

#: Template of the typesetter for this document.
TEMPLATE: Final = files(__package__) / "statement.typ"


def make_statement(
    record: Mapping[str, Any],
    *,
    state: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None,
    handed_over: Iterable[tuple[str, str]],
    now: datetime,
) -> Statement:
    """Return the document about an authority.

    Args:
        record: Its directory record, fitting the schema.
        state: The record of its State, for name and treaties.
        requirements: Its published requirements, fitting their schema.
        handed_over: Name and SHA-256 of the machine-readable files handed over with it.
    """
    sections = [
        office(record),
        designations(record),
        transmission(record),
        passages("In urgent cases", record.get("urgent_procedure")),
        passages("What a request must contain", record.get("information_needed")),
        *(() if requirements is None else requirements_sections(requirements)),
        passages("Notes on procedure", record.get("procedural_notes")),
        passages("Notes on the legal basis", record.get("legal_basis_notes")),
        resources(record),
        treaties(state),
        about(record, handed_over, now),
    ]
    sample = record.get("source") == "sample" or (requirements or {}).get("basis") == "sample"
    return Statement(
        title="Directory record"
        + ("" if requirements is None else " and requirements for incoming requests"),
        authority=plain(str(record["name_en"])),
        state=plain(str(record["state"] if state is None else state["name"])),
        notice="Sample: every address and number is fictional, and nothing here states national law."
        if sample
        else "",
        sections=tuple(_plain(section) for section in sections if section.says_something),
    )


def _plain(section: Section) -> Section:
    """Return a section whose texts only stand there: a record is outside material, and this is printed."""
    return replace(
        section,
        pairs=tuple((name, plain(value)) for name, value in section.pairs),
        rows=tuple(tuple(map(plain, row)) for row in section.rows),
        passages=tuple(replace(each, text=plain(each.text)) for each in section.passages),
    )


def as_text(statement: Statement) -> str:
    """Return the document as plain text, for a letter or an e-mail; lines as long as their content."""
    lines = [statement.title, statement.authority, statement.state, ""]
    if statement.notice:
        lines += [statement.notice, ""]
    for number, section in enumerate(statement.sections, 1):
        lines += [f"{number}. {section.heading}", ""]
        lines += [f"   {name}: {value}" for name, value in section.pairs]
        if section.rows:
            lines += ["   " + " | ".join(row) for row in (section.columns, *section.rows)]
        for passage in section.passages:
            language = f"[{passage.language}] " if passage.language else ""
            lines.append(f"   {language}{passage.text}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_data(statement: Statement) -> dict[str, Any]:
    """Return the document as the typesetter's template takes it."""
    return {
        "title": statement.title,
        "authority": statement.authority,
        "state": statement.state,
        "notice": statement.notice,
        "sections": [
            {
                "heading": section.heading,
                "pairs": [list(pair) for pair in section.pairs],
                "columns": list(section.columns),
                "widths": _widths(section),
                "rows": [list(row) for row in section.rows],
                "passages": [
                    {
                        "text": passage.text,
                        "language": passage.language,
                        "right_to_left": passage.right_to_left,
                    }
                    for passage in section.passages
                ],
            }
            for section in statement.sections
        ],
    }


def _widths(section: Section) -> list[int]:
    """Return how wide the columns are to each other: room for the longest word, for text up to a bound."""
    columns = zip(section.columns, *section.rows, strict=True)
    return [max(_longest_word(cells) + 3, min(max(map(len, cells)), _WIDEST_TEXT)) for cells in columns]


def _longest_word(cells: Iterable[str]) -> int:
    """Return the length of what cannot be broken over two lines."""
    return max(len(piece) for cell in cells for piece in _BREAKS.split(cell))
