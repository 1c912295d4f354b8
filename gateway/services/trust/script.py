"""What to say on the telephone, in order; and the number, which only the directory may name.

A number in a message, a mail or the mouth of a caller is the number of whoever made it up. The peer reads out
its words first, so that nobody can repeat ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model.authority import DirectoryEntry
from gateway.model.fields import rows, text
from gateway.model.profile import Phone

_DUTY = "duty"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScript:
    """A call that begins.

    Attributes:
        number: From the directory's record; ``None`` where the peer rings us.
        words: What the peer has to read out.
        steps: What to do and say, in order.
        there: What time it is at the peer; ``None`` where its zone is not known here.
    """

    id: str
    sender: str
    bid: str
    peer: str
    name: str
    direction: str
    number: str | None
    numbers: Sequence[Phone]
    there: datetime | None
    words: str = field(repr=False)
    steps: Sequence[str]
    started_at: datetime


def listed_numbers(entry: DirectoryEntry, contacts: Any) -> tuple[Phone, ...]:
    """Return the numbers of a record, for duty officers first; those for enrolled gateways are among them."""
    hidden = [
        Phone(use=text(row, "use"), number=text(row, "number"))
        for _, row in rows(contacts, "phones")
        if text(row, "number")
    ]
    found = dict.fromkeys((*hidden, *entry.profile.phones))
    return tuple(sorted(found, key=lambda phone: phone.use != _DUTY))


def steps_for(*, direction: str, name: str, number: str | None, reference: str | None) -> tuple[str, ...]:
    """Return the script of a call."""
    first = (
        (
            f"Ring {number}, the number of the directory; use no other, whoever gives it to you.",
            f"Ask for the duty officer of {name}, and say which authority you speak for.",
        )
        if direction == "made"
        else (
            f"Somebody rings you for {name}. Take no number from the caller.",
            "If anything seems strange, hang up and ring the directory's number instead.",
        )
    )
    about = f"the reference {reference}" if reference else "the bundle by its time of sending"
    return (
        *first,
        f"Name {about}; say nothing of its content.",
        "Ask the other side to open the sender card of this bundle and to read out its six words first.",
        "Compare them with yours word for word; only then read out your own.",
        "Ask: did your authority send or receive this, and does a second person there stand by it?",
        "Note the function of whom you spoke with, no name, and record the outcome.",
    )
