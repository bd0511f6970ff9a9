"""A duty may be held for a while by the one that does it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("eed_duty")}
    if "holder" not in there:
        op.add_column("eed_duty", sa.Column("holder", sa.BigInteger()))
    if "held_until" not in there:
        op.add_column("eed_duty", sa.Column("held_until", TIME))


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
