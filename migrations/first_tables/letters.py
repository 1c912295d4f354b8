"""The tables of letters by S/MIME and what came back about them."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "mail_letter",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="key of the code under the storage key, RFC 5649",
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_mail_letter")),
        comment="Bundles that are sent as letters, each with the key of its acknowledgement code.",
    )
    op.create_index("ix_mail_letter_to", "mail_letter", ["to_aid", "made_at"], unique=False)
    op.create_table(
        "mail_signed",
        sa.Column("digest", sa.String(length=64), nullable=False, comment="of the entity that was signed"),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_signed")),
        comment="What each mail of a letter said, so that a notice of reading can be held against it.",
    )
    op.create_table(
        "mail_return",
        sa.Column(
            "digest",
            sa.String(length=64),
            nullable=False,
            comment="of what was signed, or of what was said",
        ),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="reply | unsigned | read | note"),
        sa.Column("code", sa.String(length=32), nullable=True, comment="of a note"),
        sa.Column("record", sa.String(length=32), nullable=True, comment="own bundle that keeps a reply"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('reply', 'unsigned', 'read', 'note')", name=op.f("ck_mail_return_kind")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_return")),
        comment="What came back about a letter, each once; the task of an unsigned reply keeps its clock.",
    )
    op.create_index("ix_mail_return_letter", "mail_return", ["sender", "bid", "to_aid"], unique=False)
