"""${message}."""

${"import sqlalchemy as sa"}
${"from alembic import context, op"}
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Migrations only go forward; never batch-alter an audit table: that silently loses its triggers."""
    ${upgrades if upgrades else "pass"}
