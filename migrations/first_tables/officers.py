"""The tables of officers, passkeys, links, and acts that wait."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
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
