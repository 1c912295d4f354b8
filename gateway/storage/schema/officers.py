"""Officers, their passkeys and one-time links, and the acts that wait for their signature.

Names stand here and nowhere else; links only as digests, forms only sealed.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

officer = Table(
    "officer",
    metadata,
    Column("pseudonym", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(32), nullable=False),
    Column("time_zone", String(64), nullable=False, comment="IANA name"),
    Column("language", String(8), nullable=False),
    Column("status", String(12), nullable=False, comment="invited | enrolled | active | suspended"),
    Column("user_id", LargeBinary, nullable=False, comment="random; what passkeys call the officer"),
    Column("invited_by", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("next_action_at", Instant, nullable=True, comment="link runs out, or a second person is reminded"),
    CheckConstraint("status IN ('invited', 'enrolled', 'active', 'suspended')", name="status"),
    CheckConstraint("next_action_at IS NOT NULL OR status IN ('active', 'suspended')", name="clock"),
    Index("ix_officer_due", "next_action_at"),
    comment="Who acts for the authority. Outside only the pseudonym is known.",
)

credential = Table(
    "credential",
    metadata,
    Column("id", String(1366), primary_key=True, comment="base64url"),
    Column("officer", String(64), nullable=False),
    Column("status", String(8), nullable=False, comment="pending | active | ended"),
    Column("alg", Integer, nullable=False, comment="COSE number"),
    Column("pub", LargeBinary, nullable=False, comment="COSE key"),
    Column("sign_count", BigInteger, nullable=False, comment="an unsigned number of 32 bits"),
    Column("statement", Text, nullable=True, comment="signed officer statement, once confirmed"),
    Column("added_by", String(64), nullable=False, comment="who gave the link"),
    Column("confirmed_by", String(64), nullable=True),
    Column("nbf", Instant, nullable=True),
    Column("exp", Instant, nullable=True),
    Column("added_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=True),
    Column("ended_at", Instant, nullable=True),
    Column("next_action_at", Instant, nullable=True, comment="when it is shown to a person again"),
    CheckConstraint("status IN ('pending', 'active', 'ended')", name="status"),
    CheckConstraint("next_action_at IS NOT NULL OR status = 'ended'", name="clock"),
    CheckConstraint(
        "status <> 'active' OR (statement IS NOT NULL AND confirmed_by IS NOT NULL)", name="confirmed"
    ),
    Index("ix_credential_officer", "officer"),
    Index("ix_credential_due", "next_action_at"),
    comment="Passkeys: public halves only.",
)

setup_link = Table(
    "setup_link",
    metadata,
    Column("token_sha256", SHA256, primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("given_by", String(64), nullable=False),
    Column("challenge", LargeBinary, nullable=True, comment="of the registration under way"),
    Column("next_action_at", Instant, nullable=False, comment="when it is dropped"),
    Index("ix_setup_link_officer", "officer"),
    Index("ix_setup_link_due", "next_action_at"),
    comment="One-time links by which a passkey is made; used ones are dropped.",
)

act = Table(
    "act",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("officer", String(64), nullable=False, comment="who has to sign"),
    Column("state", String(10), nullable=False, comment="waiting | sent | withdrawn | outdated | expired"),
    Column("message_type", String(64), nullable=False),
    Column("sender", AID, nullable=False),
    Column("bid", BID, nullable=False),
    Column("to_aid", AID, nullable=False),
    Column("thread_id", String(32), nullable=False),
    Column("lane", String(8), nullable=False),
    Column("form_sha256", SHA256, nullable=False),
    Column("form", LargeBinary, nullable=True, comment="sealed under the content key; gone with it"),
    Column("storage_key_id", String(32), nullable=True),
    Column("wrapped", LargeBinary, nullable=True, comment="content key under the storage key, RFC 5649"),
    Column("parts", Text, nullable=False, comment="JSON: sizes and digests of the sealed documents"),
    Column("consents", Text, nullable=False, comment="JSON: channels"),
    Column("prepared_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=True),
    Column("next_action_at", Instant, nullable=True, comment="when it ends by itself"),
    CheckConstraint("state IN ('waiting', 'sent', 'withdrawn', 'outdated', 'expired')", name="state"),
    CheckConstraint("next_action_at IS NOT NULL OR state <> 'waiting'", name="clock"),
    CheckConstraint("wrapped IS NOT NULL OR state <> 'waiting'", name="sealed"),
    Index("ix_act_due", "next_action_at"),
    Index("ix_act_officer", "officer", "state"),
    comment="Acts that an officer has to sign. Their documents lie in the blob store, sealed.",
)
