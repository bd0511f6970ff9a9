"""The counts of a finished job are stored with it. Lists of jobs have an index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

WORD = sa.String(250).with_variant(mysql.VARCHAR(250, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
CREATED = "eed_job_by_created"


def upgrade() -> None:
    """May be broken off at any point and run again. MySQL and MariaDB commit each ALTER by itself.

    A column at the end of a table is added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/). The index
    is made without a lock.
    """
    inspector = sa.inspect(op.get_bind())
    if "final_counts" not in {column["name"] for column in inspector.get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("final_counts", WORD))
    if CREATED not in {index["name"] for index in inspector.get_indexes("eed_job")}:
        op.create_index(CREATED, "eed_job", ["created_at"])


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
