"""The files that were put, and the manifests that list them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0018"
down_revision = "0017"
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


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    there = sa.inspect(op.get_bind())
    if not there.has_table("eed_file"):
        op.create_table(
            "eed_file",
            sa.Column("job_id", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("email_id", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("gen", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("channel", WORD, nullable=False),
            sa.Column("path", _prose(1024)),
            sa.Column("size", sa.BigInteger(), nullable=False),
            sa.Column("sha256", DIGEST, nullable=False),
            sa.Column("put_at", TIME, nullable=False),
            sa.Column("round", sa.Integer(), nullable=False),
            sa.PrimaryKeyConstraint("job_id", "email_id", "gen", "number"),
            **OPTIONS,
        )
    if not there.has_table("eed_manifest"):
        op.create_table(
            "eed_manifest",
            sa.Column("job_id", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("round", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("number", sa.Integer(), nullable=False),
            sa.Column("channel", WORD, nullable=False),
            sa.Column("wanted_at", TIME, nullable=False),
            sa.Column("token", sa.BigInteger()),
            sa.Column("lease_until", TIME),
            sa.Column("not_before", TIME),
            sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
            sa.Column("sha256", DIGEST),
            sa.Column("path", _prose(1024)),
            sa.Column("files", sa.Integer()),
            sa.Column("size", sa.BigInteger()),
            sa.Column("put_at", TIME),
            sa.Column("detail", _prose(500)),
            sa.PrimaryKeyConstraint("job_id", "round"),
            **OPTIONS,
        )
    _index("eed_file", "eed_file_by_email", "email_id")
    _index("eed_manifest", "eed_manifest_outstanding", "put_at", "channel")


def _index(table: str, name: str, *columns: str) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
