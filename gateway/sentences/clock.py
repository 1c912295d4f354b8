"""What is said about the ends of a preservation (docs/preservation.md)."""

from collections.abc import Mapping
from types import MappingProxyType

CLOCK: Mapping[str, str] = MappingProxyType(
    {
        "clock-set-back": "This machine's clock shows an earlier time than before; check its time service. "
        "No warning and no lapse is taken back, and what was said too early is said again in its time.",
        "preservation-answer": "An extension was asked for and waits for our answer; give it before the end, "
        "and say at once if the law cannot wait.",
        "preservation-ending": "The data that was preserved for us is kept no longer after the end: send the "
        "request for mutual assistance and tell of it, or ask for an extension, so that it is there before.",
        "preservation-ending-asked": "The extension we asked for is not answered; ring the other authority, "
        "or send the request for mutual assistance and tell of it before the end.",
        "preservation-lapsed": "The end has passed and nothing was with the other authority in time: ask "
        "anew if the data is still needed. What was there in time undoes this by itself.",
        "preservation-let-go": "The end has passed and nothing was here in time: empty every channel up to "
        "the end, and only then let the custodian let go. What was here in time undoes this by itself.",
        "preservation-renewal": "An extension can be asked for until the last day only; ask for it, or send "
        "the request for mutual assistance before the end.",
        "preservation-renewal-over": "The last day of asking for an extension has passed; only the request "
        "for mutual assistance keeps the data now: send it and tell of it before the end.",
        "preservation-unanswered": "An extension was asked for in time and is not answered, and the end has "
        "passed: the data stays preserved until the answer, which the requested authority owes.",
        "preservation-warn": "The data we preserved is let go after the end, and no request has followed: "
        "tell the other authority with `rogatory preservation warn-end`.",
    }
)
