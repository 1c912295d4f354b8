"""Each test that asks for ``database`` runs on SQLite and on PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.storage.database import Database
from gateway.storage.migrate import upgrade
from tests.postgres import postgresql_cluster, postgresql_template, postgresql_url

__all__ = ["postgresql_cluster", "postgresql_template", "postgresql_url"]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to copy from."""
    path = tmp_path_factory.mktemp("template") / "gateway.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh SQLite file with all tables."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'gateway.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database with all tables, on either engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database, on either engine, without an audit log."""
    opened = await Database.open(database_url)
    yield opened
    await opened.aclose()
