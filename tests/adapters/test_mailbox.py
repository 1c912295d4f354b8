"""Fetching mail: a server that offers no TLS learns nothing."""

import asyncio
from pathlib import Path

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
