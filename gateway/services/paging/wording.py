"""What a notice says, in the officer's language: how urgent, how many, where to look, how to answer.

Never a case, a reference, a person or a peer: a mail server, a push service and a telephone network read it
on the way, and a locked screen shows it to whoever is near.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from adapters.alarm import NoticeKind

_FALLBACK = "en"


def compose(
    kind: NoticeKind, *, level: str, count: int, link: str, code: str, language: str
) -> tuple[str, str]:
    """Return title and text; English where a language is not known here.

    Args:
        link: Of the duty page; left out where it is empty.
    """
    words = _words().get(language.partition("-")[0].lower(), _words()[_FALLBACK])
    known = {"level": words["levels"].get(level, level), "count": count}
    lines = [words[kind].format(**known)]
    if link:
        lines.append(words["link"].format(link=link))
    lines += [words["code"].format(code=code), words["note"]]
    return words[f"{kind}_title"].format(**known), "\n".join(lines)


@cache
def _words() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("wording.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
