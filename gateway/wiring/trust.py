"""Whom to believe: what keeps rows beside cases from the start, and the desks that need everything else."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from gateway.services.callback import CallbackDesk
from gateway.services.casefile import BundleRef
from gateway.services.followers import Follower
from gateway.services.trust.cards import SenderCards
from gateway.services.trust.desk import TrustDesk
from gateway.services.trust.secondperson import SecondDesk, SecondPersons
from gateway.storage.database import Connection
from gateway.wiring.ground import Ground


class TrustRoom:
    """Everything about who is believed: ``followers`` first, for the casebook; ``desk`` in the end."""

    def __init__(self, ground: Ground, *, role_of: Callable[[Connection, str], str | None]) -> None:
        self._ground = ground
        self._seconds = SecondPersons(authority_id=ground.authority_id, role_of=role_of)
        self.followers: Sequence[Follower] = (self._seconds,)
        self._looks: list[Callable[[datetime], Awaitable[int]]] = []

    async def look(self, now: datetime) -> None:
        """Do what is due here."""
        for look in self._looks:
            await look(now)

    def desk(self, *, resolve: Callable[[str], Awaitable[BundleRef]]) -> TrustDesk:
        """Return the desks."""
        ground = self._ground
        seconds = SecondDesk(
            database=ground.database, seconds=self._seconds, resolve=resolve, clock=ground.clock
        )
        callbacks = CallbackDesk(
            database=ground.database,
            directory=ground.directory,
            authority_id=ground.authority_id,
            seconds=self._seconds,
            resolve=resolve,
            clock=ground.clock,
        )
        cards = SenderCards(
            database=ground.database,
            directory=ground.directory,
            authority_id=ground.authority_id,
            resolve=resolve,
            clock=ground.clock,
        )
        self._looks = [seconds.look, callbacks.look]
        return TrustDesk(cards=cards, callbacks=callbacks, seconds=seconds)
