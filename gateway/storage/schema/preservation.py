"""Preservation: the clock of every data item, and the messages by which one thread acts on another.

Both follow from messages that are kept; they are here so that a deadline has a row that falls due.
"""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table

from gateway.storage.schema.ground import AID, BID, Instant, metadata

preservation_clock = Table(
    "preservation_clock",
    metadata,
    Column("thread_id", String(32), primary_key=True),
    Column("peer", AID, primary_key=True),
    Column("item_no", Integer, primary_key=True, autoincrement=False),
    Column("standing", String(12), nullable=False, comment="running | awaiting | held | lapsed | released …"),
    Column("ends_at", Instant, nullable=False, comment="as the requested side stated it last"),
    Column("renew_by", String(10), nullable=True, comment="ISO date, whole, in the zone"),
    Column("zone", String(64), nullable=False, comment="IANA, of the requested side"),
    Column("told_at", Instant, nullable=True, comment="the last mark of this end that people were told of"),
    Column("passed_at", Instant, nullable=True, comment="the last end that a clock here has seen pass"),
    Column("acted_at", Instant, nullable=False, comment="what our clock showed when it was last worked out"),
    Column("due", String(12), nullable=False, comment="warning | renewal | end | none: what comes next"),
    Column("next_action_at", Instant, nullable=True),
    CheckConstraint("due IN ('warning', 'renewal', 'end', 'none')", name="due"),
    CheckConstraint("(due = 'none') = (next_action_at IS NULL)", name="clock"),
    Index("ix_preservation_clock_due", "next_action_at"),
    Index("ix_preservation_clock_acted", "acted_at"),
    comment="One row for each data item that has an end.",
)

thread_link = Table(
    "thread_link",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("thread_id", String(32), primary_key=True, comment="the thread it acts on"),
    Column("peer", AID, nullable=False),
    Column("relation", String(24), nullable=False, comment="replaces | follows_preservation | notice"),
    Column("message_type", String(64), nullable=False),
    Column("seq", Integer, nullable=False, comment="in the thread it acts on; 0 for a notice"),
    Column("seen", Integer, nullable=False),
    Column("of_thread_id", String(32), nullable=True, comment="thread of the request itself"),
    Column("of_reference", String(64), nullable=True, comment="a notice names its request by reference"),
    Column("effect", String(16), nullable=False, comment="outcome of the fold of that thread"),
    Column("made_at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("consigned_at", Instant, nullable=True),
    CheckConstraint("relation IN ('replaces', 'follows_preservation', 'notice')", name="relation"),
    CheckConstraint("(of_thread_id IS NULL) <> (of_reference IS NULL)", name="of"),
    Index("ix_thread_link_thread", "thread_id", "peer"),
    Index("ix_thread_link_of_thread", "peer", "of_thread_id"),
    Index("ix_thread_link_of_reference", "peer", "of_reference"),
    comment="Requests that act on another thread of the same two authorities, and notices of requests.",
)
