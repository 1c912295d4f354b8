"""The tables of cases, their messages, and tasks."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "cases",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False, comment="ours: requesting | requested"),
        sa.Column(
            "track",
            sa.String(length=12),
            nullable=False,
            comment="request | preservation: which state machine",
        ),
        sa.Column("request_kind", sa.String(length=64), nullable=False),
        sa.Column("urgency_level", sa.String(length=32), nullable=False),
        sa.Column("confidentiality_level", sa.String(length=32), nullable=False),
        sa.Column(
            "state", sa.String(length=40), nullable=False, comment="fold of the messages of both sides"
        ),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("reference_requesting", sa.String(length=64), nullable=True),
        sa.Column("reference_requested", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column(
            "next_actor",
            sa.String(length=16),
            nullable=False,
            comment="requesting | requested | system | nobody",
        ),
        sa.Column("next_action", sa.String(length=40), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "has_links",
            sa.Boolean(),
            nullable=False,
            comment="messages of other threads act on it: thread_link",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR next_actor = 'nobody'", name=op.f("ck_cases_clock")
        ),
        sa.CheckConstraint("side IN ('requesting', 'requested')", name=op.f("ck_cases_side")),
        sa.PrimaryKeyConstraint("thread_id", "peer", name=op.f("pk_cases")),
        comment="All messages about one request, on one side. How it is moved: docs/state-machine.md.",
    )
    op.create_index("ix_cases_due", "cases", ["next_action_at"], unique=False)
    op.create_index("ix_cases_reference_requested", "cases", ["reference_requested"], unique=False)
    op.create_index("ix_cases_reference_requesting", "cases", ["reference_requesting"], unique=False)
    op.create_table(
        "message",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False, comment="who speaks: requesting | requested"),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("in_reply_to", sa.String(length=96), nullable=True),
        sa.Column(
            "facts", sa.Text(), nullable=False, comment="JSON: codes and numbers the fold needs, no content"
        ),
        sa.Column("effect", sa.String(length=16), nullable=False, comment="outcome of the fold"),
        sa.Column("assurance", sa.String(length=32), nullable=True, comment="of the human act"),
        sa.Column(
            "via",
            sa.String(length=8),
            nullable=True,
            comment="mail: recorded here from a person's reply; else sealed",
        ),
        sa.Column("officer", sa.String(length=64), nullable=True, comment="pseudonym"),
        sa.Column("made_at", sa.BigInteger(), nullable=False, comment="by its author's clock"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=True, comment="when an officer first opened it"),
        sa.Column(
            "is_linked",
            sa.Boolean(),
            nullable=False,
            comment="it acts on another thread as well: thread_link",
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_message")),
        comment="One row per message of either side; its content stays in the bundle.",
    )
    op.create_index("ix_message_stored", "message", ["stored_at"], unique=False)
    op.create_index("ix_message_thread", "message", ["thread_id", "peer"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=True),
        sa.Column("bid", sa.String(length=32), nullable=True),
        sa.Column("thread_id", sa.String(length=32), nullable=True),
        sa.Column("owner", sa.String(length=24), nullable=False, comment="role that must act"),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False, comment="what happened and what to do; no content"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when it is shown again"),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("next_action_at IS NOT NULL OR done_at IS NOT NULL", name=op.f("ck_task_clock")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        comment="What only a person can decide.",
    )
    op.create_index("ix_task_open", "task", ["done_at", "next_action_at"], unique=False)
