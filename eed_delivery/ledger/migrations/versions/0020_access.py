"""Who may use the pages and the API: users, tokens, sessions, login attempts and idempotency keys."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DIGEST = sa.BINARY(32).with_variant(sa.LargeBinary(), "sqlite")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
INDEXES = {
    "eed_session_by_user": ("eed_session", ["user_name"]),
    "eed_idempotency_key_by_time": ("eed_idempotency_key", ["made_at"]),
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
        "eed_user": [
            sa.Column("name", _key(191), primary_key=True),
            sa.Column("password_hash", _word(255), nullable=False),
            sa.Column("role", _word(16), nullable=False),
            sa.Column("rights", _word(255), nullable=False, server_default=""),
            sa.Column("made_by", _prose(255), nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            sa.Column("revoked_at", TIME),
        ],
        "eed_api_token": [
            sa.Column("name", _key(191), primary_key=True),
            sa.Column("digest", DIGEST, nullable=False, unique=True),
            sa.Column("role", _word(16), nullable=False),
            sa.Column("scopes", _word(255), nullable=False, server_default=""),
            sa.Column("made_by", _prose(255), nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            sa.Column("expires_at", TIME, nullable=False),
            sa.Column("used_at", TIME),
            sa.Column("revoked_at", TIME),
        ],
        "eed_session": [
            sa.Column("digest", DIGEST, primary_key=True),
            sa.Column("user_name", _key(191), nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            sa.Column("seen_at", TIME, nullable=False),
            sa.Column("ends_at", TIME, nullable=False),
        ],
        "eed_login_attempt": [
            sa.Column("subject", DIGEST, primary_key=True),
            sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("last_at", TIME, nullable=False),
            sa.Column("blocked_until", TIME),
        ],
        "eed_idempotency_key": [
            sa.Column("digest", DIGEST, primary_key=True),
            sa.Column("request", DIGEST, nullable=False),
            sa.Column("operation", _word(16), nullable=False),
            sa.Column("token", sa.BigInteger(), nullable=False),
            sa.Column("lease_until", TIME, nullable=False),
            sa.Column("status", sa.Integer()),
            sa.Column("answer", _prose(4000)),
            sa.Column("made_at", TIME, nullable=False),
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
