"""The ladders of the urgent lane: which bundle no person has acknowledged, and what is done about it next."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table

from gateway.storage.schema.ground import AID, BID, Instant, metadata

escalation = Table(
    "escalation",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("side", String(3), nullable=False, comment="out: we sent it; in: we have it"),
    Column("level", String(16), nullable=False, comment="urgent | emergency"),
    Column("awaits", String(12), nullable=False, comment="person | consignment: what ends it"),
    Column("thread_id", String(32), nullable=False),
    Column("seq", Integer, nullable=False, comment="of the message in its thread"),
    Column("stage", String(16), nullable=False, comment="last step taken"),
    Column("stage_at", Instant, nullable=False, comment="when; or when the clock began anew"),
    Column("started_at", Instant, nullable=False, comment="submitted, or released"),
    Column("consigned_at", Instant, nullable=True, comment="by our clock; out only"),
    Column("unsigned_at", Instant, nullable=True, comment="acknowledged, and by no person's signature"),
    Column("next_action_at", Instant, nullable=True),
    Column("stopped_at", Instant, nullable=True),
    Column("stopped_by", String(96), nullable=True, comment="the message, or consignment | expired"),
    CheckConstraint("side IN ('out', 'in')", name="side"),
    CheckConstraint("awaits IN ('person', 'consignment')", name="awaits"),
    CheckConstraint("(next_action_at IS NULL) = (stopped_at IS NOT NULL)", name="clock"),
    CheckConstraint("(stopped_by IS NULL) = (stopped_at IS NULL)", name="stopped"),
    Index("ix_escalation_due", "next_action_at"),
    Index("ix_escalation_thread", "thread_id"),
    comment="One ladder per urgent bundle. Only a person's signed word ends that of a request.",
)
