"""A person's word on a channel that protects a bundle less: given beforehand, asked for, or refused.

Decides who may be asked what: only channels that the addressee's signed record allows for the lane, and only
where confidentiality falls with them. When such a channel is then used is ``failover``'s matter. Each answer
is entered in the log with its channel, and the person in an entry of its own, in one transaction.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.channel_choice import Answer
from gateway.model.codes import Assurance
from gateway.model.transmission import TERMINAL, TransmissionKey
from gateway.services.delivery.failover import Failover
from gateway.services.reference import BundleNamed
from gateway.services.tasks import close_tasks
from gateway.storage import channels, transmissions
from gateway.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was said; ``waiting`` names the channels of the same bundle that still wait for an answer."""

    sender: str
    bid: str
    to: str
    channel: str
    answer: str
    waiting: tuple[str, ...]


class ConsentDesk:
    """Takes people's answers. ``on_given`` is called once a consent that was asked for is durable."""

    def __init__(
        self,
        *,
        database: Database,
        failover: Failover,
        resolve: Callable[[str], Awaitable[BundleNamed]],
        authority_id: str,
        clock: Clock,
        on_given: Callable[[], None],
    ) -> None:
        self._database = database
        self._failover = failover
        self._resolve = resolve
        self._authority_id = authority_id
        self._clock = clock
        self._on_given = on_given

    async def answer(self, ref: str, channel: str, *, given: bool, officer: str) -> Answered:
        """Consent to a channel for one bundle of ours, or refuse it; durable when it returns.

        The last word counts, and may come before the question. Refusing what was consented to keeps the
        channel from being used again. Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``,
        ``consent-not-needed``.
        """
        found = await self._resolve(ref)
        key = (found.sender, found.bid, found.peer)
        row = await self._database.read(lambda c: transmissions.find_transmission(c, *key))
        if found.sender != self._authority_id or row is None or row.state in TERMINAL:
            raise GatewayRefusal("consent-not-needed")
        situation = await self._failover.situation(key, row.lane, planned=row.channel)
        is_listed = channel in {each.channel for each in situation.channels}
        if not (is_listed and situation.needs_consent(channel)) and channel not in situation.answers:
            raise GatewayRefusal("consent-not-needed")
        answer, now = Answer.GIVEN if given else Answer.REFUSED, self._clock.now()

        def unit(tx: Transaction) -> tuple[str, ...]:
            before = channels.answer_to(tx.view(("consent", *key)), key, channel)
            if before != answer:
                enter_answer(tx, key, channel, answer, before=before, officer=officer, now=now)
            answers = channels.answers_of(tx.connection, *key) | {channel: str(answer)}
            waiting = tuple(sorted(name for name, said in answers.items() if said == Answer.ASKED))
            if not waiting:
                close_tasks(
                    tx, kind="transmission", sender=key[0], bid=key[1], codes=["consent-needed"], now=now
                )
            if before == Answer.ASKED and given:
                # Its turn came when the question did.
                channels.bring_forward(tx, key, now)
                tx.after_commit(self._on_given)
            return waiting

        waiting = await self._database.write(unit)
        return Answered(
            sender=key[0], bid=key[1], to=key[2], channel=channel, answer=str(answer), waiting=waiting
        )


def enter_answer(
    tx: Transaction,
    key: TransmissionKey,
    channel: str,
    answer: Answer,
    *,
    before: str | None,
    officer: str,
    now: datetime,
) -> None:
    """Store an answer and enter it, and apart from it who gave it; ``before`` is what stood there."""
    sender, bid, to = key
    if before is None:
        channels.add_answer(tx, key, channel, answer, now)
    else:
        channels.change_answer(tx, key, channel, answer, now)
    event = "transmission.consented" if answer is Answer.GIVEN else "transmission.consent_refused"
    tx.audit(
        PendingAuditEntry(
            event=event, body={"from": sender, "bid": bid, "to": to, "channel": channel}, at=now
        )
    )
    person = {"from": sender, "bid": bid, "officer": officer, "assurance": str(Assurance.LOCAL_OPERATOR)}
    tx.audit(PendingAuditEntry(event="person.acted", body=person, at=now))


def give_beforehand(
    tx: Transaction, key: TransmissionKey, consents: Iterable[str], *, officer: str, now: datetime
) -> None:
    """Enter the consents that come with a submission, in its transaction."""
    for channel in consents:
        enter_answer(tx, key, channel, Answer.GIVEN, before=None, officer=officer, now=now)
