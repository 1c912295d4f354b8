"""The table of the facts fixed at init."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
        comment="Facts fixed at init: whose database this is, and in which network.",
    )
