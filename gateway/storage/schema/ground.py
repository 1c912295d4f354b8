"""What every table is made of: naming of constraints, instants, identifiers; and the facts fixed at init."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Column, Dialect, Integer, MetaData, String, Table, Text, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, kept as milliseconds since 1970 so that both engines sort it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return milliseconds; a naive datetime is a defect and raises ``TypeError``."""
        return _to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the aware UTC instant."""
        return _to_instant(value)

    # SQLAlchemy would put a function of its own around each of the two, for every value.

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        """Return what ``process_bind_param`` does."""
        return _to_milliseconds

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        """Return what ``process_result_value`` does."""
        return _to_instant


def _to_milliseconds(value: datetime | None) -> int | None:
    return None if value is None else (value - _EPOCH) // _MILLISECOND


def _to_instant(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + value * _MILLISECOND


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: On SQLite an INTEGER key is the row's own number; a second, hidden one would let REPLACE pass the triggers.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

AID = String(63)
BID = String(32)
SHA256 = String(64)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts fixed at init: whose database this is, and in which network.",
)
