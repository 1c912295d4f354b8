"""Messages that open a thread of their own, with no request before them: oral notes and test messages. Pure.

What every message of a thread repeats from its request is read off these themselves.
"""

from collections.abc import Mapping
from typing import Any

from gateway.model.fields import text
from gateway.model.manifest import ThreadContext

ORAL_NOTE = "oral_request_note"
TEST_MESSAGE = "test_message"


def opening_context(form: Mapping[str, Any]) -> ThreadContext | None:
    """Return the context of the thread that a message form opens, ``None`` if it opens none."""
    reference = text(form, "thread", "requesting", "reference")
    if form["message_type"] == ORAL_NOTE:
        return ThreadContext(
            urgency_level=text(form, "content", "urgency_level"),
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
