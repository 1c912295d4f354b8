"""The tables of what is known of peers beside the directory."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "peer",
        sa.Column("authority_id", sa.String(length=63), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=True, comment="last authenticated word from it"),
        sa.Column(
            "pull_cursor",
            sa.BigInteger(),
            nullable=False,
            comment="how far its outbox has been taken (https_pull)",
        ),
        sa.PrimaryKeyConstraint("authority_id", name=op.f("pk_peer")),
        comment="What is known of a peer beside its signed directory entry.",
    )
    op.create_table(
        "followed_network",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("root", sa.BigInteger(), nullable=False, comment="highest versions ever trusted"),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=True, comment="until when it speaks"),
        sa.Column("refreshed_at", sa.BigInteger(), nullable=True, comment="when it was last found current"),
        sa.Column("code", sa.String(length=32), nullable=True, comment="why the last refresh failed"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is asked again"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_followed_network")),
        comment="Directory networks this gateway follows."
        " A disk put back to yesterday cannot go below these.",
    )
    op.create_table(
        "key_holder",
        sa.Column(
            "pub_sha256",
            sa.String(length=64),
            nullable=False,
            comment="of the public key as the directory lists it",
        ),
        sa.Column("authority_id", sa.String(length=63), nullable=False),
        sa.Column("use", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("pub_sha256", name=op.f("pk_key_holder")),
        comment="Whose a listed key is."
        " Kept for good: what another State lists later takes nothing from him.",
    )
    op.create_table(
        "seen_token",
        sa.Column("iss", sa.String(length=63), nullable=False),
        sa.Column("jti", sa.String(length=22), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it may be forgotten"),
        sa.PrimaryKeyConstraint("iss", "jti", name=op.f("pk_seen_token")),
        comment="Request tokens already accepted; the replay key is (iss, jti).",
    )
    op.create_index("ix_seen_token_due", "seen_token", ["next_action_at"], unique=False)
    op.create_table(
        "channel_probe",
        sa.Column("authority_id", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column(
            "asked_at",
            sa.BigInteger(),
            nullable=False,
            comment="last probe sent",
        ),
        sa.Column(
            "answered_at",
            sa.BigInteger(),
            nullable=True,
            comment="last probe that was answered and signed",
        ),
        sa.Column(
            "question",
            sa.String(length=64),
            nullable=True,
            comment="digest of a probe whose answer comes later",
        ),
        sa.Column("code", sa.String(length=32), nullable=True, comment="why the last probe failed"),
        sa.PrimaryKeyConstraint("authority_id", "channel", name=op.f("pk_channel_probe")),
        comment="When a peer last showed on a channel that it is there.",
    )
