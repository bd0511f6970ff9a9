"""Messages in dead-letter queues that name no email of ours."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

NAME = "eed_dead_letter"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DOCUMENT = sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), "mysql", "mariadb")
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
            sa.Column("letter_id", ID, primary_key=True, autoincrement=True),
            sa.Column("sqs_id", _word(100), nullable=False, unique=True),
            sa.Column("channel", _word(32), nullable=False),
            sa.Column("receipt", _word(2000)),
            sa.Column("receives", sa.Integer(), nullable=False),
            sa.Column("problem", _prose(500), nullable=False),
            sa.Column("body", DOCUMENT, nullable=False),
            sa.Column("size", sa.Integer(), nullable=False),
            sa.Column("sent_at", TIME),
            sa.Column("found_at", TIME, nullable=False),
            sa.Column("seen_at", TIME, nullable=False),
            sa.Column("deleted_at", TIME),
            **OPTIONS,
        )


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
