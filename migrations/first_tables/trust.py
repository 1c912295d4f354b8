"""The tables of second persons, call-backs, and oral requests."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "callback",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column(
            "direction", sa.String(length=8), nullable=False, comment="made: we rang; taken: the peer rang"
        ),
        sa.Column(
            "number",
            sa.String(length=40),
            nullable=True,
            comment="that was rung, from the directory's record",
        ),
        sa.Column(
            "words_sha256",
            sa.String(length=64),
            nullable=False,
            comment="of the check words as they were shown",
        ),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym of who speaks for us"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column(
            "spoken_with", sa.String(length=64), nullable=True, comment="function at the peer, never a name"
        ),
        sa.Column("recorded_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="when an unfinished call is asked about"
        ),
        sa.CheckConstraint("direction IN ('made', 'taken')", name=op.f("ck_callback_direction")),
        sa.CheckConstraint(
            "outcome IN ('confirmed', 'denied', 'unanswered', 'words-differ')",
            name=op.f("ck_callback_outcome"),
        ),
        sa.CheckConstraint(
            "(recorded_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_callback_clock")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
        comment="Call-backs about a bundle, by the script of docs/fake-emergencies.md.",
    )
    op.create_index("ix_callback_due", "callback", ["next_action_at"], unique=False)
    op.create_index("ix_callback_thread", "callback", ["thread_id", "peer"], unique=False)
    op.create_table(
        "oral_request",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False, comment="who noted it"),
        sa.Column("bid", sa.String(length=32), nullable=False, comment="of the note"),
        sa.Column("side", sa.String(length=10), nullable=False, comment="ours: requesting | requested"),
        sa.Column("request_kind", sa.String(length=64), nullable=False),
        sa.Column("urgency_level", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False, comment="when it was made by word of mouth"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="when its written confirmation is due"),
        sa.Column("alerts", sa.Integer(), nullable=False, comment="how many of the alerts were given"),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "confirmed_by", sa.String(length=96), nullable=True, comment="message that confirms it in writing"
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("side IN ('requesting', 'requested')", name=op.f("ck_oral_request_side")),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_oral_request_clock")
        ),
        sa.PrimaryKeyConstraint("thread_id", "peer", name=op.f("pk_oral_request")),
        comment="Oral requests whose written confirmation is owed (UNTOC 18(14)). None ever lapses.",
    )
    op.create_index("ix_oral_request_due", "oral_request", ["next_action_at"], unique=False)
    op.create_table(
        "second_signature",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column(
            "officer", sa.String(length=64), nullable=False, comment="pseudonym of the one who sent it alone"
        ),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "told_at", sa.BigInteger(), nullable=True, comment="when shift leader and auditor were told"
        ),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "closed_by", sa.String(length=16), nullable=True, comment="callback | signature | disowned"
        ),
        sa.Column("closed_officer", sa.String(length=64), nullable=True, comment="pseudonym"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "closed_by IN ('callback', 'signature', 'disowned')", name=op.f("ck_second_signature_closed_by")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_second_signature_clock")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_second_signature")),
        comment="An emergency that one officer sent alone. What was sent stands, whatever comes of this.",
    )
    op.create_index("ix_second_signature_due", "second_signature", ["next_action_at"], unique=False)
    op.create_index("ix_second_signature_thread", "second_signature", ["thread_id", "peer"], unique=False)
