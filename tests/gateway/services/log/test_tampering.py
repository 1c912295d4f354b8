"""Somebody with the database in hands: one byte, one row, yesterday's copy; the command names what it was."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.model.audit import PendingAuditEntry
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"
TABLES = {
    "audit_leaf": ("idx", ("leaf",)),
    "audit_body": ("idx", ("salt", "body")),
    "audit_tile": ("level, n", ("hashes",)),
    "audit_checkpoint": ("size", ("note",)),
}


@dataclass(frozen=True)
class Kept:
    """One authority's home with more than a tile of entries, yesterday's copy, and the untouched files."""

    home: Path
    pristine: Path
    yesterday: Path

    @property
    def database(self) -> Path:
        return self.home / "rogatory.db"


def _copy_database(home: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for path in home.glob("rogatory.db*"):
        shutil.copy2(path, to / path.name)


def _copy_in_use(home: Path, to: Path) -> None:
    """Copy the file and its write-ahead log from under a running gateway; a reader keeps the log as it is."""
    with closing(sqlite3.connect(home / "rogatory.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit_leaf").fetchone()
        _copy_database(home, to)


def _restore_database(home: Path, source: Path) -> None:
    for path in home.glob("rogatory.db*"):
        path.unlink()
    for path in source.iterdir():
        shutil.copy2(path, home / path.name)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("world")
    home = folder / SG

    async def story() -> None:
        async with World.create(folder, KE, SG) as world:
            for day in range(3):
                form, documents = sample_request(1, size=100)
                form["reference_requesting"] = f"KE/{day}"
                await world.submit(KE, form, documents)
                await world.run()
                entries = [
                    PendingAuditEntry(event="service.started", body={"version": "0"}, at=world.clock.now())
                    for _ in range(120)
                ]
                written = await world[SG].database.write(lambda tx, e=entries: [tx.audit(one) for one in e])
                assert world[SG].sequencer is not None
                await world[SG].sequencer.proof(written[-1].index, 5)
                if day == 1:
                    _copy_in_use(home, folder / "yesterday")

    asyncio.run(story())
    _copy_database(home, folder / "pristine")
    return Kept(home=home, pristine=folder / "pristine", yesterday=folder / "yesterday")


@pytest.fixture(autouse=True)
def restored(kept: Kept) -> Iterator[None]:
    """Whatever a test does to the database is undone after it."""
    yield
    _restore_database(kept.home, kept.pristine)


Verify = Callable[[], tuple[int, Any]]


@pytest.fixture
def verify(kept: Kept, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run ``rogatory --home DIR audit verify --json`` in this process."""

    def call() -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["--home", str(kept.home), "audit", "verify", "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def change(kept: Kept, *statements: str) -> None:
    """Do something by SQL as somebody who drops the triggers first."""
    with closing(sqlite3.connect(kept.database)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)


def change_byte(kept: Kept, table: str, column: str, where: str, position: int) -> None:
    """Change one byte of one value, keeping its type."""
    with closing(sqlite3.connect(kept.database)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        value = database.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0]
        raw = bytearray(value if isinstance(value, bytes) else value.encode())
        raw[position if position >= 0 else len(raw) + position] ^= 1
        new: Any = bytes(raw) if isinstance(value, bytes) else raw.decode(errors="surrogateescape")
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new,))


def faults(answer: Any) -> set[int | None]:
    return {fault["index"] for fault in answer["faults"]}


# --- untouched ------------------------------------------------------------------------------------


def test_an_untouched_log_verifies(verify: Verify) -> None:
    code, answer = verify()
    assert (code, answer["ok"], answer["verified"]) == (0, True, True)
    assert answer["size"] > 360
    assert answer["receipts"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--home", "HOME", "audit", "verify"],
        ["audit", "verify", "--home", "HOME"],
        ["--home=HOME", "audit", "verify"],
        ["--json", "--home", "HOME", "audit", "verify"],
    ],
    ids=" ".join,
)
def test_the_home_may_be_named_before_the_command_or_after_it(
    kept: Kept, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([word.replace("HOME", str(kept.home)) for word in words]) == 0
    out = capsys.readouterr().out
    assert "is whole" in out or '"verified":true' in out


def test_the_command_line_without_a_command_stays_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home"]) == 2
    assert "Try: rogatory --help" in capsys.readouterr().err


# --- one byte --------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [0, 20, -1])
@pytest.mark.parametrize("row", [0, 17, 255, 256, -1])
@pytest.mark.parametrize("column", ["audit_leaf.leaf", "audit_body.salt", "audit_body.body"])
def test_one_changed_byte_of_an_entry_is_found_and_the_entry_named(
    kept: Kept, verify: Verify, column: str, row: int, position: int
) -> None:
    table, name = column.split(".")
    with closing(sqlite3.connect(kept.database)) as database:
        last = database.execute("SELECT max(idx) FROM audit_leaf").fetchone()[0]
    index = row if row >= 0 else last
    change_byte(kept, table, name, f"idx = {index}", position)
    code, answer = verify()
    assert (code, answer["verified"]) == (1, False)
    assert index in faults(answer)
    assert any(f"{index}" in fault["sentence"] for fault in answer["faults"])


@pytest.mark.parametrize("position", [0, 31, 32, 4100, 8191])
def test_one_changed_byte_of_a_tile_is_found_and_the_entry_named(
    kept: Kept, verify: Verify, position: int
) -> None:
    change_byte(kept, "audit_tile", "hashes", "level = 0 AND n = 0", position)
    code, answer = verify()
    assert code == 1
    assert faults(answer) == {position // 32}


@pytest.mark.parametrize("position", [0, 5, 12, 30, 80, 300, -2])
@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_one_changed_byte_of_a_signed_head_is_found_and_the_head_named(
    kept: Kept, verify: Verify, which: str, position: int
) -> None:
    with closing(sqlite3.connect(kept.database)) as database:
        sizes = [row[0] for row in database.execute("SELECT size FROM audit_checkpoint ORDER BY size")]
    size = {"first": sizes[0], "middle": sizes[len(sizes) // 2], "last": sizes[-1]}[which]
    change_byte(kept, "audit_checkpoint", "note", f"size = {size}", position)
    code, answer = verify()
    assert code == 1
    assert any(str(size) in fault["sentence"] for fault in answer["faults"])


@pytest.mark.parametrize("position", [0, 100, -1])
def test_one_changed_byte_of_an_own_receipt_is_found_and_its_entry_named(
    kept: Kept, verify: Verify, position: int
) -> None:
    with closing(sqlite3.connect(kept.database)) as database:
        digest, index = database.execute(
            "SELECT jws_sha256, leaf_index FROM receipt WHERE own ORDER BY leaf_index"
        ).fetchone()
    change_byte(kept, "receipt", "jws", f"jws_sha256 = '{digest}'", position)
    code, answer = verify()
    assert code == 1
    assert index in faults(answer)


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM audit_leaf WHERE idx = 30"],
        ["DELETE FROM audit_body WHERE idx = 30"],
        ["DELETE FROM audit_leaf WHERE idx = 30", "DELETE FROM audit_body WHERE idx = 30"],
        ["UPDATE audit_leaf SET idx = idx + 100000 WHERE idx = 30"],
        ["UPDATE audit_leaf SET leaf = (SELECT leaf FROM audit_leaf WHERE idx = 31) WHERE idx = 30"],
    ],
)
def test_a_row_that_is_gone_or_another_is_named(kept: Kept, verify: Verify, statements: list[str]) -> None:
    change(kept, *statements)
    code, answer = verify()
    assert code == 1
    assert 30 in faults(answer)


def test_an_entry_rewritten_with_all_that_depends_on_it_is_named(kept: Kept, verify: Verify) -> None:
    from crypto.encoding import b64u
    from crypto.leaf import commitment

    with closing(sqlite3.connect(kept.database)) as database:
        leaf, salt, body = database.execute(
            "SELECT leaf, salt, body FROM audit_leaf JOIN audit_body USING (idx) WHERE idx = 30"
        ).fetchone()
    forged = body.replace(b'"version":"0"', b'"version":"1"')
    assert forged != body
    rewritten = leaf.replace(b64u(commitment(salt, body)).encode(), b64u(commitment(salt, forged)).encode())
    change(
        kept,
        f"UPDATE audit_body SET body = x'{forged.hex()}' WHERE idx = 30",
        f"UPDATE audit_leaf SET leaf = x'{rewritten.hex()}' WHERE idx = 30",
    )
    code, answer = verify()
    assert code == 1
    assert 30 in faults(answer)


@pytest.mark.parametrize("count", [1, 2, 150])
def test_last_rows_deleted_with_every_head_over_them_are_named_by_the_head_that_went_back(
    kept: Kept, verify: Verify, count: int
) -> None:
    with closing(sqlite3.connect(kept.database)) as database:
        size = database.execute("SELECT count(*) FROM audit_leaf").fetchone()[0]
    left = size - count
    change(
        kept,
        f"DELETE FROM audit_leaf WHERE idx >= {left}",
        f"DELETE FROM audit_body WHERE idx >= {left}",
        f"DELETE FROM audit_checkpoint WHERE size > {left}",
    )
    code, answer = verify()
    assert code == 1
    assert left in faults(answer)
    said = " ".join(fault["sentence"] for fault in answer["faults"])
    assert "went back" in said
    assert str(size) in said


def test_an_empty_log_is_not_a_new_one(kept: Kept, verify: Verify) -> None:
    change(kept, *(f"DELETE FROM {table}" for table in TABLES))
    code, answer = verify()
    assert code == 1
    assert "went back" in answer["faults"][0]["sentence"]


# --- yesterday's copy -------------------------------------------------------------------------------


def test_yesterdays_copy_with_its_write_ahead_log_is_named(kept: Kept, verify: Verify) -> None:
    assert {path.name for path in kept.yesterday.iterdir()} >= {"rogatory.db", "rogatory.db-wal"}
    _restore_database(kept.home, kept.yesterday)
    code, answer = verify()
    assert code == 1
    assert "went back" in answer["faults"][0]["sentence"]


def test_yesterdays_file_without_its_write_ahead_log_is_named(kept: Kept, verify: Verify) -> None:
    _restore_database(kept.home, kept.yesterday)
    for path in (kept.home / "rogatory.db-wal", kept.home / "rogatory.db-shm"):
        path.unlink(missing_ok=True)
    code, answer = verify()
    assert code == 1
    assert answer.get("error") or answer["faults"]


def test_a_gateway_on_yesterdays_copy_signs_no_head_over_it(kept: Kept, verify: Verify) -> None:
    from gateway.app import App

    _restore_database(kept.home, kept.yesterday)
    head = (kept.home / "head" / "log.head").read_bytes()

    async def start() -> None:
        async with App.open(kept.home) as app:
            entry = PendingAuditEntry(event="service.started", body={"version": "0"}, at=app.clock.now())
            written = await app.database.write(lambda tx: tx.audit(entry))
            assert app.sequencer is not None
            assert await app.sequencer.proof(written.index, 0.2) is None

    asyncio.run(start())
    assert (kept.home / "head" / "log.head").read_bytes() == head
    assert verify()[0] == 1


# --- the triggers and the command itself -------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_plain_sql_cannot_change_the_log(kept: Kept, table: str) -> None:
    keys, columns = TABLES[table]
    first = keys.split(",")[0]
    refused = [f"UPDATE {table} SET {column} = {column}" for column in columns if table != "audit_body"]
    refused += [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"]
    refused += [
        f"REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
        f"UPDATE {table} SET {first} = {first} + 1",
    ]
    if table == "audit_body":
        # Bodies may be erased, and never altered.
        refused += [f"UPDATE {table} SET {column} = x'00'" for column in columns]
    else:
        refused += [f"DELETE FROM {table}"]
    with closing(sqlite3.connect(kept.database)) as database:
        for statement in refused:
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(statement)
            database.rollback()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (None, None),
        ("UPDATE audit_body SET body = replace(body, 'service', 'servicf') WHERE idx = 40", "Entry 40"),
        ("DELETE FROM audit_leaf WHERE idx > 300", "went back"),
    ],
)
def test_the_real_command_exits_with_1_and_names_it(
    kept: Kept, statement: str | None, named: str | None
) -> None:
    if statement is not None:
        change(kept, statement)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--home", str(kept.home), "audit", "verify"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (0 if statement is None else 1), done.stderr
    assert named is None or named in done.stdout
    assert "Traceback" not in done.stderr
