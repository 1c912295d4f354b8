"""What a new receipt does to its issuer's chain: a gap that is to be pulled, a gap closed, a contradiction.

Part of ``book``, which calls it with every receipt it keeps. The rule is pure (``model.receipt_chain``); here
it becomes rows, entries and tasks, in the caller's transaction. Nothing here decides whether a receipt
counts: it does. ``gaps`` pulls what is missing. A receipt that fits costs no statement.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from crypto import strictjson
from crypto.jws import EDDSA, parse_compact
from crypto.receipts import MAX_BYTES, TYP
from gateway.errors import sentence_of
from gateway.model.receipt_chain import Link, gap_after, judge
from gateway.services.casework.breaches import CASE_TASK
from gateway.services.delivery.onward import OWNERS, TASK_SHOWN_AGAIN, log_receipt
from gateway.services.proofs.evidence import CheckedReceipt
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage.cases import find_message
from gateway.storage.database import Transaction
from gateway.storage.gaps import Chain, end_gap, is_any_left, note_gap, numbers_of
from gateway.storage.transmissions import TransmissionRow
from gateway.telemetry import get_log

#: Entered for a receipt whose signature is good, and which contradicts others of its issuer's chain.
CONTRADICTED = "receipt-contradicted"
#: Told of a gap that pulling did not close.
MISSING = "receipt-missing"

#: A gap is pulled after this: what it lacks is most often on its way.
FIRST_PULL = timedelta(seconds=10)

_logger = get_log("chain")


def placed(
    tx: Transaction,
    row: TransmissionRow,
    receipt: CheckedReceipt,
    near: Sequence[tuple[int, str, str]],
    now: datetime,
) -> None:
    """Do what follows from a receipt that was just kept; ``near`` are its neighbours as held before it."""
    claims = receipt.claims
    if claims.n == 1 and not near:
        return
    judged = judge(
        Link(n=claims.n, digest=receipt.digest, prev=claims.prev),
        [
            Link(n=n, digest=digest, prev=_stated_prev(jws) if n > claims.n else None)
            for n, digest, jws in near
        ],
    )
    chain = (claims.sender, claims.bid, claims.iss)
    if judged.contradicts:
        log_receipt(tx, row, "receipt.refused", now, receipt=receipt.digest, code=CONTRADICTED)
        tx.after_commit(partial(_warn, receipt))
        tell_of_chain(tx, chain, CONTRADICTED, lane=row.lane, now=now)
    if judged.leaves_gap:
        note_gap(tx, chain, lane=row.lane, now=now, at=now + FIRST_PULL)
    elif judged.may_close:
        _end_if_whole(tx, chain, now)


def _end_if_whole(tx: Transaction, chain: Chain, now: datetime) -> None:
    """Forget the gap and close its task where no number is missing any more.

    The caller holds the transmission, so that no other receipt leaves a gap at the same moment.
    """
    if gap_after(numbers_of(tx, chain)) is None and end_gap(tx, chain) == "left":
        thread_id = _thread_of(tx, chain)
        if thread_id is not None and not is_any_left(tx.connection, chain[2], thread_id):
            close_tasks(tx, kind=CASE_TASK, sender=chain[2], thread_id=thread_id, codes=[MISSING], now=now)


def tell_of_chain(tx: Transaction, chain: Chain, code: str, *, lane: str, now: datetime) -> None:
    """Put a chain before the person of its lane, once for each case and code; a drill's test has no case."""
    thread_id = _thread_of(tx, chain)
    if thread_id is not None:
        sender, bid, iss = chain
        raise_task(
            tx,
            kind=CASE_TASK,
            sender=iss,
            thread_id=thread_id,
            owner=OWNERS[lane],
            code=code,
            now=now,
            shown_again_at=now + TASK_SHOWN_AGAIN,
            sentence=f"{sentence_of(code)} Bundle: {sender}/{bid}; receipts of: {iss}.",
        )


def _thread_of(tx: Transaction, chain: Chain) -> str | None:
    tx.flush()
    message = find_message(tx.connection, chain[0], chain[1])
    return None if message is None else message.thread_id


def _stated_prev(jws: str) -> str | None:
    """Return what a stored receipt names as the one before it; its signature was checked when it came."""
    token = parse_compact(jws.encode("ascii"), alg=EDDSA, typ=TYP, max_bytes=MAX_BYTES)
    prev = strictjson.loads_object(token.payload, max_bytes=MAX_BYTES).get("prev")
    return prev if isinstance(prev, str) else None


def _warn(receipt: CheckedReceipt) -> None:
    """Say that a peer signed what cannot both be true: it tells different people different things, or was
    put back to an older state.
    """
    claims = receipt.claims
    _logger.warning("receipt.contradicted", peer=claims.iss, bid=claims.bid, code=CONTRADICTED)
