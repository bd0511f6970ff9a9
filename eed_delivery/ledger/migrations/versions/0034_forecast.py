"""Jobs have a deadline, and their progress and forecasts are kept."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
WORD = sa.String(16).with_variant(mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
PROGRESS, BY_TIME, FORECAST = "eed_job_progress", "eed_job_progress_by_time", "eed_job_forecast"


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    inspector = sa.inspect(op.get_bind())
    if "deadline" not in {column["name"] for column in inspector.get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("deadline", TIME))
    tables = inspector.get_table_names()
    if PROGRESS not in tables:
        op.create_table(
            PROGRESS,
            sa.Column("job_id", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("at", TIME, primary_key=True),
            sa.Column("total", sa.Integer(), nullable=False),
            sa.Column("done", sa.Integer(), nullable=False),
            sa.Column("may_leave", sa.Boolean(), nullable=False),
            sa.Column("allowed_seconds", sa.Double(), nullable=False),
            sa.Column("kept", sa.Boolean(), nullable=False),
            **OPTIONS,
        )
    if BY_TIME not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(PROGRESS)}:
        op.create_index(BY_TIME, PROGRESS, ["kept", "at"])
    if FORECAST not in tables:
        op.create_table(
            FORECAST,
            sa.Column("job_id", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("at", TIME, nullable=False),
            sa.Column("end_at", TIME),
            sa.Column("margin_seconds", sa.Double()),
            sa.Column("verdict", WORD, nullable=False),
            sa.Column("seen", WORD, nullable=False),
            sa.Column("looks", sa.Integer(), nullable=False),
            **OPTIONS,
        )


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
