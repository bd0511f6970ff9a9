"""The counts of a finished job are stored with it. Lists of jobs, and the webhooks of an email, have an index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

WORD = sa.String(250).with_variant(mysql.VARCHAR(250, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
INDEXES = (("eed_job_by_created", "eed_job", "created_at"), ("eed_webhook_by_email", "eed_webhook", "email_id"))


def upgrade() -> None:
    """May be broken off at any point and run again. MySQL and MariaDB commit each ALTER by itself.

    Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/). Indexes
    are made without a lock.
    """
    inspector = sa.inspect(op.get_bind())
    if "final_counts" not in {column["name"] for column in inspector.get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("final_counts", WORD))
    for name, table, column in INDEXES:
        if name not in {index["name"] for index in inspector.get_indexes(table)}:
            op.create_index(name, table, [column])


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
