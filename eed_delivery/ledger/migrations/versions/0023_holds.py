"""People hold channels, categories, domains or everything, in one table, and set send rates."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
BY_TARGET = "eed_hold_by_target"


def upgrade() -> None:
    """May be broken off at any point and run again. Held channels stay held.

    Processes of the earlier release must have ended: they look for the table that is gone.
    """
    inspector = sa.inspect(op.get_bind())
    there = set(inspector.get_table_names())
    if "held_domains" not in {column["name"] for column in inspector.get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("held_domains", _key(2000)))
    if "eed_hold" not in there:
        op.create_table(
            "eed_hold",
            sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
            sa.Column("scope", _word(16), nullable=False),
            sa.Column("subject", _key(255), nullable=False, server_default=""),
            sa.Column("reason", _prose(500), nullable=False),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("held_at", _time(), nullable=False),
            sa.Column("in_force_at", _time()),
            sa.Column("until_at", _time()),
            **OPTIONS,
        )
    if BY_TARGET not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("eed_hold")}:
        op.create_index(BY_TARGET, "eed_hold", ["scope", "subject"], unique=True)
    if "per_second" not in {column["name"] for column in inspector.get_columns("eed_worker")}:
        op.add_column("eed_worker", sa.Column("per_second", sa.Double()))
    if "eed_pace" not in there:
        op.create_table(
            "eed_pace",
            sa.Column("channel", _word(32), primary_key=True),
            sa.Column("per_second", sa.Double(), nullable=False),
            sa.Column("reason", _prose(500), nullable=False),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("set_at", _time(), nullable=False),
            sa.Column("until_at", _time()),
            **OPTIONS,
        )
    if "eed_channel_hold" in there:
        op.execute(
            "INSERT INTO eed_hold (scope, subject, reason, who, held_at, in_force_at, until_at)"
            " SELECT CASE channel WHEN '*' THEN 'all' ELSE 'channel' END,"
            " CASE channel WHEN '*' THEN '' ELSE channel END, reason, who, held_at, held_at, until_at"
            " FROM eed_channel_hold WHERE (SELECT COUNT(*) FROM eed_hold) = 0"
        )
        op.drop_table("eed_channel_hold")


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _key(length: int) -> sa.types.TypeEngine[str]:
    text = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(text, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def _time() -> sa.types.TypeEngine[Any]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
