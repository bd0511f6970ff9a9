"""Who compares a job with the source at the moment: sweepers on several hosts take turns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/)."""
    op.add_column("eed_job", sa.Column("reconcile_token", sa.BigInteger(), nullable=True))
    op.add_column("eed_job", sa.Column("reconcile_until", TIME, nullable=True))


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
