"""The mail of one gateway: what takes mails in, what keeps those that nobody takes, and where they come from.

Always made, also without a mailbox: what came before it was switched off still has to be looked after.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from adapters.lmtp import LmtpInlet
from adapters.mailbox import Mailbox
from adapters.smtp import SmtpSender
from gateway.services.arrivals.arrival import Arrivals
from gateway.services.delivery.post import PeerPost
from gateway.services.delivery.receipts import ReceiptDesk
from gateway.services.diagnosis import Diagnosis
from gateway.services.health.liveness import Liveness
from gateway.services.mail.answers import MailAnswers
from gateway.services.mail.checks import check_mail
from gateway.services.mail.gatewaymail import GatewayMails
from gateway.services.mail.human import HumanMail
from gateway.services.mail.inlets import empty, handed_over, listen
from gateway.services.mail.intake import MailIntake
from gateway.services.mail.keeping import MailKeeping
from gateway.services.mail.quarantine import Quarantine
from gateway.services.mail.segments import Segments
from gateway.services.revocations import Revocations
from gateway.services.smime.checks import check_letters
from gateway.wiring.channels import mail_server
from gateway.wiring.ground import Ground


class MailRoom:
    """Everything about mails that come in."""

    def __init__(
        self,
        ground: Ground,
        *,
        arrivals: Arrivals,
        desk: ReceiptDesk,
        revocations: Revocations,
        liveness: Liveness,
        post: PeerPost,
        heard: Callable[[str, datetime], None],
        human: HumanMail,
    ) -> None:
        database, clock, staging = ground.database, ground.clock, ground.staging
        self._ground = ground
        segments = Segments(database=database, staging=staging, clock=clock)
        self.quarantine = Quarantine(
            database=database,
            staging=staging,
            vault=ground.vault,
            authority_id=ground.authority_id,
            clock=clock,
        )
        self.keeping = MailKeeping(database=database, segments=segments, quarantine=self.quarantine)
        self.intake = MailIntake(
            gateways=GatewayMails(
                directory=ground.directory,
                arrivals=arrivals,
                desk=desk,
                revocations=revocations,
                liveness=liveness,
                segments=segments,
                answers=MailAnswers(database=database, liveness=liveness, post=post, clock=clock),
                heard=heard,
                authority_id=ground.authority_id,
                clock=clock,
            ),
            human=human,
            quarantine=self.quarantine,
            mailbox=ground.settings.mail.mailbox,
            clock=clock,
        )

    def background(self) -> Iterable[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return what works by itself while the service runs."""
        mail = self._ground.settings.mail
        if mail.imap.host:
            yield "mailbox", self._empty_mailbox
        if mail.lmtp_socket:
            yield "lmtp", self._take_mail

    async def check(self) -> Iterable[Diagnosis]:
        """Say how mail is doing; nothing where there is no mailbox."""
        ground, mail = self._ground, self._ground.settings.mail
        if not mail.mailbox:
            return ()
        smtp = SmtpSender(mail_server(ground, mail.smtp), name=mail.mailbox.rpartition("@")[2])
        try:
            found = await check_mail(
                submission=smtp.check,
                mailbox=self._mailbox().check if mail.imap.host else None,
                lmtp_socket=ground.paths.resolve(mail.lmtp_socket) if mail.lmtp_socket else None,
                set_aside=await self.quarantine.listing(),
                taken_at=self.intake.taken_at,
            )
            own, now = ground.directory.own, ground.clock.now()
            return [*found, *check_letters(own, ground.keyring.held, mailbox=mail.mailbox, now=now)]
        finally:
            await smtp.aclose()

    def _mailbox(self) -> Mailbox:
        imap = self._ground.settings.mail.imap
        return Mailbox(mail_server(self._ground, imap), folder=imap.folder)

    async def _empty_mailbox(self) -> None:
        await empty(self._mailbox(), self.intake)

    async def _take_mail(self) -> None:
        path = self._ground.paths.resolve(self._ground.settings.mail.lmtp_socket)
        await listen(lambda: LmtpInlet(handed_over(self.intake), path=path))
