"""Several small bundles in one request, each judged and answered by itself (docs/peer-api.md section 3).

Decides how many and how much travel together, which batch has its turn, and what the answer looks like; what
becomes of a bundle is for the accepting service, which meets each as if it had come alone. The query names
every bundle with its size, so that the request token covers which bundles they are.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
from aiohttp import StreamReader, web

from gateway.errors import GatewayRefusal
from gateway.services.arrivals.peergate import Caller
from gateway.services.lanes import working_for
from gateway.web.intake import PeerLimits, Places, Turns, body_chunks, body_length
from gateway.web.ports import Acceptor
from gateway.web.problems import explained

BATCH_TYPE = "application/vnd.gw.bundles"

#: Bundles in one request, and bytes of all of them: a batch is held in memory.
MOST_BUNDLES = 16
MOST_BYTES = 512 * 1024
#: What is opened at once, without a thread: what our own gateways send together, and more is not small.
_SMALL_BYTES = 32 * 1024

_ROW = r"[0-9a-f]{32}\.[1-9][0-9]{0,6}"
_EACH = re.compile(rf"{_ROW}(?:,{_ROW}){{0,{MOST_BUNDLES - 1}}}")

#: One bundle of a batch: its ``bid`` and how many bytes of the body it has.
Row = tuple[str, int]


def batch_rows(http: web.Request, caller: Caller) -> list[Row]:
    """Return what the query announces, in order, once length and token agree with it.

    Raises ``GatewayRefusal``: ``malformed``, ``too-large``, ``auth-invalid``.
    """
    each = http.query.get("each", "")
    if not _EACH.fullmatch(each):
        raise GatewayRefusal("malformed", detail="each")
    rows = [(bid, int(size)) for bid, _, size in (row.partition(".") for row in each.split(","))]
    length = body_length(http, MOST_BYTES)
    if sum(size for _, size in rows) != length or len({bid for bid, _ in rows}) != len(rows):
        raise GatewayRefusal("malformed", detail="each")
    if (caller.off, caller.len) != (0, length):
        raise GatewayRefusal("auth-invalid", detail="token covers other bytes")
    return rows


async def answer_batch(
    content: StreamReader,
    rows: Sequence[Row],
    *,
    caller: Caller,
    acceptor: Acceptor,
    places: Places,
    turns: Turns | None,
    limits: PeerLimits,
) -> list[dict[str, Any]]:
    """Take the bundles in, side by side, and return one answer for each in the order of ``rows``.

    One batch after the other where there are ``turns``: while its sender works on the answer to one, the
    next is worked on here. Side by side they would end together, and each gateway wait for the other. A
    batch with a bundle that is not small has no turn to wait for or to hold: opening it may take its time.

    Raises ``GatewayRefusal``: ``rate`` without a place for all of them, ``incomplete``; no bundle was then
    looked at.
    """
    with places.taken_by(caller.aid, len(rows)):
        length = sum(size for _, size in rows)
        body = b"".join([chunk async for chunk in body_chunks(content, length, limits)])
        taken, at = [], 0
        are_small = max(size for _, size in rows) <= _SMALL_BYTES
        async with (
            turns.taken_by(caller.aid) if turns is not None and are_small else nullcontext(),
            asyncio.TaskGroup() as group,
        ):
            for n, (bid, size) in enumerate(rows):
                container = body[at : at + size]
                taken.append(group.create_task(_answer(acceptor, caller.nth(n), bid, container)))
                at += size
                # One in a pass of the event loop: what is done already need not wait for all of them.
                await asyncio.sleep(0)
        return [task.result() for task in taken]


async def _answer(acceptor: Acceptor, caller: Caller, bid: str, container: bytes) -> dict[str, Any]:
    try:
        with working_for("routine"):
            intake = await acceptor.begin(
                caller=caller.aid, jti=caller.jti, exp=caller.exp, sender=caller.aid, bid=bid
            )
            try:
                await intake.feed(container)
            except BaseException:
                await intake.abort()
                raise
            answer = await intake.finish()
    except Exception as error:
        problem = explained(error)
        return {
            "status": problem.status,
            "body": msgspec.Raw(problem.document),
            "retry_after": problem.retry_after_s,
        }
    return {"status": answer.status, "body": answer.body, "retry_after": None}
