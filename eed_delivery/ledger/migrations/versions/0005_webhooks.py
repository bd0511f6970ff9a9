"""The webhooks to send to a tenant's own systems, and the health of their endpoint."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}


def text(length: int, charset: str, collation: str | None = None) -> sa.types.TypeEngine[str]:
    """A text column whose charset and collation do not depend on the server's defaults."""
    exact = mysql.VARCHAR(length, charset=charset, collation=collation)
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def word(length: int) -> sa.types.TypeEngine[str]:
    """ASCII, compared byte for byte."""
    return text(length, "ascii", "ascii_bin")


def upgrade() -> None:
    op.create_table(
        "eed_webhook",
        sa.Column("webhook_id", ID, autoincrement=True, nullable=False),
        sa.Column("nonce", word(32), nullable=False),
        sa.Column("kind", word(32), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("email_id", sa.BigInteger(), nullable=True),
        sa.Column("gen", sa.Integer(), nullable=True),
        sa.Column("event_id", word(64), nullable=True),
        sa.Column("facts", text(4000, "utf8mb4"), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("state", word(16), nullable=False),
        sa.Column("waiting_since", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_at", TIME, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", text(500, "utf8mb4"), nullable=True),
        sa.PrimaryKeyConstraint("webhook_id"),
        **OPTIONS,
    )
    op.create_index("eed_webhook_due", "eed_webhook", ["state", "due_at"], unique=False)
    op.create_table(
        "eed_webhook_endpoint",
        sa.Column("endpoint_id", word(64), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("probe_at", TIME, nullable=False),
        sa.Column("paused_at", TIME, nullable=True),
        sa.Column("reason", text(500, "utf8mb4"), nullable=True),
        sa.PrimaryKeyConstraint("endpoint_id"),
        **OPTIONS,
    )


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
