"""Logs say what happened, never what was said."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import clean, get_log, start_logging

#: Made when the module is loaded, as the services make theirs: before logging was started.
_EARLY = get_log("early")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    start_logging(level="info", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_field_that_is_not_on_the_list_is_dropped_and_counted(log: io.StringIO) -> None:
    structlog.get_logger().info("bundle.consigned", bid="00ff", subject="ivory", bytes=7)
    line = json.loads(log.getvalue())
    assert (line["bid"], line["bytes"], line["dropped_fields"]) == ("00ff", 7, 1)
    assert "ivory" not in log.getvalue()


def test_a_hostile_value_cannot_forge_a_line_or_a_terminal(log: io.StringIO) -> None:
    structlog.get_logger().warning("peer.refused", detail='x\n{"event":"forged"}\x1b[31m\u202e')
    assert len(log.getvalue().splitlines()) == 1
    assert json.loads(log.getvalue())["detail"] == 'x\\u000a{"event":"forged"}\\u001b[31m\\u202e'


def test_containers_and_exception_texts_never_reach_the_log(log: io.StringIO) -> None:
    structlog.get_logger().error("task.failed", error=ValueError("content"), detail={"subject": "content"})
    line = json.loads(log.getvalue())
    assert (line["error"], line["dropped_fields"]) == ("ValueError", 1)
    assert "content" not in log.getvalue()


def test_of_a_group_of_errors_the_classes_of_all_that_failed_are_logged_and_no_text(
    log: io.StringIO,
) -> None:
    inner = ExceptionGroup("content", [KeyError("content"), ValueError("content")])
    group = ExceptionGroup("content", [OSError("content"), inner, ValueError("content")])
    structlog.get_logger().error("task.failed", error=group)
    assert json.loads(log.getvalue())["error"] == "ExceptionGroup(OSError, KeyError, ValueError)"
    assert "content" not in log.getvalue()


def test_what_a_library_logs_is_reduced_to_its_place(log: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("bad request: %s", "content")
    line = json.loads(log.getvalue())
    assert (line["event"], line["part"]) == ("library", "aiohttp.server")
    assert "content" not in log.getvalue()


def test_what_our_own_modules_log_keeps_its_text(log: io.StringIO) -> None:
    logging.getLogger("gateway.web.problems").info("peer.refused %s step %d", "sig-invalid", 4)
    line = json.loads(log.getvalue())
    assert (line["event"], line["detail"]) == ("peer.refused", "sig-invalid step 4")


def test_a_log_that_cannot_be_written_stops_nothing(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log.close()
    structlog.get_logger().error("disk.full")
    logging.getLogger("gateway.web").error("disk.full")
    assert capsys.readouterr() == ("", "")


def test_a_log_made_before_logging_started_follows_it(log: io.StringIO) -> None:
    _EARLY.debug("too.quiet")
    _EARLY.info("service.started", authority="ke-ag")
    line = json.loads(log.getvalue())
    assert (line["event"], line["part"], line["level"]) == ("service.started", "early", "info")


def test_a_long_value_is_cut() -> None:
    assert len(clean("x" * 10_000)) == 301
