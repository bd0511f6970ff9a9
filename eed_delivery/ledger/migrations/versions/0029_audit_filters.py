"""The audit is found by what was done and by who did it."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INDEXES = {"eed_audit_by_act": "act", "eed_audit_by_who": "who", "eed_audit_by_sudo": "sudo_user"}


def upgrade() -> None:
    """May be broken off at any point and run again. Each index is made without a lock."""
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("eed_audit")}
    for name, column in INDEXES.items():
        if name not in there:
            op.create_index(name, "eed_audit", [column])


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
