"""The sums of enlisting, which are what was found in the source and what of it was refused."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
COUNTS = ("rounds", "found", "refused", "regenerated", "moved")


def upgrade() -> None:
    """Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/)."""
    for name in COUNTS:
        op.add_column("eed_job", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("eed_job", sa.Column("reconciled_at", TIME, nullable=True))
    op.add_column("eed_job", sa.Column("differences", sa.Integer(), nullable=True))
    # What earlier releases found beyond what they enlisted was not counted. `reconcile` shows it.
    op.execute("UPDATE eed_job SET found = total")
    op.create_table(
        "eed_refusal",
        sa.Column("refusal_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("job_key", _prose(255), nullable=False),
        sa.Column("source_key", _prose(255), nullable=True),
        sa.Column("reason", _prose(500), nullable=False),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("refusal_id"),
        **OPTIONS,
    )
    op.create_index("eed_refusal_by_job", "eed_refusal", ["job_id"], unique=False)


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
