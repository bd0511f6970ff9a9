"""Destination domains that refuse everything for now."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def upgrade() -> None:
    """One row a domain that is held. May be broken off and run again: the server commits the table by itself."""
    if sa.inspect(op.get_bind()).has_table("eed_domain_hold"):
        return
    domain = sa.String(255).with_variant(mysql.VARCHAR(255, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    prose = sa.String(500).with_variant(mysql.VARCHAR(500, charset="utf8mb4"), "mysql", "mariadb")
    op.create_table(
        "eed_domain_hold",
        sa.Column("domain", domain, nullable=False),
        sa.Column("times", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", prose, nullable=False),
        sa.Column("held_at", TIME, nullable=False),
        sa.Column("until_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("domain"),
        **OPTIONS,
    )


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
