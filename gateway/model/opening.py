"""Messages that open a thread of their own, with no request before them: oral notes and test messages. Pure.

What every message of a thread repeats from its request is read off these themselves.
"""

import re
from collections.abc import Mapping
from typing import Any

from gateway.model.fields import text
from gateway.model.manifest import ThreadContext
from gateway.model.request import REQUEST_TYPES

ORAL_NOTE = "oral_request_note"
TEST_MESSAGE = "test_message"

#: Messages by which an authority asks for something, in writing or by word of mouth.
ASKING = frozenset({*REQUEST_TYPES, ORAL_NOTE})

#: A reader takes codes it does not know; they are kept where a column has room for a code and no more.
_KIND, _LEVEL = re.compile(r"[a-z0-9_]{1,64}"), re.compile(r"[a-z0-9_]{1,32}")


def oral_kind(form: Mapping[str, Any]) -> str:
    """Return the kind of request that an oral note speaks of; ``unknown`` where that is no code."""
    kind = text(form, "content", "request_kind")
    return kind if _KIND.fullmatch(kind) else "unknown"


def oral_level(form: Mapping[str, Any]) -> str:
    """Return the urgency of an oral note; ``urgent`` where it says none: nothing else is asked for orally."""
    level = text(form, "content", "urgency_level")
    return level if _LEVEL.fullmatch(level) else "urgent"


def opening_context(form: Mapping[str, Any]) -> ThreadContext | None:
    """Return the context of the thread that a message form opens, ``None`` if it opens none."""
    reference = text(form, "thread", "requesting", "reference")
    if form["message_type"] == ORAL_NOTE:
        return ThreadContext(
            urgency_level=oral_level(form),
            reference=reference or text(form, "thread", "requested", "reference"),
            subject="",
            confidentiality_level="confidential",
        )
    if form["message_type"] == TEST_MESSAGE:
        # A drill tests the lane of the night.
        return ThreadContext(
            urgency_level="urgent", reference=reference, subject="", confidentiality_level="normal"
        )
    return None
