"""Letters by S/MIME to people, and what came back about them; their content stays in bundles."""

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, String, Table

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

mail_letter = Table(
    "mail_letter",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("storage_key_id", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False, comment="key of the code under the storage key, RFC 5649"),
    Column("made_at", Instant, nullable=False),
    Index("ix_mail_letter_to", "to_aid", "made_at"),
    comment="Bundles that are sent as letters, each with the key of its acknowledgement code.",
)

mail_signed = Table(
    "mail_signed",
    metadata,
    Column("digest", SHA256, primary_key=True, comment="of the entity that was signed"),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("to_aid", AID, nullable=False),
    Column("at", Instant, nullable=False),
    comment="What each mail of a letter said, so that a notice of reading can be held against it.",
)

mail_return = Table(
    "mail_return",
    metadata,
    Column("digest", SHA256, primary_key=True, comment="of what was signed, or of what was said"),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("to_aid", AID, nullable=False),
    Column("kind", String(8), nullable=False, comment="reply | unsigned | read | note"),
    Column("code", String(32), nullable=True, comment="of a note"),
    Column("record", BID, nullable=True, comment="own bundle that keeps a reply"),
    Column("at", Instant, nullable=False),
    CheckConstraint("kind IN ('reply', 'unsigned', 'read', 'note')", name="kind"),
    Index("ix_mail_return_letter", "sender", "bid", "to_aid"),
    comment="What came back about a letter, each once; the task of an unsigned reply keeps its clock.",
)
