"""Fetching mail: a server that offers no TLS learns nothing, and a flood keeps no new mail waiting."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.mailbox import Mailbox
from adapters.mailserver import MailServer, MailTLS


@pytest.mark.parametrize("greeting", [b"* OK ready\r\n", b"* PREAUTH welcome\r\n"])
async def test_a_server_without_tls_gets_no_password_and_gives_no_mail(
    tmp_path: Path, greeting: bytes
) -> None:
    said: list[bytes] = []
    given_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            said.append(line)
            tag = line.split()[0]
            if b"CAPABILITY" in line:
                writer.write(b"* CAPABILITY IMAP4rev1 IDLE\r\n")
            writer.write(tag + b" OK done\r\n")
        writer.close()

    async def pause(_seconds: float) -> None:
        given_up.set()
        await asyncio.Event().wait()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    (tmp_path / "password").write_text("secret\n")
    mailbox = Mailbox(
        MailServer(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            tls=MailTLS.STARTTLS,
            user="gw",
            password_file=tmp_path / "password",
        ),
        pause=pause,
    )
    mails = mailbox.fetch()
    waiting = asyncio.ensure_future(anext(mails))
    await asyncio.wait_for(given_up.wait(), 10)
    assert mailbox.trouble is not None
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await mailbox.aclose()
    server.close()
    assert {line.split()[1] for line in said} <= {b"CAPABILITY", b"LOGOUT"}


class Flooded(Mailbox):
    """A mailbox with so many mails that nobody takes; ``uids`` are what lies there."""

    def __init__(self, uids: range | list[int], **options: Any) -> None:
        super().__init__(MailServer(host="127.0.0.1", port=1, tls=MailTLS.IMPLICIT), **options)
        self.uids = uids

    def _connected(self) -> Any:
        imap = SimpleNamespace(response=lambda _name: ("EXISTS", [None]))
        return SimpleNamespace(search=lambda _what: list(self.uids), _imap=imap)

    def _read(self, uid: int) -> bytes:
        return b"%d" % uid

    async def look(self) -> list[int]:
        """Offer what one look finds; nobody takes any of it."""
        found = [await self._offer(uid) for uid in self._waiting()]
        return [int(each.raw) for each in found if each is not None]


async def test_the_newest_mail_is_offered_in_the_next_look_however_many_lie_before_it() -> None:
    mailbox = Flooded(range(1, 100_001))
    first = await mailbox.look()
    assert (first[0], len(first), mailbox._wait()) == (1, 128, 0.0)
    mailbox.uids = range(1, 100_002)
    assert 100_001 in await mailbox.look()
    await mailbox.aclose()


async def test_what_nobody_takes_is_offered_again_less_and_less_and_new_mail_comes_first() -> None:
    mailbox = Flooded(range(1, 101), again_s=10.0)
    assert len(await mailbox.look()) == 100
    assert await mailbox.look() == []
    for n, expected in enumerate((20.0, 40.0, 80.0, 80.0)):
        mailbox._rests_until = dict.fromkeys(mailbox._rests_until, time.monotonic() - 1.0)
        mailbox.uids = [*mailbox.uids, 201 + n]
        again = await mailbox.look()
        assert (again[0], len(again)) == (201 + n, 9)
        for _ in range(13):
            again += await mailbox.look()
        rests = mailbox._rests_until["0.1"] - time.monotonic()
        assert expected - 1.0 < rests <= expected
    await mailbox.aclose()
