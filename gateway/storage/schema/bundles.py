"""Sealed bundles: envelopes, parts, ciphertext by digest, wrapped keys, and uploads under way.

Nothing here stands in clear: parts are stored as they were sealed, content keys under the storage key.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    text,
)

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

storage_key = Table(
    "storage_key",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "wrapped", LargeBinary, nullable=False, comment="AES-256 key under the key-encryption key, RFC 5649"
    ),
    Column("created_at", Instant, nullable=False),
    comment="Local storage keys. The newest wraps; all of them unwrap.",
)

bundle = Table(
    "bundle",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("direction", String(3), nullable=False, comment="out: sealed here; in: received"),
    Column("state", String(16), nullable=False, comment="sealed | relayed | released | rejected"),
    Column("rev", Integer, nullable=False, comment="highest rev seen or signed"),
    Column("envelope_sha256", SHA256, nullable=False, comment="of the envelope in force"),
    Column("manifest_sha256", SHA256, nullable=False),
    Column("lane", String(8), nullable=False),
    Column("size_bytes", BigInteger, nullable=False, comment="of the whole container"),
    Column("created_at", Instant, nullable=False, comment="from the envelope"),
    Column("expires_at", Instant, nullable=False, comment="from the envelope"),
    Column("stored_at", Instant, nullable=False),
    CheckConstraint("direction IN ('in', 'out')", name="direction"),
    CheckConstraint("state IN ('sealed', 'relayed', 'released', 'rejected')", name="state"),
    # Few rows at any time, and looked for each half minute among all there ever were.
    Index(
        "ix_bundle_relayed",
        "state",
        sqlite_where=text("state = 'relayed'"),
        postgresql_where=text("state = 'relayed'"),
    ),
    comment="One row per sealed bundle, identified by (sender, bid).",
)

envelope = Table(
    "envelope",
    metadata,
    Column("sha256", SHA256, primary_key=True),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("jws", LargeBinary, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Index("ix_envelope_bundle", "sender", "bid", "rev"),
    comment="Every envelope signed or received for a bundle; a re-wrap adds one.",
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", SHA256, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=True, comment="small ones inline; null: a file of that digest"),
    comment="Write-once, content-addressed ciphertext.",
)

part = Table(
    "part",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False, comment="of the ciphertext"),
    Column("sha256", SHA256, nullable=False, comment="of the ciphertext, and the name of its blob"),
    ForeignKeyConstraint(["sender", "bid"], ["bundle.sender", "bundle.bid"]),
)

content_key = Table(
    "content_key",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("storage_key_id", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False, comment="content key under the storage key, RFC 5649"),
    comment="Deleting one row erases the content of one bundle; its proofs stay.",
)

upload = Table(
    "upload",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("envelope_sha256", SHA256, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("offset_bytes", BigInteger, nullable=False, comment="durable so far"),
    Column("lane", String(8), nullable=False),
    Column("temporary", String(80), nullable=True, comment="file of the part that is half here"),
    Column("next_action_at", Instant, nullable=False, comment="when the unfinished upload is dropped"),
    Index("ix_upload_due", "next_action_at"),
    comment="Resumable uploads in progress, keyed by the envelope's hash.",
)
