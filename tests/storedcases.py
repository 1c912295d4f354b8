"""All cases that a gateway keeps: what a test looks at to see that one came, or that none did."""

from sqlalchemy import Connection, select

from gateway.storage.cases import CaseRow
from gateway.storage.schema import cases


def all_cases(connection: Connection, limit: int) -> list[CaseRow]:
    """Return the newest cases."""
    newest = select(cases).order_by(cases.c.opened_at.desc(), cases.c.thread_id).limit(limit)
    return [CaseRow(**row._mapping) for row in connection.execute(newest)]
