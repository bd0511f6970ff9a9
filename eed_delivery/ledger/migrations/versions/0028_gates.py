"""The breaker and the send rate that hosts and functions share."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
WORD = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
PROSE = sa.String(500).with_variant(mysql.VARCHAR(500, charset="utf8mb4"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("eed_gate"):
        op.create_table(
            "eed_gate",
            sa.Column("channel", WORD, primary_key=True),
            sa.Column("reason", PROSE),
            sa.Column("shut_at", TIME),
            sa.Column("shut_until", TIME, nullable=False),
            sa.Column("pause_seconds", sa.Double(), nullable=False),
            sa.Column("trial_token", sa.BigInteger()),
            sa.Column("trial_until", TIME),
            **OPTIONS,
        )
    if not inspector.has_table("eed_send_rate"):
        op.create_table(
            "eed_send_rate",
            sa.Column("channel", WORD, primary_key=True),
            sa.Column("next_at", TIME, nullable=False),
            sa.Column("pause_seconds", sa.Double(), nullable=False),
            sa.Column("slowed_at", TIME),
            sa.Column("factor", sa.Double(), nullable=False),
            **OPTIONS,
        )


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
