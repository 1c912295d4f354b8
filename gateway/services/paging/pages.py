"""Raising and settling pages, in the caller's transaction: the interface of everything that needs a person.

One page rings for each peer and audience, whatever the number of things on it, so that a flood from one peer
is one call; nothing is ever left out of it. Who is rung and how is the pager's (``pager``).
"""

import secrets
from datetime import datetime, timedelta

from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import Audience, PageReason, first_ring_at, is_higher
from gateway.storage import paging
from gateway.storage.database import Transaction

#: How long an answer about a peer keeps further pages about it, of no higher level, from ringing anew.
QUIET = timedelta(minutes=2)

#: Kinds of pages.
PAGE, DRILL = "page", "drill"


def raise_page(
    tx: Transaction,
    *,
    peer: str,
    reason: PageReason,
    level: str,
    audience: Audience,
    subject: tuple[str, str] | None = None,
    thread_id: str | None = None,
    now: datetime,
) -> None:
    """Have a person called; durable with the transaction, and the same thing twice is one.

    Joins the page that rings for this peer and audience; a drill has pages of its own, so that nothing real
    is taken for one, or waits behind its answer. A higher level lets that page ring again at once;
    otherwise what is new on it only counts. With no page ringing a new one is made: it rings at once, or two
    minutes after a person last answered for this peer and audience at no lower level.

    Args:
        peer: The authority concerned; the own one for matters of the gateway itself.
        level: ``routine``, ``urgent`` or ``emergency``.
        subject: Sender and identifier of a bundle.
    """
    connection = tx.view(("page", peer))
    kind = DRILL if reason is PageReason.DRILL else PAGE
    held = paging.open_page(connection, peer, audience, kind)
    sender, bid = subject if subject is not None else (None, None)
    if held is None:
        held = _new_page(tx, peer=peer, level=level, audience=audience, kind=kind, now=now)
    else:
        if is_higher(level, held.level):
            paging.raise_level(tx, held.id, level=level, at=now)
        known = (
            paging.matters_of(connection, held.id)
            if subject is None
            else paging.open_matters_of(connection, peer, subject)
        )
        about = (held.id, reason, sender, bid, thread_id)
        if any(_about(m) == about and m.settled_at is None for m in known):
            return
    paging.add_matter(
        tx,
        paging.MatterRow(
            id=secrets.token_hex(16),
            page_id=held.id,
            reason=reason,
            peer=peer,
            sender=sender,
            bid=bid,
            thread_id=thread_id,
            raised_at=now,
        ),
    )
    tx.audit(
        PendingAuditEntry(
            event="page.raised",
            body={"page": held.id, "peer": peer, "code": reason, "audience": audience, "level": level},
            at=now,
        )
    )


def settle_pages(
    tx: Transaction,
    *,
    peer: str,
    reason: PageReason | None = None,
    subject: tuple[str, str] | None = None,
    thread_id: str | None = None,
    now: datetime,
    by: str | None,
) -> None:
    """Take what has been dealt with off every page about a peer; a page with nothing left rings no more.

    Args:
        reason, subject, thread_id: What is settled; what is not said may be anything.
        by: Pseudonym of the officer who dealt with it; ``None`` where it settled itself.
    """
    connection = tx.view(("page", peer))
    meant: dict[str, set[str]] = {}
    found = (
        paging.open_matters(connection, peer)
        if subject is None
        else paging.open_matters_of(connection, peer, subject)
    )
    for matter in found:
        if reason in (None, matter.reason) and thread_id in (None, matter.thread_id):
            paging.settle_matter(tx, matter.id, now)
            meant.setdefault(matter.page_id, set()).add(matter.id)
    for page_id, settled in meant.items():
        if not paging.has_others(connection, page_id, frozenset(settled)):
            paging.settle_page(tx, page_id, now)
            tx.audit(PendingAuditEntry(event="page.settled", body={"page": page_id, "by": by}, at=now))


def _about(matter: paging.MatterRow) -> tuple[str, str, str | None, str | None, str | None]:
    return matter.page_id, matter.reason, matter.sender, matter.bid, matter.thread_id


def _new_page(
    tx: Transaction, *, peer: str, level: str, audience: Audience, kind: str, now: datetime
) -> paging.PageRow:
    ring_at = now
    for answered in paging.answered_since(tx.connection, peer, audience, kind, now - QUIET):
        # Any answer at this level or above is a person who is awake.
        ring_at = first_ring_at(
            level=level,
            now=now,
            answered_at=answered.acknowledged_at,
            answered_level=answered.level,
            quiet=QUIET,
        )
        if ring_at > now:
            break
    row = paging.PageRow(
        id=secrets.token_hex(16),
        peer=peer,
        audience=audience,
        kind=kind,
        level=level,
        raised_at=now,
        next_action_at=ring_at,
    )
    paging.add_page(tx, row)
    return row
