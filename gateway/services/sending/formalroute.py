"""What a person does beside the gateway: the diplomatic channel, a paper original. Pending until confirmed.

Where the addressee's record requires another route, what the gateway carries is the advance copy (UNTOC
18(13)). A task stands for each such route from the submission on, in its transaction, and is closed by a
person who says that it was gone. Whether the addressee has it is for its people to say, in a message.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model import advice
from gateway.model.audit import PendingAuditEntry
from gateway.model.authority import DirectoryEntry
from gateway.model.codes import Assurance
from gateway.model.record_parts import Channel
from gateway.model.routes import routes_for
from gateway.services.reference import BundleNamed
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import peers
from gateway.storage.database import Database, Transaction

TASK_KIND = "formal_route"

_REMINDED_AGAIN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A route that a person has confirmed; ``waiting`` names those of the same request that still wait."""

    sender: str
    bid: str
    to: str
    route: str
    waiting: tuple[str, ...]


def routes_by_hand(entry: DirectoryEntry, lane: str, driven: Iterable[Channel]) -> tuple[str, ...]:
    """Return the codes of what a person does beside the gateway, which drives these channels."""
    carried = {channel.channel for channel in driven}
    routes = routes_for(entry, lane, we_list_interpol=None, carried=carried)
    return tuple(task.code for task in advice.tasks(entry, routes))


def raise_route_tasks(tx: Transaction, codes: Iterable[str], *, sender: str, bid: str, now: datetime) -> None:
    """Put each route before a person, in the transaction of the submission."""
    for code in codes:
        raise_task(
            tx,
            kind=TASK_KIND,
            sender=sender,
            bid=bid,
            owner="operator",
            code=code,
            now=now,
            shown_again_at=now + _REMINDED_AGAIN,
        )


class RouteDesk:
    """Takes a person's word that a request has gone by its formal route as well."""

    def __init__(
        self,
        *,
        database: Database,
        resolve: Callable[[str], Awaitable[BundleNamed]],
        authority_id: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._resolve = resolve
        self._authority_id = authority_id
        self._clock = clock

    async def confirm(self, ref: str, route: str, *, officer: str) -> Confirmed:
        """Close the task of one route of a request of ours; durable when it returns.

        Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``, or ``route-not-open`` if that route
        does not wait for anybody; nothing is changed then.
        """
        found = await self._resolve(ref)
        now, sender, bid = self._clock.now(), found.sender, found.bid

        def unit(tx: Transaction) -> tuple[str, ...]:
            connection = tx.view(("task", TASK_KIND, sender, bid))
            held = peers.open_tasks_about(connection, kind=TASK_KIND, sender=sender, bid=bid, thread_id=None)
            open_codes = [task.code for task in held]
            if sender != self._authority_id or route not in open_codes:
                raise GatewayRefusal("route-not-open")
            close_tasks(tx, kind=TASK_KIND, sender=sender, bid=bid, codes=[route], now=now)
            bundle: dict[str, str | int | None] = {"from": sender, "bid": bid}
            said = {**bundle, "to": found.peer, "code": route}
            person = {**bundle, "officer": officer, "assurance": str(Assurance.LOCAL_OPERATOR)}
            tx.audit(PendingAuditEntry(event="route.confirmed", body=said, at=now))
            tx.audit(PendingAuditEntry(event="person.acted", body=person, at=now))
            return tuple(code for code in open_codes if code != route)

        waiting = await self._database.write(unit)
        return Confirmed(sender=sender, bid=bid, to=found.peer, route=route, waiting=waiting)
