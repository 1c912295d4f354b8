"""The tables of sending: transmissions, attempts, consents."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "attempt",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", "no", name=op.f("pk_attempt")),
        comment="One try on one channel.",
    )
    op.create_table(
        "transmission",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=True, comment="of the last or current attempt"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "repeats", sa.Integer(), nullable=False, comment="how often last_code came before in a row"
        ),
        sa.Column("last_code", sa.String(length=32), nullable=True),
        sa.Column(
            "next_action", sa.String(length=16), nullable=False, comment="attempt | await_receipt | none"
        ),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column(
            "lease_owner", sa.String(length=40), nullable=True, comment="one per claim: a result needs it"
        ),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column(
            "outbox_no", sa.BigInteger(), nullable=True, comment="place in the peer's outbox (https_pull)"
        ),
        sa.Column(
            "carried_since",
            sa.BigInteger(),
            nullable=True,
            comment="stands here for a carrier (offline_media)",
        ),
        sa.Column(
            "exported_at",
            sa.BigInteger(),
            nullable=True,
            comment="last written to a medium, in this envelope",
        ),
        sa.Column(
            "counted_from",
            sa.BigInteger(),
            nullable=True,
            comment="horizon of the lane; none: from the beginning",
        ),
        sa.Column(
            "only_channel",
            sa.String(length=32),
            nullable=True,
            comment="a drill tests this channel and no other",
        ),
        sa.Column(
            "owner",
            sa.String(length=24),
            nullable=True,
            comment="who must act once it failed, or while it is held",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("lane IN ('urgent','routine')", name=op.f("ck_transmission_lane")),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR"
            " state IN ('CONSIGNED','HANDED_OVER','REJECTED','FAILED','ANSWERED')",
            name=op.f("ck_transmission_clock"),
        ),
        sa.CheckConstraint("state <> 'FAILED' OR owner IS NOT NULL", name=op.f("ck_transmission_owner")),
        sa.CheckConstraint(
            "state IN ('QUEUED','DISPATCHED','RELAYED','CONSIGNED','HANDED_OVER','REJECTED','FAILED',"
            "'ANSWERED')",
            name=op.f("ck_transmission_state"),
        ),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_transmission")),
        comment="Sending one bundle to one authority. Moved by receipts only: docs/receipts.md.",
    )
    op.create_index("ix_transmission_due", "transmission", ["state", "lane", "next_action_at"], unique=False)
    op.create_index("ix_transmission_outbox", "transmission", ["to_aid", "outbox_no"], unique=False)
    op.create_index("ix_transmission_peer", "transmission", ["to_aid", "state"], unique=False)
    op.create_index("ix_transmission_created", "transmission", ["created_at", "to_aid"], unique=False)
    op.create_table(
        "channel_consent",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("answer", sa.String(length=8), nullable=False, comment="asked | given | refused"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("answer IN ('asked', 'given', 'refused')", name=op.f("ck_channel_consent_answer")),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", "channel", name=op.f("pk_channel_consent")),
        comment="What a person says to a channel that protects a bundle less."
        " A task keeps the clock of the asked.",
    )
