"""One raw mail in, one durable end out: taken, or set aside with a reason. Nothing is dropped in silence.

The mail is read within bounds, told by its headers whose work it is, and handed there. What comes of it is
durable before ``take`` returns; only then its server is told that the mail is done. A crash between makes the
mail come twice, and the second time changes nothing: containers and receipts are known, a mail set aside is
found by its digest, an automatic answer was noted before it left.
"""

import asyncio
import hashlib
from datetime import datetime

from adapters.mailformat import is_gateway_mail, is_own_message_id
from adapters.mimeread import MailUnreadable, MimePart, read_mail
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.mailtriage import Kind, Seen, triage
from gateway.services.mail.gatewaymail import PASSING, GatewayMails
from gateway.services.mail.human import HumanMail, HumanPost
from gateway.services.mail.quarantine import Quarantine
from gateway.telemetry import get_log

#: Mails in work at once: each may be held in memory several times over.
_AT_ONCE = 2


class MailIntake:
    """Takes mails in, from whatever inlet."""

    def __init__(
        self,
        *,
        gateways: GatewayMails,
        human: HumanMail,
        quarantine: Quarantine,
        mailbox: str,
        clock: Clock,
    ) -> None:
        self._gateways = gateways
        self._human = human
        self._quarantine = quarantine
        self._mailbox = mailbox
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._log = get_log("mail")
        #: When a mail was last taken to its end; for the doctor.
        self.taken_at: datetime | None = None

    async def take(self, raw: bytes, *, mail_from: str | None = None) -> None:
        """Take one mail; what comes of it is durable when this returns.

        ``mail_from`` is the envelope's sender, ``""`` for the null one, ``None`` where it is not known.

        Raises ``GatewayError``: nothing was decided, and the mail is to be given again later.
        """
        async with self._places:
            reason = await self._taken(raw, mail_from)
            if reason is not None:
                await self._quarantine.put(raw, reason)
        self.taken_at = self._clock.now()

    async def _taken(self, raw: bytes, mail_from: str | None) -> str | None:
        """Return ``None`` for what was dealt with, else why it is to be set aside."""
        try:
            tree = await asyncio.to_thread(read_mail, raw)
            return await self._dispose(raw, tree, mail_from)
        except MailUnreadable as unreadable:
            self._log.warning("mail.unreadable", code=unreadable.reason, detail=unreadable.detail)
            return unreadable.reason
        except GatewayRefusal as refusal:
            if refusal.code in PASSING or refusal.retryable:
                raise
            return refusal.code
        except GatewayError:
            raise
        except Exception as error:
            # A mail that we stumble over must not stop those behind it.
            self._log.error("mail.defect", code=type(error).__name__)
            return "mail-defect"

    async def _dispose(self, raw: bytes, tree: MimePart, mail_from: str | None) -> str | None:
        is_own = is_own_message_id(tree.header("message-id") or "", self._mailbox)
        found = triage(
            Seen(
                headers=tree.headers,
                media=tree.media,
                parameters=tree.parameters,
                mail_from=mail_from,
                has_token=is_gateway_mail(tree),
                is_own=is_own,
            )
        )
        if found.kind is Kind.ASIDE:
            return found.reason
        if found.kind is Kind.GATEWAY:
            reason = await self._gateways.take(tree)
            return "mail-own" if reason == "not-for-us" and is_own else reason
        return await self._human.take(
            HumanPost(
                kind=found.kind,
                is_automatic=found.is_automatic,
                sha256=hashlib.sha256(raw).hexdigest(),
                raw=raw,
                tree=tree,
                received_at=self._clock.now(),
            )
        )
