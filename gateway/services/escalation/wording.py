"""What a person is to do at a step: in one or two sentences, with the names and numbers of the directory.

The sentences name authorities and telephone numbers and nothing of any case. A number comes from the signed
directory only, member-only contacts included, and never from a message.
"""

from collections.abc import Callable, Mapping

from gateway.model.authority import DirectoryEntry
from gateway.model.escalation import Stage, Way
from gateway.model.listing import with_contacts
from gateway.services.directory import Directory
from gateway.storage.escalations import EscalationRow

#: The code of a step's task, by side and stage; its own sentence says what it is about.
NO_RECEIPT, NOT_ACKNOWLEDGED, TARGET_PASSED, EXPIRED = (
    "no-receipt",
    "not-acknowledged",
    "target-passed",
    "escalation-expired",
)
TO_ACKNOWLEDGE = "to-acknowledge"
CODES = frozenset({NO_RECEIPT, NOT_ACKNOWLEDGED, TARGET_PASSED, EXPIRED, TO_ACKNOWLEDGE})

_DUTY_FIRST = ("duty", "office", "")
_MOST_POINTS = 4


class Wording:
    """Makes the sentences of one authority."""

    def __init__(self, *, directory: Directory) -> None:
        self._directory = directory

    def code(self, row: EscalationRow, stage: Stage) -> str:
        """Return the code of the task that a step raises."""
        if stage is Stage.EXPIRED:
            return EXPIRED
        if row.side == Way.IN:
            return TO_ACKNOWLEDGE
        if stage is Stage.TARGET_PASSED:
            return TARGET_PASSED
        return NO_RECEIPT if row.consigned_at is None else NOT_ACKNOWLEDGED

    def sentence(self, row: EscalationRow, stage: Stage) -> str:
        """Return what happened and what to do, without content."""
        says: Mapping[str, Callable[[EscalationRow], str]] = {
            NO_RECEIPT: self._no_receipt,
            NOT_ACKNOWLEDGED: self._not_acknowledged,
            TARGET_PASSED: self._target_passed,
            TO_ACKNOWLEDGE: self._to_acknowledge,
            EXPIRED: self._expired,
        }
        return says[self.code(row, stage)](row)

    def _no_receipt(self, row: EscalationRow) -> str:
        return (
            f"{self._name(row.peer)} has not received this in time; the gateway goes on by every channel it "
            f"may use. Call there now: {self._numbers(row.peer)}."
        )

    def _not_acknowledged(self, row: EscalationRow) -> str:
        return (
            f"No person at {self._name(row.peer)} has {_SIGNED[_is_unsigned(row)]}. "
            f"Call the duty number now: {self._numbers(row.peer)}."
        )

    def _target_passed(self, row: EscalationRow) -> str:
        others = self._other_points(row.peer)
        turn_to = f"Turn to {'; '.join(others)}; " if others else "Turn to "
        return (
            f"The time for an acknowledgement by {self._name(row.peer)} is over ({self._numbers(row.peer)}). "
            f"{turn_to}INTERPOL{self._interpol(row.peer)}; and tell your own superior."
        )

    def _to_acknowledge(self, row: EscalationRow) -> str:
        return (
            f"An urgent request of {self._name(row.peer)} is here and no person has "
            f"{_SIGNED[_is_unsigned(row)]}. Read it and acknowledge it on the duty page; "
            f"the sender: {self._numbers(row.peer)}."
        )

    def _expired(self, row: EscalationRow) -> str:
        return (
            f"Nobody at {self._name(row.to_aid)} ever signed that they have this, and it may not be "
            f"delivered any more. Call there ({self._numbers(row.peer)}) and decide whether it is sent again."
        )

    # From the directory

    def _name(self, aid: str) -> str:
        entry = self._directory.lookup(aid).entry
        return aid if entry is None else f"{entry.name_en} ({aid})"

    def _numbers(self, aid: str) -> str:
        """Return the numbers of an authority, duty first; or where to look, if the directory has none."""
        entry = self._directory.lookup(aid).entry
        if entry is None:
            return "no number in the directory"
        phones = with_contacts(entry, self._directory.contacts(aid)).phones
        ordered = sorted(phones, key=lambda phone: (_use_order(phone.use), phone.number))
        return ", ".join(f"{phone.number} ({phone.use or 'office'})" for phone in ordered) or (
            "no number in the directory"
        )

    def _other_points(self, aid: str) -> list[str]:
        """Return the other 24/7 points of the same State with their numbers."""
        here = self._directory.lookup(aid).entry
        state = aid[:2].upper() if here is None else here.state
        found = [
            entry
            for entry in self._directory.entries()
            if entry.state == state and entry.authority_id != aid and is_contact_point(entry)
        ]
        found.sort(key=lambda entry: entry.authority_id)
        return [f"{entry.name_en} ({self._numbers(entry.authority_id)})" for entry in found[:_MOST_POINTS]]

    def _interpol(self, aid: str) -> str:
        entry = self._directory.lookup(aid).entry
        channels = () if entry is None else entry.channels
        address = next((channel.address for channel in channels if channel.channel == "interpol"), "")
        return f" ({address})" if address else ""


def is_contact_point(entry: DirectoryEntry) -> bool:
    """Say whether an authority is in use and answers around the clock."""
    return entry.status == "active" and ("contact_24_7" in entry.roles or entry.hours.always)


def _use_order(use: str) -> int:
    return _DUTY_FIRST.index(use) if use in _DUTY_FIRST else len(_DUTY_FIRST)


_SIGNED = {
    False: "acknowledged this",
    True: "signed for it: the acknowledgement carries no person's signature, so the clock goes on",
}


def _is_unsigned(row: EscalationRow) -> bool:
    return row.unsigned_at is not None
