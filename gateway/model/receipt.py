"""The kinds of receipt and what each of them proves; their bytes and signatures belong to ``crypto``.

A receipt is a machine's statement about a transport event. What a person states (acknowledgement,
acceptance, refusal) is a message and never stands here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from gateway.model.transmission import TransmissionEvent


class ReceiptType(StrEnum):
    """Types of machine receipts; docs/receipts.md section 2 has their ETSI EN 319 522-1 names."""

    SUBMISSION = "submission"  # own gateway sealed the bundle and will send it
    SUBMISSION_REFUSED = "submission_refused"  # own gateway will not send it
    RELAY = "relay"  # the peer holds all bytes, not opened
    REJECTION = "rejection"  # the peer cannot accept it; terminal
    FAILURE = "failure"  # own gateway gave up; has an owner
    CONSIGNMENT = "consignment"  # the peer stored, opened and checked it
    NOTIFIED = "notified"  # a duty officer was alerted
    HANDOVER = "handover"  # an officer opened it
    MAILED = "mailed"  # left by S/MIME mail
    MAIL_READ = "mail_read"  # signed notice of reading, by manual action
    MAIL_REPLY = "mail_reply"  # matched human reply by mail


#: What a reader may conclude, in one sentence each.
PROVES: Mapping[ReceiptType, str] = MappingProxyType(
    {
        ReceiptType.SUBMISSION: "The sender's gateway has sealed the bundle and undertaken to send it.",
        ReceiptType.SUBMISSION_REFUSED: "The sender's gateway has declined to send the bundle.",
        ReceiptType.RELAY: "The recipient's gateway holds all bytes; it has not opened them yet.",
        ReceiptType.REJECTION: "The recipient's gateway cannot accept the bundle; this refuses no request.",
        ReceiptType.FAILURE: "The sender's gateway has given up every allowed channel.",
        ReceiptType.CONSIGNMENT: "The recipient's gateway has durably stored, opened and checked the bundle.",
        ReceiptType.NOTIFIED: "A duty officer of the recipient has been alerted.",
        ReceiptType.HANDOVER: "An officer of the recipient has opened the bundle.",
        ReceiptType.MAILED: "The bundle's content has left by signed and encrypted mail.",
        ReceiptType.MAIL_READ: "A person at the recipient has sent a signed notice of reading.",
        ReceiptType.MAIL_REPLY: "A person at the recipient has answered by mail.",
    }
)

#: Receipts that the sender's own gateway issues; every other one is issued by a recipient.
ISSUED_BY_SENDER = frozenset(
    {
        ReceiptType.SUBMISSION,
        ReceiptType.SUBMISSION_REFUSED,
        ReceiptType.FAILURE,
        ReceiptType.MAILED,
        ReceiptType.MAIL_READ,
        ReceiptType.MAIL_REPLY,
    }
)

#: How a receipt of a peer moves the transmission; what is not here is filed and moves nothing.
MOVES: Mapping[ReceiptType, TransmissionEvent] = MappingProxyType(
    {
        ReceiptType.RELAY: TransmissionEvent.RELAYED,
        ReceiptType.CONSIGNMENT: TransmissionEvent.CONSIGNED,
        ReceiptType.HANDOVER: TransmissionEvent.HANDED_OVER,
        ReceiptType.REJECTION: TransmissionEvent.REJECTED,
    }
)
