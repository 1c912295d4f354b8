"""How the audit log stands, and the sentences that say what is the matter and what to do.

Used by the sequencer while it runs and by verification while it does not, so that both say the same.
"""

from dataclasses import dataclass
from enum import StrEnum


class LogState(StrEnum):
    """Whether the log signs."""

    #: Not started, or closed.
    STOPPED = "stopped"
    #: Heads are signed.
    SIGNING = "signing"
    #: The database holds fewer entries than a head that was signed, or others: a copy was restored.
    WENT_BACK = "went-back"
    #: The head file is empty or unreadable although heads were signed.
    HEAD_LOST = "head-lost"
    #: What the database holds is not what was committed, or contradicts itself.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """What doctor shows.

    Attributes:
        size: Entries in the database.
        head_size: Entries the newest signed head covers; None if there is none or it cannot be read.
        sentence: What is the matter and what to do; empty if nothing is.
    """

    state: LogState
    size: int
    head_size: int | None
    sentence: str = ""


class LogFault(Exception):
    """The log must not be signed as it is; ``state`` and ``sentence`` say why."""

    def __init__(self, state: LogState, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state
        self.sentence = sentence


def went_back(head_size: int, size: int) -> LogFault:
    """The database holds fewer entries than were signed."""
    return LogFault(
        LogState.WENT_BACK,
        f"The head went back: a signed head covers {head_size} entries, the database holds {size}. "
        "An older copy was restored; put the newest one back. Until then nothing is signed.",
    )


def other_root(head_size: int) -> LogFault:
    """The database holds other entries than were signed."""
    return LogFault(
        LogState.WENT_BACK,
        f"The first {head_size} entries of the database are not those the signed head of that size covers. "
        "Run `rogatory audit verify` and restore the newest copy. Until then nothing is signed.",
    )


def head_lost(signed: int) -> LogFault:
    """The second place is empty although heads were signed."""
    return LogFault(
        LogState.HEAD_LOST,
        f"The head file is empty, yet the database holds a signed head over {signed} entries. "
        "Put the file back from where it was kept. Until then nothing is signed.",
    )


def head_unreadable(detail: str) -> LogFault:
    """The second place holds something that is no head of this log."""
    return LogFault(
        LogState.HEAD_LOST,
        f"The signed head in the head file cannot be used ({detail}). Put the file back from a copy. "
        "Until then nothing is signed.",
    )


def damaged(detail: str) -> LogFault:
    """Rows of the log are not as they must be."""
    return LogFault(
        LogState.DAMAGED,
        f"The log in the database is damaged: {detail}. Run `rogatory audit verify`. Nothing is signed.",
    )


def changed_since(start: int, end: int) -> LogFault:
    """What was read back is not what was written."""
    return damaged(f"entries {start} to {end - 1} as read back differ from those written")
