"""Receipts, ours and the peers', and the notices that end keys; what of both has still to be passed on."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

receipt = Table(
    "receipt",
    metadata,
    Column("jws_sha256", SHA256, primary_key=True),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("iss", AID, nullable=False),
    Column("to_aid", AID, nullable=False),
    Column("type", String(20), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", String(32), nullable=True),
    Column("jws", Text, nullable=False, comment="verbatim; never changed, replayed byte for byte"),
    Column("own", Boolean, nullable=False, comment="issued here"),
    Column("stored_at", Instant, nullable=False),
    Column("leaf_index", BigInteger, nullable=True, comment="own: place in our log"),
    Column("leaf", Text, nullable=True, comment="the peer's leaf, exact text"),
    Column("salt", LargeBinary, nullable=True, comment="the peer's"),
    Column("body", Text, nullable=True, comment="the peer's, exact text"),
    Column("proof", Text, nullable=True, comment="C2SP tlog-proof; may be added later"),
    Index("ix_receipt_bundle", "sender", "bid", "iss", "n"),
    comment="Signed proofs of transport events, ours and the peers'.",
)

receipt_push = Table(
    "receipt_push",
    metadata,
    Column("jws_sha256", SHA256, primary_key=True),
    Column("to_aid", AID, nullable=False),
    Column("state", String(8), nullable=False, comment="pending | done"),
    Column("lane", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_action_at", Instant, nullable=True, comment="while leased: when the lease runs out"),
    Column("lease_owner", String(40), nullable=True),
    Column("lease_until", Instant, nullable=True),
    Column("outbox_no", BigInteger, nullable=True, comment="place in a calling-only peer's outbox"),
    Column("mailed_at", Instant, nullable=True, comment="left by mail; no answer says that it arrived"),
    CheckConstraint("next_action_at IS NOT NULL OR state = 'done'", name="clock"),
    Index("ix_receipt_push_due", "state", "lane", "next_action_at"),
    Index("ix_receipt_push_peer", "to_aid", "state"),
    comment="Own receipts that did not travel in an answer and still have to reach the sender.",
)

revocation = Table(
    "revocation",
    metadata,
    Column("aid", AID, primary_key=True),
    Column("kid", String(43), primary_key=True),
    Column("reason", String(16), nullable=False),
    Column("at", Instant, nullable=False, comment="as its signers state"),
    Column("invalid_since", Instant, nullable=True),
    Column("by_state", Boolean, nullable=False, comment="signed by the State's holders, not by the key"),
    Column("source", String(80), nullable=True, comment="the network that names these holders"),
    Column("notice", Text, nullable=False, comment="verbatim, as it is passed on"),
    Column("received_at", Instant, nullable=False, comment="when the key ended here"),
    comment="Emergency notices in force: one for each key, the weightiest one.",
)

revocation_push = Table(
    "revocation_push",
    metadata,
    Column("aid", AID, primary_key=True),
    Column("kid", String(43), primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("state", String(8), nullable=False, comment="pending | done"),
    Column("lane", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_action_at", Instant, nullable=True, comment="while leased: when the lease runs out"),
    Column("lease_owner", String(40), nullable=True),
    Column("lease_until", Instant, nullable=True),
    CheckConstraint("next_action_at IS NOT NULL OR state = 'done'", name="clock"),
    Index("ix_revocation_push_due", "state", "lane", "next_action_at"),
    Index("ix_revocation_push_peer", "to_aid", "state"),
    comment="Which peer still has to be told of which notice.",
)
