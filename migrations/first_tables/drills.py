"""The tables of drills, ours and those of others."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "drill",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym of who ran it"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False, comment="what comes later does not count"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_drill_clock")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
        comment="Drills that were run here.",
    )
    op.create_index("ix_drill_due", "drill", ["next_action_at"], unique=False)
    op.create_table(
        "drill_received",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("drill_id", sa.String(length=64), nullable=False, comment="as the peer calls it"),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("answer_wanted", sa.Boolean(), nullable=False),
        sa.Column(
            "paged_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a person here was asked to acknowledge it",
        ),
        sa.Column(
            "closed_at",
            sa.BigInteger(),
            nullable=True,
            comment="acknowledged, too old, or no answer is wanted",
        ),
        sa.Column("officer", sa.String(length=64), nullable=True, comment="pseudonym of who acknowledged it"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when it is paged, or let go of"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_drill_received_clock")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_drill_received")),
        comment="Test messages of others.",
    )
    op.create_index("ix_drill_received_due", "drill_received", ["next_action_at"], unique=False)
    op.create_index("ix_drill_received_peer", "drill_received", ["sender", "arrived_at"], unique=False)
    op.create_table(
        "drill_test",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("drill_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True, comment="it was acknowledged there"),
        sa.Column("assurance", sa.String(length=32), nullable=True, comment="of that acknowledgement"),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_drill_test")),
        comment="One test message of a drill, on one channel; its clock is the drill's and its "
        "transmission's.",
    )
    op.create_index("ix_drill_test_drill", "drill_test", ["drill_id"], unique=False)
