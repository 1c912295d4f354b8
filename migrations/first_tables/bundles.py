"""The tables of sealed bundles, their keys, and uploads under way."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "data", sa.LargeBinary(), nullable=True, comment="small ones inline; null: a file of that digest"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob")),
        comment="Write-once, content-addressed ciphertext.",
    )
    op.create_table(
        "bundle",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False, comment="out: sealed here; in: received"),
        sa.Column(
            "state", sa.String(length=16), nullable=False, comment="sealed | relayed | released | rejected"
        ),
        sa.Column("rev", sa.Integer(), nullable=False, comment="highest rev seen or signed"),
        sa.Column(
            "envelope_sha256", sa.String(length=64), nullable=False, comment="of the envelope in force"
        ),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the whole container"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="from the envelope"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="from the envelope"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_bundle_direction")),
        sa.CheckConstraint(
            "state IN ('sealed', 'relayed', 'released', 'rejected')", name=op.f("ck_bundle_state")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_bundle")),
        comment="One row per sealed bundle, identified by (sender, bid).",
    )
    op.create_index(
        "ix_bundle_relayed",
        "bundle",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state = 'relayed'"),
        postgresql_where=sa.text("state = 'relayed'"),
    )
    op.create_table(
        "content_key",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=False, comment="content key under the storage key, RFC 5649"
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_content_key")),
        comment="Deleting one row erases the content of one bundle; its proofs stay.",
    )
    op.create_table(
        "envelope",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_envelope")),
        comment="Every envelope signed or received for a bundle; a re-wrap adds one.",
    )
    op.create_index("ix_envelope_bundle", "envelope", ["sender", "bid", "rev"], unique=False)
    op.create_table(
        "storage_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="AES-256 key under the key-encryption key, RFC 5649",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_key")),
        comment="Local storage keys. The newest wraps; all of them unwrap.",
    )
    op.create_table(
        "upload",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("envelope_sha256", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=False, comment="durable so far"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column(
            "temporary", sa.String(length=80), nullable=True, comment="file of the part that is half here"
        ),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=False, comment="when the unfinished upload is dropped"
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_upload")),
        comment="Resumable uploads in progress, keyed by the envelope's hash.",
    )
    op.create_index("ix_upload_due", "upload", ["next_action_at"], unique=False)
    op.create_table(
        "part",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the ciphertext"),
        sa.Column(
            "sha256",
            sa.String(length=64),
            nullable=False,
            comment="of the ciphertext, and the name of its blob",
        ),
        sa.ForeignKeyConstraint(
            ["sender", "bid"], ["bundle.sender", "bundle.bid"], name=op.f("fk_part_sender_bid")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", "n", name=op.f("pk_part")),
    )
