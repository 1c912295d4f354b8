"""What waits in a home, and since when nothing was done about it: said by a story that waits in vain.

Reads every table whose rows have a next action, so that no table is forgotten; shows a few rows of each.
Values are shortened: a failure is read by people.
"""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

#: Rows of one table that are shown, and characters of one value.
MOST_ROWS, MOST_CHARACTERS = 6, 40

#: What tells nothing about why something waits.
_LEFT_OUT = frozenset({"jws", "envelope", "body", "created_at", "expires_at", "owner", "sender"})

#: Of these only the number is told: their clocks are long, and what they wait for stands in other tables.
_COUNTED = frozenset({"cases"})


def what_waits(database: Path) -> list[str]:
    """Return one line per table and row with a next action, in order of that action; times are from now."""
    lines: list[str] = []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (table,) in names.fetchall():
            columns = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
            if "next_action_at" in columns:
                lines.extend(_waiting(connection, table))
    return lines


def _waiting(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute(
        f"SELECT * FROM {table} WHERE next_action_at IS NOT NULL ORDER BY next_action_at"
    ).fetchall()
    lines = [f"{table}: {len(rows)} waiting"] if rows else []
    for row in () if table in _COUNTED else rows[:MOST_ROWS]:
        shown = {name: _shown(name, row[name]) for name in row.keys() if name not in _LEFT_OUT}  # noqa: SIM118
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in shown.items() if value))
        if table == "transmission":
            tries = connection.execute(
                "SELECT no, channel, started_at, ended_at, verdict, code FROM attempt WHERE bid = ?"
                " ORDER BY no DESC LIMIT 3",
                (row["bid"],),
            )
            lines.extend(
                "    attempt " + " ".join(_shown(name, one[name]) for name in one.keys())  # noqa: SIM118
                for one in tries
            )
    return lines


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and name.endswith(("_at", "_until", "_since")):
        return f"{value / 1000 - time.time():+.1f} s"
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:MOST_CHARACTERS]
