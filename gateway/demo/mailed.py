"""Requests that go by sealed mail through real mail servers: as the only way, or because HTTPS is down.

Postfix takes the mail, Dovecot holds the mailboxes; both are started in a private folder.
The gateways hand in by SMTP and fetch by IMAP, as at any site; the servers see sealed bytes and addresses.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import (
    DeliverySettings,
    HomePaths,
    MailboxSettings,
    MailServerSettings,
    MailSettings,
    Settings,
    read_settings,
    render_settings,
)
from gateway.demo.documents import Enclosed
from gateway.demo.exchange import Exchange, Outcome, Watcher
from gateway.demo.mailhost import MailHost, MailHostUnavailable
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.proof import channels_in_log
from gateway.demo.registry import DemoDirectory
from gateway.demo.ways import Way, listening
from gateway.model.channels import HTTPS, SEALED_MAIL
from gateway.web import calls as api

#: The largest mail of the demonstration's servers; a segment of a container fits into a tenth of it.
MESSAGE_BYTES = 64 * 1024 * 1024


def mailbox(authority_id: str) -> str:
    """Return the address of a gateway's mailbox."""
    return f"gw@{authority_id}.example.org"


def with_mailbox(wanted: Settings, host: MailHost, address: str) -> Settings:
    """Return settings with a mailbox at the mail host."""
    login = {
        "host": host.host,
        "tls": "starttls",
        "ca_file": str(host.ca_file),
        "user": address,
        "password_file": str(host.password_file(address)),
    }
    mail = MailSettings(
        mailbox=address,
        smtp=msgspec.convert({**login, "port": host.smtp_port}, MailServerSettings),
        imap=msgspec.convert({**login, "port": host.imap_port}, MailboxSettings),
        max_message_bytes=MESSAGE_BYTES,
    )
    return msgspec.structs.replace(wanted, mail=mail)


class MailedWay(Way):
    """By sealed mail alone: no gateway takes or makes a call."""

    told = "They have mailboxes and take no calls: Postfix and Dovecot carry everything, sealed."
    pull_only = frozenset()
    patience = 2.0
    host: MailHost

    async def open(self, work: Path, network: LabNetwork, directory: DemoDirectory) -> None:
        """Start the mail servers with a mailbox for each authority."""
        await super().open(work, network, directory)
        authorities = [row["authority_id"] for row in network.directory["authorities"]]
        try:
            self.host = MailHost([mailbox(aid) for aid in authorities], message_bytes=MESSAGE_BYTES)
            await asyncio.to_thread(self.host.start)
        except MailHostUnavailable as missing:
            raise DemoFailed(f"There is no mail server to be started here: {missing}.") from None

    async def aclose(self) -> None:
        """Stop the mail servers and remove their folder."""
        if hasattr(self, "host"):
            await asyncio.to_thread(self.host.stop)

    def settings(self, wanted: Settings, listen: str) -> Settings:
        """Return the settings of a gateway that has a mailbox and takes no calls."""
        return with_mailbox(listening(wanted, ""), self.host, mailbox(wanted.authority.id))

    def channels(self, settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return sealed mail alone."""
        return [_sealed(settings, rows, priority=1)]


class FailingWay(MailedWay):
    """Over HTTPS, with sealed mail behind it; the HTTPS of one addressee of an urgent request is down."""

    told = "They meet over TLS, and have mailboxes. The HTTPS of one addressee is down: see request 3."
    #: The preservation of data, between two 24/7 points.
    _FAILS = 3
    #: How long an urgent bundle may have no receipt, here; in life five minutes.
    _TURN_S = 4.0

    def settings(self, wanted: Settings, listen: str) -> Settings:
        """Return the settings of a gateway with both, in some hurry."""
        wanted = with_mailbox(listening(wanted, listen), self.host, mailbox(wanted.authority.id))
        return msgspec.structs.replace(wanted, delivery=DeliverySettings(urgent_receipt_s=self._TURN_S))

    def channels(self, settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return HTTPS first, then sealed mail."""
        return [
            *(dict(row, priority=1) for row in rows if row["channel"] == HTTPS),
            _sealed(settings, rows, priority=2),
        ]

    async def play(self, request: Enclosed, *, opened: Path, watcher: Watcher) -> Outcome:
        """Play a request; where its addressee takes no calls, check afterwards that nothing was doubled."""
        sample = request.sample
        if sample.number != self._FAILS:
            return await super().play(request, opened=opened, watcher=watcher)
        up = read_settings(HomePaths(self.network.home(sample.requested)).settings)
        await self._serve(sample.requested, listening(up, ""))
        self._up = up
        outcome = await super().play(request, opened=opened, watcher=watcher)
        await self._check(outcome)
        return outcome

    async def carry(self, exchange: Exchange, giver: str, taker: str) -> None:
        """Wait until the failing addressee has the request by mail, then let its HTTPS come back."""
        sample = exchange.request.sample
        if sample.number != self._FAILS or giver != sample.requesting:
            return
        began = time.monotonic()
        exchange.watcher.step(sample, "the gateway of {to} takes no calls: HTTPS is down")
        await exchange.until("to arrive by mail", exchange.arrived)
        exchange.met.append(f"HTTPS down, arrived by mail after {time.monotonic() - began:.0f} s")
        exchange.watcher.step(sample, "it goes out by sealed mail once its time on HTTPS is over")
        await self._serve(taker, self._up)
        exchange.watcher.step(sample, "HTTPS of {to} is back")

    async def _serve(self, authority_id: str, settings: Settings) -> None:
        """Serve an authority by other settings from now on."""
        await self.network.stop(authority_id)
        path = HomePaths(self.network.home(authority_id)).settings
        path.write_text(render_settings(settings), encoding="utf-8")
        await self.network.start(authority_id)

    async def _check(self, outcome: Outcome) -> None:
        """Raise ``DemoFailed`` unless one case, one chain of receipts, and both ways in the log are found."""
        sample, ref = outcome.sample, api.RefParams(ref=f"{outcome.sample.requesting}/{outcome.bid}")
        pair = (sample.requesting, sample.requested)
        inbox = await self.network.request(sample.requested, api.INBOX, api.Nothing())
        receipts = (await self.network.request(sample.requesting, api.RECEIPTS, ref)).receipts
        places = sorted(row.n for row in receipts if row.iss == sample.requested and row.bid == outcome.bid)
        tried = await channels_in_log(self.network.home(sample.requesting), outcome.bid)
        problems = [
            (len([item for item in inbox.items if item.bid == outcome.bid]) != 1, "there is not one case"),
            (places != list(range(1, len(places) + 1)), "the receipts are not one chain"),
            (tried[:1] != [HTTPS] or SEALED_MAIL not in tried, "the log does not tell both channels"),
        ]
        for is_wrong, sentence in problems:
            if is_wrong:
                raise DemoFailed(f"Request {sample.number}: {sentence}.", authorities=pair)


def _sealed(settings: Settings, rows: Sequence[Mapping[str, Any]], *, priority: int) -> dict[str, Any]:
    row = next(row for row in rows if row["channel"] == SEALED_MAIL)
    return {**row, "priority": priority, "address": settings.mail.mailbox}
