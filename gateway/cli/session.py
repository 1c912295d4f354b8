"""How a command reaches the gateway: the running service over its socket, or the home directly.

Where no service runs, what reads and verifies works on the home itself; what writes does so too, under
the home's lock, and whatever it queues travels once a service runs. The command says which it was.
"""

import asyncio
import io
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from gateway.cli.output import CommandFailed, Common, note, progress_bar
from gateway.config import HomePaths, find_home, read_settings
from gateway.errors import GatewayRefusal
from gateway.web.calls import NDJSON, Call, Problem, Progress

P = TypeVar("P")
R = TypeVar("R")

#: The longest line of an answer: a case with very many messages, or many receipts with their proofs.
_LINE_MAX_BYTES = 64 * 1024 * 1024


async def call(common: Common, asked: Call[P, R], params: P, *, label: str, counts: str = "bytes") -> R:
    """Return what a call gives, from the running service or from the home itself.

    Raises ``CommandFailed`` with the service's refusal, or the refusal of the service layer itself.
    """
    paths = find_home(common.home)
    read_settings(paths.settings)
    with progress_bar(common, label, counts=counts) as progress:
        service = await _connect(paths)
        if service is None:
            note(
                "No service is running for this home; working on it directly."
                + (" What is queued now travels once `rogatory serve` runs." if asked.queues else "")
            )
            # Only here: a command that asks a running service need not load the services.
            from gateway.app import App
            from gateway.web.operations import perform

            async with App.open(paths.root, writer=asked.writes) as app:
                return await perform(app.desk, asked, params, progress)
        async with service:
            return await _ask(service, asked, params, progress)


async def ask_service(home: Path, asked: Call[P, R], params: P, progress: Progress) -> R:
    """Return what the running service of a home gives; never works on the home itself.

    Raises ``CommandFailed`` with the service's refusal, ``GatewayRefusal`` ``not-running`` if there is none.
    """
    service = await _connect(HomePaths(home))
    if service is None:
        raise GatewayRefusal("not-running")
    async with service:
        return await _ask(service, asked, params, progress)


async def _connect(paths: HomePaths) -> aiohttp.ClientSession | None:
    """Return a session with the running service, or ``None`` if none answers."""
    try:
        socket = paths.socket_record.read_text()
        _, writer = await asyncio.open_unix_connection(socket)
        writer.close()
        # Afterwards: whoever answers has written theirs, and one that was killed may have left another.
        token = paths.token.read_text()
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except PermissionError:
        raise GatewayRefusal("token-invalid") from None
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(socket),
        headers={"Authorization": f"Bearer {token}", "Accept": NDJSON},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        read_bufsize=_LINE_MAX_BYTES // 2,
    )


async def _ask(service: aiohttp.ClientSession, asked: Call[P, R], params: P, progress: Progress) -> R:
    url = "http://localhost" + asked.path
    try:
        if asked.method == "GET":
            query = {
                key: str(value) for key, value in msgspec.to_builtins(params).items() if value is not None
            }
            sending = service.get(url, params=query)
        else:
            try:
                body = msgspec.json.encode(params)
            except UnicodeEncodeError:
                sentence = "A name or folder that was given is not valid Unicode: name another one."
                raise CommandFailed("params-invalid", sentence) from None
            sending = service.post(url, data=io.BytesIO(body), headers={"Content-Type": "application/json"})
        async with sending as answer:
            if answer.content_type != NDJSON:
                document = msgspec.json.decode(await answer.read())
                raise _failure(msgspec.convert({k: document.get(k) for k in ("code", "sentence")}, Problem))
            async for line in answer.content:
                row = msgspec.json.decode(line)
                if "result" in row:
                    return msgspec.convert(row["result"], asked.result)
                if "problem" in row:
                    raise _failure(msgspec.convert(row["problem"], Problem))
                progress(row["done"], row["total"])
    except aiohttp.ClientError:
        pass
    raise CommandFailed(
        "not-running", "The service stopped while it was asked; start it and look at the status."
    )


def _failure(problem: Problem) -> CommandFailed:
    return CommandFailed(problem.code, problem.sentence, field=problem.field, items=problem.items)
