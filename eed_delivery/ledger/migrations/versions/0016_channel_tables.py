"""Channels that are created while the service runs, and channels that are held."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("row_format", "DYNAMIC"))
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    if "held_until" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("held_until", _time()))
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "eed_channel" not in there:
        op.create_table(
            "eed_channel",
            sa.Column("name", _word(32), primary_key=True),
            sa.Column("settings", _prose(8000), nullable=False),
            sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
            sa.Column("made_by", _prose(255), nullable=False),
            sa.Column("made_at", _time(), nullable=False),
            sa.Column("changed_by", _prose(255), nullable=False),
            sa.Column("changed_at", _time(), nullable=False),
            **_OPTIONS,
        )
    if "eed_channel_hold" not in there:
        op.create_table(
            "eed_channel_hold",
            sa.Column("channel", _word(32), primary_key=True),
            sa.Column("reason", _prose(500), nullable=False),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("held_at", _time(), nullable=False),
            sa.Column("until_at", _time()),
            **_OPTIONS,
        )


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def _time() -> sa.types.TypeEngine[Any]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
