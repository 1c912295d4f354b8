"""How a broken rule is told: as a refusal of what our own officers say, and of what a peer has no part in."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.case_message import CaseMessage
from gateway.model.case_view import CaseView, Effect
from gateway.model.codes import Side
from gateway.model.preservation_rules import RULES, Breach
from gateway.services.tasks import raise_task
from gateway.storage.cases import CaseRow
from gateway.storage.database import Transaction

#: Kind of a task about a case; its ``sender`` is the peer.
CASE_TASK = "case"
_SHOWN_AGAIN = timedelta(days=1)
#: Guards of the request track that no officer of ours breaks by a message that merely comes late.
_NEVER_SENT = frozenset({"allowed_ground"})


class ActRefused(Refusal):
    """A peer's message that it had no part in; ``rule`` stays with us, the peer reads ``form-invalid``.

    Attributes:
        cases: Peer and thread of the cases whose people are told.
    """

    def __init__(self, rule: str, cases: Sequence[tuple[str, str]]) -> None:
        super().__init__("form-invalid", RULES[rule].sentence, step=14)
        self.rule = rule
        self.cases = tuple(cases)


def refuse_unasked(held: Sequence[CaseRow], said: CaseMessage) -> None:
    """Raise ``ActRefused`` for an answer to a request of ours that was sent to others (UNTOC 18(13)).

    ``held`` are the cases of its thread; the answering authority has none.
    """
    asked = [(case.peer, case.thread_id) for case in held if case.side == Side.REQUESTING]
    if said.side is Side.REQUESTED and asked:
        raise ActRefused("asked_authority", asked)


def tell_refused(tx: Transaction, cases: Sequence[tuple[str, str]], *, now: datetime) -> None:
    """Put it before a person, in the case that such a message was about."""
    for peer, thread_id in cases:
        raise_task(
            tx,
            kind=CASE_TASK,
            sender=peer,
            thread_id=thread_id,
            owner="duty_officer",
            code="asked-authority",
            now=now,
            shown_again_at=now + _SHOWN_AGAIN,
        )


def refusal(breaches: Sequence[Breach]) -> GatewayRefusal:
    """Return the refusal of an act that breaks rules, each with code, article, place and sentence."""
    items = [
        {"code": b.code, "source": b.rule.source, "field": b.field, "sentence": b.rule.sentence}
        for b in dict.fromkeys(breaches)
    ]
    return GatewayRefusal("rule-broken", field=breaches[0].field, items=items)


def refuse_breach(view: CaseView, message_id: str) -> None:
    """Raise ``GatewayRefusal`` ``rule-broken`` if the case says that a message of ours breaks a rule."""
    for each in view.effects:
        if each.message.message_id != message_id:
            continue
        found = each.broken if each.effect is Effect.BREACH else set(each.broken) & _NEVER_SENT
        if found:
            raise refusal([Breach(code=code, field="$.content") for code in found])
