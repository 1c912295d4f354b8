"""All tables, and the triggers that make the audit log append-only.

The triggers refuse UPDATE, DELETE, TRUNCATE and replacement on leaves, tiles and checkpoints; on bodies they
refuse UPDATE and replacement only, because erasing a body is lawful. They answer with an integrity error on
both engines. On PostgreSQL the role that the gateway runs under, when it is not the owner, may not even try.
The tables stand in ``first_tables``, a file for each area of the program's schema: alembic takes everything
beside this file for a migration.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import context, op
from alembic.util import load_python_file

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = Path(__file__).parents[1] / "first_tables"

#: Table -> its key.
APPEND_ONLY = {"audit_leaf": ("idx",), "audit_tile": ("level", "n"), "audit_checkpoint": ("size",)}
ERASABLE = {"audit_body": ("idx",)}


def upgrade() -> None:
    for area in sorted(_TABLES.glob("*.py")):
        load_python_file(_TABLES, area.name).create()
    if op.get_bind().dialect.name == "postgresql":
        protect_on_postgresql()
        role = context.config.attributes.get("runtime_role")
        if role is not None:
            grant_to(role)
    else:
        protect_on_sqlite()


def protect_on_sqlite() -> None:
    for table, key in {**APPEND_ONLY, **ERASABLE}.items():
        events = {"update": "UPDATE"} if table in ERASABLE else {"update": "UPDATE", "delete": "DELETE"}
        for name, event in events.items():
            op.execute(
                f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        # REPLACE deletes without asking a DELETE trigger unless recursive_triggers is on, and it may aim at
        # the hidden rowid instead of the key.
        taken = " AND ".join(f"{table}.{column} = NEW.{column}" for column in key)
        exists = sa.text(f"({taken}) OR {table}.rowid = NEW.rowid")
        found = sa.select(sa.text("1")).select_from(sa.table(table)).where(exists)
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({found})"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def protect_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger"
        " LANGUAGE plpgsql SET search_path = pg_catalog AS $$"
        " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in (*APPEND_ONLY, *ERASABLE):
        events = "UPDATE OR TRUNCATE" if table in ERASABLE else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
        # ALWAYS: session_replication_role must not switch it off.
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def grant_to(role: str) -> None:
    rights = dict.fromkeys(APPEND_ONLY, "SELECT, INSERT")
    rights |= dict.fromkeys(ERASABLE, "SELECT, INSERT, DELETE")
    rights["alembic_version"] = "SELECT"
    for table in sa.inspect(op.get_bind()).get_table_names():
        op.execute(f'GRANT {rights.get(table, "SELECT, INSERT, UPDATE, DELETE")} ON {table} TO "{role}"')
