"""The contract of ``Database``, on both engines: groups, replay, failures of COMMIT, and reads."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, bindparam, select, text, update

from gateway.errors import StorageUnavailable
from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.schema import blob, bundle, meta, part

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SET_VALUE = update(meta).where(meta.c.key == bindparam("b_key")).values(value=bindparam("v_value"))


def put(key: str, value: str = "") -> Callable[[Transaction], str]:
    """A unit that adds one row and returns its key."""

    def unit(tx: Transaction) -> str:
        tx.insert(meta, key=key, value=value)
        return key

    return unit


async def kept(database: Database) -> dict[str, str]:
    """Everything in the table ``meta``."""
    return await database.read(lambda c: {row.key: row.value for row in c.execute(select(meta))})


class Log:
    """A group hook that records what happens, and can refuse to begin."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self, connection: Connection) -> None:
        self.calls.append("begin")

    def append(self, entry: Any) -> Any:
        self.calls.append(f"append {entry}")
        return entry

    def flush(self, connection: Connection) -> None:
        self.calls.append("flush")

    def rolled_back(self) -> None:
        self.calls.append("rolled back")

    def committed(self) -> None:
        self.calls.append("committed")


async def test_a_unit_returns_its_value_once_its_rows_are_there(database: Database) -> None:
    assert await database.write(put("a", "1")) == "a"
    assert await kept(database) == {"a": "1"}


async def test_units_of_one_turn_share_one_commit(database_url: str) -> None:
    log = Log()
    database = await Database.open(database_url, hook=log)
    assert await asyncio.gather(*(database.write(put(str(n))) for n in range(20))) == [
        str(n) for n in range(20)
    ]
    assert log.calls == ["begin", "flush", "committed"]
    await database.aclose()


async def test_a_group_is_bounded(database_url: str) -> None:
    log = Log()
    database = await Database.open(database_url, hook=log, group_limit=8)
    await asyncio.gather(*(database.write(put(str(n))) for n in range(20)))
    assert log.calls.count("committed") == 3
    assert len(await kept(database)) == 20
    await database.aclose()


async def test_a_poison_unit_sinks_alone(database: Database) -> None:
    await database.write(put("taken"))
    results = await asyncio.gather(
        *(database.write(put(key)) for key in ("a", "b", "taken", "c", "d")), return_exceptions=True
    )
    assert [type(result) for result in results] == [str, str, IntegrityError, str, str]
    assert set(await kept(database)) == {"a", "b", "c", "d", "taken"}


async def test_two_units_with_the_same_key_meet_as_first_and_second(database: Database) -> None:
    results = await asyncio.gather(
        database.write(put("a", "1")), database.write(put("a", "2")), return_exceptions=True
    )
    assert results[0] == "a"
    assert isinstance(results[1], IntegrityError)
    assert await kept(database) == {"a": "1"}


async def test_a_unit_that_raises_gets_its_own_error_and_leaves_nothing(database: Database) -> None:
    def bad(tx: Transaction) -> None:
        tx.insert(meta, key="bad", value="")
        tx.execute(select(meta))
        raise LookupError("mine")

    results = await asyncio.gather(
        database.write(put("a")), database.write(bad), database.write(put("b")), return_exceptions=True
    )
    assert isinstance(results[1], LookupError)
    assert set(await kept(database)) == {"a", "b"}


async def test_callbacks_run_only_for_what_was_kept_and_once(database: Database) -> None:
    called: list[str] = []

    def unit(name: str) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            tx.after_commit(lambda: called.append(name))
            tx.insert(meta, key=name, value="")

        return run

    await database.write(put("taken"))
    await asyncio.gather(*(database.write(unit(n)) for n in ("a", "taken", "b")), return_exceptions=True)
    await asyncio.sleep(0)
    assert called == ["a", "b"]


async def test_the_hook_sees_rollback_and_replay(database_url: str) -> None:
    log = Log()
    database = await Database.open(database_url, hook=log)

    def entry(name: str) -> Callable[[Transaction], None]:
        return lambda tx: (tx.audit(name), tx.insert(meta, key=name, value=""))[1]  # type: ignore[arg-type, func-returns-value]

    await asyncio.gather(*(database.write(entry(n)) for n in ("a", "a", "b")), return_exceptions=True)
    alone = ["begin", "append a", "flush", "committed"]
    assert log.calls == [
        *("begin", "append a", "append a", "append b", "rolled back"),
        *alone,
        *("begin", "append a", "rolled back"),
        *("begin", "append b", "flush", "committed"),
    ]
    await database.aclose()


async def test_without_a_log_an_audit_entry_is_a_defect(database: Database) -> None:
    with pytest.raises(RuntimeError, match="without an audit log"):
        await database.write(lambda tx: tx.audit(None))  # type: ignore[arg-type]


async def test_buffered_rows_go_in_order_of_foreign_keys(database: Database) -> None:
    def unit(bid: str) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            # The part first, although it refers to the bundle.
            tx.insert(part, sender="ke-ag", bid=bid, n=0, size_bytes=1, sha256="0" * 64)
            tx.insert(bundle, **_bundle(bid))

        return run

    await asyncio.gather(*(database.write(unit(str(n))) for n in range(3)))
    assert len(await database.read(lambda c: c.execute(select(part)).all())) == 3


def _bundle(bid: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in bundle.c:
        if not column.nullable:
            values[column.name] = {"BIGINT": 1, "INTEGER": 1, "BLOB": b"x"}.get(str(column.type), "x")
            if type(column.type).__name__ == "Instant":
                values[column.name] = NOW
    return values | {"sender": "ke-ag", "bid": bid, "direction": "in", "state": "sealed"}


async def test_a_missing_parent_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await database.write(
            lambda tx: tx.insert(part, sender="ke-ag", bid="none", n=0, size_bytes=1, sha256="0" * 64)
        )


async def test_execute_sees_what_the_group_has_buffered(database: Database) -> None:
    def count(tx: Transaction) -> int:
        return len(tx.execute(select(meta)).all())

    assert (await asyncio.gather(database.write(put("a")), database.write(count)))[1] == 1


async def test_a_unit_sees_what_another_wrote_of_its_subject_after_a_flush(database: Database) -> None:
    def first(tx: Transaction) -> None:
        tx.view("a subject")
        tx.execute(select(meta))
        tx.insert(meta, key="late", value="1")

    def second(tx: Transaction) -> list[str]:
        return list(tx.view("a subject").execute(select(meta.c.key)).scalars())

    _, seen = await asyncio.gather(database.write(first), database.write(second))
    assert seen == ["late"]


async def test_later_updates_run_after_the_inserts_of_the_group(database: Database) -> None:
    def change(tx: Transaction) -> None:
        tx.later(SET_VALUE, b_key="a", v_value="new")

    await asyncio.gather(
        database.write(change), database.write(put("a", "old")), database.write(put("b", "old"))
    )
    assert await kept(database) == {"a": "new", "b": "old"}


async def test_an_equal_content_addressed_row_is_left_alone(database: Database) -> None:
    def unit(tx: Transaction) -> None:
        tx.insert_once(blob, sha256="0" * 64, size_bytes=1, data=b"x")

    await asyncio.gather(database.write(unit), database.write(unit))
    await database.write(unit)
    assert len(await database.read(lambda c: c.execute(select(blob)).all())) == 1


async def test_a_cancelled_caller_does_not_disturb_the_group(database: Database) -> None:
    tasks = [asyncio.create_task(database.write(put(str(n)))) for n in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[n] for n in (0, 2, 3)] == ["0", "2", "3"]
    assert isinstance(results[1], asyncio.CancelledError)
    assert {"0", "2", "3"} <= set(await kept(database))


async def test_closing_finishes_what_waits_and_refuses_the_rest(database_url: str) -> None:
    database = await Database.open(database_url)
    tasks = [asyncio.create_task(database.write(put(str(n)))) for n in range(4)]
    await asyncio.sleep(0)
    await database.aclose()
    assert await asyncio.gather(*tasks) == ["0", "1", "2", "3"]
    with pytest.raises(StorageUnavailable):
        await database.write(put("late"))
    again = await Database.open(database_url)
    assert set(await kept(again)) == {"0", "1", "2", "3"}
    await again.aclose()


class Killed(Exception):
    """What a test puts in the place of a crash."""


class Crash:
    """COMMIT that fails once, before or after the real one."""

    def __init__(self, *, after: bool) -> None:
        self.after = after
        self.armed = False

    def __call__(self, connection: Connection) -> None:
        if self.armed and not self.after:
            self.armed = False
            raise Killed
        connection.commit()
        if self.armed:
            self.armed = False
            raise Killed


@pytest.mark.parametrize("after", [False, True], ids=["failed and nothing kept", "kept but reported failed"])
async def test_a_killed_commit_tells_everybody_to_ask_again(database_url: str, after: bool) -> None:
    crash, log, called = Crash(after=after), Log(), []
    database = await Database.open(database_url, hook=log, commit=crash)
    await database.write(put("before"))
    crash.armed = True

    def unit(tx: Transaction) -> None:
        tx.after_commit(lambda: called.append("never"))
        tx.insert(meta, key="a", value="")

    results = await asyncio.gather(database.write(unit), database.write(put("b")), return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable, StorageUnavailable]
    assert results[0] is not results[1]
    assert set(await kept(database)) == ({"before", "a", "b"} if after else {"before"})
    assert log.calls[-1] == "rolled back"
    assert called == []
    # No replay behind the callers' backs, and the next group works.
    assert log.calls.count("begin") == 2
    await database.write(put("next"))
    assert "next" in await kept(database)
    await database.aclose()


async def test_an_error_names_no_values(database: Database) -> None:
    await database.write(put("a"))
    with pytest.raises(IntegrityError) as caught:
        await database.write(put("a", "the secret"))
    assert "the secret" not in str(caught.value)


async def test_a_broken_row_is_not_repeated_in_the_error(database: Database) -> None:
    # PostgreSQL's own DETAIL line would show the whole row.
    with pytest.raises(IntegrityError) as caught:
        await database.write(lambda tx: tx.insert(blob, sha256="the secret", size_bytes=None, data=b""))
    links: list[BaseException | None] = [caught.value]
    while links[-1] is not None:
        links.append(links[-1].__cause__ or links[-1].__context__)
    assert not any("the secret" in shown for each in links for shown in (str(each), repr(each)))


async def test_a_read_sees_the_last_commit_and_cannot_write(database: Database) -> None:
    await database.write(put("a"))
    assert await database.read_slow(lambda c: [row.key for row in c.execute(select(meta))]) == ["a"]


async def test_a_reader_gets_its_own_errors_unchanged(database: Database) -> None:
    def query(connection: Connection) -> None:
        raise LookupError("mine")

    for read in (database.read, database.read_slow):
        with pytest.raises(LookupError, match="mine"):
            await read(query)
    await database.write(put("a"))


async def test_a_wrong_statement_is_the_callers_defect(database: Database) -> None:
    wrong: Executable = text("SELECT * FROM no_such_table")
    for call in (
        database.write(lambda tx: tx.execute(wrong)),
        database.read(lambda c: c.execute(wrong)),
    ):
        with pytest.raises(Exception, match="no_such_table") as caught:
            await call
        assert not isinstance(caught.value, StorageUnavailable)
