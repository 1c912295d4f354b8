"""The duty page of one gateway: its services, its application, and the listener with its certificate."""

import asyncio

from aiohttp import web

from crypto.pagecert import page_tls
from gateway.config import split_address
from gateway.services.duty.alarms import DutyAlarms
from gateway.services.duty.desk import DutyDesk
from gateway.services.duty.drills import DutyDrills
from gateway.services.duty.sessions import Sessions
from gateway.telemetry import get_log
from gateway.web.duty.guard import Site
from gateway.web.duty.room import Room
from gateway.web.duty.server import DutyServer
from gateway.web.duty.site import duty_application
from gateway.web.operations import Desk
from gateway.wiring.ground import Ground
from gateway.wiring.urgent import periods_of

#: A page without certificate, or whose address is taken, is tried again after this.
_AGAIN_S = 15.0

_log = get_log("duty")


class DutyRoom:
    """Everything about the duty page."""

    def __init__(self, ground: Ground, desk: Desk) -> None:
        self._ground = ground
        self._desk = desk
        self._server: DutyServer | None = None
        self._trying: asyncio.Task[None] | None = None
        self.sessions = Sessions(database=ground.database, officers=desk.officers, clock=ground.clock)

    def application(self) -> web.Application:
        """Return the page."""
        ground, desk, settings = self._ground, self._desk, self._ground.settings
        is_lab = settings.authority.network == "lab"
        return duty_application(
            Room(
                site=Site(
                    origin=settings.duty.origin,
                    is_behind_proxy=settings.duty.tls == "proxy",
                    # Trials share the name ``localhost`` with everything else on the machine.
                    keeps_https=not is_lab,
                ),
                authority_name=ground.directory.own.name_en,
                is_lab=is_lab,
                clock=ground.clock,
                officers=desk.officers,
                acts=desk.acts,
                sessions=self.sessions,
                cases=DutyDesk(
                    database=ground.database,
                    directory=ground.directory,
                    authority_id=ground.authority_id,
                    periods=periods_of(settings),
                    acknowledger=desk.cases,
                    clock=ground.clock,
                ),
                cards=desk.trust.cards,
                seconds=desk.trust.seconds,
                drills=DutyDrills(drills=desk.trust.drills, directory=ground.directory),
                alarms=DutyAlarms(
                    pager=desk.paging.pager,
                    rosters=desk.paging.rosters,
                    directory=ground.directory,
                    clock=ground.clock,
                ),
            )
        )

    async def start(self) -> None:
        """Listen, if the settings say where; where that fails, try on while everything else goes on."""
        if self._ground.settings.duty.listen and not await self._is_served():
            self._trying = asyncio.create_task(self._try_on(), name="duty page")

    async def _is_served(self) -> bool:
        duty, paths = self._ground.settings.duty, self._ground.paths
        certificate = (paths.resolve(duty.certificate_file), paths.resolve(duty.key_file))
        own = duty.tls == "own"
        try:
            server = DutyServer(
                self.application(),
                tls=page_tls(str(certificate[0]), str(certificate[1])) if own else None,
                certificate=certificate if own else None,
            )
            await server.start(*split_address(duty.listen))
        except OSError as error:
            _log.error("duty.not_served", listen=duty.listen, kind=type(error).__name__)
            return False
        self._server = server
        return True

    async def _try_on(self) -> None:
        is_served = False
        while not is_served:
            await asyncio.sleep(_AGAIN_S)
            is_served = await self._is_served()

    async def stop(self) -> None:
        """Let nobody in any more."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
        if self._server is not None:
            await self._server.stop()
