"""Requests to the peer API byte by byte, where a well-behaved client would not go."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.tls import client_context
from crypto import strictjson
from crypto.reqjwt import issue_request_token
from tests.adapters.peers import Authority, Served

BID = "ab" * 16
BUNDLE = f"/gw/v1/bundles/xx-moj/{BID}"
CONTAINER = {"Content-Type": "application/vnd.gw.bundle"}
PARTIAL = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}


@dataclass
class Got:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["content-type"].startswith("application/problem+json")
        members = strictjson.loads_object(self.body)
        assert members["status"] == self.status
        return str(members["type"]).removeprefix("urn:gw:err:")


class Line:
    """One TLS connection of an authority to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, served: Served, caller: Authority) -> "Line":
        context = client_context(caller.identity, [served.authority.certificate])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", served.port, ssl=context, server_hostname="localhost"
        )
        return cls(reader, writer)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def answer(self, *, to_head: bool = False) -> Got:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.rstrip().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
        length = 0 if to_head else int(headers.get("content-length", "0"))
        return Got(status=int(first.split()[1]), headers=headers, body=await self.reader.readexactly(length))

    async def is_closed_by_peer(self) -> bool:
        """Wait until the other side closes."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


def token(
    served: Served,
    caller: Authority,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    covers: tuple[int, int] | None = None,
) -> dict[str, str]:
    """The authorisation of one request, as a header."""
    made = issue_request_token(
        caller.signer,
        iss=caller.aid,
        aud=served.authority.aid,
        method=method,
        path_qs=path,
        now=served.clock.now(),
        body_digest=hashlib.sha256(body).digest() if body else None,
        off=None if covers is None else covers[0],
        length=None if covers is None else covers[1],
    )
    return {"Authorization": f"GW {made}"}


async def call(
    served: Served,
    caller: Authority,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    offset: int | None = None,
    token_for: str | None = None,
) -> Got:
    """Make one request on a connection of its own and return the answer."""
    line = await Line.open(served, caller)
    covers = None if offset is None else (offset, len(body))
    authorisation = token(
        served,
        caller,
        method,
        token_for if token_for is not None else path,
        body=body if offset is None else b"",
        covers=covers,
    )
    length = {"Content-Length": str(len(body))} if body or offset is not None else {}
    line.send(method, path, {**authorisation, **length, **(headers or {})}, body)
    got = await line.answer(to_head=method == "HEAD")
    line.close()
    return got
