"""Events of the audit log: what may be entered, how it is written, and that the document lists all of it."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gateway.model.audit import (
    EVENTS,
    OPTIONAL_FIELDS,
    AuditEntry,
    PendingAuditEntry,
    body_belongs,
    body_bytes,
    leaf_bytes,
    log_time,
    read_leaf,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 987_654, tzinfo=UTC)
BUNDLE = {"from": "xx-moj", "bid": "0" * 32}
DOCUMENT = Path(__file__).parents[3] / "docs" / "audit-events.md"


def test_the_document_lists_every_event_with_its_fields_and_no_other() -> None:
    documented = {
        match[1]: tuple(re.findall(r"`([a-z_]+)`", match[2]))
        for match in re.finditer(
            r"^\| `([a-z_]+\.[a-z_]+)` \|[^|]*\|([^|]*)\|$", DOCUMENT.read_text(), re.MULTILINE
        )
    }
    assert documented == {event: tuple(fields) for event, fields in EVENTS.items()}


def test_every_event_is_entered_somewhere() -> None:
    package = DOCUMENT.parents[1] / "gateway"
    sources = [path.read_text() for path in package.rglob("*.py") if path != package / "model" / "audit.py"]
    assert [event for event in EVENTS if not any(f'"{event}"' in source for source in sources)] == []


def test_event_names_are_a_noun_and_a_participle() -> None:
    assert all(re.fullmatch(r"[a-z_]{1,40}\.[a-z_]{1,40}", event) for event in EVENTS)
    assert all(field in {name for fields in EVENTS.values() for name in fields} for field in OPTIONAL_FIELDS)


def test_a_body_holds_event_fields_and_time_and_leaves_out_what_is_absent() -> None:
    entry = PendingAuditEntry(
        event="transmission.attempted",
        body={**BUNDLE, "to": "yy-moj", "channel": "gateway_https", "attempt": 3, "code": None},
        at=NOW,
    )
    assert json.loads(body_bytes(entry, log_time(NOW))) == {
        "ev": "transmission.attempted",
        **BUNDLE,
        "to": "yy-moj",
        "channel": "gateway_https",
        "attempt": 3,
        "t": "2026-03-01T12:00:00Z",
    }


def test_an_entry_shows_neither_its_body_nor_what_hides_it() -> None:
    shown = repr(AuditEntry(index=7, leaf=b"leaf", salt=b"salt", body=b"body"))
    assert shown == "AuditEntry(index=7, leaf=b'leaf')"


def test_a_leaf_has_one_spelling_and_names_nobody() -> None:
    leaf = leaf_bytes("2026-03-01T12:00:00Z", "bundle.consigned", "A" * 43)
    assert leaf == b'{"v":1,"t":"2026-03-01T12:00:00Z","ev":"bundle.consigned","c":"' + b"A" * 43 + b'"}'
    assert read_leaf(leaf) == (b"2026-03-01T12:00:00Z", b"bundle.consigned", b"A" * 43)
    for other in (
        leaf + b" ",
        b" " + leaf,
        leaf.replace(b":1,", b": 1,"),
        leaf.replace(b"}", b',"x":1}'),
        b"",
    ):
        assert read_leaf(other) is None


def test_leaf_and_body_belong_together_by_event_and_time() -> None:
    body = body_bytes(
        PendingAuditEntry(event="bundle.consigned", body=BUNDLE, at=NOW), "2026-03-01T12:00:00Z"
    )
    assert body_belongs(body, b"2026-03-01T12:00:00Z", b"bundle.consigned")
    assert not body_belongs(body, b"2026-03-01T12:00:01Z", b"bundle.consigned")
    assert not body_belongs(body, b"2026-03-01T12:00:00Z", b"bundle.rejected")


def test_times_are_written_in_utc_and_cut_to_the_second() -> None:
    assert log_time(NOW) == "2026-03-01T12:00:00Z"
    assert log_time(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("bundle.invented", BUNDLE),
        ("bundle.consigned", {"from": "xx-moj"}),
        ("bundle.consigned", {**BUNDLE, "bid": None}),
        ("bundle.consigned", {**BUNDLE, "subject": "secret"}),
        ("bundle.consigned", {**BUNDLE, "from": "XX-MOJ"}),
        ("bundle.consigned", {**BUNDLE, "bid": "0" * 31}),
        ("bundle.consigned", {**BUNDLE, "bid": "0" * 32 + "\n"}),
        ("bundle.consigned", {**BUNDLE, "receipt": "not a digest"}),
        ("bundle.rejected", {**BUNDLE, "code": "a sentence with spaces"}),
        ("body.erased", {"index": "7", "basis": "court-order"}),
        ("body.erased", {"index": -1, "basis": "court-order"}),
        ("body.erased", {"index": True, "basis": "court-order"}),
        ("key.created", {"use": 5, "kid": "A" * 43}),
    ],
)
def test_an_entry_that_is_not_listed_or_could_hold_content_is_refused(
    event: str, body: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=re.escape(event)):
        PendingAuditEntry(event=event, body=body, at=NOW)  # type: ignore[arg-type]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        PendingAuditEntry(event="bundle.consigned", body=BUNDLE, at=NOW.replace(tzinfo=None))
