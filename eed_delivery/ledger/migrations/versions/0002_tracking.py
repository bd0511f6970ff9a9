"""What became of an email after it left, with its events and their outcome beside its state."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

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


def upgrade() -> None:
    # Columns at the end of a table are added at once, however large it is; the index on the attempts is built while
    # others read and write (https://mariadb.com/kb/en/innodb-online-ddl-overview/).
    op.add_column("eed_email", sa.Column("outcome", text(16, "ascii", "ascii_bin"), nullable=True))
    op.add_column("eed_email", sa.Column("outcome_at", TIME, nullable=True))
    op.create_index("eed_attempt_by_message", "eed_attempt", ["message_id"], unique=False)
    _event()


def _event() -> None:
    op.create_table(
        "eed_event",
        sa.Column("event_id", text(64, "ascii", "ascii_bin"), nullable=False),
        sa.Column("email_id", sa.BigInteger(), nullable=True),
        sa.Column("gen", sa.Integer(), nullable=True),
        sa.Column("kind", text(32, "ascii", "ascii_bin"), nullable=False),
        sa.Column("outcome", text(16, "ascii", "ascii_bin"), nullable=True),
        sa.Column("sub_type", text(100, "utf8mb4"), server_default="", nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", text(64, "utf8mb4"), nullable=True),
        sa.Column("detail", text(500, "utf8mb4"), server_default="", nullable=False),
        sa.Column("message_id", text(255, "ascii", "ascii_bin"), nullable=True),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("address", text(320, "utf8mb4", "utf8mb4_bin"), nullable=True),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
        **OPTIONS,
    )
    op.create_index("eed_event_by_email", "eed_event", ["email_id"], unique=False)
    op.create_index("eed_event_by_address", "eed_event", ["address"], unique=False)


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
