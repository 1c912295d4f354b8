"""Who is signed in on the duty page. Passkeys and officers are in ``officers``; nothing of a case is here."""

from sqlalchemy import CheckConstraint, Column, Index, String, Table

from gateway.storage.schema.ground import SHA256, Instant, metadata

duty_session = Table(
    "duty_session",
    metadata,
    Column("token_sha256", SHA256, primary_key=True, comment="digest: the token itself is the browser's"),
    Column("officer", String(64), nullable=False, comment="pseudonym"),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, comment="last time the officer did something"),
    Column("next_action_at", Instant, nullable=False, comment="when it ends if nothing is done"),
    CheckConstraint("next_action_at > opened_at", name="clock"),
    Index("ix_duty_session_due", "next_action_at"),
    Index("ix_duty_session_officer", "officer"),
    comment="Open sessions of the duty page; one that ended is deleted.",
)
