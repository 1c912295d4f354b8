"""The table of the urgent lane's ladders."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "escalation",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=3), nullable=False, comment="out: we sent it; in: we have it"),
        sa.Column("level", sa.String(length=16), nullable=False, comment="urgent | emergency"),
        sa.Column(
            "awaits", sa.String(length=12), nullable=False, comment="person | consignment: what ends it"
        ),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="of the message in its thread"),
        sa.Column("stage", sa.String(length=16), nullable=False, comment="last step taken"),
        sa.Column("stage_at", sa.BigInteger(), nullable=False, comment="when; or when the clock began anew"),
        sa.Column("started_at", sa.BigInteger(), nullable=False, comment="submitted, or released"),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True, comment="by our clock; out only"),
        sa.Column(
            "unsigned_at",
            sa.BigInteger(),
            nullable=True,
            comment="acknowledged, and by no person's signature",
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "stopped_by",
            sa.String(length=96),
            nullable=True,
            comment="the message, or consignment | expired",
        ),
        sa.CheckConstraint("side IN ('out', 'in')", name=op.f("ck_escalation_side")),
        sa.CheckConstraint("awaits IN ('person', 'consignment')", name=op.f("ck_escalation_awaits")),
        sa.CheckConstraint(
            "(next_action_at IS NULL) = (stopped_at IS NOT NULL)", name=op.f("ck_escalation_clock")
        ),
        sa.CheckConstraint("(stopped_by IS NULL) = (stopped_at IS NULL)", name=op.f("ck_escalation_stopped")),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_escalation")),
        comment="One ladder per urgent bundle. Only a person's signed word ends that of a request.",
    )
    op.create_index("ix_escalation_due", "escalation", ["next_action_at"], unique=False)
    op.create_index("ix_escalation_thread", "escalation", ["thread_id"], unique=False)
