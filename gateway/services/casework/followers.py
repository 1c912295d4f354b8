"""What else happens in the transaction that adds a message to a case: the clocks of other areas.

A follower makes and ends its own rows there and nothing else; it sees every message of either side once,
sealed or recorded from mail, after the fold. It never refuses: what must not be sent is refused before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway.storage import cases
from gateway.storage.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A message that was just added.

    Attributes:
        case: As its fold says it stands now.
        row: The message.
        form: Its form, parsed and checked.
        is_ours: Whether our authority sends it.
        now: By our own clock.
    """

    case: cases.CaseRow
    row: cases.MessageRow
    form: Mapping[str, Any] = field(repr=False)
    is_ours: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Consigned:
    """A message of ours that the peer has proved to hold; ``now`` by our own clock."""

    case: cases.CaseRow
    row: cases.MessageRow
    now: datetime


class Follower(Protocol):
    """Keeps rows of its own beside cases."""

    def added(self, tx: Transaction, added: Added) -> None:
        """Do what a new message asks for, in the caller's transaction."""

    def consigned(self, tx: Transaction, consigned: Consigned) -> None:
        """Do what the peer's proof that it holds a message of ours asks for, in the caller's transaction."""
