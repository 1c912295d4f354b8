"""People at night: who is on duty, on which paths they are called, and the pages that wait for them.

No case data: a page knows a peer and identifiers, what is sent to a path knows a number and a level only.
"""

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, String, Table

from gateway.storage.schema.ground import AID, BID, SHA256, Instant, metadata

#: Pseudonym of an officer.
_OFFICER = String(64)
_ID = String(32)

duty_turn = Table(
    "duty_turn",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("officer", _OFFICER, nullable=False),
    Column("part", String(12), nullable=False, comment="duty | backup | shift_leader"),
    Column("time_zone", String(64), nullable=False, comment="IANA; days and times are those of its clocks"),
    Column("days", String(16), nullable=False, comment="ISO weekdays on which it begins, such as 1,2,3"),
    Column("begins", String(5), nullable=False, comment="HH:MM"),
    Column("ends", String(5), nullable=False, comment="HH:MM on the same day, or on a later one"),
    Column("further_days", Integer, nullable=False, comment="days after the first on which it ends"),
    Column("first_day", String(10), nullable=False, comment="ISO date"),
    Column("last_day", String(10), nullable=True, comment="last date on which it begins"),
    Column("every_weeks", Integer, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", _OFFICER, nullable=False),
    Column("removed_at", Instant, nullable=True),
    CheckConstraint("part IN ('duty', 'backup', 'shift_leader')", name="part"),
    comment="Turns that come again, in the local time of a zone.",
)

duty_cover = Table(
    "duty_cover",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("officer", _OFFICER, nullable=False, comment="who is away"),
    Column("cover", _OFFICER, nullable=False, comment="who stands in"),
    Column("begins_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", _OFFICER, nullable=False),
    Column("removed_at", Instant, nullable=True),
    CheckConstraint("ends_at > begins_at", name="period"),
    comment="One officer stands in for another for a time.",
)

duty_note = Table(
    "duty_note",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("officer", _OFFICER, nullable=False, comment="who hands over"),
    Column("sealed", LargeBinary, nullable=False, comment="random bytes and the note, under their key"),
    Column("plain_size", Integer, nullable=False),
    Column("plain_sha256", SHA256, nullable=False),
    Column("sealed_sha256", SHA256, nullable=False),
    Column("storage_key_id", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False, comment="its key under the storage key, RFC 5649"),
    Column("at", Instant, nullable=False),
    Index("ix_duty_note_at", "at"),
    comment="What one shift tells the next; people write what they like, so it is sealed.",
)

alarm_path = Table(
    "alarm_path",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("officer", _OFFICER, nullable=False),
    Column("kind", String(8), nullable=False, comment="mail | webhook"),
    Column("target", String(320), nullable=False, comment="address, or name of the file with URL and secret"),
    Column("place", Integer, nullable=False, comment="order among the paths of the officer, from 1"),
    Column("added_at", Instant, nullable=False),
    Column("added_by", _OFFICER, nullable=False),
    Column("tested_at", Instant, nullable=True, comment="when a test was last sent"),
    Column("proved_at", Instant, nullable=True, comment="when a person last answered what came by it"),
    Column("silent_since", Instant, nullable=True, comment="a test was not answered"),
    Column("next_action_at", Instant, nullable=True, comment="when the next test is due"),
    Column("removed_at", Instant, nullable=True),
    CheckConstraint("kind IN ('mail', 'webhook')", name="kind"),
    CheckConstraint("next_action_at IS NOT NULL OR removed_at IS NOT NULL", name="clock"),
    Index("ix_alarm_path_due", "next_action_at"),
    comment="How an officer is called. Proved only by a person's answer, never by a server's.",
)

page = Table(
    "page",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("peer", AID, nullable=False, comment="the own authority where it is about the gateway itself"),
    Column("audience", String(12), nullable=False),
    Column("kind", String(8), nullable=False, comment="page | drill; a drill never hides what is real"),
    Column("level", String(16), nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("next_action_at", Instant, nullable=True, comment="when the next rung is taken"),
    Column("acknowledged_at", Instant, nullable=True),
    Column("acknowledged_by", _OFFICER, nullable=True),
    Column("settled_at", Instant, nullable=True, comment="nothing of it waits any more"),
    CheckConstraint("audience IN ('duty', 'backup', 'shift_leader')", name="audience"),
    CheckConstraint("kind IN ('page', 'drill')", name="kind"),
    CheckConstraint(
        "next_action_at IS NOT NULL OR acknowledged_at IS NOT NULL OR settled_at IS NOT NULL", name="clock"
    ),
    Index("ix_page_due", "next_action_at"),
    Index("ix_page_peer", "peer", "audience", "raised_at"),
    comment="What a person is called for: one open page for each peer and audience.",
)

page_matter = Table(
    "page_matter",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("page_id", _ID, nullable=False),
    Column("reason", String(24), nullable=False),
    Column("peer", AID, nullable=False),
    Column("sender", AID, nullable=True),
    Column("bid", BID, nullable=True),
    Column("thread_id", String(32), nullable=True),
    Column("raised_at", Instant, nullable=False),
    Column("settled_at", Instant, nullable=True),
    Index("ix_page_matter_page", "page_id", "settled_at"),
    Index("ix_page_matter_bundle", "bid"),
    Index("ix_page_matter_open", "peer", "settled_at"),
    comment="Each thing that a page is about; never sent to a path.",
)

page_notice = Table(
    "page_notice",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("page_id", _ID, nullable=True, comment="NULL: a test of the path"),
    Column("path_id", _ID, nullable=False),
    Column("officer", _OFFICER, nullable=False),
    Column("code_sha256", SHA256, nullable=False, comment="of the code that the notice carries"),
    Column("ring", Integer, nullable=False, comment="how often this path was rung"),
    Column("tries", Integer, nullable=False, comment="attempts of this ring"),
    Column("code", String(32), nullable=True, comment="why the last attempt failed"),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant, nullable=True),
    Column("answered_at", Instant, nullable=True),
    Column("ended_at", Instant, nullable=True),
    Column("next_action_at", Instant, nullable=True, comment="next attempt, or end of the time to answer"),
    CheckConstraint(
        "next_action_at IS NOT NULL OR sent_at IS NOT NULL OR ended_at IS NOT NULL", name="clock"
    ),
    Index("uq_page_notice_code", "code_sha256", unique=True),
    Index("ix_page_notice_page", "page_id"),
    Index("ix_page_notice_due", "next_action_at"),
    comment="One path rung for one page, or tested. The code itself is not kept.",
)

alarm_beat = Table(
    "alarm_beat",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("at", Instant, nullable=False),
    comment="When the pager last looked, so that its own silence is found when it is back.",
)
