"""How the two databases are opened: what differs between SQLite and PostgreSQL before the first statement.

SQLite is durable at every COMMIT (WAL with synchronous=FULL), owned by one writer, readable by its owner
only. PostgreSQL is reached by asyncpg. Statement values never stand in error texts (``hide_parameters``).
"""

import os
import sqlite3
import statistics
import time
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, Pool, QueuePool

from gateway.storage.inplace import InPlace
from gateway.storage.wal import CEILING_PAGES

BUSY_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 60
READERS = 4
#: How a transaction of a reader begins, and one of the writer.
BEGIN_READING = "BEGIN"
_BEGIN_WRITING = "BEGIN IMMEDIATE"


def parse_url(url: str) -> URL:
    """Return the URL with our drivers; a bare path is an SQLite file. Others raise ``ValueError``."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    parsed = make_url(url)
    name = parsed.get_backend_name()
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("the database must be a file: sqlite:////path/to/file.db")
        return parsed.set(drivername="sqlite")
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise ValueError(f"{name} is not supported; use sqlite:////path or postgresql://user@host/database")


def sqlite_path(url: URL) -> Path:
    """Return the file of an SQLite URL."""
    return Path(url.database or "")


def create_private_file(path: Path) -> None:
    """Create an empty file for its owner alone, if there is none; SQLite's side files inherit the mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def sqlite_writer(path: Path) -> Engine:
    """Return the engine of the one writer: every transaction begins with the write lock held.

    A transaction raises ``StorageUnavailable`` while the file is moved away or another stands in its place.
    """
    create_private_file(path)
    return _sqlite_engine(path, mode="rw", begin=_BEGIN_WRITING, poolclass=NullPool)


def sqlite_readers(path: Path, *, read_only: bool = False) -> Engine:
    """Return the engine of readers; a transaction is one unchanging view.

    A new connection raises ``StorageUnavailable`` while another file stands in the place of the first.
    """
    return _sqlite_engine(path, mode="ro" if read_only else "rw", begin=BEGIN_READING, poolclass=QueuePool)


def _sqlite_engine(path: Path, *, mode: str, begin: str, poolclass: type[Pool]) -> Engine:
    name = f"{path.absolute().as_uri()}?mode={mode}"
    folder_is_fixed = mode == "ro" and not os.access(path.parent, os.W_OK)
    if folder_is_fixed and not path.with_name(path.name + "-wal").exists():
        # Without a writable folder SQLite cannot make its side files; without a WAL it needs none.
        name += "&immutable=1"
    is_writer = begin == _BEGIN_WRITING
    place = InPlace(path)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            name, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    options = {} if poolclass is NullPool else {"pool_size": READERS, "max_overflow": 0}
    engine = create_engine("sqlite://", creator=connect, poolclass=poolclass, hide_parameters=True, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        place.check()
        cursor = connection.cursor()
        if is_writer:
            _enter_wal(cursor)
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute(f"PRAGMA wal_autocheckpoint={CEILING_PAGES}")
            cursor.execute("PRAGMA journal_size_limit=67108864")
            # REPLACE would otherwise delete rows without asking the triggers.
            cursor.execute("PRAGMA recursive_triggers=ON")
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        if is_writer:
            place.check()
        # Straight to the driver: this runs once per COMMIT, and SQLAlchemy's way costs as much as an INSERT.
        driver = driver_of(connection)
        if not driver.in_transaction:
            driver.execute(begin)

    return engine


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection under one of ours to SQLite."""
    return connection.connection.dbapi_connection  # type: ignore[return-value]


def _enter_wal(cursor: DBAPICursor) -> None:
    """Enter WAL mode. While another opens the same new file SQLite refuses at once, whatever its timeout."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def postgresql_engine(
    url: URL, *, read_only: bool = False, poolclass: type[Pool] | None = None
) -> AsyncEngine:
    """Return the engine for PostgreSQL; every wait has an end, and the server ends idle transactions."""
    settings = {
        "application_name": "rogatory",
        "idle_in_transaction_session_timeout": str(COMMAND_TIMEOUT_S * 1000),
        "lock_timeout": str(BUSY_TIMEOUT_S * 1000),
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
    arguments = {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": COMMAND_TIMEOUT_S,
        "server_settings": settings,
    }
    if poolclass is not None:
        engine = create_async_engine(url, poolclass=poolclass, hide_parameters=True, connect_args=arguments)
    else:
        engine = create_async_engine(
            url,
            pool_size=READERS,
            max_overflow=READERS,
            pool_timeout=CONNECT_TIMEOUT_S,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=arguments,
        )
    event.listen(engine.sync_engine, "handle_error", _forget_the_row)
    return engine


def _forget_the_row(context: ExceptionContext) -> None:
    # The server's DETAIL repeats the row that a constraint refused, and a traceback would log it.
    error: BaseException | None = context.original_exception
    while error is not None:
        if getattr(error, "detail", None) is not None:
            error.detail = None  # type: ignore[attr-defined]
        error = error.__cause__


def sync_time_s(folder: Path, *, rounds: int = 5) -> float:
    """Return the median seconds that this folder's disk takes to make one page durable. Blocks meanwhile."""
    path = folder / f".sync-{os.getpid()}-{time.monotonic_ns()}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        taken = []
        for _ in range(rounds):
            os.write(handle, bytes(4096))
            start = time.perf_counter()
            os.fdatasync(handle)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
