"""What the rows of one table look like in memory: unchangeable, made and altered without Python's own code.

The rows that every exchange reads, writes and alters several times are of this kind: a frozen dataclass sets
each field by a call of its own, and ``replace`` reads them all first.
"""

from typing import ClassVar

import msgspec


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Altered by ``msgspec.structs.replace``, which gives a new one."""

    #: Columns that hold content or what gives access to it: never shown.
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name not in self.hidden)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
