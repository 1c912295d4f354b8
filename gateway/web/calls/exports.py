"""Exporting a case for somebody who has no gateway."""

from typing import Annotated, Any

import msgspec

from gateway.web.calls.shape import Call, Officer, Reference, Value, call


class ExportParams(Value, kw_only=True):
    """Which case to export, and where to: an absolute path of an empty or absent folder."""

    ref: Reference
    directory: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    officer: Officer = "local"


class ExportResult(Value, kw_only=True):
    """What was written; ``left_out``: messages recorded from mail, which nobody sealed."""

    folder: str
    thread_id: str
    peer: str
    messages: int
    left_out: int


CASE_EXPORT = call(
    "exportCase",
    "POST",
    "/v1/exports",
    "Write a case in clear, with what proves each message, into a folder",
    params=ExportParams,
    result=ExportResult,
    writes=True,
)

EXPORT_CALLS: tuple[Call[Any, Any], ...] = (CASE_EXPORT,)
