"""The tables of mail that is not done with."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "mail_segment",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column(
            "envelope_sha256",
            sa.String(length=64),
            nullable=False,
            comment="a re-wrapped bundle's do not mix",
        ),
        sa.Column("i", sa.Integer(), nullable=False, comment="which of n, from 1"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False, comment="of the whole container"),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.String(length=32), nullable=False, comment="durable, in the staging folder"),
        sa.Column("signed_at", sa.BigInteger(), nullable=False, comment="by the sender's clock"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is dropped"),
        sa.PrimaryKeyConstraint("sender", "bid", "envelope_sha256", "i", name=op.f("pk_mail_segment")),
        comment="Signed stretches of containers whose other stretches are still to come.",
    )
    op.create_index("ix_mail_segment_due", "mail_segment", ["next_action_at"], unique=False)
    op.create_table(
        "mail_quarantine",
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the mail as it came"),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False, comment="a machine sent it: needs nobody"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the mail as it came"),
        sa.Column(
            "file",
            sa.String(length=32),
            nullable=False,
            comment="the mail, sealed, in the staging folder",
        ),
        sa.Column("sealed_sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="its key under the storage key, RFC 5649",
        ),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is dropped"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_mail_quarantine")),
        comment="Mails that nobody took, for a person to look at.",
    )
    op.create_index("ix_mail_quarantine_due", "mail_quarantine", ["next_action_at"], unique=False)
    op.create_table(
        "mail_answer",
        sa.Column("authority_id", sa.String(length=63), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=40),
            nullable=False,
            comment="probe | receipts | problem and its code",
        ),
        sa.Column(
            "subject", sa.String(length=64), nullable=False, comment="the bid, or the question's digest"
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it may be forgotten"),
        sa.CheckConstraint("next_action_at > at", name=op.f("ck_mail_answer_clock")),
        sa.PrimaryKeyConstraint("authority_id", "kind", "subject", name=op.f("pk_mail_answer")),
        comment="Automatic answers given by mail: one for each subject, few for each peer.",
    )
    op.create_index("ix_mail_answer_due", "mail_answer", ["next_action_at"], unique=False)
