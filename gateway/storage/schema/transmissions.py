"""Sending: one bundle to one authority, its attempts, and what a person said to a channel.

A transmission is moved by receipts only (docs/receipts.md).
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, String, Table

from gateway.storage.schema.ground import AID, BID, Instant, metadata

transmission = Table(
    "transmission",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("lane", String(8), nullable=False),
    Column("channel", String(32), nullable=True, comment="of the last or current attempt"),
    Column("attempts", Integer, nullable=False),
    Column("repeats", Integer, nullable=False, comment="how often last_code came before in a row"),
    Column("last_code", String(32), nullable=True),
    Column("next_action", String(16), nullable=False, comment="attempt | await_receipt | none"),
    Column("next_action_at", Instant, nullable=True, comment="while leased: when the lease runs out"),
    Column("lease_owner", String(40), nullable=True, comment="one per claim: a result needs it"),
    Column("lease_until", Instant, nullable=True),
    Column("outbox_no", BigInteger, nullable=True, comment="place in the peer's outbox (https_pull)"),
    Column("carried_since", Instant, nullable=True, comment="stands here for a carrier (offline_media)"),
    Column("exported_at", Instant, nullable=True, comment="last written to a medium, in this envelope"),
    Column("counted_from", Instant, nullable=True, comment="horizon of the lane; none: from the beginning"),
    Column("only_channel", String(32), nullable=True, comment="a drill tests this channel and no other"),
    Column("owner", String(24), nullable=True, comment="who must act once it failed, or while it is held"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint(
        "state IN ('QUEUED','DISPATCHED','RELAYED','CONSIGNED','HANDED_OVER','REJECTED','FAILED','ANSWERED')",
        name="state",
    ),
    CheckConstraint(
        "next_action_at IS NOT NULL OR state IN ('CONSIGNED','HANDED_OVER','REJECTED','FAILED','ANSWERED')",
        name="clock",
    ),
    CheckConstraint("state <> 'FAILED' OR owner IS NOT NULL", name="owner"),
    CheckConstraint("lane IN ('urgent','routine')", name="lane"),
    # Leads with state and leaves the key out: SQLite ignores a partial index that ends in the primary key.
    Index("ix_transmission_due", "state", "lane", "next_action_at"),
    Index("ix_transmission_outbox", "to_aid", "outbox_no"),
    Index("ix_transmission_peer", "to_aid", "state"),
    Index("ix_transmission_created", "created_at", "to_aid"),
    comment="Sending one bundle to one authority. Moved by receipts only: docs/receipts.md.",
)

attempt = Table(
    "attempt",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("verdict", String(12), nullable=False),
    Column("code", String(32), nullable=True),
    comment="One try on one channel.",
)

channel_consent = Table(
    "channel_consent",
    metadata,
    Column("sender", AID, primary_key=True),
    Column("bid", BID, primary_key=True),
    Column("to_aid", AID, primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("answer", String(8), nullable=False, comment="asked | given | refused"),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint("answer IN ('asked', 'given', 'refused')", name="answer"),
    comment="What a person says to a channel that protects a bundle less."
    " A task keeps the clock of the asked.",
)
