"""Statements compiled once for a whole run: a thousand openings of a database ask the same ones.

An engine keeps what it compiled for itself and its dialect, and a test opens engines of its own. All SQLite
engines of this program are configured alike, so that what one compiled serves the others as it stands.
"""

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.util import LRUCache


class CompiledOnce(LRUCache[Any, Any]):
    """What engines of one kind have compiled, by the kind of their dialect and the statement."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what any engine of this kind has compiled."""
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), value)

    def create_engine(self, url: Any, **options: Any) -> Engine:
        """Do what ``sqlalchemy.create_engine`` does; the engine asks here before it compiles."""
        engine = create_engine(url, **options)
        engine._compiled_cache = self
        return engine
