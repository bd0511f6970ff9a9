"""Who compares a job with the source at the moment. Sweepers on several hosts take turns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """May be broken off at any point and run again. MySQL and MariaDB commit each ALTER by itself.

    Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/).
    """
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("eed_job")}
    for column in (sa.Column("reconcile_token", sa.BigInteger()), sa.Column("reconcile_until", TIME)):
        if column.name not in there:
            op.add_column("eed_job", column)


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
