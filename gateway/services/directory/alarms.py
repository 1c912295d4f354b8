"""What the directory puts before a person: contradictions about an authority, and networks past their end.

Each is one task and one log entry when it begins, and again when it is over. Runs inside a unit; calling
it again changes nothing but when an open task is shown next.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.model.audit import PendingAuditEntry
from gateway.services.directory.views import SourceView
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import peers
from gateway.storage.database import Transaction

#: Kind of these tasks; their subject is an authority or the name of a network.
TASK_KIND = "directory"

CONTRADICTED, EXPIRED = "authority-unverifiable", "directory-stale"

_SHOWN_AGAIN = timedelta(hours=4)


def settle(tx: Transaction, contradicted: Iterable[str], now: datetime) -> None:
    """Bring tasks and log in line with the authorities that are unverifiable now."""
    wanted, held = set(contradicted), _open(tx, CONTRADICTED)
    for aid in sorted(wanted):
        if aid not in held:
            tx.audit(PendingAuditEntry(event="directory.contradicted", body={"authority": aid}, at=now))
        _raise(tx, aid, CONTRADICTED, now)
    for aid in sorted(held - wanted):
        tx.audit(PendingAuditEntry(event="directory.reconciled", body={"authority": aid}, at=now))
        close_tasks(tx, kind=TASK_KIND, sender=aid, codes=[CONTRADICTED], now=now)


def raise_expiry(tx: Transaction, ended: Iterable[SourceView], now: datetime) -> None:
    """Put networks before a person that are past their end."""
    held = _open(tx, EXPIRED)
    for source in ended:
        name = network_of(source.name)
        if name not in held:
            tx.audit(PendingAuditEntry(event="directory.expired", body={"network": name}, at=now))
        _raise(tx, name, EXPIRED, now)


def end_expiry(tx: Transaction, network: str, now: datetime) -> None:
    """A network is current again: nobody needs to see to it any more."""
    if network in _open(tx, EXPIRED):
        close_tasks(tx, kind=TASK_KIND, sender=network, codes=[EXPIRED], now=now)


def network_of(source: str) -> str:
    """Return the name of a network from its name among the sources."""
    return source.removeprefix("network:")


def _open(tx: Transaction, code: str) -> set[str]:
    """Return the subjects of open tasks with a code."""
    return {
        task.sender
        for task in peers.open_tasks(tx.connection)
        if (task.kind, task.code) == (TASK_KIND, code) and task.sender is not None
    }


def _raise(tx: Transaction, subject: str, code: str, now: datetime) -> None:
    raise_task(
        tx,
        kind=TASK_KIND,
        sender=subject,
        owner="operator",
        code=code,
        now=now,
        shown_again_at=now + _SHOWN_AGAIN,
    )
