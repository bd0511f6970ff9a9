"""What the watch on a running job counts by, and what an operator's resume has left to it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Columns at the end of a table are added at once. The index is built while others read and write
    (https://mariadb.com/kb/en/innodb-online-ddl-overview/)."""
    op.create_index("eed_email_by_job_outcome", "eed_email", ["job_id", "outcome"], unique=False)
    op.add_column("eed_job", sa.Column("watched", sa.Boolean(), server_default="1", nullable=False))
    op.add_column("eed_job", sa.Column("watched_from", TIME, nullable=True))
    op.add_column("eed_job", sa.Column("sent_before", sa.Integer(), server_default="0", nullable=False))
    op.add_column("eed_job", sa.Column("warned_of_bounces", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("eed_job", sa.Column("warned_of_complaints", sa.Boolean(), server_default="0", nullable=False))


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
