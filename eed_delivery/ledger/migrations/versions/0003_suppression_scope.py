"""Suppression for one category of jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands on the list already counts for every category."""
    op.add_column("eed_job", _category())
    if op.get_bind().dialect.name == "sqlite":
        _anew()
    else:
        # One statement: a server that asks for a primary key (sql_require_primary_key) sees none missing in between.
        op.execute(
            "ALTER TABLE eed_suppression ADD COLUMN category VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            " NOT NULL DEFAULT '' AFTER address, DROP PRIMARY KEY, ADD PRIMARY KEY (address, category)"
        )


def _category() -> "sa.Column[str]":
    exact = mysql.VARCHAR(191, charset="utf8mb4", collation="utf8mb4_bin")
    kind = sa.String(191).with_variant(exact, "mysql", "mariadb")
    return sa.Column("category", kind, server_default="", nullable=False)


def _anew() -> None:
    """SQLite cannot change a primary key. There the whole migration is one transaction."""
    op.rename_table("eed_suppression", "eed_suppression_former")
    op.create_table(
        "eed_suppression",
        sa.Column("address", sa.String(320), nullable=False),
        _category(),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("address", "category"),
    )
    op.execute(
        "INSERT INTO eed_suppression (address, reason, source, created_at, expires_at)"
        " SELECT address, reason, source, created_at, expires_at FROM eed_suppression_former"
    )
    op.drop_table("eed_suppression_former")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
