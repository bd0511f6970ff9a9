"""Destination domains have a pace."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
WORD = sa.String(16).with_variant(mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
NAME = sa.String(255).with_variant(mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    there = sa.inspect(op.get_bind()).get_table_names()
    if "eed_domain_pace" not in there:
        op.create_table(
            "eed_domain_pace",
            sa.Column("domain", NAME, primary_key=True),
            sa.Column("per_second", sa.Double()),
            sa.Column("concurrency", sa.Integer()),
            sa.Column("reason", _prose(500), nullable=False),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("set_at", TIME, nullable=False),
            sa.Column("until_at", TIME),
            **OPTIONS,
        )
    if "eed_domain_turn" not in there:
        op.create_table(
            "eed_domain_turn",
            sa.Column("kind", WORD, primary_key=True),
            sa.Column("name", NAME, primary_key=True),
            sa.Column("next_at", TIME, nullable=False),
            **OPTIONS,
        )
    if "eed_domain_slot" not in there:
        op.create_table(
            "eed_domain_slot",
            sa.Column("name", NAME, primary_key=True),
            sa.Column("token", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("until_at", TIME, nullable=False),
            **OPTIONS,
        )
    if "eed_domain_backlog" not in there:
        op.create_table(
            "eed_domain_backlog",
            sa.Column("job_id", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("name", NAME, primary_key=True),
            sa.Column("waiting", sa.Integer(), nullable=False),
            sa.Column("per_second", sa.Double()),
            sa.Column("concurrency", sa.Integer()),
            sa.Column("counted_at", TIME, nullable=False),
            **OPTIONS,
        )


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
