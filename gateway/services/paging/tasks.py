"""The tasks of paging: what a person has to put right so that people can be called at all."""

from datetime import datetime, timedelta

from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import peers
from gateway.storage.database import Connection, Transaction

ALARM_TASK = "alarm"
_OWNER = "shift_leader"
_SHOWN_AGAIN = timedelta(hours=1)


class PagingTasks:
    """Raises and closes them for one authority."""

    def __init__(self, authority_id: str) -> None:
        self.authority_id = authority_id

    def no_path(self, tx: Transaction, *, is_none: bool, now: datetime, shown_again_at: datetime) -> None:
        """Say that nobody can be called, or that somebody can."""
        if is_none:
            self.say(tx, "alarm-no-path", now=now, shown_again_at=shown_again_at)
        else:
            self.done(tx, "alarm-no-path", now=now)

    def say(
        self, tx: Transaction, code: str, *, now: datetime, shown_again_at: datetime | None = None
    ) -> None:
        """Have a person put something right; one task for each code."""
        raise_task(
            tx,
            kind=ALARM_TASK,
            sender=self.authority_id,
            owner=_OWNER,
            code=code,
            now=now,
            shown_again_at=shown_again_at or now + _SHOWN_AGAIN,
        )

    def done(self, tx: Transaction, code: str, *, now: datetime) -> None:
        """Close the task of a code, if it is open."""
        close_tasks(tx, kind=ALARM_TASK, sender=self.authority_id, codes={code}, now=now)

    def is_said(self, connection: Connection, code: str) -> bool:
        """Tell whether the task of a code is open."""
        held = peers.open_tasks_about(connection, kind=ALARM_TASK, sender=self.authority_id)
        return any(task.code == code for task in held)
