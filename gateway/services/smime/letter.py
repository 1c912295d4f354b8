"""What a person reads first: the letter's own text, in the addressee's language and in English.

Says what this is, who sends it, by when an answer is wanted, which files belong to it with their digests, how
to acknowledge and what not to do. Wording is data (``wording.json``); the same facts give the same text.
Two languages at most: a letter in six is read by nobody.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

_RULE = "-" * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file of the letter; ``mail`` is the number of the mail that carries it, from 1."""

    name: str = field(repr=False)
    size: int
    sha256: str
    mail: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the letter says.

    Attributes:
        kind: What a request or message of this code is, in English.
        sender_address: Mailbox whose signature every letter of the sender has.
        code: The acknowledgement code as it is shown.
        readable, machine: Names of the files with the request for people and for machines.
    """

    language: str
    is_request: bool
    kind: str
    sender: str = field(repr=False)
    sender_address: str
    recipient: str = field(repr=False)
    reference: str = field(repr=False)
    created: datetime
    urgency: str
    answer_by: datetime | None
    confidentiality: str
    code: str = field(repr=False)
    total: int
    files: tuple[ListedFile, ...] = field(repr=False)
    readable: str
    machine: str


def title_of(facts: Facts) -> str:
    """Return the title in the addressee's language."""
    words = _wording()[facts.language]
    return str(words["title_request" if facts.is_request else "title_message"])


def subject_of(facts: Facts, n: int, bid: str) -> str:
    """Return the subject that stands inside the encryption.

    A reader's program may quote it outside in the reply, so it names neither reference nor case.
    """
    numbered = f" {n}/{facts.total}" if facts.total > 1 else ""
    return f"{title_of(facts)} [{bid[:8]}{numbered}]"


def cover_text(facts: Facts, n: int) -> str:
    """Return the text of the ``n``-th mail, lines divided by ``\\n``."""
    languages = dict.fromkeys((facts.language, "en"))
    return f"\n{_RULE}\n\n".join(_section(_wording()[each], facts, n) for each in languages)


def _section(words: Mapping[str, Any], facts: Facts, n: int) -> str:
    lines = [str(words["title_request" if facts.is_request else "title_message"]), ""]
    if facts.total > 1:
        lines += [words["part"].format(n=n, total=facts.total), ""]
    urgency = words["levels"].get(facts.urgency, facts.urgency)
    pairs = [
        (words["sender"], facts.sender),
        (words["recipient"], facts.recipient),
        (words["reference"], facts.reference),
        (words["kind"], facts.kind),
        (words["created"], _date(words, facts.created)),
        (words["urgency"], urgency),
    ]
    if facts.answer_by is not None:
        pairs.append((words["answer_by"], _date(words, facts.answer_by)))
    lines += [f"{label}: {value}" for label, value in pairs]
    lines += [words["secret"].format(level=facts.confidentiality), ""]
    lines += [words["attached"].format(name=facts.readable, form=facts.machine), ""]
    lines += [words["how"], ""]
    lines += _steps(words["steps"], facts.code)
    lines += ["", words["dont"], ""]
    lines += [f"- {each.format(address=facts.sender_address)}" for each in words["donts"]]
    lines += ["", words["files"], ""]
    for each in facts.files:
        size = f"{each.size:,}".replace(",", " ")
        said = words["file_facts"].format(size=size, n=each.mail, total=facts.total)
        lines += [each.name, f"  {said}", f"  {words['digest']} {each.sha256}"]
    lines += ["", words["by"].format(authority=facts.sender)]
    return "\n".join(lines) + "\n"


def _steps(steps: Sequence[str], code: str) -> list[str]:
    """Return the steps numbered; the code has a line of its own, which nothing beside it can garble."""
    lines, number = [], 0
    for step in steps:
        if step == "{code}":
            lines += ["", f"    {code}", ""]
        else:
            number += 1
            lines.append(f"{number}. {step}")
    return lines


def _date(words: Mapping[str, Any], at: datetime) -> str:
    utc = at.astimezone(UTC)
    date = words["date"].format(day=utc.day, month=words["months"][utc.month - 1], year=utc.year)
    return str(words["utc"].format(date=date, time=f"{utc:%H:%M}"))


@cache
def _wording() -> Mapping[str, Mapping[str, Any]]:
    text = (files(__package__) / "wording.json").read_text(encoding="utf-8")
    parsed: Mapping[str, Mapping[str, Any]] = json.loads(text)
    return parsed
