"""What came by mail and is not done with: stretches of containers, mails set aside, and what was answered."""

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
)

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

mail_segment = Table(
    "mail_segment",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("envelope_sha256", SHA256, primary_key=True, comment="a re-wrapped bundle's do not mix"),
    Column("i", Integer, primary_key=True, comment="which of n, from 1"),
    Column("n", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False, comment="of the whole container"),
    Column("offset_bytes", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("file", String(32), nullable=False, comment="durable, in the staging folder"),
    Column("signed_at", Instant, nullable=False, comment="by the sender's clock"),
    Column("next_action_at", Instant, nullable=False, comment="when it is dropped"),
    Index("ix_mail_segment_due", "next_action_at"),
    comment="Signed stretches of containers whose other stretches are still to come.",
)

mail_quarantine = Table(
    "mail_quarantine",
    metadata,
    Column("sha256", SHA256, primary_key=True, comment="of the mail as it came"),
    Column("reason", String(40), nullable=False),
    Column("automatic", Boolean, nullable=False, comment="a machine sent it: needs nobody"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the mail as it came"),
    Column("file", String(32), nullable=False, comment="the mail, sealed, in the staging folder"),
    Column("sealed_sha256", SHA256, nullable=False),
    Column("storage_key_id", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False, comment="its key under the storage key, RFC 5649"),
    Column("received_at", Instant, nullable=False),
    Column("next_action_at", Instant, nullable=False, comment="when it is dropped"),
    Index("ix_mail_quarantine_due", "next_action_at"),
    comment="Mails that nobody took, for a person to look at.",
)

mail_answer = Table(
    "mail_answer",
    metadata,
    Column("authority_id", AID, primary_key=True),
    Column("kind", String(40), primary_key=True, comment="probe | receipts | problem and its code"),
    Column("subject", SHA256, primary_key=True, comment="the bid, or the question's digest"),
    Column("at", Instant, nullable=False),
    Column("next_action_at", Instant, nullable=False, comment="when it may be forgotten"),
    CheckConstraint("next_action_at > at", name="clock"),
    Index("ix_mail_answer_due", "next_action_at"),
    comment="Automatic answers given by mail: one for each subject, few for each peer.",
)
