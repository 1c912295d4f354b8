"""Cases and their messages, and the tasks that only a person can decide.

A case is moved by messages of both sides; a preservation also by its end and by the request that follows it
(docs/state-machine.md).
"""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, String, Table, Text

from gateway.storage.schema.ground import AID, BID, Instant, metadata

cases = Table(
    "cases",
    metadata,
    Column("thread_id", String(32), primary_key=True),
    Column("peer", AID, primary_key=True),
    Column("side", String(10), nullable=False, comment="ours: requesting | requested"),
    Column("track", String(12), nullable=False, comment="request | preservation: which state machine"),
    Column("request_kind", String(64), nullable=False),
    Column("urgency_level", String(32), nullable=False),
    Column("confidentiality_level", String(32), nullable=False),
    Column("state", String(40), nullable=False, comment="fold of the messages of both sides"),
    Column("state_at", Instant, nullable=False),
    Column("reference_requesting", String(64), nullable=True),
    Column("reference_requested", String(64), nullable=True),
    Column("language", String(35), nullable=False),
    Column("next_actor", String(16), nullable=False, comment="requesting | requested | system | nobody"),
    Column("next_action", String(40), nullable=False),
    Column("next_action_at", Instant, nullable=True),
    Column("opened_at", Instant, nullable=False),
    Column("has_links", Boolean, nullable=False, comment="messages of other threads act on it: thread_link"),
    CheckConstraint("side IN ('requesting', 'requested')", name="side"),
    CheckConstraint("next_action_at IS NOT NULL OR next_actor = 'nobody'", name="clock"),
    Index("ix_cases_due", "next_action_at"),
    Index("ix_cases_reference_requesting", "reference_requesting"),
    Index("ix_cases_reference_requested", "reference_requested"),
    comment="All messages about one request, on one side. How it is moved: docs/state-machine.md.",
)

message = Table(
    "message",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("thread_id", String(32), nullable=False),
    Column("peer", AID, nullable=False),
    Column("side", String(10), nullable=False, comment="who speaks: requesting | requested"),
    Column("message_type", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("in_reply_to", String(96), nullable=True),
    Column("facts", Text, nullable=False, comment="JSON: codes and numbers the fold needs, no content"),
    Column("effect", String(16), nullable=False, comment="outcome of the fold"),
    Column("assurance", String(32), nullable=True, comment="of the human act"),
    Column("via", String(8), nullable=True, comment="mail: recorded here from a person's reply; else sealed"),
    Column("officer", String(64), nullable=True, comment="pseudonym"),
    Column("made_at", Instant, nullable=False, comment="by its author's clock"),
    Column("stored_at", Instant, nullable=False),
    Column("consigned_at", Instant, nullable=True),
    Column("opened_at", Instant, nullable=True, comment="when an officer first opened it"),
    Column("is_linked", Boolean, nullable=False, comment="it acts on another thread as well: thread_link"),
    Index("ix_message_thread", "thread_id", "peer"),
    Index("ix_message_stored", "stored_at"),
    comment="One row per message of either side; its content stays in the bundle.",
)

task = Table(
    "task",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("sender", AID, nullable=True),
    Column("bid", BID, nullable=True),
    Column("thread_id", String(32), nullable=True),
    Column("owner", String(24), nullable=False, comment="role that must act"),
    Column("code", String(32), nullable=False),
    Column("sentence", Text, nullable=False, comment="what happened and what to do; no content"),
    Column("created_at", Instant, nullable=False),
    Column("next_action_at", Instant, nullable=True, comment="when it is shown again"),
    Column("done_at", Instant, nullable=True),
    CheckConstraint("next_action_at IS NOT NULL OR done_at IS NOT NULL", name="clock"),
    Index("ix_task_open", "done_at", "next_action_at"),
    comment="What only a person can decide.",
)
