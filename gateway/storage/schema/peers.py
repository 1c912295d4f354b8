"""What is known of peers beside the signed directory: networks followed, signs of life, tokens seen."""

from sqlalchemy import BigInteger, Column, Index, String, Table

from gateway.storage.schema.ground import AID, SHA256, Instant, metadata

followed_network = Table(
    "followed_network",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("root", BigInteger, nullable=False, comment="highest versions ever trusted"),
    Column("snapshot", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("fresh_until", Instant, nullable=True, comment="until when it speaks"),
    Column("refreshed_at", Instant, nullable=True, comment="when it was last found current"),
    Column("code", String(32), nullable=True, comment="why the last refresh failed"),
    Column("next_action_at", Instant, nullable=False, comment="when it is asked again"),
    comment="Directory networks this gateway follows. A disk put back to yesterday cannot go below these.",
)

key_holder = Table(
    "key_holder",
    metadata,
    Column("pub_sha256", SHA256, primary_key=True, comment="of the public key as the directory lists it"),
    Column("authority_id", AID, nullable=False),
    Column("use", String(16), nullable=False),
    comment="Whose a listed key is. Kept for good: what another State lists later takes nothing from him.",
)

channel_probe = Table(
    "channel_probe",
    metadata,
    Column("authority_id", AID, primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("asked_at", Instant, nullable=False, comment="last probe sent"),
    Column("answered_at", Instant, nullable=True, comment="last probe that was answered and signed"),
    Column("question", SHA256, nullable=True, comment="digest of a probe whose answer comes later"),
    Column("code", String(32), nullable=True, comment="why the last probe failed"),
    comment="When a peer last showed on a channel that it is there.",
)

seen_token = Table(
    "seen_token",
    metadata,
    Column("iss", AID, primary_key=True),
    Column("jti", String(22), primary_key=True),
    Column("next_action_at", Instant, nullable=False, comment="when it may be forgotten"),
    Index("ix_seen_token_due", "next_action_at"),
    comment="Request tokens already accepted; the replay key is (iss, jti).",
)

peer = Table(
    "peer",
    metadata,
    Column("authority_id", AID, primary_key=True),
    Column("heard_at", Instant, nullable=True, comment="last authenticated word from it"),
    Column(
        "pull_cursor", BigInteger, nullable=False, comment="how far its outbox has been taken (https_pull)"
    ),
    comment="What is known of a peer beside its signed directory entry.",
)
