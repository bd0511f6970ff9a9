"""Comparisons with another server."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DOCUMENT = sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be run again."""
    there = sa.inspect(op.get_bind()).get_table_names()
    for name, columns in _TABLES.items():
        if name not in there:
            op.create_table(name, *columns(), **OPTIONS)
    _make_index("eed_shadow", "eed_shadow_by_time", ["made_at"])
    _make_index("eed_shadow_job", "eed_shadow_job_by_state", ["operation_id", "state"])
    _make_index("eed_shadow_copy", "eed_shadow_copy_by_key", ["operation_id", "match_key"])


def _run() -> list[sa.Column[Any]]:
    return [
        sa.Column("operation_id", _word(16), primary_key=True),
        sa.Column("facts", DOCUMENT, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
    ]


def _job() -> list[sa.Column[Any]]:
    return [
        sa.Column("operation_id", _word(16), primary_key=True),
        sa.Column("job_key", _key(191), primary_key=True),
        sa.Column("state", _word(16), nullable=False),
        sa.Column("unsent", sa.BigInteger()),
        sa.Column("after_key", _key(191), nullable=False, server_default=""),
        sa.Column("emails", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("facts", DOCUMENT, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("looked_at", TIME, nullable=False),
        sa.Column("moved_at", TIME, nullable=False),
        sa.Column("over_at", TIME),
        sa.Column("ended_at", TIME),
    ]


def _email() -> list[sa.Column[Any]]:
    return [
        sa.Column("operation_id", _word(16), primary_key=True),
        sa.Column("job_key", _key(191), primary_key=True),
        sa.Column("email_key", _key(191), primary_key=True),
        sa.Column("verdict", _word(16), nullable=False),
        sa.Column("differences", _word(500), nullable=False),
    ]


def _copy() -> list[sa.Column[Any]]:
    return [
        sa.Column("operation_id", _word(16), primary_key=True),
        sa.Column("copy_id", _word(32), primary_key=True),
        sa.Column("match_key", _key(191), nullable=False),
        sa.Column("path", _prose(1024), nullable=False),
        sa.Column("begin_at", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("message_id", _prose(255)),
        sa.Column("minute", sa.BigInteger()),
        sa.Column("email_key", _key(191)),
    ]


def _acceptance() -> list[sa.Column[Any]]:
    return [
        sa.Column("name", _word(64), primary_key=True),
        sa.Column("field", _word(32), nullable=False),
        sa.Column("pattern", _prose(500), nullable=False),
        sa.Column("who", _prose(255), nullable=False),
        sa.Column("reason", _prose(500), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
    ]


_TABLES = {
    "eed_shadow": _run,
    "eed_shadow_job": _job,
    "eed_shadow_email": _email,
    "eed_shadow_copy": _copy,
    "eed_shadow_acceptance": _acceptance,
}


def _make_index(table: str, name: str, columns: list[str]) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _key(length: int) -> sa.types.TypeEngine[str]:
    key = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(key, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
