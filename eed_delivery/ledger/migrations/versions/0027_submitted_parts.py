"""Files of recipients that an operation registers by the side."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NAME = "eed_submitted_part"
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
WORD = sa.String(16).with_variant(mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be run again."""
    if NAME not in sa.inspect(op.get_bind()).get_table_names():
        op.create_table(
            NAME,
            sa.Column("operation_id", WORD, primary_key=True),
            sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("content", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            **OPTIONS,
        )


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
