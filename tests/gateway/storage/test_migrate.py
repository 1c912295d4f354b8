"""Migrations and tables say the same, on both engines, and the runtime role stays powerless over the log."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import ProgrammingError

from gateway.errors import StorageUnavailable
from gateway.storage import migrate
from gateway.storage.database import Database
from gateway.storage.migrate import Upgrade, current, head, may_alter_audit_log, migrations_folder, upgrade
from gateway.storage.schema import metadata
from tests.postgres import Cluster

APPEND_ONLY = ("audit_leaf", "audit_tile", "audit_checkpoint")


async def test_migrations_make_exactly_the_tables_of_the_program(database: Database) -> None:
    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert await database.read(differences) == []
    assert await database.read(current) == head()


async def test_check_constraints_are_those_of_the_program(database: Database) -> None:
    # alembic does not compare these.
    def names(connection: Connection) -> set[str | None]:
        found = inspect(connection)
        return {check["name"] for table in metadata.tables for check in found.get_check_constraints(table)}

    wanted = {
        check.name
        for table in metadata.tables.values()
        for check in table.constraints
        if check.__visit_name__ in ("check_constraint", "table_or_column_check_constraint")
    }
    assert wanted
    assert await database.read(names) == wanted


async def test_an_upgraded_database_is_left_alone(database_url: str) -> None:
    assert await upgrade(database_url) == Upgrade(before=head(), after=head())


async def test_two_upgrades_at_once_are_safe_on_sqlite(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    done = await asyncio.gather(upgrade(url), upgrade(url), upgrade(url))
    assert sorted(str(each.before) for each in done) == [head(), head(), "None"]


@pytest.fixture
def empty_postgresql(postgresql_cluster: Cluster) -> object:
    with postgresql_cluster.database() as name:
        yield name


async def test_two_upgrades_at_once_are_safe_on_postgresql(
    postgresql_cluster: Cluster, empty_postgresql: str
) -> None:
    url = postgresql_cluster.url(empty_postgresql)
    done = await asyncio.gather(upgrade(url), upgrade(url), upgrade(url))
    assert sorted(str(each.before) for each in done) == [head(), head(), "None"]


async def test_a_server_that_is_away_is_unavailable_storage(tmp_path: object) -> None:
    with pytest.raises(StorageUnavailable):
        await upgrade(f"postgresql://nobody@/none?host={tmp_path}")


async def test_a_role_name_cannot_carry_sql(sqlite_url: str) -> None:
    with pytest.raises(ValueError, match="role's name"):
        await upgrade(sqlite_url, runtime_role='x"; DROP TABLE meta; --')


@pytest.fixture(scope="module")
def roles(postgresql_cluster: Cluster) -> tuple[str, str]:
    postgresql_cluster.sql("CREATE ROLE the_owner LOGIN", "CREATE ROLE the_gateway LOGIN")
    return "the_owner", "the_gateway"


@pytest.fixture(scope="module")
def owned_database(postgresql_cluster: Cluster, roles: tuple[str, str]) -> object:
    owner, runtime = roles
    with postgresql_cluster.database(owner=owner) as name:
        asyncio.run(upgrade(postgresql_cluster.url(name, user=owner), runtime_role=runtime))
        yield name


@pytest.fixture
async def as_gateway(postgresql_cluster: Cluster, owned_database: str, roles: tuple[str, str]) -> object:
    database = await Database.open(postgresql_cluster.url(owned_database, user=roles[1]))
    yield database
    await database.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        f"{verb} {table}"
        for table in APPEND_ONLY
        for verb in (
            "DELETE FROM",
            "TRUNCATE",
            "DROP TABLE",
            "ALTER TABLE IF EXISTS",
            "DROP TRIGGER {0}_append_only ON",
        )
    ]
    + [f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in APPEND_ONLY]
    + [
        "UPDATE audit_leaf SET leaf = ''",
        "UPDATE audit_body SET body = ''",
        "TRUNCATE audit_body",
        "INSERT INTO audit_leaf VALUES (0, '') ON CONFLICT (idx) DO UPDATE SET leaf = ''",
        "DROP FUNCTION audit_append_only()",
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE the_owner",
        "CREATE TABLE mine (a int)",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
async def test_the_runtime_role_can_neither_change_the_log_nor_drop_its_guards(
    as_gateway: Database, statement: str
) -> None:
    if statement.startswith("ALTER TABLE IF EXISTS"):
        statement += " ADD COLUMN more int"
    statement = statement.format(statement.split()[-1])
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner|must be member"):
        await as_gateway.write(lambda tx: tx.execute(text(statement)))


async def test_the_runtime_role_may_use_every_table(as_gateway: Database) -> None:
    def rights(connection: Connection) -> dict[str, str]:
        query = text("SELECT has_table_privilege(:table, :right)")
        return {
            table: "".join(
                right[0]
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
                if connection.execute(query, {"table": table, "right": right}).scalar()
            )
            for table in metadata.tables
        }

    special = {"audit_body": "SID"} | dict.fromkeys(APPEND_ONLY, "SI")
    assert await as_gateway.read(rights) == {table: special.get(table, "SIUD") for table in metadata.tables}


async def test_it_is_seen_who_could_switch_the_protection_off(
    as_gateway: Database, postgresql_cluster: Cluster, owned_database: str
) -> None:
    assert not await as_gateway.read(may_alter_audit_log)
    as_owner = await Database.open(postgresql_cluster.url(owned_database, user="the_owner"))
    assert await as_owner.read(may_alter_audit_log)
    await as_owner.aclose()


def test_an_installed_package_uses_its_own_migrations_before_any_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "gateway" / "storage" / "migrate.py"))
    inside, beside = tmp_path / "gateway" / "_migrations", tmp_path / "migrations"
    with pytest.raises(FileNotFoundError, match="install it again"):
        migrations_folder()
    for folder in (beside, inside):
        folder.mkdir(parents=True)
        (folder / "env.py").touch()
        assert migrations_folder() == folder
