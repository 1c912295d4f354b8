"""The border where database and disk errors become ours, by one table.

A defect of a unit (a broken constraint, a wrong statement) is not the storage's trouble and passes
unchanged; only what the caller cannot help is converted, so that it can tell "again later" from "never".
"""

import errno
import sqlite3
from typing import NoReturn

from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import StorageDamaged, StorageError, StorageFull, StorageUnavailable

#: SQLite primary result codes.
_SQLITE: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_BUSY: StorageUnavailable,
    sqlite3.SQLITE_LOCKED: StorageUnavailable,
    sqlite3.SQLITE_IOERR: StorageUnavailable,
    sqlite3.SQLITE_CANTOPEN: StorageUnavailable,
    sqlite3.SQLITE_READONLY: StorageUnavailable,
    sqlite3.SQLITE_PROTOCOL: StorageUnavailable,
    sqlite3.SQLITE_NOMEM: StorageUnavailable,
    sqlite3.SQLITE_CORRUPT: StorageDamaged,
    sqlite3.SQLITE_NOTADB: StorageDamaged,
}

#: PostgreSQL SQLSTATEs; two characters stand for a whole class. The longer match wins.
_POSTGRESQL: dict[str, type[StorageError]] = {
    "08": StorageUnavailable,  # connection exception
    "25006": StorageUnavailable,  # read-only transaction: a standby that was not promoted yet
    "28": StorageUnavailable,  # refused at the door; the operator can mend it without a restart
    "3D000": StorageUnavailable,  # no such database (yet)
    "40": StorageUnavailable,  # deadlock, serialisation
    "53": StorageUnavailable,  # too many connections, out of memory
    "53100": StorageFull,
    "55P03": StorageUnavailable,  # lock not available
    "57": StorageUnavailable,  # shutting down, starting up, cancelled by a timeout
    "58": StorageUnavailable,  # input/output error
    "XX001": StorageDamaged,
    "XX002": StorageDamaged,
}


def storage_fault(error: BaseException) -> StorageError | None:
    """Return our error for one of the database's or the disk's, or ``None`` if it is the caller's own."""
    if isinstance(error, StorageError):
        return error
    kind = _kind(error)
    return None if kind is None else kind()


def raise_as_ours(error: BaseException) -> NoReturn:
    """Raise our error for one of the database's or the disk's, or the caller's own as it is."""
    fault = storage_fault(error)
    if fault is None or fault is error:
        raise error
    raise fault from error


def is_transient(error: BaseException) -> bool:
    """Say whether the same transaction, known not to be kept, should be tried again at once."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (_sqlstate(error) or "").startswith("40")
    return isinstance(error, ConnectionError)


def _kind(error: BaseException) -> type[StorageError] | None:
    if isinstance(error, IntegrityError):
        return None
    if isinstance(error, DBAPIError):
        known = _kind(error.orig) if error.orig is not None else None
        return known or (StorageUnavailable if error.connection_invalidated else None)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    sqlstate = _sqlstate(error)
    if sqlstate is not None:
        return _POSTGRESQL.get(sqlstate) or _POSTGRESQL.get(sqlstate[:2])
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull
    if isinstance(error, OSError | TimeoutError | PoolTimeout | DisconnectionError | InvalidatePoolError):
        return StorageUnavailable
    return None


def _sqlstate(error: BaseException) -> str | None:
    if isinstance(error, DBAPIError):
        return None if error.orig is None else _sqlstate(error.orig)
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) else None
