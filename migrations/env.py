"""How alembic runs our migrations: on a connection that ``gateway.storage.migrate`` has opened and locked.

The connection is in a transaction already and alembic commits nothing: an upgrade is kept whole or not at
all, on both engines, and of two upgrades at once the second finds nothing left to do.
"""

from alembic import context

from gateway.storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
    render_as_batch=False,
)
with context.begin_transaction():
    context.run_migrations()
