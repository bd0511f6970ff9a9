"""Acts that take a while, and what a second person has to decide."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DOCUMENT = sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
INDEXES = {
    "eed_operation_by_state": ("eed_operation", ["state", "moved_at"]),
    "eed_operation_by_time": ("eed_operation", ["made_at"]),
    "eed_approval_by_state": ("eed_approval", ["state", "asked_at"]),
}


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    tables = set(sa.inspect(op.get_bind()).get_table_names())
    for name, columns in _tables().items():
        if name not in tables:
            op.create_table(name, *columns, **OPTIONS)
    there = sa.inspect(op.get_bind())
    for name, (table, indexed) in INDEXES.items():
        if name not in {index["name"] for index in there.get_indexes(table)}:
            op.create_index(name, table, indexed)


def _tables() -> dict[str, list[Any]]:
    """The columns of each."""
    return {
        "eed_operation": [
            sa.Column("operation_id", _word(16), primary_key=True),
            sa.Column("kind", _word(16), nullable=False),
            sa.Column("state", _word(16), nullable=False),
            sa.Column("selection", DOCUMENT, nullable=False),
            sa.Column("parameters", _prose(2000), nullable=False),
            sa.Column("selection_etag", _word(64)),
            sa.Column("tolerance", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("canary", sa.Integer()),
            sa.Column("reason", _prose(500)),
            sa.Column("who", _prose(255), nullable=False),
            sa.Column("host", _prose(255), nullable=False),
            sa.Column("surface", _word(16), nullable=False),
            sa.Column("command", _prose(1000)),
            sa.Column("total", sa.Integer()),
            sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("skipped", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("after_key", _key(320), nullable=False, server_default=""),
            sa.Column("errors", _prose(2000), nullable=False),
            sa.Column("result", _prose(2000)),
            sa.Column("token", sa.BigInteger()),
            sa.Column("lease_until", TIME),
            sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("made_at", TIME, nullable=False),
            sa.Column("started_at", TIME),
            sa.Column("moved_at", TIME, nullable=False),
            sa.Column("ended_at", TIME),
        ],
        "eed_approval": [
            sa.Column("operation_id", _word(16), primary_key=True),
            sa.Column("rule", _word(32), nullable=False),
            sa.Column("state", _word(16), nullable=False),
            sa.Column("asked_by", _prose(255), nullable=False),
            sa.Column("asked_subject", _prose(255), nullable=False),
            sa.Column("asked_at", TIME, nullable=False),
            sa.Column("until_at", TIME, nullable=False),
            sa.Column("decided_by", _prose(255)),
            sa.Column("decided_subject", _prose(255)),
            sa.Column("decided_at", TIME),
            sa.Column("reason", _prose(500)),
        ],
    }


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
