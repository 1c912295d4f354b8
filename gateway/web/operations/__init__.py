"""How each call of the local API is done: with the services of one opened home.

What a service returns is converted, and checked, at this edge. Used by the HTTP face, and by the command
line where no service runs. One module for each area, as in ``gateway.web.calls``.
"""

from collections.abc import Mapping
from typing import TypeVar, cast

from gateway.web.calls import Call, Progress
from gateway.web.operations import (
    carrier,
    directory,
    drills,
    exports,
    gateway,
    keys,
    mail,
    officers,
    oral,
    paging,
    preservation,
    requests,
    trust,
)
from gateway.web.operations.desk import Desk as Desk
from gateway.web.operations.desk import Handler

P = TypeVar("P")
R = TypeVar("R")

_HANDLERS: Mapping[str, Handler] = {
    **gateway.HANDLERS,
    **requests.HANDLERS,
    **officers.HANDLERS,
    **exports.HANDLERS,
    **preservation.HANDLERS,
    **carrier.HANDLERS,
    **mail.HANDLERS,
    **keys.HANDLERS,
    **directory.HANDLERS,
    **trust.HANDLERS,
    **oral.HANDLERS,
    **drills.HANDLERS,
    **paging.HANDLERS,
}


async def perform(desk: Desk, call: Call[P, R], params: P, progress: Progress) -> R:
    """Do what a call asks and return its result. Raises what the services raise; nothing is then changed."""
    return cast(R, await _HANDLERS[call.name](desk, params, progress))
