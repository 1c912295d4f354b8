"""A State's own hand: its staff change a draft of its records themselves, on a machine without a network.

The secretariat hands out the draft and takes it back signed; it holds the change to the same rules then.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.services.publishing.keyrules import following_keys
from gateway.services.registry.drafts import Draft
from gateway.services.registry.policy import STATE_LIFE, TOP_ROLES, NetworkKind
from gateway.services.registry.statedraft import StateDraft


def amend_record(
    draft: Draft,
    record: Mapping[str, Any],
    *,
    kind: NetworkKind,
    state: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None,
    keys_lost: bool,
    now: datetime,
) -> Draft:
    """Return a State's draft with an authority's record put in, confirmed today; nobody has signed it yet.

    Raises ``GatewayRefusal`` ``draft-invalid`` (no State's draft), and as ``PublishingDesk.propose_record``.
    """
    if draft.role in TOP_ROLES:
        raise GatewayRefusal("draft-invalid", detail="no State's draft")
    known = draft.records().get(str(record.get("authority_id")))
    confirmed = {**record, "verified_at": now.date().isoformat()}
    if known is not None:
        confirmed["keys"] = following_keys(known, confirmed, keys_lost=keys_lost, now=now)
    content = StateDraft.of(draft.network, draft.role, draft)
    content.put_record(confirmed, kind, requirements)
    if state is not None:
        content.put_state(state)
    content.refuse_shared_keys({})
    return content.renewed(draft.role, draft.version, now + STATE_LIFE)
