"""A folder that waits for its officer's passkey: which act it is, and what came of that.

What lies in a waiting folder is sealed already and read no more; only its ``result.json`` is asked which act
it is. What became of the act stands in the database, so that nothing written here can send or end anything.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.services.acts.acts import Acts
from gateway.services.carrier.medium import Folder
from gateway.services.drop.results import RESULT, Results, refused

_RESULT_MAX_BYTES = 64 * 1024
_ACT = re.compile(r"[0-9a-f]{32}")

#: How an act ended unsigned, and what is told of it.
_ENDED = {"withdrawn": "drop-withdrawn", "outdated": "act-outdated", "expired": "act-unsigned"}


async def settled(folder: Folder, acts: Acts, results: Results) -> dict[str, Any] | None:
    """Return the result of a folder whose act is over; ``None`` while the act waits."""
    act_id = _act(folder.read(RESULT, most=_RESULT_MAX_BYTES))
    act = None if act_id is None else await acts.kept(act_id)
    if act is None:
        return refused(GatewayRefusal("drop-lost"))
    if act.state == "waiting":
        return None
    told = {"act": act.id, "officer": act.officer}
    if act.state == "sent":
        return {**await results.sent(act.bid), **told}
    return {**refused(GatewayRefusal(_ENDED[act.state])), **told}


def _act(data: bytes | None) -> str | None:
    """Return the act that a result names, ``None`` if it cannot be read."""
    try:
        result = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    act = result.get("act") if isinstance(result, Mapping) else None
    return act if isinstance(act, str) and _ACT.fullmatch(act) else None
