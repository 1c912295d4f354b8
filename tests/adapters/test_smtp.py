"""Handing mail to the own server: secured or not at all, nothing smuggled, little memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import Outcome, Verdict
from adapters.mailserver import MailTLS
from adapters.smtp import SmtpSender, Submission, in_memory
from tests.adapters.mailpeers import OURS, PATIENT, QUICK, THEIRS, DyingSMTP, MailServerOnLoopback

DATA = b"Subject: x\r\n\r\n.a dot\r\n..two\r\nend\r\n"
MAIL = Submission(sender=OURS, recipients=(THEIRS,), read=in_memory(DATA))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServerOnLoopback]:
    found = MailServerOnLoopback(tmp_path)
    yield found
    await found.stop()


async def send(server: MailServerOnLoopback, mail: Submission = MAIL, **changes: object) -> Outcome:
    sender = SmtpSender(server.at(**changes), name="gw.mj.xx.example", timings=PATIENT)
    outcome = await sender.send(mail)
    await sender.aclose()
    return outcome


@pytest.mark.parametrize("tls", list(MailTLS))
async def test_a_mail_arrives_as_it_is_dots_and_all(server: MailServerOnLoopback, tls: MailTLS) -> None:
    server.tls = tls
    await server.start()
    assert (await send(server)).verdict is Verdict.DISPATCHED
    assert server.handler.mails == [(OURS, [THEIRS], DATA)]


async def test_the_null_sender_is_the_null_sender(server: MailServerOnLoopback) -> None:
    await server.start()
    await send(server, replace(MAIL, sender=None))
    assert [mail[0] for mail in server.handler.mails] == [""]


async def test_several_mails_use_one_connection_and_a_dead_one_is_replaced(
    server: MailServerOnLoopback,
) -> None:
    await server.start()
    sender = SmtpSender(server.at(), name="gw.mj.xx.example", timings=PATIENT)
    for _ in range(3):
        assert (await sender.send(MAIL)).verdict is Verdict.DISPATCHED
    assert server.connections == 1
    server.handler.answers = {"RCPT": "550 5.1.1 unknown"}
    assert (await sender.send(MAIL)).verdict is Verdict.RETRY
    server.handler.answers = {}
    assert (await sender.send(MAIL)).verdict is Verdict.DISPATCHED
    assert server.connections == 1
    server.drop_connections()
    await asyncio.sleep(0)
    assert (await sender.send(MAIL)).verdict is Verdict.DISPATCHED
    assert server.connections == 2
    await sender.aclose()
    assert len(server.handler.mails) == 5


@pytest.mark.parametrize(
    ("command", "answer", "verdict", "code"),
    [
        ("MAIL", "552 5.3.4 too big", Verdict.REFUSED, "too-large"),
        ("DATA", "552 too much mail data", Verdict.REFUSED, "too-large"),
        ("DATA", "550 5.2.3 longer than allowed", Verdict.REFUSED, "too-large"),
        ("DATA", "552 5.7.0 forbidden attachment", Verdict.RETRY, None),
        ("RCPT", "452 4.3.4 too big for now", Verdict.RETRY, None),
        ("RCPT", "552 5.2.2 mailbox full", Verdict.RETRY, "quota"),
        ("RCPT", "452 4.2.2 mailbox full", Verdict.RETRY, "quota"),
        ("RCPT", "450 4.2.0 greylisted", Verdict.RETRY, None),
        ("RCPT", "550 5.1.1 no such user", Verdict.RETRY, None),
        ("MAIL", "530 5.7.0 log in", Verdict.RETRY, None),
        ("DATA", "554 5.7.1 spam: Bank records", Verdict.RETRY, None),
    ],
)
async def test_only_a_limit_of_size_is_final_and_no_text_of_the_server_is_kept(
    server: MailServerOnLoopback, command: str, answer: str, verdict: Verdict, code: str | None
) -> None:
    server.handler.answers = {command: answer}
    await server.start()
    outcome = await send(server)
    assert (outcome.verdict, outcome.code) == (verdict, code)
    assert outcome.detail.startswith(f"{command} answered {answer[:3]}")
    assert answer.split(" ", 2)[-1] not in outcome.detail
    assert server.handler.mails == []


async def test_a_mail_above_the_announced_size_is_not_even_begun(tmp_path: Path) -> None:
    server = MailServerOnLoopback(tmp_path, size_limit=1000)
    await server.start()
    outcome = await send(server, replace(MAIL, read=in_memory(b"x" * 998 + b"\r\n" + b"y\r\n")))
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "too-large")
    assert outcome.detail == "the server announces a smaller limit"
    await server.stop()


async def test_a_server_that_dies_in_the_middle_leaves_the_mail_to_the_next_attempt(
    server: MailServerOnLoopback,
) -> None:
    server.kind = DyingSMTP
    await server.start()
    assert (await send(server)).verdict is Verdict.RETRY
    assert server.handler.mails == []


async def test_without_the_right_certificate_no_byte_of_mail_is_said(server: MailServerOnLoopback) -> None:
    server.use_another_certificate()
    await server.start()
    outcome = await send(server)
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "SSLCertVerificationError")
    assert server.handler.options == []


async def test_a_certificate_for_another_name_is_not_the_right_one(server: MailServerOnLoopback) -> None:
    await server.start()
    outcome = await send(server, host="127.0.0.1")
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "SSLCertVerificationError")
    assert server.handler.options == []


@pytest.mark.parametrize("user", ["gw", None])
async def test_a_server_without_tls_gets_neither_mail_nor_password(
    server: MailServerOnLoopback, tmp_path: Path, user: str | None
) -> None:
    server.tls = None
    await server.start()
    (tmp_path / "password").write_text("secret\n")
    outcome = await send(server, tls=MailTLS.STARTTLS, user=user, password_file=tmp_path / "password")
    assert outcome.verdict is Verdict.RETRY
    assert server.handler.options == []


async def test_closing_ends_attempts_under_way_as_to_be_tried_again(server: MailServerOnLoopback) -> None:
    server.handler.hold = asyncio.Event()
    await server.start()
    sender = SmtpSender(server.at(), name="gw.mj.xx.example", timings=PATIENT)
    under_way = asyncio.create_task(sender.send(MAIL))
    await server.handler.mails_begun(1)
    await sender.aclose()
    assert (await under_way).verdict is Verdict.RETRY
    assert (await sender.send(MAIL)).verdict is Verdict.RETRY
    assert server.handler.mails == []


async def test_urgent_mail_does_not_wait_behind_routine_mail(server: MailServerOnLoopback) -> None:
    server.handler.hold = asyncio.Event()
    await server.start()
    sender = SmtpSender(server.at(), name="gw.mj.xx.example", timings=PATIENT)
    routine = [asyncio.create_task(sender.send(MAIL)) for _ in range(4)]
    await server.handler.mails_begun(2)
    urgent = asyncio.create_task(sender.send(MAIL, urgent=True))
    await server.handler.mails_begun(3)
    server.handler.hold.set()
    assert {(await task).verdict for task in (urgent, *routine)} == {Verdict.DISPATCHED}
    await sender.aclose()


@pytest.mark.parametrize(
    "changes",
    [
        {"read": in_memory(b"Subject: x\r\n\r\nlone\nline end\r\n")},
        {"read": in_memory(b"Subject: x\r\n\r\n", b"lone\rreturn\r\n")},
        {"read": in_memory(b"Subject: x\r\n\r\ncut in a line", b".\r\n")},
        {"read": in_memory(b"Subject: x\r\n\r\ncut in a line end\r", b"\n.\r\n")},
        {"read": in_memory(b"no end")},
        {"read": in_memory()},
        {"read": in_memory("grün\r\n".encode())},
        {"recipients": ()},
        {"recipients": ("a@b.example>\r\nRCPT TO:<c@d.example",)},
        {"sender": "a b@c.example"},
        {"envid": "x y"},
        {"envid": "x\r\nDATA"},
    ],
)
async def test_what_could_be_read_in_two_ways_never_reaches_a_server(
    server: MailServerOnLoopback, changes: dict[str, object]
) -> None:
    await server.start()
    with pytest.raises(ValueError, match=r"mail|recipient"):
        await send(server, replace(MAIL, **changes))  # type: ignore[arg-type]
    assert server.connections == 0


async def test_own_files_that_cannot_be_read_are_no_outcome(
    server: MailServerOnLoopback, tmp_path: Path
) -> None:
    await server.start()
    with pytest.raises(FileNotFoundError):
        await send(server, ca_file=tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(OSError, match="empty"):
        await send(server, user="gw", password_file=tmp_path / "empty")


@pytest.mark.slow
async def test_a_large_mail_is_sent_without_a_copy_of_it(server: MailServerOnLoopback) -> None:
    class Sink(DyingSMTP):
        """Takes every byte and keeps none."""

        async def smtp_DATA(self, arg: str) -> None:
            await self.push("354 go on")
            last = b""
            while not last.endswith(b"\r\n.\r\n"):
                last = last[-4:] + await self._reader.read(1 << 20)
            await self.push("250 taken")

    server.kind = Sink
    await server.start()
    size = 40 * 1024 * 1024
    mail = replace(MAIL, read=in_memory((b"." + b"x" * 75 + b"\r\n") * (size // 78)))
    sender = SmtpSender(server.at(), name="gw.mj.xx.example", timings=replace(PATIENT, answer_s=60.0))
    tracemalloc.start()
    try:
        assert (await sender.send(mail)).verdict is Verdict.DISPATCHED
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
    await sender.aclose()


async def test_a_server_that_takes_its_time_is_given_up(server: MailServerOnLoopback) -> None:
    server.handler.hold = asyncio.Event()
    await server.start()
    sender = SmtpSender(
        server.at(), name="gw.mj.xx.example", timings=replace(PATIENT, answer_s=QUICK.answer_s)
    )
    outcome = await sender.send(MAIL)
    assert (outcome.verdict, outcome.detail) == (Verdict.RETRY, "SMTPReadTimeoutError")
    await sender.aclose()
