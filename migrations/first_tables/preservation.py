"""The tables of preservation clocks, and of messages that act on another thread."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "preservation_clock",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("item_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "standing",
            sa.String(length=12),
            nullable=False,
            comment="running | awaiting | held | lapsed | released …",
        ),
        sa.Column("ends_at", sa.BigInteger(), nullable=False, comment="as the requested side stated it last"),
        sa.Column("renew_by", sa.String(length=10), nullable=True, comment="ISO date, whole, in the zone"),
        sa.Column("zone", sa.String(length=64), nullable=False, comment="IANA, of the requested side"),
        sa.Column(
            "told_at",
            sa.BigInteger(),
            nullable=True,
            comment="the last mark of this end that people were told of",
        ),
        sa.Column(
            "passed_at",
            sa.BigInteger(),
            nullable=True,
            comment="the last end that a clock here has seen pass",
        ),
        sa.Column(
            "acted_at",
            sa.BigInteger(),
            nullable=False,
            comment="what our clock showed when it was last worked out",
        ),
        sa.Column(
            "due",
            sa.String(length=12),
            nullable=False,
            comment="warning | renewal | end | none: what comes next",
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(due = 'none') = (next_action_at IS NULL)", name=op.f("ck_preservation_clock_clock")
        ),
        sa.CheckConstraint(
            "due IN ('warning', 'renewal', 'end', 'none')", name=op.f("ck_preservation_clock_due")
        ),
        sa.PrimaryKeyConstraint("thread_id", "peer", "item_no", name=op.f("pk_preservation_clock")),
        comment="One row for each data item that has an end.",
    )
    op.create_index("ix_preservation_clock_acted", "preservation_clock", ["acted_at"], unique=False)
    op.create_index("ix_preservation_clock_due", "preservation_clock", ["next_action_at"], unique=False)
    op.create_table(
        "thread_link",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False, comment="the thread it acts on"),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column(
            "relation",
            sa.String(length=24),
            nullable=False,
            comment="replaces | follows_preservation | notice",
        ),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="in the thread it acts on; 0 for a notice"),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column(
            "of_thread_id", sa.String(length=32), nullable=True, comment="thread of the request itself"
        ),
        sa.Column(
            "of_reference",
            sa.String(length=64),
            nullable=True,
            comment="a notice names its request by reference",
        ),
        sa.Column(
            "effect", sa.String(length=16), nullable=False, comment="outcome of the fold of that thread"
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(of_thread_id IS NULL) <> (of_reference IS NULL)", name=op.f("ck_thread_link_of")
        ),
        sa.CheckConstraint(
            "relation IN ('replaces', 'follows_preservation', 'notice')",
            name=op.f("ck_thread_link_relation"),
        ),
        sa.PrimaryKeyConstraint("sender", "bid", "thread_id", name=op.f("pk_thread_link")),
        comment="Requests that act on another thread of the same two authorities, and notices of requests.",
    )
    op.create_index("ix_thread_link_of_reference", "thread_link", ["peer", "of_reference"], unique=False)
    op.create_index("ix_thread_link_of_thread", "thread_link", ["peer", "of_thread_id"], unique=False)
    op.create_index("ix_thread_link_thread", "thread_link", ["thread_id", "peer"], unique=False)
