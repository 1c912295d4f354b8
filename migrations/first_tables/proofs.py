"""The tables of receipts and of notices that end keys, with what is to be passed on."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "receipt",
        sa.Column("jws_sha256", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("iss", sa.String(length=63), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column(
            "jws", sa.Text(), nullable=False, comment="verbatim; never changed, replayed byte for byte"
        ),
        sa.Column("own", sa.Boolean(), nullable=False, comment="issued here"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True, comment="own: place in our log"),
        sa.Column("leaf", sa.Text(), nullable=True, comment="the peer's leaf, exact text"),
        sa.Column("salt", sa.LargeBinary(), nullable=True, comment="the peer's"),
        sa.Column("body", sa.Text(), nullable=True, comment="the peer's, exact text"),
        sa.Column("proof", sa.Text(), nullable=True, comment="C2SP tlog-proof; may be added later"),
        sa.PrimaryKeyConstraint("jws_sha256", name=op.f("pk_receipt")),
        comment="Signed proofs of transport events, ours and the peers'.",
    )
    op.create_index("ix_receipt_bundle", "receipt", ["sender", "bid", "iss", "n"], unique=False)
    op.create_table(
        "receipt_push",
        sa.Column("jws_sha256", sa.String(length=64), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="pending | done"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column(
            "outbox_no", sa.BigInteger(), nullable=True, comment="place in a calling-only peer's outbox"
        ),
        sa.Column(
            "mailed_at",
            sa.BigInteger(),
            nullable=True,
            comment="left by mail; no answer says that it arrived",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR state = 'done'", name=op.f("ck_receipt_push_clock")
        ),
        sa.PrimaryKeyConstraint("jws_sha256", name=op.f("pk_receipt_push")),
        comment="Own receipts that did not travel in an answer and still have to reach the sender.",
    )
    op.create_index("ix_receipt_push_due", "receipt_push", ["state", "lane", "next_action_at"], unique=False)
    op.create_index("ix_receipt_push_peer", "receipt_push", ["to_aid", "state"], unique=False)
    op.create_table(
        "receipt_gap",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("iss", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="open | left (to a person)"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "since", sa.BigInteger(), nullable=False, comment="when a receipt came that skipped a number"
        ),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("next_action_at IS NOT NULL OR state = 'left'", name=op.f("ck_receipt_gap_clock")),
        sa.PrimaryKeyConstraint("sender", "bid", "iss", name=op.f("pk_receipt_gap")),
        comment="Chains of a peer's receipts with a number missing. The row ends when the chain is whole.",
    )
    op.create_index("ix_receipt_gap_due", "receipt_gap", ["state", "lane", "next_action_at"], unique=False)
    op.create_table(
        "revocation",
        sa.Column("aid", sa.String(length=63), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="as its signers state"),
        sa.Column("invalid_since", sa.BigInteger(), nullable=True),
        sa.Column(
            "by_state",
            sa.Boolean(),
            nullable=False,
            comment="signed by the State's holders, not by the key",
        ),
        sa.Column(
            "source", sa.String(length=80), nullable=True, comment="the network that names these holders"
        ),
        sa.Column("notice", sa.Text(), nullable=False, comment="verbatim, as it is passed on"),
        sa.Column("received_at", sa.BigInteger(), nullable=False, comment="when the key ended here"),
        sa.PrimaryKeyConstraint("aid", "kid", name=op.f("pk_revocation")),
        comment="Emergency notices in force: one for each key, the weightiest one.",
    )
    op.create_table(
        "revocation_push",
        sa.Column("aid", sa.String(length=63), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="pending | done"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR state = 'done'", name=op.f("ck_revocation_push_clock")
        ),
        sa.PrimaryKeyConstraint("aid", "kid", "to_aid", name=op.f("pk_revocation_push")),
        comment="Which peer still has to be told of which notice.",
    )
    op.create_index(
        "ix_revocation_push_due", "revocation_push", ["state", "lane", "next_action_at"], unique=False
    )
    op.create_index("ix_revocation_push_peer", "revocation_push", ["to_aid", "state"], unique=False)
