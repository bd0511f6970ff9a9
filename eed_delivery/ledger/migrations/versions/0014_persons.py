"""What finding and erasing all about one address needs: former addresses of emails, and webhooks by their email."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from eed_delivery.addresses import canonical

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ADDRESS = sa.String(320).with_variant(
    mysql.VARCHAR(320, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{kind}_{name}": value
    for kind in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("row_format", "DYNAMIC"))
}
ATTEMPTS_AT_ONCE = 5000

_email = sa.table("eed_email", *map(sa.column, ("email_id", "address")))
_attempt = sa.table("eed_attempt", *map(sa.column, ("attempt_id", "email_id", "recipient")))
_former = sa.table("eed_former_address", *map(sa.column, ("address", "email_id")))


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself.

    Attempts are read once, a chunk at a time. Only those that went elsewhere than the email goes now are written down.
    """
    inspector = sa.inspect(op.get_bind())
    if "eed_former_address" not in inspector.get_table_names():
        op.create_table(
            "eed_former_address",
            sa.Column("address", ADDRESS, primary_key=True),
            sa.Column("email_id", sa.BigInteger(), primary_key=True, autoincrement=False),
            **OPTIONS,
        )
    if "eed_webhook_by_email" not in {index["name"] for index in inspector.get_indexes("eed_webhook")}:
        op.create_index("eed_webhook_by_email", "eed_webhook", ["email_id"], unique=False)
    with _connection() as c:
        after: int | None = 0
        while after is not None:
            after = _attempts(c, after)
            if c.dialect.name != "sqlite":
                c.commit()
    if "pseudonymised_at" not in {column["name"] for column in inspector.get_columns("eed_job")}:
        op.add_column("eed_job", sa.Column("pseudonymised_at", TIME))


@contextmanager
def _connection() -> Iterator[sa.Connection]:
    """One that can commit: Alembic's own is in the hand of whoever began its transaction."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        yield bind  # a second one would wait for this one
    else:
        with bind.engine.connect() as c:
            yield c


def _attempts(c: sa.Connection, after: int) -> int | None:
    """Read the attempts behind `after`. Returns the last one, or None when there are no more."""
    beyond = _attempt.c.attempt_id > after
    ids = sa.select(_attempt.c.attempt_id).where(beyond).order_by(_attempt.c.attempt_id).limit(ATTEMPTS_AT_ONCE)
    last = c.execute(sa.select(sa.func.max(ids.subquery().c.attempt_id))).scalar_one()
    if last is None:
        return None
    statement = (
        sa.select(_attempt.c.email_id, _attempt.c.recipient, _email.c.address)
        .join(_email, _email.c.email_id == _attempt.c.email_id)
        .where(beyond, _attempt.c.attempt_id <= last, _attempt.c.recipient.is_not(None))
        .where(sa.or_(_email.c.address.is_(None), sa.func.lower(_attempt.c.recipient) != _email.c.address))
    )
    found = {(form, row.email_id) for row in c.execute(statement) if (form := canonical(row.recipient)) != row.address}
    for address, email_id in sorted((form, email_id) for form, email_id in found if form is not None):
        which = (_former.c.address == address, _former.c.email_id == email_id)
        if c.execute(sa.select(_former.c.email_id).where(*which)).first() is None:
            c.execute(sa.insert(_former).values(address=address, email_id=email_id))
    return int(last)


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
