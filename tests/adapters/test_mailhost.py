"""The mail adapters against Postfix and Dovecot: real TLS, a real queue, and what goes wrong in real life."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from adapters import smtp
from adapters.base import Endpoint, Verdict
from adapters.lmtp import LmtpInlet
from adapters.mailbox import Incoming, Mailbox
from adapters.mailformat import checked_content, open_mail
from adapters.mailserver import MailServer, MailTLS
from adapters.mimeread import MimePart, read_fields, read_mail
from adapters.noticemail import MailPath
from adapters.sealedmail import SealedMailAdapter
from adapters.smtp import MailTimings, SmtpSender, Submission, in_memory
from crypto.errors import Refusal
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey
from crypto.mailtoken import MailKind, Segment, read_mail_token, sign_mail
from gateway.demo.mailhost import MailHost
from tests.adapters.peers import parcel_of
from tests.alarms import NOTICE

pytestmark = pytest.mark.slow

TIMINGS = MailTimings(connect_s=20.0, command_s=20.0, idle_s=20.0, answer_s=20.0)


@dataclass
class Site:
    """One fictional authority with a mailbox at the mail host."""

    host: MailHost
    aid: str
    address: str
    key: PrivateKey = field(default_factory=lambda: PrivateKey.generate(KeyUse.REQ, ED25519))

    def server(self, port: int | None = None, tls: MailTLS = MailTLS.STARTTLS) -> MailServer:
        return MailServer(
            host=self.host.host,
            port=port or self.host.smtp_port,
            tls=tls,
            ca_file=self.host.ca_file,
            user=self.address,
            password_file=self.host.password_file(self.address),
        )

    def token(
        self, to: str, kind: MailKind, *, sha256: str, size: int, segment: Segment | None = None
    ) -> str:
        return sign_mail(
            self.key.signer(),
            sender=self.aid,
            to=to,
            kind=kind,
            sha256=sha256,
            size=size,
            now=datetime.now(UTC),
            segment=segment,
        )

    def sender(self, **changes: object) -> SmtpSender:
        return SmtpSender(self.server(**changes), name="gw.example", timings=TIMINGS)  # type: ignore[arg-type]

    def adapter(self) -> SealedMailAdapter:
        return SealedMailAdapter(
            sender=self.sender(), mailbox=self.address, token=self.token, now=lambda: datetime.now(UTC)
        )

    def mailbox(self, **options: object) -> Mailbox:
        async def no_pause(_seconds: float) -> None:
            await asyncio.sleep(0.05)

        return Mailbox(self.server(self.host.imap_port), pause=no_pause, **options)  # type: ignore[arg-type]

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(authority_id=self.aid, address=self.address, certificates=())

    def find(self, aid: str, kid: str) -> PublicKey:
        if (aid, kid) != (self.aid, self.key.public.kid):
            raise Refusal("unknown-key")
        return self.key.public


@pytest.fixture
def ours(mailhost: MailHost) -> Site:
    return site(mailhost, "xx-moj")


@pytest.fixture
def theirs(mailhost: MailHost) -> Site:
    return site(mailhost, "yy-moj")


def site(host: MailHost, aid: str) -> Site:
    address = f"gw-{secrets.token_hex(4)}@mj.{aid[:2]}.example"
    host.add(address)
    return Site(host=host, aid=aid, address=address)


@contextlib.asynccontextmanager
async def fetching(mailbox: Mailbox) -> AsyncIterator[Callable[[], asyncio.Future[Incoming]]]:
    """What waits for the next mail."""
    mails = mailbox.fetch()
    yield lambda: asyncio.ensure_future(asyncio.wait_for(anext(mails), 20))
    await mailbox.aclose()
    await mails.aclose()


async def next_mail(mailbox: Mailbox) -> bytes:
    async with fetching(mailbox) as following:
        incoming = await following()
        await incoming.done()
        return incoming.raw


@pytest.mark.parametrize(("tls", "port"), [(MailTLS.STARTTLS, "smtp_port"), (MailTLS.IMPLICIT, "smtps_port")])
async def test_a_container_goes_by_postfix_and_dovecot_and_arrives_as_it_was(
    ours: Site, theirs: Site, tls: MailTLS, port: str
) -> None:
    sealed = bytes(range(256)) * 4000
    adapter, parcel = ours.adapter(), parcel_of(sealed)
    adapter._sender = ours.sender(port=getattr(ours.host, port), tls=tls)
    outcome = await adapter.deliver(parcel, theirs.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.DISPATCHED
    mail = open_mail(read_mail(await next_mail(theirs.mailbox())))
    claims = read_mail_token(mail.token, own="yy-moj", find_key=ours.find, now=datetime.now(UTC))
    assert claims.segment is not None
    assert claims.segment.bid == parcel.bid
    assert checked_content(mail, claims) == sealed


async def test_an_alarm_notice_reaches_an_officers_mailbox(ours: Site, theirs: Site) -> None:
    path = MailPath(sender=ours.sender(), mailbox=ours.address, now=lambda: datetime.now(UTC))
    outcome = await path.ring(theirs.address, NOTICE)
    await path.aclose()
    assert outcome.verdict is Verdict.DISPATCHED
    mail = message_from_bytes(await next_mail(theirs.mailbox()), policy=default)
    assert (mail["Subject"], mail["To"], mail["Auto-Submitted"]) == (
        NOTICE.title,
        theirs.address,
        "auto-generated",
    )
    body = mail.get_body()
    assert body is not None
    assert body.get_content().splitlines() == NOTICE.text.splitlines()


async def test_a_new_mail_wakes_who_waits_and_stays_until_it_is_done(ours: Site, theirs: Site) -> None:
    async with fetching(theirs.mailbox()) as following:
        first = following()
        # Waiting before there is anything: only the server can wake it.
        await asyncio.sleep(0.3)
        assert not first.done()
        sender = ours.sender()
        await sender.send(mail_to(ours, theirs, "one"))
        incoming = await first
        assert b"Subject: one" in incoming.raw
    # Not done, so it is there again; done, and it is gone.
    async with fetching(theirs.mailbox()) as following:
        again = await following()
        assert again.key == incoming.key
        await again.done()
        await sender.send(mail_to(ours, theirs, "two"))
        other = await following()
        assert b"Subject: two" in other.raw
        await other.done()
    await sender.aclose()
    async with fetching(theirs.mailbox(again_s=0.2)) as following:
        nothing = following()
        await asyncio.sleep(0.3)
        assert not nothing.done()
        nothing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await nothing


def mail_to(ours: Site, theirs: Site, subject: str, *, envid: str | None = None) -> Submission:
    data = f"From: {ours.address}\r\nTo: {theirs.address}\r\nSubject: {subject}\r\n\r\nFictional.\r\n"
    return Submission(
        sender=ours.address, recipients=(theirs.address,), read=in_memory(data.encode()), envid=envid
    )


async def test_a_mail_that_was_not_done_is_offered_again_and_holds_up_none(ours: Site, theirs: Site) -> None:
    sender = ours.sender()
    await sender.send(mail_to(ours, theirs, "one"))
    async with fetching(theirs.mailbox(again_s=0.2)) as following:
        first = await following()
        await sender.send(mail_to(ours, theirs, "two"))
        subjects = [b"one" if b"Subject: one" in (await following()).raw else b"two" for _ in range(3)]
        assert set(subjects) == {b"one", b"two"}
        await first.done()
    await sender.aclose()


async def test_a_mail_above_the_limit_comes_cut_so_that_it_can_be_refused(ours: Site, theirs: Site) -> None:
    sender = ours.sender()
    await sender.send(mail_to(ours, theirs, "x" * 500))
    await sender.aclose()
    assert len(await next_mail(theirs.mailbox(max_bytes=400))) == 401


async def test_mail_waits_in_the_queue_while_delivery_is_down_and_the_mailbox_comes_back(
    ours: Site, theirs: Site
) -> None:
    mailbox, sender = theirs.mailbox(), ours.sender()
    async with fetching(mailbox) as following:
        await sender.send(mail_to(ours, theirs, "first"))
        await (await following()).done()
        waiting = following()
        # Postfix goes on taking mail, keeps it in its queue and tries again every second or two.
        await asyncio.to_thread(ours.host._end, "dovecot", signal.SIGTERM)
        try:
            # On the connection that is logged in already: the server asks Dovecot who logs in.
            outcome = await sender.send(mail_to(ours, theirs, "queued"))
        finally:
            await asyncio.to_thread(ours.host.start_delivery)
        assert outcome.verdict is Verdict.DISPATCHED
        incoming = await waiting
        assert b"Subject: queued" in incoming.raw
        await incoming.done()
    await sender.aclose()


async def test_greylisting_turns_us_away_once_and_then_takes_the_mail(ours: Site, theirs: Site) -> None:
    adapter, parcel = ours.adapter(), parcel_of(b"sealed")
    ours.host.greylist.turns = 1
    try:
        first = await adapter.deliver(parcel, theirs.endpoint)
        second = await adapter.deliver(parcel, theirs.endpoint)
    finally:
        ours.host.greylist.turns = 0
    await adapter.aclose()
    assert (first.verdict, first.detail) == (Verdict.RETRY, "RCPT answered 450 x.2.0")
    assert second.verdict is Verdict.DISPATCHED
    assert parcel.bid.encode() in await next_mail(theirs.mailbox())


async def test_an_unknown_mailbox_and_a_wrong_password_are_tried_again(ours: Site, theirs: Site) -> None:
    sender = ours.sender()
    outcome = await sender.send(
        Submission(
            sender=ours.address, recipients=("nobody@mj.yy.example",), read=in_memory(b"Subject: x\r\n\r\n")
        )
    )
    await sender.aclose()
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "RCPT answered 550 x.1.1")
    wrong = Site(host=ours.host, aid="xx-moj", address=ours.address)
    server = wrong.server()
    object.__setattr__(server, "password_file", ours.host.password_file(theirs.address))
    sender = SmtpSender(server, name="gw.example", timings=TIMINGS)
    outcome = await sender.send(mail_to(ours, theirs, "never"))
    await sender.aclose()
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "SMTPAuthenticationError 535")


async def test_a_server_killed_in_the_middle_of_a_mail_takes_it_at_the_next_attempt(
    ours: Site, theirs: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, parcel, stretches = ours.adapter(), parcel_of(bytes(3_000_000)), smtp._stuffed

    def killing(mail: bytes) -> Iterator[bytes]:
        for n, stretch in enumerate(stretches(mail)):
            if n == 2:
                ours.host.kill()
            yield stretch

    with monkeypatch.context() as patched:
        patched.setattr(smtp, "_stuffed", killing)
        outcome = await adapter.deliver(parcel, theirs.endpoint)
    await asyncio.to_thread(ours.host.restart)
    assert outcome.verdict is Verdict.RETRY
    again = await adapter.deliver(parcel, theirs.endpoint)
    await adapter.aclose()
    assert again.verdict is Verdict.DISPATCHED
    assert open_mail(read_mail(await next_mail(theirs.mailbox()))).content.body() == bytes(3_000_000)


async def test_a_delivery_notice_comes_back_and_names_the_bundle(ours: Site, theirs: Site) -> None:
    sender = ours.sender()
    await sender.send(mail_to(ours, theirs, "watched", envid="0123456789abcdef" * 2))
    await sender.aclose()
    notice = read_mail(await next_mail(ours.mailbox()))
    assert notice.media == "multipart/report"
    assert notice.parameters["report-type"] == "delivery-status"
    fields = read_fields(delivery_status(notice).body())
    assert dict(fields[0])["original-envelope-id"] == "0123456789abcdef" * 2
    assert dict(fields[1])["action"] in ("delivered", "relayed")
    assert notice.header("return-path") == "<>"


def delivery_status(notice: MimePart) -> MimePart:
    return next(part for part in notice.leaves() if part.media == "message/delivery-status")


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder that Postfix's user can go through."""
    folder = Path(tempfile.mkdtemp(prefix="rogatory-lmtp-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_the_inlet_says_yes_only_after_the_mail_is_durable(
    ours: Site, theirs: Site, socket_folder: Path
) -> None:
    taken: list[tuple[bytes, str]] = []
    tries = 0

    async def take(raw: bytes, sender: str) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError("the disk is full")
        taken.append((raw, sender))
        came.set()

    came = asyncio.Event()
    inlet = LmtpInlet(take, path=socket_folder / "lmtp")
    await inlet.start()
    (socket_folder / "lmtp").chmod(0o666)
    ours.host.forward(theirs.address, socket_folder / "lmtp")
    sender = ours.sender()
    await sender.send(mail_to(ours, theirs, "watched"))
    await sender.aclose()
    await asyncio.wait_for(came.wait(), 30)
    await inlet.stop()
    ours.host.forward(theirs.address, None)
    assert inlet.failed == 2
    [(raw, envelope_sender)] = taken
    assert read_mail(raw).header("subject") == "watched"
    assert envelope_sender == ours.address
    assert not (socket_folder / "lmtp").exists()


async def test_vacation_notices_come_back_from_the_mailbox_that_was_written_to(
    ours: Site, theirs: Site
) -> None:
    replier = ours.host.vacation(theirs.address)
    sender = ours.sender()
    await sender.send(mail_to(ours, theirs, "urgent"))
    await sender.aclose()
    notice = read_mail(await next_mail(ours.mailbox()))
    assert notice.header("auto-submitted") == "auto-replied"
    assert notice.header("from") == theirs.address
    assert len(replier.answered) == 1
    assert b"Subject: urgent" in await next_mail(theirs.mailbox())
