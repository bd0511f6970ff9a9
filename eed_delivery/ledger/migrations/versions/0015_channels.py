"""The channel of each job, and of each worker process."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CHANNEL_LENGTH = 32


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    for table in ("eed_job", "eed_worker"):
        there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        if "channel" not in there:
            op.add_column(table, sa.Column("channel", _word(CHANNEL_LENGTH), nullable=False, server_default="default"))


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
