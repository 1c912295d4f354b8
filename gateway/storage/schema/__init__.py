"""All tables, in SQLAlchemy Core, for SQLite and PostgreSQL alike; one module for each area.

The case moves by messages and the transmission by receipts: two tables, never one.
Nothing waits without a clock: a row that is not at rest has ``next_action_at``, and the
database refuses one that has not. Content never stands here in clear. A module that is not
imported here is unknown to ``metadata``, and its tables to the migrations' test.
"""

from gateway.storage.schema.audit import audit_body, audit_checkpoint, audit_leaf, audit_tile
from gateway.storage.schema.bundles import blob, bundle, content_key, envelope, part, storage_key, upload
from gateway.storage.schema.cases import cases, message, task
from gateway.storage.schema.drills import drill, drill_received, drill_test
from gateway.storage.schema.duty import (
    alarm_beat,
    alarm_path,
    duty_cover,
    duty_note,
    duty_turn,
    page,
    page_matter,
    page_notice,
)
from gateway.storage.schema.escalation import escalation
from gateway.storage.schema.ground import AID, BID, SHA256, Instant, RowNumber, meta, metadata
from gateway.storage.schema.letters import mail_letter, mail_return, mail_signed
from gateway.storage.schema.mail import mail_answer, mail_quarantine, mail_segment
from gateway.storage.schema.officers import act, credential, officer, setup_link
from gateway.storage.schema.peers import channel_probe, followed_network, key_holder, peer, seen_token
from gateway.storage.schema.preservation import preservation_clock, thread_link
from gateway.storage.schema.proofs import receipt, receipt_gap, receipt_push, revocation, revocation_push
from gateway.storage.schema.sessions import duty_session
from gateway.storage.schema.transmissions import attempt, channel_consent, transmission
from gateway.storage.schema.trust import callback, oral_request, second_signature

__all__ = [
    "AID",
    "BID",
    "SHA256",
    "Instant",
    "RowNumber",
    "act",
    "alarm_beat",
    "alarm_path",
    "attempt",
    "audit_body",
    "audit_checkpoint",
    "audit_leaf",
    "audit_tile",
    "blob",
    "bundle",
    "callback",
    "cases",
    "channel_consent",
    "channel_probe",
    "content_key",
    "credential",
    "drill",
    "drill_received",
    "drill_test",
    "duty_cover",
    "duty_note",
    "duty_session",
    "duty_turn",
    "envelope",
    "escalation",
    "followed_network",
    "key_holder",
    "mail_answer",
    "mail_letter",
    "mail_quarantine",
    "mail_return",
    "mail_segment",
    "mail_signed",
    "message",
    "meta",
    "metadata",
    "officer",
    "oral_request",
    "page",
    "page_matter",
    "page_notice",
    "part",
    "peer",
    "preservation_clock",
    "receipt",
    "receipt_gap",
    "receipt_push",
    "revocation",
    "revocation_push",
    "second_signature",
    "seen_token",
    "setup_link",
    "storage_key",
    "task",
    "thread_link",
    "transmission",
    "upload",
]
