"""Rehearsals of jobs."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DOCUMENT = sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), "mysql", "mariadb")
CONTENT = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """May be run again."""
    there = sa.inspect(op.get_bind()).get_table_names()
    if "eed_rehearsal" not in there:
        _make_rehearsal()
    if "eed_rehearsal_part" not in there:
        op.create_table(
            "eed_rehearsal_part",
            sa.Column("operation_id", _word(16), primary_key=True),
            sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("content", CONTENT, nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            **OPTIONS,
        )
    if "eed_rehearsal_lock" not in there:
        op.create_table(
            "eed_rehearsal_lock",
            sa.Column("job_key", _key(191), primary_key=True),
            sa.Column("operation_id", _word(16), nullable=False),
            sa.Column("made_at", TIME, nullable=False),
            **OPTIONS,
        )
    _make_index("eed_rehearsal", "eed_rehearsal_by_job", ["job_key", "made_at"])
    _make_index("eed_rehearsal", "eed_rehearsal_by_time", ["made_at"])
    _make_index("eed_rehearsal_lock", "eed_rehearsal_lock_by_operation", ["operation_id"])


def _make_rehearsal() -> None:
    op.create_table(
        "eed_rehearsal",
        sa.Column("operation_id", _word(16), primary_key=True),
        sa.Column("job_key", _key(191), nullable=False),
        sa.Column("verdict", _word(16), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("digest", _word(64), nullable=False),
        sa.Column("template", _word(64), nullable=False),
        sa.Column("emails", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("rendered", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("facts", DOCUMENT, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        **OPTIONS,
    )


def _make_index(table: str, name: str, columns: list[str]) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _key(length: int) -> sa.types.TypeEngine[str]:
    key = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(key, "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
