"""What a person of the other side wrote by mail, in its case: counted, and never for more than it is.

It bears no number of its side, so a sealed message of that side is never taken for a second one of the same
number; where a sealed one of the same type comes, that one counts in its place (docs/state-machine.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.model.audit import PendingAuditEntry
from gateway.model.case import Effect
from gateway.model.case_message import case_message
from gateway.services.casework.casebook import Casebook
from gateway.services.casework.refold import CASE_TASK
from gateway.services.tasks import raise_task
from gateway.storage.database import Transaction

_SHOWN_AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByMail:
    """A reply as we keep it: in a bundle of ours, whose identifier the form names.

    Attributes:
        peer: Whose person it was.
        officer: Pseudonyms of our people who vouch for it.
        to_read: Somebody has to read it, whatever it did to the case.
        at: When it was taken in.
    """

    form: Mapping[str, Any] = field(repr=False)
    peer: str
    assurance: str
    officer: str | None
    to_read: bool
    at: datetime


def record(casebook: Casebook, tx: Transaction, mail: ByMail) -> str:
    """Add a reply to its case and return what the fold made of it; a person is told to read what needs it."""
    form, thread = mail.form, mail.form["thread"]["thread_id"]
    keeper, _, bid = form["message_id"].partition("/")
    said = case_message(form, message_id=form["message_id"], consigned_at=mail.at)
    _, view = casebook.add(
        tx,
        form,
        replace(said, seq=0, numbered=False),
        thread_id=thread,
        peer=mail.peer,
        assurance=mail.assurance,
        officer=mail.officer,
        stored_at=mail.at,
    )
    effect = view.effect_of(said.message_id)
    body = {"from": keeper, "bid": bid, "type": said.message_type, "effect": str(effect)}
    tx.audit(PendingAuditEntry(event="message.recorded", body=body, at=mail.at))
    if mail.to_read or effect is Effect.UNKNOWN:
        raise_task(
            tx,
            kind=CASE_TASK,
            sender=mail.peer,
            bid=None,
            thread_id=thread,
            owner="operator",
            code="mail-to-read",
            now=mail.at,
            shown_again_at=mail.at + _SHOWN_AGAIN,
        )
    return str(effect)
