"""Jobs have the spans in which they may leave, and people open windows for a while."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
TABLE, BY_TARGET = "eed_window_override", "eed_window_override_by_target"


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself.

    A column at the end of a table is added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/).
    """
    inspector = sa.inspect(op.get_bind())
    there = {column["name"] for column in inspector.get_columns("eed_job")}
    for name in ("window_from", "window_until", "next_window_from", "next_window_until"):
        if name not in there:
            op.add_column("eed_job", sa.Column(name, TIME))
    if "send_window" not in there:
        op.add_column("eed_job", sa.Column("send_window", _prose(2000)))
    if TABLE not in inspector.get_table_names():
        op.create_table(
            TABLE,
            sa.Column("override_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
            sa.Column("scope", _word(16), nullable=False),
            sa.Column("subject", _key(255), nullable=False, server_default=""),
            sa.Column("reason", _prose(500), nullable=False),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("set_at", TIME, nullable=False),
            sa.Column("until_at", TIME, nullable=False),
            **OPTIONS,
        )
    if BY_TARGET not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)}:
        op.create_index(BY_TARGET, TABLE, ["scope", "subject"], unique=True)


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _key(length: int) -> sa.types.TypeEngine[str]:
    text = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(text, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
