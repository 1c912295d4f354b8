"""The table of sessions of the duty page."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "duty_session",
        sa.Column(
            "token_sha256",
            sa.String(length=64),
            nullable=False,
            comment="digest: the token itself is the browser's",
        ),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym"),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="last time the officer did something"),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=False, comment="when it ends if nothing is done"
        ),
        sa.CheckConstraint("next_action_at > opened_at", name=op.f("ck_duty_session_clock")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_duty_session")),
        comment="Open sessions of the duty page; one that ended is deleted.",
    )
    op.create_index("ix_duty_session_due", "duty_session", ["next_action_at"], unique=False)
    op.create_index("ix_duty_session_officer", "duty_session", ["officer"], unique=False)
