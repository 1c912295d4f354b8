"""Whom to believe: what keeps rows beside cases from the start, and the desks that need everything else."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from functools import partial

from gateway.services.acts.acts import Acts
from gateway.services.casework.casefile import BundleRef
from gateway.services.casework.followers import Follower
from gateway.services.casework.library import Library
from gateway.services.drills.book import DrillBook
from gateway.services.drills.desk import DrillDesk
from gateway.services.oral.countdown import OralCountdowns
from gateway.services.oral.countdown import look as alert
from gateway.services.oral.desk import OralDesk
from gateway.services.sending.submit import Submitter
from gateway.services.trust.callback import CallbackDesk
from gateway.services.trust.cards import SenderCards
from gateway.services.trust.desk import TrustDesk
from gateway.services.trust.secondperson import SecondDesk, SecondPersons
from gateway.wiring.ground import Ground


class TrustRoom:
    """Everything about who is believed: ``followers`` first, for the casebook; ``desk`` in the end."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._seconds = SecondPersons(authority_id=ground.authority_id)
        self.followers: Sequence[Follower] = (self._seconds, OralCountdowns())
        self.drills = DrillBook(
            authority_id=ground.authority_id,
            zone=lambda: ground.directory.own.hours.time_zone,
            agreed=ground.settings.drills.agreed,
        )
        self._looks: list[Callable[[datetime], Awaitable[int]]] = []

    async def look(self, now: datetime) -> None:
        """Do what is due here."""
        for look in self._looks:
            await look(now)

    def desk(
        self,
        resolve: Callable[[str], Awaitable[BundleRef]],
        library: Library,
        acts: Acts,
        submitter: Submitter,
        carried: Collection[str],
    ) -> TrustDesk:
        """Return the desks; ``carried``: channels that this gateway drives."""
        ground = self._ground
        seconds = SecondDesk(
            database=ground.database,
            directory=ground.directory,
            acts=acts,
            resolve=resolve,
            clock=ground.clock,
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
        oral = OralDesk(
            database=ground.database,
            library=library,
            directory=ground.directory,
            acts=acts,
            clock=ground.clock,
        )
        drills = DrillDesk(
            database=ground.database,
            directory=ground.directory,
            submitter=submitter,
            acts=acts,
            carried=carried,
            clock=ground.clock,
        )
        self._looks = [
            seconds.look,
            callbacks.look,
            partial(alert, ground.database),
            partial(self.drills.look, ground.database),
        ]
        return TrustDesk(cards=cards, callbacks=callbacks, seconds=seconds, oral=oral, drills=drills)
