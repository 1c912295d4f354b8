"""People at night in one gateway: roster, alarm paths, pager, and what the doctor asks about them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from adapters.alarm import AlarmPath
from adapters.egress import Network
from adapters.noticemail import MailPath
from adapters.smtp import MailTimings, SmtpSender
from adapters.webhook import WebhookPath, WebhookPolicy
from gateway.model.paging import Climb
from gateway.services.diagnosis import Diagnosis
from gateway.services.escalation.wording import is_contact_point
from gateway.services.paging.answers import Answers
from gateway.services.paging.bell import Bell
from gateway.services.paging.codes import Codes
from gateway.services.paging.deadman import DeadMan
from gateway.services.paging.desk import PagingDesk
from gateway.services.paging.heartbeat import HEARTBEAT_FILE, Heartbeat
from gateway.services.paging.keeping import PageKeeping
from gateway.services.paging.pager import Pager
from gateway.services.paging.paths import MAIL, WEBHOOK, AlarmPaths
from gateway.services.paging.readiness import check_readiness
from gateway.services.paging.rosters import Rosters
from gateway.services.paging.tasks import PagingTasks
from gateway.services.paging.times import PagingTimes
from gateway.wiring.channels import mail_server
from gateway.wiring.ground import Ground

#: A server that does not answer in this time is tried again; meanwhile the next path rings.
_TIMINGS = MailTimings(connect_s=15.0, command_s=15.0, idle_s=15.0, answer_s=30.0)


class PagingRoom:
    """Everything about calling people."""

    def __init__(self, ground: Ground) -> None:
        database, clock, alarm = ground.database, ground.clock, ground.settings.alarm
        self._ground = ground
        self._webhooks = _webhooks(ground)
        self._paths = _paths(ground, self._webhooks)
        times = PagingTimes(
            climb=Climb(
                urgent=timedelta(seconds=alarm.climb_s),
                emergency=timedelta(seconds=alarm.emergency_climb_s),
            ),
            test_every=timedelta(days=alarm.test_every_days),
            test_answer=timedelta(seconds=alarm.test_answer_s),
        )
        tasks = PagingTasks(ground.authority_id)
        bell = Bell(
            database=database,
            paths=self._paths,
            codes=Codes(ground.keyring.kek),
            times=times,
            tasks=tasks,
            link=f"{ground.settings.duty.origin}/" if ground.settings.duty.origin else "",
            clock=clock,
        )
        self.pager = Pager(
            database=database,
            bell=bell,
            deadman=DeadMan(database=database, bell=bell, times=times, tasks=tasks),
            answers=Answers(database=database, times=times, tasks=tasks, clock=clock),
            clock=clock,
        )
        self.keeping = PageKeeping(database=database)
        webhooks, every_s = self._webhooks, alarm.heartbeat_s
        self.heartbeat = Heartbeat(
            database=database,
            call=lambda at: webhooks.beat(HEARTBEAT_FILE, at),
            every=timedelta(seconds=every_s) if every_s else None,
            clock=clock,
        )
        self.desk = PagingDesk(
            pager=self.pager,
            rosters=Rosters(database=database, vault=ground.vault, clock=clock),
            paths=AlarmPaths(
                database=database, folder=ground.paths.alarms, policy=_policy(ground), clock=clock
            ),
        )

    def background(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield what runs beside everything else, with its name."""
        yield "paging", self.pager.run
        if self._ground.settings.alarm.heartbeat_s:
            yield "heartbeat", self.heartbeat.run

    async def check(self) -> Iterable[Diagnosis]:
        """Say whether people can be woken, and whether somebody outside would notice our silence."""
        ready = await check_readiness(
            self._ground.database,
            is_contact_point=is_contact_point(self._ground.directory.own),
            kinds=self._paths,
            now=self._ground.clock.now(),
        )
        return [*ready, *await self.heartbeat.check()]


def _policy(ground: Ground) -> WebhookPolicy:
    return WebhookPolicy(
        network=Network(ground.settings.authority.network),
        site_hosts=frozenset(ground.settings.alarm.site_hosts),
    )


def _webhooks(ground: Ground) -> WebhookPath:
    settings, paths = ground.settings, ground.paths
    return WebhookPath(
        folder=paths.alarms,
        policy=_policy(ground),
        ca_file=paths.resolve(settings.alarm.ca_file) if settings.alarm.ca_file else None,
        proxy_url=settings.peer.proxy_url or None,
        seconds=lambda: ground.clock.now().timestamp(),
    )


def _paths(ground: Ground, webhooks: WebhookPath) -> Mapping[str, AlarmPath]:
    settings, alarm = ground.settings, ground.settings.alarm
    made: dict[str, AlarmPath] = {WEBHOOK: webhooks}
    server = alarm.smtp if alarm.smtp.host else settings.mail.smtp
    mailbox = alarm.sender or settings.mail.mailbox
    if server.host and mailbox:
        domain = mailbox.rpartition("@")[2]
        sender = SmtpSender(mail_server(ground, server), name=domain, timings=_TIMINGS)
        made[MAIL] = MailPath(sender=sender, mailbox=mailbox, now=ground.clock.now)
    return made
