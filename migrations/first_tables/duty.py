"""The tables of people at night: turns, alarm paths, pages."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
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
