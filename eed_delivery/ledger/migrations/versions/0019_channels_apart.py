"""A domain is held on one channel, and not on all. A worker says which settings of its channel it has."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """May be broken off at any point and run again.

    What is held stays held on the channel `default`. Processes of the earlier release go on with that one.
    """
    bind = op.get_bind()
    if "mark" not in {column["name"] for column in sa.inspect(bind).get_columns("eed_worker")}:
        word = mysql.VARCHAR(64, charset="ascii", collation="ascii_bin")
        op.add_column("eed_worker", sa.Column("mark", sa.String(64).with_variant(word, "mysql", "mariadb")))
    if "channel" in {column["name"] for column in sa.inspect(bind).get_columns("eed_domain_hold")}:
        return
    if bind.dialect.name == "sqlite":
        _anew()
    else:
        # One statement: a server that asks for a primary key (sql_require_primary_key) sees none missing in between.
        op.execute(
            "ALTER TABLE eed_domain_hold ADD COLUMN channel VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin"
            " NOT NULL DEFAULT 'default' FIRST, DROP PRIMARY KEY, ADD PRIMARY KEY (channel, domain)"
        )


def _anew() -> None:
    """SQLite cannot change a primary key. There the whole migration is one transaction."""
    columns: list[sa.Column[Any]] = [
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("times", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("held_at", sa.DateTime(), nullable=False),
        sa.Column("until_at", sa.DateTime(), nullable=False),
    ]
    names = ", ".join(column.name for column in columns)
    op.rename_table("eed_domain_hold", "eed_domain_hold_former")
    op.create_table(
        "eed_domain_hold",
        sa.Column("channel", sa.String(32), server_default="default", nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("channel", "domain"),
    )
    op.execute(f"INSERT INTO eed_domain_hold ({names}) SELECT {names} FROM eed_domain_hold_former")  # noqa: S608 - our own names
    op.drop_table("eed_domain_hold_former")


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
