"""What SQS and SES said last is in the ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    if "eed_aws_figure" not in sa.inspect(op.get_bind()).get_table_names():
        op.create_table(
            "eed_aws_figure",
            sa.Column("kind", _word(16), primary_key=True),
            sa.Column("channel", _word(32), primary_key=True),
            sa.Column("facts", _word(250), nullable=False),
            sa.Column("asked_at", TIME, nullable=False),
            **OPTIONS,
        )


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
