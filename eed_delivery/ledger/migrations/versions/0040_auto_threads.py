"""Processes say between which numbers they look for their number of threads, and why it last changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

WORD = sa.String(64).with_variant(mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("eed_worker")}
    for column in (
        sa.Column("threads_least", sa.Integer()),
        sa.Column("threads_most", sa.Integer()),
        sa.Column("threads_why", WORD),
        sa.Column("threads_changed_at", TIME),
    ):
        if column.name not in there:
            op.add_column("eed_worker", column)


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
