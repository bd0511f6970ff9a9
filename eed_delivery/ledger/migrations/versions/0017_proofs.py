"""The SHA-256 of what was sent, and copies of it in an archive."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DIGEST = sa.BINARY(32).with_variant(sa.LargeBinary(), "sqlite")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself.

    Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/).
    """
    _add("eed_attempt", sa.Column("sha256", DIGEST))
    _add("eed_job", sa.Column("archive", sa.Boolean(), server_default="0", nullable=False))
    if not sa.inspect(op.get_bind()).has_table("eed_archive_copy"):
        op.create_table(
            "eed_archive_copy",
            sa.Column("job_id", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("email_id", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("gen", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("sha256", DIGEST, nullable=False),
            sa.Column("size", sa.Integer(), nullable=False),
            sa.Column("archived_at", TIME),
            sa.PrimaryKeyConstraint("job_id", "email_id", "gen"),
            **OPTIONS,
        )


def _add(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {there["name"] for there in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
