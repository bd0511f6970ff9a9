"""The release and the configuration of each process, so that hosts that differ are seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("eed_worker")}
    for name, length in (("version", 64), ("config", 16)):
        if name not in there:
            word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
            kind = sa.String(length).with_variant(word, "mysql", "mariadb")
            op.add_column("eed_worker", sa.Column(name, kind))


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
