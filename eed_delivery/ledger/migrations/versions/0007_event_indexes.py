"""Events are found by their age, to be forgotten, and counted by email without their rows."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both are built while others read and write (https://mariadb.com/kb/en/innodb-online-ddl-overview/)."""
    op.create_index("eed_event_by_received", "eed_event", ["received_at"], unique=False)
    op.create_index("eed_event_by_email_kind", "eed_event", ["email_id", "gen", "kind", "automatic"], unique=False)
    op.drop_index("eed_event_by_email", "eed_event")  # the one before begins with it


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
