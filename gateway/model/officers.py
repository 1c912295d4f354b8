"""What an officer may be: pseudonym, role, language, zone; and how long links and passkeys live. Pure."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: Roles of officers. An auditor reads and moves nothing.
ROLES: Final = ("duty_officer", "approver", "operator", "shift_leader", "auditor")
AUDITOR: Final = "auditor"

#: Of the duty page and of what officers are sent.
LANGUAGES: Final = ("ar", "en", "es", "fr", "ru", "zh")

#: A one-time link is good for a day; the one for the second passkey follows at once.
LINK_LIFE: Final = timedelta(hours=24)
FURTHER_LINK_LIFE: Final = timedelta(minutes=30)
#: A passkey is confirmed anew every year, and shown to a person a month before.
PASSKEY_LIFE: Final = timedelta(days=365)
PASSKEY_WARNING: Final = timedelta(days=30)
#: Every officer should have so many: a phone falls into water at night.
PASSKEYS_EACH: Final = 2
#: More than this cannot wait or be in force at once.
MOST_PASSKEYS: Final = 10

#: What the gateway does by itself is entered under this name, so no person has it.
SYSTEM: Final = "system"

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_NAME = 200


def is_pseudonym(value: str) -> bool:
    """Tell whether a text may name an officer in messages and in the log."""
    return _PSEUDONYM.fullmatch(value) is not None and value.casefold() != SYSTEM


def officer_problems(
    *, pseudonym: str, name: str, role: str, time_zone: str, language: str
) -> Iterator[tuple[str, str]]:
    """Yield field and sentence of everything that keeps these from being an officer."""
    if not is_pseudonym(pseudonym):
        yield (
            "pseudonym",
            "Use 1 to 64 letters, digits, dots, dashes; begin with a letter or digit; not system.",
        )
    if not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        yield "name", f"Give a name of at most {_LONGEST_NAME} characters; it stays in this gateway."
    if role not in ROLES:
        yield "role", f"Use one of {', '.join(ROLES)}."
    if language not in LANGUAGES:
        yield "language", f"Use one of {', '.join(LANGUAGES)}."
    if not _is_zone(time_zone):
        yield "time_zone", "Use a name of the IANA list such as Europe/Bucharest."


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
