"""All tables, and the triggers that make the audit log append-only.

The triggers refuse UPDATE, DELETE, TRUNCATE and replacement on leaves, tiles and checkpoints; on bodies they
refuse UPDATE and replacement only, because erasing a body is lawful. They answer with an integrity error on
both engines. On PostgreSQL the role that the gateway runs under, when it is not the owner, may not even try.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: Table -> its key.
APPEND_ONLY = {"audit_leaf": ("idx",), "audit_tile": ("level", "n"), "audit_checkpoint": ("size",)}
ERASABLE = {"audit_body": ("idx",)}


def upgrade() -> None:
    create_tables()
    create_duty_tables()
    create_preservation_tables()
    create_tables_of_trust()
    create_tables_of_officers()
    if op.get_bind().dialect.name == "postgresql":
        protect_on_postgresql()
        role = context.config.attributes.get("runtime_role")
        if role is not None:
            grant_to(role)
    else:
        protect_on_sqlite()


def protect_on_sqlite() -> None:
    for table, key in {**APPEND_ONLY, **ERASABLE}.items():
        events = {"update": "UPDATE"} if table in ERASABLE else {"update": "UPDATE", "delete": "DELETE"}
        for name, event in events.items():
            op.execute(
                f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        # REPLACE deletes without asking a DELETE trigger unless recursive_triggers is on, and it may aim at
        # the hidden rowid instead of the key.
        taken = " AND ".join(f"{table}.{column} = NEW.{column}" for column in key)
        exists = sa.text(f"({taken}) OR {table}.rowid = NEW.rowid")
        found = sa.select(sa.text("1")).select_from(sa.table(table)).where(exists)
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({found})"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def protect_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger"
        " LANGUAGE plpgsql SET search_path = pg_catalog AS $$"
        " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in (*APPEND_ONLY, *ERASABLE):
        events = "UPDATE OR TRUNCATE" if table in ERASABLE else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
        # ALWAYS: session_replication_role must not switch it off.
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def grant_to(role: str) -> None:
    rights = dict.fromkeys(APPEND_ONLY, "SELECT, INSERT")
    rights |= dict.fromkeys(ERASABLE, "SELECT, INSERT, DELETE")
    rights["alembic_version"] = "SELECT"
    for table in sa.inspect(op.get_bind()).get_table_names():
        op.execute(f'GRANT {rights.get(table, "SELECT, INSERT, UPDATE, DELETE")} ON {table} TO "{role}"')


def create_tables() -> None:
    op.create_table(
        "attempt",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", "no", name=op.f("pk_attempt")),
        comment="One try on one channel.",
    )
    op.create_table(
        "audit_body",
        sa.Column(
            "idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_audit_body")),
        comment="What a leaf commits to. May be erased (never altered); the tree stays valid.",
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column(
            "size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("note", sa.Text(), nullable=False, comment="signed note"),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
        comment="Signed tree heads. Append-only.",
    )
    op.create_table(
        "audit_leaf",
        sa.Column(
            "idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("leaf", sa.LargeBinary(), nullable=False, comment="exact bytes that are hashed"),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_audit_leaf")),
        comment="Append-only: triggers refuse UPDATE, DELETE, TRUNCATE and replacement.",
    )
    op.create_table(
        "audit_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "hashes", sa.LargeBinary(), nullable=False, comment="256 hashes of 32 bytes (C2SP tlog-tiles)"
        ),
        sa.PrimaryKeyConstraint("level", "n", name=op.f("pk_audit_tile")),
        comment="Complete hash tiles. Append-only.",
    )
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
        "cases",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False, comment="ours: requesting | requested"),
        sa.Column(
            "track",
            sa.String(length=12),
            nullable=False,
            comment="request | preservation: which state machine",
        ),
        sa.Column("request_kind", sa.String(length=64), nullable=False),
        sa.Column("urgency_level", sa.String(length=32), nullable=False),
        sa.Column("confidentiality_level", sa.String(length=32), nullable=False),
        sa.Column(
            "state", sa.String(length=40), nullable=False, comment="fold of the messages of both sides"
        ),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("reference_requesting", sa.String(length=64), nullable=True),
        sa.Column("reference_requested", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column(
            "next_actor",
            sa.String(length=16),
            nullable=False,
            comment="requesting | requested | system | nobody",
        ),
        sa.Column("next_action", sa.String(length=40), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "has_links",
            sa.Boolean(),
            nullable=False,
            comment="messages of other threads act on it: thread_link",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR next_actor = 'nobody'", name=op.f("ck_cases_clock")
        ),
        sa.CheckConstraint("side IN ('requesting', 'requested')", name=op.f("ck_cases_side")),
        sa.PrimaryKeyConstraint("thread_id", "peer", name=op.f("pk_cases")),
        comment="All messages about one request, on one side. How it is moved: docs/state-machine.md.",
    )
    op.create_index("ix_cases_due", "cases", ["next_action_at"], unique=False)
    op.create_index("ix_cases_reference_requested", "cases", ["reference_requested"], unique=False)
    op.create_index("ix_cases_reference_requesting", "cases", ["reference_requesting"], unique=False)
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
        "escalation",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=3), nullable=False, comment="out: we sent it; in: we have it"),
        sa.Column("level", sa.String(length=16), nullable=False, comment="urgent | emergency"),
        sa.Column(
            "awaits", sa.String(length=12), nullable=False, comment="person | consignment: what ends it"
        ),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="of the message in its thread"),
        sa.Column("stage", sa.String(length=16), nullable=False, comment="last step taken"),
        sa.Column("stage_at", sa.BigInteger(), nullable=False, comment="when; or when the clock began anew"),
        sa.Column("started_at", sa.BigInteger(), nullable=False, comment="submitted, or released"),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True, comment="by our clock; out only"),
        sa.Column(
            "unsigned_at",
            sa.BigInteger(),
            nullable=True,
            comment="acknowledged, and by no person's signature",
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "stopped_by",
            sa.String(length=96),
            nullable=True,
            comment="the message, or consignment | expired",
        ),
        sa.CheckConstraint("side IN ('out', 'in')", name=op.f("ck_escalation_side")),
        sa.CheckConstraint("awaits IN ('person', 'consignment')", name=op.f("ck_escalation_awaits")),
        sa.CheckConstraint(
            "(next_action_at IS NULL) = (stopped_at IS NOT NULL)", name=op.f("ck_escalation_clock")
        ),
        sa.CheckConstraint("(stopped_by IS NULL) = (stopped_at IS NULL)", name=op.f("ck_escalation_stopped")),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_escalation")),
        comment="One ladder per urgent bundle. Only a person's signed word ends that of a request.",
    )
    op.create_index("ix_escalation_due", "escalation", ["next_action_at"], unique=False)
    op.create_index("ix_escalation_thread", "escalation", ["thread_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False, comment="who speaks: requesting | requested"),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("in_reply_to", sa.String(length=96), nullable=True),
        sa.Column(
            "facts", sa.Text(), nullable=False, comment="JSON: codes and numbers the fold needs, no content"
        ),
        sa.Column("effect", sa.String(length=16), nullable=False, comment="outcome of the fold"),
        sa.Column("assurance", sa.String(length=32), nullable=True, comment="of the human act"),
        sa.Column(
            "via",
            sa.String(length=8),
            nullable=True,
            comment="mail: recorded here from a person's reply; else sealed",
        ),
        sa.Column("officer", sa.String(length=64), nullable=True, comment="pseudonym"),
        sa.Column("made_at", sa.BigInteger(), nullable=False, comment="by its author's clock"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=True, comment="when an officer first opened it"),
        sa.Column(
            "is_linked",
            sa.Boolean(),
            nullable=False,
            comment="it acts on another thread as well: thread_link",
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_message")),
        comment="One row per message of either side; its content stays in the bundle.",
    )
    op.create_index("ix_message_stored", "message", ["stored_at"], unique=False)
    op.create_index("ix_message_thread", "message", ["thread_id", "peer"], unique=False)
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
        comment="Facts fixed at init: whose database this is, and in which network.",
    )
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
        "receipt",
        sa.Column("jws_sha256", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("iss", sa.String(length=63), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column(
            "jws", sa.Text(), nullable=False, comment="verbatim; never changed, replayed byte for byte"
        ),
        sa.Column("own", sa.Boolean(), nullable=False, comment="issued here"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True, comment="own: place in our log"),
        sa.Column("leaf", sa.Text(), nullable=True, comment="the peer's leaf, exact text"),
        sa.Column("salt", sa.LargeBinary(), nullable=True, comment="the peer's"),
        sa.Column("body", sa.Text(), nullable=True, comment="the peer's, exact text"),
        sa.Column("proof", sa.Text(), nullable=True, comment="C2SP tlog-proof; may be added later"),
        sa.PrimaryKeyConstraint("jws_sha256", name=op.f("pk_receipt")),
        comment="Signed proofs of transport events, ours and the peers'.",
    )
    op.create_index("ix_receipt_bundle", "receipt", ["sender", "bid", "iss", "n"], unique=False)
    op.create_table(
        "receipt_push",
        sa.Column("jws_sha256", sa.String(length=64), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="pending | done"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column(
            "outbox_no", sa.BigInteger(), nullable=True, comment="place in a calling-only peer's outbox"
        ),
        sa.Column(
            "mailed_at",
            sa.BigInteger(),
            nullable=True,
            comment="left by mail; no answer says that it arrived",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR state = 'done'", name=op.f("ck_receipt_push_clock")
        ),
        sa.PrimaryKeyConstraint("jws_sha256", name=op.f("pk_receipt_push")),
        comment="Own receipts that did not travel in an answer and still have to reach the sender.",
    )
    op.create_index("ix_receipt_push_due", "receipt_push", ["state", "lane", "next_action_at"], unique=False)
    op.create_index("ix_receipt_push_peer", "receipt_push", ["to_aid", "state"], unique=False)
    op.create_table(
        "revocation",
        sa.Column("aid", sa.String(length=63), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="as its signers state"),
        sa.Column("invalid_since", sa.BigInteger(), nullable=True),
        sa.Column(
            "by_state",
            sa.Boolean(),
            nullable=False,
            comment="signed by the State's holders, not by the key",
        ),
        sa.Column(
            "source", sa.String(length=80), nullable=True, comment="the network that names these holders"
        ),
        sa.Column("notice", sa.Text(), nullable=False, comment="verbatim, as it is passed on"),
        sa.Column("received_at", sa.BigInteger(), nullable=False, comment="when the key ended here"),
        sa.PrimaryKeyConstraint("aid", "kid", name=op.f("pk_revocation")),
        comment="Emergency notices in force: one for each key, the weightiest one.",
    )
    op.create_table(
        "revocation_push",
        sa.Column("aid", sa.String(length=63), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="pending | done"),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR state = 'done'", name=op.f("ck_revocation_push_clock")
        ),
        sa.PrimaryKeyConstraint("aid", "kid", "to_aid", name=op.f("pk_revocation_push")),
        comment="Which peer still has to be told of which notice.",
    )
    op.create_index(
        "ix_revocation_push_due", "revocation_push", ["state", "lane", "next_action_at"], unique=False
    )
    op.create_index("ix_revocation_push_peer", "revocation_push", ["to_aid", "state"], unique=False)
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
        "task",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=True),
        sa.Column("bid", sa.String(length=32), nullable=True),
        sa.Column("thread_id", sa.String(length=32), nullable=True),
        sa.Column("owner", sa.String(length=24), nullable=False, comment="role that must act"),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False, comment="what happened and what to do; no content"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when it is shown again"),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("next_action_at IS NOT NULL OR done_at IS NOT NULL", name=op.f("ck_task_clock")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        comment="What only a person can decide.",
    )
    op.create_index("ix_task_open", "task", ["done_at", "next_action_at"], unique=False)
    op.create_table(
        "transmission",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=True, comment="of the last or current attempt"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "repeats", sa.Integer(), nullable=False, comment="how often last_code came before in a row"
        ),
        sa.Column("last_code", sa.String(length=32), nullable=True),
        sa.Column(
            "next_action", sa.String(length=16), nullable=False, comment="attempt | await_receipt | none"
        ),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="while leased: when the lease runs out"
        ),
        sa.Column(
            "lease_owner", sa.String(length=40), nullable=True, comment="one per claim: a result needs it"
        ),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column(
            "outbox_no", sa.BigInteger(), nullable=True, comment="place in the peer's outbox (https_pull)"
        ),
        sa.Column(
            "carried_since",
            sa.BigInteger(),
            nullable=True,
            comment="stands here for a carrier (offline_media)",
        ),
        sa.Column(
            "exported_at",
            sa.BigInteger(),
            nullable=True,
            comment="last written to a medium, in this envelope",
        ),
        sa.Column(
            "counted_from",
            sa.BigInteger(),
            nullable=True,
            comment="horizon of the lane; none: from the beginning",
        ),
        sa.Column(
            "only_channel",
            sa.String(length=32),
            nullable=True,
            comment="a drill tests this channel and no other",
        ),
        sa.Column(
            "owner",
            sa.String(length=24),
            nullable=True,
            comment="who must act once it failed, or while it is held",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("lane IN ('urgent','routine')", name=op.f("ck_transmission_lane")),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR"
            " state IN ('CONSIGNED','HANDED_OVER','REJECTED','FAILED','ANSWERED')",
            name=op.f("ck_transmission_clock"),
        ),
        sa.CheckConstraint("state <> 'FAILED' OR owner IS NOT NULL", name=op.f("ck_transmission_owner")),
        sa.CheckConstraint(
            "state IN ('QUEUED','DISPATCHED','RELAYED','CONSIGNED','HANDED_OVER','REJECTED','FAILED',"
            "'ANSWERED')",
            name=op.f("ck_transmission_state"),
        ),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_transmission")),
        comment="Sending one bundle to one authority. Moved by receipts only: docs/receipts.md.",
    )
    op.create_index("ix_transmission_due", "transmission", ["state", "lane", "next_action_at"], unique=False)
    op.create_index("ix_transmission_outbox", "transmission", ["to_aid", "outbox_no"], unique=False)
    op.create_index("ix_transmission_peer", "transmission", ["to_aid", "state"], unique=False)
    op.create_index("ix_transmission_created", "transmission", ["created_at", "to_aid"], unique=False)
    op.create_table(
        "channel_consent",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("answer", sa.String(length=8), nullable=False, comment="asked | given | refused"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("answer IN ('asked', 'given', 'refused')", name=op.f("ck_channel_consent_answer")),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", "channel", name=op.f("pk_channel_consent")),
        comment="What a person says to a channel that protects a bundle less."
        " A task keeps the clock of the asked.",
    )
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
    op.create_table(
        "mail_segment",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column(
            "envelope_sha256",
            sa.String(length=64),
            nullable=False,
            comment="a re-wrapped bundle's do not mix",
        ),
        sa.Column("i", sa.Integer(), nullable=False, comment="which of n, from 1"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False, comment="of the whole container"),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.String(length=32), nullable=False, comment="durable, in the staging folder"),
        sa.Column("signed_at", sa.BigInteger(), nullable=False, comment="by the sender's clock"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is dropped"),
        sa.PrimaryKeyConstraint("sender", "bid", "envelope_sha256", "i", name=op.f("pk_mail_segment")),
        comment="Signed stretches of containers whose other stretches are still to come.",
    )
    op.create_index("ix_mail_segment_due", "mail_segment", ["next_action_at"], unique=False)
    op.create_table(
        "mail_quarantine",
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the mail as it came"),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False, comment="a machine sent it: needs nobody"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the mail as it came"),
        sa.Column(
            "file",
            sa.String(length=32),
            nullable=False,
            comment="the mail, sealed, in the staging folder",
        ),
        sa.Column("sealed_sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="its key under the storage key, RFC 5649",
        ),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is dropped"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_mail_quarantine")),
        comment="Mails that nobody took, for a person to look at.",
    )
    op.create_index("ix_mail_quarantine_due", "mail_quarantine", ["next_action_at"], unique=False)
    op.create_table(
        "mail_answer",
        sa.Column("authority_id", sa.String(length=63), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=40),
            nullable=False,
            comment="probe | receipts | problem and its code",
        ),
        sa.Column(
            "subject", sa.String(length=64), nullable=False, comment="the bid, or the question's digest"
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it may be forgotten"),
        sa.CheckConstraint("next_action_at > at", name=op.f("ck_mail_answer_clock")),
        sa.PrimaryKeyConstraint("authority_id", "kind", "subject", name=op.f("pk_mail_answer")),
        comment="Automatic answers given by mail: one for each subject, few for each peer.",
    )
    op.create_index("ix_mail_answer_due", "mail_answer", ["next_action_at"], unique=False)
    op.create_table(
        "mail_letter",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="key of the code under the storage key, RFC 5649",
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "bid", "to_aid", name=op.f("pk_mail_letter")),
        comment="Bundles that are sent as letters, each with the key of its acknowledgement code.",
    )
    op.create_index("ix_mail_letter_to", "mail_letter", ["to_aid", "made_at"], unique=False)
    op.create_table(
        "mail_signed",
        sa.Column("digest", sa.String(length=64), nullable=False, comment="of the entity that was signed"),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_signed")),
        comment="What each mail of a letter said, so that a notice of reading can be held against it.",
    )
    op.create_table(
        "mail_return",
        sa.Column(
            "digest",
            sa.String(length=64),
            nullable=False,
            comment="of what was signed, or of what was said",
        ),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="reply | unsigned | read | note"),
        sa.Column("code", sa.String(length=32), nullable=True, comment="of a note"),
        sa.Column("record", sa.String(length=32), nullable=True, comment="own bundle that keeps a reply"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('reply', 'unsigned', 'read', 'note')", name=op.f("ck_mail_return_kind")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_return")),
        comment="What came back about a letter, each once; the task of an unsigned reply keeps its clock.",
    )
    op.create_index("ix_mail_return_letter", "mail_return", ["sender", "bid", "to_aid"], unique=False)


def create_tables_of_officers() -> None:
    op.create_table(
        "officer",
        sa.Column("pseudonym", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False, comment="IANA name"),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column(
            "status", sa.String(length=12), nullable=False, comment="invited | enrolled | active | suspended"
        ),
        sa.Column(
            "user_id", sa.LargeBinary(), nullable=False, comment="random; what passkeys call the officer"
        ),
        sa.Column("invited_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "next_action_at",
            sa.BigInteger(),
            nullable=True,
            comment="link runs out, or a second person is reminded",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR status IN ('active', 'suspended')", name=op.f("ck_officer_clock")
        ),
        sa.CheckConstraint(
            "status IN ('invited', 'enrolled', 'active', 'suspended')", name=op.f("ck_officer_status")
        ),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_officer")),
        comment="Who acts for the authority. Outside only the pseudonym is known.",
    )
    op.create_index("ix_officer_due", "officer", ["next_action_at"], unique=False)
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=1366), nullable=False, comment="base64url"),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False, comment="pending | active | ended"),
        sa.Column("alg", sa.Integer(), nullable=False, comment="COSE number"),
        sa.Column("pub", sa.LargeBinary(), nullable=False, comment="COSE key"),
        sa.Column("sign_count", sa.BigInteger(), nullable=False, comment="an unsigned number of 32 bits"),
        sa.Column("statement", sa.Text(), nullable=True, comment="signed officer statement, once confirmed"),
        sa.Column("added_by", sa.String(length=64), nullable=False, comment="who gave the link"),
        sa.Column("confirmed_by", sa.String(length=64), nullable=True),
        sa.Column("nbf", sa.BigInteger(), nullable=True),
        sa.Column("exp", sa.BigInteger(), nullable=True),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="when it is shown to a person again"
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR status = 'ended'", name=op.f("ck_credential_clock")
        ),
        sa.CheckConstraint(
            "status <> 'active' OR (statement IS NOT NULL AND confirmed_by IS NOT NULL)",
            name=op.f("ck_credential_confirmed"),
        ),
        sa.CheckConstraint("status IN ('pending', 'active', 'ended')", name=op.f("ck_credential_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        comment="Passkeys: public halves only.",
    )
    op.create_index("ix_credential_due", "credential", ["next_action_at"], unique=False)
    op.create_index("ix_credential_officer", "credential", ["officer"], unique=False)
    op.create_table(
        "setup_link",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("given_by", sa.String(length=64), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=True, comment="of the registration under way"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=False, comment="when it is dropped"),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_setup_link")),
        comment="One-time links by which a passkey is made; used ones are dropped.",
    )
    op.create_index("ix_setup_link_due", "setup_link", ["next_action_at"], unique=False)
    op.create_index("ix_setup_link_officer", "setup_link", ["officer"], unique=False)
    op.create_table(
        "act",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="who has to sign"),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="waiting | sent | withdrawn | outdated | expired",
        ),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("to_aid", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("form_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "form", sa.LargeBinary(), nullable=True, comment="sealed under the content key; gone with it"
        ),
        sa.Column("storage_key_id", sa.String(length=32), nullable=True),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=True, comment="content key under the storage key, RFC 5649"
        ),
        sa.Column(
            "parts", sa.Text(), nullable=False, comment="JSON: sizes and digests of the sealed documents"
        ),
        sa.Column("consents", sa.Text(), nullable=False, comment="JSON: channels"),
        sa.Column("prepared_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when it ends by itself"),
        sa.CheckConstraint("next_action_at IS NOT NULL OR state <> 'waiting'", name=op.f("ck_act_clock")),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'withdrawn', 'outdated', 'expired')", name=op.f("ck_act_state")
        ),
        sa.CheckConstraint("wrapped IS NOT NULL OR state <> 'waiting'", name=op.f("ck_act_sealed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act")),
        comment="Acts that an officer has to sign. Their documents lie in the blob store, sealed.",
    )
    op.create_index("ix_act_due", "act", ["next_action_at"], unique=False)
    op.create_index("ix_act_officer", "act", ["officer", "state"], unique=False)


def create_tables_of_trust() -> None:
    op.create_table(
        "callback",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column(
            "direction", sa.String(length=8), nullable=False, comment="made: we rang; taken: the peer rang"
        ),
        sa.Column(
            "number",
            sa.String(length=40),
            nullable=True,
            comment="that was rung, from the directory's record",
        ),
        sa.Column(
            "words_sha256",
            sa.String(length=64),
            nullable=False,
            comment="of the check words as they were shown",
        ),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym of who speaks for us"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column(
            "spoken_with", sa.String(length=64), nullable=True, comment="function at the peer, never a name"
        ),
        sa.Column("recorded_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=True, comment="when an unfinished call is asked about"
        ),
        sa.CheckConstraint("direction IN ('made', 'taken')", name=op.f("ck_callback_direction")),
        sa.CheckConstraint(
            "outcome IN ('confirmed', 'denied', 'unanswered', 'words-differ')",
            name=op.f("ck_callback_outcome"),
        ),
        sa.CheckConstraint(
            "(recorded_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_callback_clock")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
        comment="Call-backs about a bundle, by the script of docs/fake-emergencies.md.",
    )
    op.create_index("ix_callback_due", "callback", ["next_action_at"], unique=False)
    op.create_index("ix_callback_thread", "callback", ["thread_id", "peer"], unique=False)
    op.create_table(
        "drill",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym of who ran it"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False, comment="what comes later does not count"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_drill_clock")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
        comment="Drills that were run here.",
    )
    op.create_index("ix_drill_due", "drill", ["next_action_at"], unique=False)
    op.create_table(
        "drill_received",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("drill_id", sa.String(length=64), nullable=False, comment="as the peer calls it"),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("answer_wanted", sa.Boolean(), nullable=False),
        sa.Column(
            "paged_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a person here was asked to acknowledge it",
        ),
        sa.Column(
            "closed_at",
            sa.BigInteger(),
            nullable=True,
            comment="acknowledged, too old, or no answer is wanted",
        ),
        sa.Column("officer", sa.String(length=64), nullable=True, comment="pseudonym of who acknowledged it"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when it is paged, or let go of"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_drill_received_clock")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_drill_received")),
        comment="Test messages of others.",
    )
    op.create_index("ix_drill_received_due", "drill_received", ["next_action_at"], unique=False)
    op.create_index("ix_drill_received_peer", "drill_received", ["sender", "arrived_at"], unique=False)
    op.create_table(
        "drill_test",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("drill_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True, comment="it was acknowledged there"),
        sa.Column("assurance", sa.String(length=32), nullable=True, comment="of that acknowledgement"),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_drill_test")),
        comment="One test message of a drill, on one channel; its clock is the drill's and its "
        "transmission's.",
    )
    op.create_index("ix_drill_test_drill", "drill_test", ["drill_id"], unique=False)
    op.create_table(
        "oral_request",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False, comment="who noted it"),
        sa.Column("bid", sa.String(length=32), nullable=False, comment="of the note"),
        sa.Column("side", sa.String(length=10), nullable=False, comment="ours: requesting | requested"),
        sa.Column("request_kind", sa.String(length=64), nullable=False),
        sa.Column("urgency_level", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False, comment="when it was made by word of mouth"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="when its written confirmation is due"),
        sa.Column("alerts", sa.Integer(), nullable=False, comment="how many of the alerts were given"),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "confirmed_by", sa.String(length=96), nullable=True, comment="message that confirms it in writing"
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("side IN ('requesting', 'requested')", name=op.f("ck_oral_request_side")),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_oral_request_clock")
        ),
        sa.PrimaryKeyConstraint("thread_id", "peer", name=op.f("pk_oral_request")),
        comment="Oral requests whose written confirmation is owed (UNTOC 18(14)). None ever lapses.",
    )
    op.create_index("ix_oral_request_due", "oral_request", ["next_action_at"], unique=False)
    op.create_table(
        "second_signature",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column(
            "officer", sa.String(length=64), nullable=False, comment="pseudonym of the one who sent it alone"
        ),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "told_at", sa.BigInteger(), nullable=True, comment="when shift leader and auditor were told"
        ),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "closed_by", sa.String(length=16), nullable=True, comment="callback | signature | disowned"
        ),
        sa.Column("closed_officer", sa.String(length=64), nullable=True, comment="pseudonym"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "closed_by IN ('callback', 'signature', 'disowned')", name=op.f("ck_second_signature_closed_by")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (next_action_at IS NOT NULL)", name=op.f("ck_second_signature_clock")
        ),
        sa.PrimaryKeyConstraint("sender", "bid", name=op.f("pk_second_signature")),
        comment="An emergency that one officer sent alone. What was sent stands, whatever comes of this.",
    )
    op.create_index("ix_second_signature_due", "second_signature", ["next_action_at"], unique=False)
    op.create_index("ix_second_signature_thread", "second_signature", ["thread_id", "peer"], unique=False)


def create_preservation_tables() -> None:
    op.create_table(
        "preservation_clock",
        sa.Column("thread_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("item_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "standing",
            sa.String(length=12),
            nullable=False,
            comment="running | awaiting | held | lapsed | released …",
        ),
        sa.Column("ends_at", sa.BigInteger(), nullable=False, comment="as the requested side stated it last"),
        sa.Column("renew_by", sa.String(length=10), nullable=True, comment="ISO date, whole, in the zone"),
        sa.Column("zone", sa.String(length=64), nullable=False, comment="IANA, of the requested side"),
        sa.Column(
            "told_at",
            sa.BigInteger(),
            nullable=True,
            comment="the last mark of this end that people were told of",
        ),
        sa.Column(
            "passed_at",
            sa.BigInteger(),
            nullable=True,
            comment="the last end that a clock here has seen pass",
        ),
        sa.Column(
            "acted_at",
            sa.BigInteger(),
            nullable=False,
            comment="what our clock showed when it was last worked out",
        ),
        sa.Column(
            "due",
            sa.String(length=12),
            nullable=False,
            comment="warning | renewal | end | none: what comes next",
        ),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(due = 'none') = (next_action_at IS NULL)", name=op.f("ck_preservation_clock_clock")
        ),
        sa.CheckConstraint(
            "due IN ('warning', 'renewal', 'end', 'none')", name=op.f("ck_preservation_clock_due")
        ),
        sa.PrimaryKeyConstraint("thread_id", "peer", "item_no", name=op.f("pk_preservation_clock")),
        comment="One row for each data item that has an end.",
    )
    op.create_index("ix_preservation_clock_acted", "preservation_clock", ["acted_at"], unique=False)
    op.create_index("ix_preservation_clock_due", "preservation_clock", ["next_action_at"], unique=False)
    op.create_table(
        "thread_link",
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("bid", sa.String(length=32), nullable=False),
        sa.Column("thread_id", sa.String(length=32), nullable=False, comment="the thread it acts on"),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column(
            "relation",
            sa.String(length=24),
            nullable=False,
            comment="replaces | follows_preservation | notice",
        ),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="in the thread it acts on; 0 for a notice"),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column(
            "of_thread_id", sa.String(length=32), nullable=True, comment="thread of the request itself"
        ),
        sa.Column(
            "of_reference",
            sa.String(length=64),
            nullable=True,
            comment="a notice names its request by reference",
        ),
        sa.Column(
            "effect", sa.String(length=16), nullable=False, comment="outcome of the fold of that thread"
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("consigned_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(of_thread_id IS NULL) <> (of_reference IS NULL)", name=op.f("ck_thread_link_of")
        ),
        sa.CheckConstraint(
            "relation IN ('replaces', 'follows_preservation', 'notice')",
            name=op.f("ck_thread_link_relation"),
        ),
        sa.PrimaryKeyConstraint("sender", "bid", "thread_id", name=op.f("pk_thread_link")),
        comment="Requests that act on another thread of the same two authorities, and notices of requests.",
    )
    op.create_index("ix_thread_link_of_reference", "thread_link", ["peer", "of_reference"], unique=False)
    op.create_index("ix_thread_link_of_thread", "thread_link", ["peer", "of_thread_id"], unique=False)
    op.create_index("ix_thread_link_thread", "thread_link", ["thread_id", "peer"], unique=False)


def create_duty_tables() -> None:
    op.create_table(
        "duty_turn",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("part", sa.String(length=12), nullable=False, comment="duty | backup | shift_leader"),
        sa.Column(
            "time_zone",
            sa.String(length=64),
            nullable=False,
            comment="IANA; days and times are those of its clocks",
        ),
        sa.Column(
            "days",
            sa.String(length=16),
            nullable=False,
            comment="ISO weekdays on which it begins, such as 1,2,3",
        ),
        sa.Column("begins", sa.String(length=5), nullable=False, comment="HH:MM"),
        sa.Column(
            "ends", sa.String(length=5), nullable=False, comment="HH:MM on the same day, or on a later one"
        ),
        sa.Column(
            "further_days", sa.Integer(), nullable=False, comment="days after the first on which it ends"
        ),
        sa.Column("first_day", sa.String(length=10), nullable=False, comment="ISO date"),
        sa.Column("last_day", sa.String(length=10), nullable=True, comment="last date on which it begins"),
        sa.Column("every_weeks", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("part IN ('duty', 'backup', 'shift_leader')", name=op.f("ck_duty_turn_part")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_turn")),
        comment="Turns that come again, in the local time of a zone.",
    )
    op.create_table(
        "duty_cover",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="who is away"),
        sa.Column("cover", sa.String(length=64), nullable=False, comment="who stands in"),
        sa.Column("begins_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("ends_at > begins_at", name=op.f("ck_duty_cover_period")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_cover")),
        comment="One officer stands in for another for a time.",
    )
    op.create_table(
        "duty_note",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="who hands over"),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="random bytes and the note, under their key"
        ),
        sa.Column("plain_size", sa.Integer(), nullable=False),
        sa.Column("plain_sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed_sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key_id", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=False, comment="its key under the storage key, RFC 5649"
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_note")),
        comment="What one shift tells the next; people write what they like, so it is sealed.",
    )
    op.create_index("ix_duty_note_at", "duty_note", ["at"], unique=False)
    op.create_table(
        "alarm_path",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="mail | webhook"),
        sa.Column(
            "target",
            sa.String(length=320),
            nullable=False,
            comment="address, or name of the file with URL and secret",
        ),
        sa.Column(
            "place", sa.Integer(), nullable=False, comment="order among the paths of the officer, from 1"
        ),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("tested_at", sa.BigInteger(), nullable=True, comment="when a test was last sent"),
        sa.Column(
            "proved_at", sa.BigInteger(), nullable=True, comment="when a person last answered what came by it"
        ),
        sa.Column("silent_since", sa.BigInteger(), nullable=True, comment="a test was not answered"),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when the next test is due"),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('mail', 'webhook')", name=op.f("ck_alarm_path_kind")),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR removed_at IS NOT NULL", name=op.f("ck_alarm_path_clock")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_path")),
        comment="How an officer is called. Proved only by a person's answer, never by a server's.",
    )
    op.create_index("ix_alarm_path_due", "alarm_path", ["next_action_at"], unique=False)
    op.create_table(
        "page",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "peer",
            sa.String(length=63),
            nullable=False,
            comment="the own authority where it is about the gateway itself",
        ),
        sa.Column("audience", sa.String(length=12), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=8),
            nullable=False,
            comment="page | drill; a drill never hides what is real",
        ),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("next_action_at", sa.BigInteger(), nullable=True, comment="when the next rung is taken"),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True, comment="nothing of it waits any more"),
        sa.CheckConstraint("audience IN ('duty', 'backup', 'shift_leader')", name=op.f("ck_page_audience")),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR acknowledged_at IS NOT NULL OR settled_at IS NOT NULL",
            name=op.f("ck_page_clock"),
        ),
        sa.CheckConstraint("kind IN ('page', 'drill')", name=op.f("ck_page_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page")),
        comment="What a person is called for: one open page for each peer and audience.",
    )
    op.create_index("ix_page_due", "page", ["next_action_at"], unique=False)
    op.create_index("ix_page_peer", "page", ["peer", "audience", "raised_at"], unique=False)
    op.create_table(
        "page_matter",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("page_id", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=True),
        sa.Column("bid", sa.String(length=32), nullable=True),
        sa.Column("thread_id", sa.String(length=32), nullable=True),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_matter")),
        comment="Each thing that a page is about; never sent to a path.",
    )
    op.create_index("ix_page_matter_bundle", "page_matter", ["bid"], unique=False)
    op.create_index("ix_page_matter_open", "page_matter", ["peer", "settled_at"], unique=False)
    op.create_index("ix_page_matter_page", "page_matter", ["page_id", "settled_at"], unique=False)
    op.create_table(
        "page_notice",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("page_id", sa.String(length=32), nullable=True, comment="NULL: a test of the path"),
        sa.Column("path_id", sa.String(length=32), nullable=False),
        sa.Column("officer", sa.String(length=64), nullable=False),
        sa.Column(
            "code_sha256", sa.String(length=64), nullable=False, comment="of the code that the notice carries"
        ),
        sa.Column("ring", sa.Integer(), nullable=False, comment="how often this path was rung"),
        sa.Column("tries", sa.Integer(), nullable=False, comment="attempts of this ring"),
        sa.Column("code", sa.String(length=32), nullable=True, comment="why the last attempt failed"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "next_action_at",
            sa.BigInteger(),
            nullable=True,
            comment="next attempt, or end of the time to answer",
        ),
        sa.CheckConstraint(
            "next_action_at IS NOT NULL OR sent_at IS NOT NULL OR ended_at IS NOT NULL",
            name=op.f("ck_page_notice_clock"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_notice")),
        comment="One path rung for one page, or tested. The code itself is not kept.",
    )
    op.create_index("ix_page_notice_due", "page_notice", ["next_action_at"], unique=False)
    op.create_index("ix_page_notice_page", "page_notice", ["page_id"], unique=False)
    op.create_index("uq_page_notice_code", "page_notice", ["code_sha256"], unique=True)
    op.create_table(
        "alarm_beat",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_alarm_beat")),
        comment="When the pager last looked, so that its own silence is found when it is back.",
    )
    op.create_table(
        "duty_session",
        sa.Column(
            "token_sha256",
            sa.String(length=64),
            nullable=False,
            comment="digest: the token itself is the browser's",
        ),
        sa.Column("officer", sa.String(length=64), nullable=False, comment="pseudonym"),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="last time the officer did something"),
        sa.Column(
            "next_action_at", sa.BigInteger(), nullable=False, comment="when it ends if nothing is done"
        ),
        sa.CheckConstraint("next_action_at > opened_at", name=op.f("ck_duty_session_clock")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_duty_session")),
        comment="Open sessions of the duty page; one that ended is deleted.",
    )
    op.create_index("ix_duty_session_due", "duty_session", ["next_action_at"], unique=False)
    op.create_index("ix_duty_session_officer", "duty_session", ["officer"], unique=False)
