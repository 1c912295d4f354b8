"""The duty page of one gateway: its services, its application, and the listener with its certificate."""

from aiohttp import web

from crypto.pagecert import page_tls
from gateway.config import split_address
from gateway.services.duty.alarms import DutyAlarms
from gateway.services.duty.desk import DutyDesk
from gateway.services.duty.sessions import Sessions
from gateway.web.duty.guard import Site
from gateway.web.duty.room import Room
from gateway.web.duty.server import DutyServer
from gateway.web.duty.site import duty_application
from gateway.web.operations import Desk
from gateway.wiring.ground import Ground
from gateway.wiring.urgent import periods_of


class DutyRoom:
    """Everything about the duty page."""

    def __init__(self, ground: Ground, desk: Desk) -> None:
        self._ground = ground
        self._desk = desk
        self._server: DutyServer | None = None
        self.sessions = Sessions(database=ground.database, clock=ground.clock)

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
                alarms=DutyAlarms(
                    pager=desk.paging.pager,
                    rosters=desk.paging.rosters,
                    directory=ground.directory,
                    clock=ground.clock,
                ),
            )
        )

    async def start(self) -> None:
        """Listen, if the settings say where. Raises ``OSError``: an address in use, or no certificate."""
        duty, paths = self._ground.settings.duty, self._ground.paths
        if not duty.listen:
            return
        certificate = (paths.resolve(duty.certificate_file), paths.resolve(duty.key_file))
        own = duty.tls == "own"
        server = DutyServer(
            self.application(),
            tls=page_tls(str(certificate[0]), str(certificate[1])) if own else None,
            certificate=certificate if own else None,
        )
        await server.start(*split_address(duty.listen))
        self._server = server

    async def stop(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            await self._server.stop()
