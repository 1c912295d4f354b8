"""Structured logs: one JSON object per line on standard error, without content.

Decides which fields may ever be logged: the list below is the whole of it, and anything else is
dropped and counted, so that a careless call cannot leak. Values are short scalars; control and
direction characters are escaped, so that a hostile name cannot forge a line or colour a terminal.
"""

import contextlib
import logging
import sys
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

#: Every field a log line may have. None of them can hold content or personal data.
ALLOWED_FIELDS = frozenset(
    {
        "attempts",
        "authority",
        "bid",
        "bytes",
        "channel",
        "check",
        "code",
        "count",
        "detail",
        "duration_ms",
        "error",
        "event",
        "index",
        "kid",
        "lane",
        "level",
        "listen",
        "method",
        "network",
        "offset",
        "part",
        "peer",
        "route",
        "sender",
        "size",
        "state",
        "status",
        "step",
        "task",
        "time",
        "type",
        "use",
        "version",
        "where",
    }
)

#: Packages whose log texts are our own.
_OURS = frozenset({"gateway", "adapters", "crypto"})

_LONGEST = 300
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    """Return text that is safe on one line of a terminal: control and direction characters escaped."""
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return "".join(
        f"\\u{ord(character):04x}" if unicodedata.category(character) in _ESCAPED else character
        for character in short
    )


def only_allowed(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Keep the allowed fields with short scalar values; count what was dropped, naming nothing of it."""
    kept: dict[str, Any] = {}
    dropped = 0
    for key, value in line.items():
        if key not in ALLOWED_FIELDS:
            dropped += 1
        elif value is None or isinstance(value, bool | int | float):
            kept[key] = value
        elif isinstance(value, str):
            kept[key] = clean(value)
        elif isinstance(value, BaseException):
            kept[key] = clean(_kind(value))
        else:
            dropped += 1
    if dropped:
        kept["dropped_fields"] = dropped
    return kept


def _kind(error: BaseException) -> str:
    """Return the class of an error, of a group also those of the errors in it; never a text."""
    if not isinstance(error, BaseExceptionGroup):
        return type(error).__name__
    kinds, waiting = dict[str, None](), list(error.exceptions)
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseExceptionGroup):
            waiting = [*each.exceptions, *waiting]
        else:
            kinds[type(each).__name__] = None
    return f"{type(error).__name__}({', '.join(kinds)})"


def get_log(name: str) -> Any:
    """Return the log of one part of the gateway; its lines carry ``name`` as ``part``."""
    return structlog.get_logger(part=name)


def _described(record: logging.LogRecord) -> dict[str, Any]:
    """Describe a record of the standard library's logging.

    Our own modules write texts without content. Of a library's record only place and kind of error are
    kept, because its text may quote bytes from outside.
    """
    if record.name.split(".")[0] in _OURS:
        event, _, detail = record.getMessage().partition(" ")
        return {"event": event, "part": record.name, "detail": detail}
    line: dict[str, Any] = {
        "event": "library",
        "part": record.name,
        "where": f"{record.module}:{record.lineno}",
    }
    if record.exc_info and record.exc_info[1] is not None:
        line["error"] = record.exc_info[1]
    return line


class _Lines:
    """Writes finished lines. A log that cannot be written must not stop the work it speaks of."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()

    debug = info = warning = error = critical = msg


class _LibraryHandler(logging.Handler):
    """Sends records of the standard library's logging through the same filter."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, **_described(record))


def start_logging(*, level: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process, also those of libraries, through the filter to ``stream`` (stderr)."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(threshold, logging.WARNING), force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(threshold)
