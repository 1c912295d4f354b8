"""Two gateways behind ordinary mail servers and nothing else: Postfix and Dovecot, real TLS, a real queue.

One fetches its mail by IMAP, the other has it handed over by LMTP; neither listens for peers. In one process,
with real clocks and all background work.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App, make_home
from gateway.clock import SystemClock
from gateway.config import (
    AuthoritySettings,
    DeliverySettings,
    HomePaths,
    MailboxSettings,
    MailServerSettings,
    MailSettings,
    Settings,
)
from gateway.demo.mailhost import MailHost, MailHostUnavailable
from gateway.services.home import HomePlan, plan_record
from gateway.storage import receipts, transmissions
from tests.postoffice import mailbox
from tests.sampledata import sample
from tests.storedcases import all_cases
from tests.world import sample_request, submit_to

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"
PATIENCE_S = 100.0


@pytest.fixture(scope="module")
def mail_host() -> Iterator[MailHost]:
    """Both mailboxes on one host."""
    try:
        host = MailHost([mailbox(KE), mailbox(SG)])
    except MailHostUnavailable as missing:
        pytest.skip(str(missing))
    with host:
        yield host


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder whose sockets belong to Postfix's group, as docs/mail.md says it is set up."""
    folder = Path(tempfile.mkdtemp(prefix="rogatory-lmtp-"))
    shutil.chown(folder, group="postfix")
    folder.chmod(0o2750)
    yield folder
    shutil.rmtree(folder)


def settings_of(aid: str, host: MailHost, lmtp: Path | None) -> Settings:
    server: dict[str, Any] = {
        "host": host.host,
        "ca_file": str(host.ca_file),
        "user": mailbox(aid),
        "password_file": str(host.password_file(mailbox(aid))),
    }
    imap = MailboxSettings(port=host.imap_port, tls="starttls", **server)
    return Settings(
        authority=AuthoritySettings(id=aid, state=aid[:2].upper(), name=aid, network="lab"),
        delivery=DeliverySettings(routine_receipt_s=300.0),
        mail=MailSettings(
            mailbox=mailbox(aid),
            smtp=MailServerSettings(port=host.smtp_port, **server),
            imap=MailboxSettings() if lmtp else imap,
            lmtp_socket=str(lmtp or ""),
        ),
    )


@asynccontextmanager
async def running(folder: Path, host: MailHost, lmtp: Path) -> AsyncIterator[dict[str, App]]:
    """Both gateways, enrolled with each other and at work."""
    apps: dict[str, App] = {}
    async with AsyncExitStack() as stack:
        for aid, socket in ((KE, None), (SG, lmtp)):
            settings = settings_of(aid, host, socket)
            record, state = plan_record(settings=settings, address="", given=sample("directory.json"))
            await make_home(HomePaths(folder / aid), HomePlan(settings=settings, record=record, state=state))
            apps[aid] = await stack.enter_async_context(App.open(folder / aid))
        for app in apps.values():
            for other in apps.values():
                if other is not app:
                    app.directory.enrol(other.home.enrolment.read_bytes(), now=SystemClock().now())
        for app in apps.values():
            await app.start()
        yield apps


async def until(what: Callable[[], Any]) -> None:
    """Return once ``what`` is true; fails after a while."""
    end = time.monotonic() + PATIENCE_S
    while not await what():
        assert time.monotonic() < end, "nothing comes"
        await asyncio.sleep(0.05)


async def test_request_handover_and_acknowledgement_between_two_mailboxes(
    tmp_path: Path, mail_host: MailHost, socket_folder: Path
) -> None:
    lmtp = socket_folder / "lmtp"
    mail_host.forward(mailbox(SG), lmtp)
    try:
        async with running(tmp_path, mail_host, lmtp) as apps:
            form, documents = sample_request(1)
            bid = (await submit_to(apps[KE], form, documents)).bid

            async def stands(*states: str) -> bool:
                row = await apps[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
                return row is not None and row.state in states

            await until(lambda: stands("CONSIGNED"))
            await apps[SG].cases.open(bid, tmp_path / "opened")
            await until(lambda: stands("HANDED_OVER"))
            answer = await apps[SG].cases.acknowledge(bid, officer="local", reference="SG-1")

            async def acknowledged() -> bool:
                row = await apps[SG].database.read(
                    lambda c: transmissions.find_transmission(c, SG, answer.bid, KE)
                )
                return row is not None and row.state == "CONSIGNED"

            await until(acknowledged)
            tries = await apps[KE].database.read(lambda c: transmissions.attempts_of(c, KE, bid, SG))
            assert {each.channel for each in tries} == {"email_sealed"}
            chain = await apps[KE].database.read(lambda c: receipts.receipts_of(c, KE, bid))
            assert [row.type for row in chain if row.iss == SG] == ["consignment", "handover"]
            for app in apps.values():
                findings = [*await app._mail.check()]
                assert {each.level for each in findings} <= {"green", "yellow"}
                assert any("The last mail was taken" in each.sentence for each in findings)
                # The servers' delivery notices are the only other mails that came.
                assert {mail.reason for mail in await app.quarantine.listing()} <= {"mail-notice"}
    finally:
        mail_host.forward(mailbox(SG), None)


@pytest.mark.parametrize("count", [25, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_requests_between_mailboxes_on_vacation_get_one_automatic_answer_each_at_most(
    tmp_path: Path, mail_host: MailHost, socket_folder: Path, count: int
) -> None:
    lmtp = socket_folder / "lmtp"
    mail_host.forward(mailbox(SG), lmtp)
    notices = {aid: mail_host.vacation(mailbox(aid)) for aid in (KE, SG)}
    try:
        async with running(tmp_path, mail_host, lmtp) as apps:
            bids = []
            for _ in range(count):
                form, documents = sample_request(1, size=500)
                bids.append((await submit_to(apps[KE], form, documents)).bid)

            async def all_arrived() -> bool:
                rows = [
                    await apps[KE].database.read(
                        lambda c, bid=bid: transmissions.find_transmission(c, KE, bid, SG)
                    )
                    for bid in bids
                ]
                return all(row is not None and row.state == "CONSIGNED" for row in rows)

            await until(all_arrived)
            cases = await apps[SG].database.read(lambda c: all_cases(c, 200))
            assert len(cases) == count
            # A bundle's mail has a sender and is answered, receipts have none; no gateway answers a notice.
            assert len(notices[SG].answered) == len(set(notices[SG].answered)) <= count
            assert notices[KE].answered == []
    finally:
        mail_host.forward(mailbox(SG), None)
