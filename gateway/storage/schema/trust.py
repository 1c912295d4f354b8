"""What is owed so that a request can be believed: a second person, a call-back, a written confirmation.

Each row has its clock until somebody has ended it; none of them ever moves a case.
"""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table

from gateway.storage.schema.ground import AID, BID, Instant, metadata

second_signature = Table(
    "second_signature",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("peer", AID, nullable=False),
    Column("thread_id", String(32), nullable=False),
    Column("officer", String(64), nullable=False, comment="pseudonym of the one who sent it alone"),
    Column("sent_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("told_at", Instant, nullable=True, comment="when shift leader and auditor were told"),
    Column("closed_at", Instant, nullable=True),
    Column("closed_by", String(16), nullable=True, comment="callback | signature | disowned"),
    Column("closed_officer", String(64), nullable=True, comment="pseudonym"),
    Column("next_action_at", Instant, nullable=True),
    CheckConstraint("(closed_at IS NULL) = (next_action_at IS NOT NULL)", name="clock"),
    CheckConstraint("closed_by IN ('callback', 'signature', 'disowned')", name="closed_by"),
    Index("ix_second_signature_due", "next_action_at"),
    Index("ix_second_signature_thread", "thread_id", "peer"),
    comment="An emergency that one officer sent alone. What was sent stands, whatever comes of this.",
)

callback = Table(
    "callback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("peer", AID, nullable=False),
    Column("thread_id", String(32), nullable=False),
    Column("direction", String(8), nullable=False, comment="made: we rang; taken: the peer rang"),
    Column("number", String(40), nullable=True, comment="that was rung, from the directory's record"),
    Column("words_sha256", String(64), nullable=False, comment="of the check words as they were shown"),
    Column("officer", String(64), nullable=False, comment="pseudonym of who speaks for us"),
    Column("started_at", Instant, nullable=False),
    Column("outcome", String(16), nullable=True),
    Column("spoken_with", String(64), nullable=True, comment="function at the peer, never a name"),
    Column("recorded_at", Instant, nullable=True),
    Column("next_action_at", Instant, nullable=True, comment="when an unfinished call is asked about"),
    CheckConstraint("(recorded_at IS NULL) = (next_action_at IS NOT NULL)", name="clock"),
    CheckConstraint("direction IN ('made', 'taken')", name="direction"),
    CheckConstraint("outcome IN ('confirmed', 'denied', 'unanswered', 'words-differ')", name="outcome"),
    Index("ix_callback_due", "next_action_at"),
    Index("ix_callback_thread", "thread_id", "peer"),
    comment="Call-backs about a bundle, by the script of docs/fake-emergencies.md.",
)

oral_request = Table(
    "oral_request",
    metadata,
    Column("thread_id", String(32), primary_key=True),
    Column("peer", AID, primary_key=True),
    Column("sender", AID, nullable=False, comment="who noted it"),
    Column("bid", BID, nullable=False, comment="of the note"),
    Column("side", String(10), nullable=False, comment="ours: requesting | requested"),
    Column("request_kind", String(64), nullable=False),
    Column("urgency_level", String(32), nullable=False),
    Column("made_at", Instant, nullable=False, comment="when it was made by word of mouth"),
    Column("due_at", Instant, nullable=False, comment="when its written confirmation is due"),
    Column("alerts", Integer, nullable=False, comment="how many of the alerts were given"),
    Column("confirmed_at", Instant, nullable=True),
    Column("confirmed_by", String(96), nullable=True, comment="message that confirms it in writing"),
    Column("next_action_at", Instant, nullable=True),
    CheckConstraint("(confirmed_at IS NULL) = (next_action_at IS NOT NULL)", name="clock"),
    CheckConstraint("side IN ('requesting', 'requested')", name="side"),
    Index("ix_oral_request_due", "next_action_at"),
    comment="Oral requests whose written confirmation is owed (UNTOC 18(14)). None ever lapses.",
)
