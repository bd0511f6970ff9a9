"""The ledger as of the first release: jobs, emails, attempts, suppressed addresses, processes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
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


def upgrade() -> None:
    _attempt()
    _email()
    _job()
    _suppression()
    _worker()


def _attempt() -> None:
    op.create_table(
        "eed_attempt",
        sa.Column("attempt_id", ID, autoincrement=True, nullable=False),
        sa.Column("email_id", sa.BigInteger(), nullable=False),
        sa.Column("gen", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("verdict", text(16, "ascii", "ascii_bin"), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", text(64, "utf8mb4"), nullable=True),
        sa.Column("reply", text(500, "utf8mb4"), nullable=True),
        sa.Column("message_id", text(255, "ascii", "ascii_bin"), nullable=True),
        sa.Column("worker", text(100, "ascii", "ascii_bin"), nullable=True),
        sa.Column("took_ms", sa.Integer(), nullable=True),
        sa.Column("ended_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("attempt_id"),
        **OPTIONS,
    )
    op.create_index("eed_attempt_by_email", "eed_attempt", ["email_id"], unique=False)


def _email() -> None:
    op.create_table(
        "eed_email",
        sa.Column("email_id", ID, autoincrement=True, nullable=False),
        sa.Column("source_key", text(191, "utf8mb4", "utf8mb4_bin"), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", text(500, "utf8mb4"), nullable=False),
        sa.Column("state", text(16, "ascii", "ascii_bin"), nullable=False),
        sa.Column("gen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("wire_at", TIME, nullable=True),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("queued_at", TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", text(500, "utf8mb4"), nullable=True),
        sa.Column("message_id", text(255, "ascii", "ascii_bin"), nullable=True),
        sa.Column("changed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("email_id"),
        sa.UniqueConstraint("source_key"),
        **OPTIONS,
    )
    op.create_index("eed_email_by_job_state", "eed_email", ["job_id", "state"], unique=False)


def _job() -> None:
    op.create_table(
        "eed_job",
        sa.Column("job_id", ID, autoincrement=True, nullable=False),
        sa.Column("source_key", text(191, "utf8mb4", "utf8mb4_bin"), nullable=False),
        sa.Column("name", text(255, "utf8mb4"), server_default="", nullable=False),
        sa.Column("state", text(16, "ascii", "ascii_bin"), nullable=False),
        sa.Column("reason", text(500, "utf8mb4"), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_enlisted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("enlist_after", text(191, "utf8mb4", "utf8mb4_bin"), nullable=True),
        sa.Column("enlisted_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("job_id"),
        sa.UniqueConstraint("source_key"),
        **OPTIONS,
    )
    op.create_index("eed_job_unfinished", "eed_job", ["finished_at", "job_id"], unique=False)


def _suppression() -> None:
    op.create_table(
        "eed_suppression",
        sa.Column("address", text(320, "utf8mb4", "utf8mb4_bin"), nullable=False),
        sa.Column("reason", text(500, "utf8mb4"), nullable=False),
        sa.Column("source", text(32, "ascii", "ascii_bin"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("address"),
        **OPTIONS,
    )


def _worker() -> None:
    op.create_table(
        "eed_worker",
        sa.Column("worker_id", text(100, "ascii", "ascii_bin"), nullable=False),
        sa.Column("host", text(255, "utf8mb4"), nullable=False),
        sa.Column("role", text(16, "ascii", "ascii_bin"), nullable=False),
        sa.Column("threads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sending", sa.Boolean(), nullable=False),
        sa.Column("detail", text(500, "utf8mb4"), nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("worker_id"),
        **OPTIONS,
    )


def downgrade() -> None:
    """There is no way back. A ledger says what was sent to whom, and is not dropped by a tool."""
    raise NotImplementedError("the ledger is never dropped by a migration")
