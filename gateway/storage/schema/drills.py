"""Drills: what was tested, what came of it, and the tests of others. Never a case, never in statistics."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, String, Table

from gateway.storage.schema.ground import AID, BID, Instant, metadata

drill = Table(
    "drill",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("network", String(63), nullable=False),
    Column("officer", String(64), nullable=False, comment="pseudonym of who ran it"),
    Column("started_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, comment="what comes later does not count"),
    Column("ended_at", Instant, nullable=True),
    Column("next_action_at", Instant, nullable=True),
    CheckConstraint("(ended_at IS NULL) = (next_action_at IS NOT NULL)", name="clock"),
    Index("ix_drill_due", "next_action_at"),
    comment="Drills that were run here.",
)

drill_test = Table(
    "drill_test",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("drill_id", String(32), nullable=False),
    Column("peer", AID, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("thread_id", String(32), nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("answered_at", Instant, nullable=True, comment="it was acknowledged there"),
    Column("assurance", String(32), nullable=True, comment="of that acknowledgement"),
    Index("ix_drill_test_drill", "drill_id"),
    comment="One test message of a drill, on one channel; its clock is the drill's and its transmission's.",
)

drill_received = Table(
    "drill_received",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("drill_id", String(64), nullable=False, comment="as the peer calls it"),
    Column("thread_id", String(32), nullable=False),
    Column("language", String(35), nullable=False),
    Column("arrived_at", Instant, nullable=False),
    Column("answer_wanted", Boolean, nullable=False),
    Column("paged_at", Instant, nullable=True, comment="when a person here was asked to acknowledge it"),
    Column("closed_at", Instant, nullable=True, comment="acknowledged, too old, or no answer is wanted"),
    Column("officer", String(64), nullable=True, comment="pseudonym of who acknowledged it"),
    Column("next_action_at", Instant, nullable=True, comment="when it is paged, or let go of"),
    CheckConstraint("(closed_at IS NULL) = (next_action_at IS NOT NULL)", name="clock"),
    Index("ix_drill_received_due", "next_action_at"),
    Index("ix_drill_received_peer", "sender", "arrived_at"),
    comment="Test messages of others.",
)
