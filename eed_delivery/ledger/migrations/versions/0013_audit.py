"""The audit of all acts, and of reads of personal data. It says who did it from where, to what, and what it changed.

The table gets a new name, so that no user keeps the right to UPDATE it. GRANTs on a table do not follow its new name
(https://dev.mysql.com/doc/refman/8.4/en/rename-table.html).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OLD, NEW = "eed_act", "eed_audit"


def upgrade() -> None:
    """May be broken off at any point and run again. MySQL and MariaDB commit each statement by itself."""
    if OLD in sa.inspect(op.get_bind()).get_table_names():
        op.rename_table(OLD, NEW)
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(NEW)}
    for column in _columns():
        if column.name not in there:
            op.add_column(NEW, column)
    _make_indexes()


def _columns() -> list["sa.Column[str]"]:
    return [
        sa.Column("sudo_user", _prose(255)),
        sa.Column("host", _prose(255)),
        sa.Column("surface", _word(16)),
        sa.Column("command", _prose(1000)),
        sa.Column("object_kind", _word(32)),
        sa.Column("object_key", _key(320)),
        sa.Column("counts", _prose(1000)),
        sa.Column("state_before", _prose(1000)),
        sa.Column("state_after", _prose(1000)),
        sa.Column("operation", _word(16)),
    ]


def _make_indexes() -> None:
    indexes = {
        "eed_audit_by_job": "job_id",
        "eed_audit_by_email": "email_id",
        "eed_audit_by_object": "object_key",
        "eed_audit_by_time": "at",
        "eed_audit_by_operation": "operation",
    }
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(NEW)}
    for name, column in indexes.items():
        if name not in there:
            op.create_index(name, NEW, [column], unique=False)
    for name in ("eed_act_by_job", "eed_act_by_email"):
        if name in there:
            op.drop_index(name, NEW)


def _word(length: int) -> sa.types.TypeEngine[str]:
    ascii_word = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_word, "mysql", "mariadb")


def _key(length: int) -> sa.types.TypeEngine[str]:
    text = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(text, "mysql", "mariadb")


def _prose(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
