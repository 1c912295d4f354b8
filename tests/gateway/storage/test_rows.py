"""Rows in memory: none can be changed in place, and none shows what it holds of content."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway.storage.receipts import ReceiptRow

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = ReceiptRow(
    jws_sha256="0" * 64,
    sender="ke-ag",
    bid="0" * 32,
    iss="gh-ag",
    to_aid="ke-ag",
    type="consignment",
    n=1,
    at=AT,
    reason=None,
    jws="the-receipt-itself",
    own=False,
    stored_at=AT,
    salt=b"the-salt",
)


def test_a_row_does_not_show_what_it_hides() -> None:
    assert "the-receipt-itself" not in repr(ROW)
    assert "the-salt" not in repr(ROW)
    assert "sender='ke-ag'" in repr(ROW)


def test_a_row_cannot_be_changed_only_replaced() -> None:
    with pytest.raises(AttributeError):
        ROW.reason = "late"  # type: ignore[misc]

    assert replace(ROW, reason="late").reason == "late"
    assert ROW.reason is None
