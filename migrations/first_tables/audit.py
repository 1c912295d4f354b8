"""The tables of the audit log; the triggers that protect them are the migration's own."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "audit_body",
        sa.Column(
            "idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_audit_body")),
        comment="What a leaf commits to. May be erased (never altered); the tree stays valid.",
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column(
            "size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("note", sa.Text(), nullable=False, comment="signed note"),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
        comment="Signed tree heads. Append-only.",
    )
    op.create_table(
        "audit_leaf",
        sa.Column(
            "idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("leaf", sa.LargeBinary(), nullable=False, comment="exact bytes that are hashed"),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_audit_leaf")),
        comment="Append-only: triggers refuse UPDATE, DELETE, TRUNCATE and replacement.",
    )
    op.create_table(
        "audit_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "hashes", sa.LargeBinary(), nullable=False, comment="256 hashes of 32 bytes (C2SP tlog-tiles)"
        ),
        sa.PrimaryKeyConstraint("level", "n", name=op.f("pk_audit_tile")),
        comment="Complete hash tiles. Append-only.",
    )
