"""Paths that emails have taken for their files, and what a manifest does not list."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
DIGEST = sa.BINARY(32).with_variant(sa.LargeBinary(), "sqlite")
WORD = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
TABLE, BY_TIME = "eed_taken_path", "eed_taken_path_by_time"


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    bind = op.get_bind()
    if not sa.inspect(bind).has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("channel", WORD, nullable=False),
            sa.Column("digest", DIGEST, nullable=False),
            sa.Column("email_id", sa.BigInteger(), nullable=False),
            sa.Column("token", sa.BigInteger(), nullable=False),
            sa.Column("former_id", sa.BigInteger()),
            sa.Column("taken_at", TIME, nullable=False),
            sa.PrimaryKeyConstraint("channel", "digest"),
            **OPTIONS,
        )
    there = sa.inspect(bind)
    if BY_TIME not in {index["name"] for index in there.get_indexes(TABLE)}:
        op.create_index(BY_TIME, TABLE, ["taken_at"])
    if "unlisted" not in {column["name"] for column in there.get_columns("eed_manifest")}:
        op.add_column("eed_manifest", sa.Column("unlisted", sa.Integer()))


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
