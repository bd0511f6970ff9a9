"""The canonical address beside each recipient, and resends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from eed_delivery.addresses import NotAnAddress, canonical, listed
from eed_delivery.ledger.address_sql import plain_form

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDRESS = sa.String(320).with_variant(
    mysql.VARCHAR(320, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)
PROSE = sa.String(500).with_variant(mysql.VARCHAR(500, charset="utf8mb4"), "mysql", "mariadb")
ENTERED_BY_PEOPLE = frozenset({"operator", "import"})

EMAILS_AT_ONCE = 5000
ENTRIES_AT_ONCE = 1000

_email = sa.table("eed_email", *map(sa.column, ("email_id", "recipient", "address")))
_event = sa.table("eed_event", sa.column("address"))
_entry = sa.table(
    "eed_suppression", *map(sa.column, ("address", "category", "reason", "source", "created_at", "expires_at"))
)


def upgrade() -> None:
    """May be broken off at any point and run again. What is done already is found done.

    Columns at the end of a table are added at once (https://mariadb.com/kb/en/innodb-online-ddl-overview/). The rows
    are changed a chunk at a time, each in a transaction of its own. On SQLite the whole migration is one.
    """
    _add("eed_email", sa.Column("address", ADDRESS, nullable=True))
    _add("eed_email", sa.Column("resend_of", sa.BigInteger(), nullable=True))
    _add("eed_email", sa.Column("redirected", sa.Boolean(), server_default="0", nullable=False))
    _add("eed_email", sa.Column("despite_list", sa.Boolean(), server_default="0", nullable=False))
    _add("eed_attempt", sa.Column("recipient", PROSE, nullable=True))
    _add("eed_job", sa.Column("resent", sa.Integer(), server_default="0", nullable=False))
    with _connection() as c:
        _in_chunks(c, _emails)
        _in_chunks(c, _entries)
        _in_chunks(c, _events)
    if "eed_email_by_address" not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("eed_email")}:
        op.create_index("eed_email_by_address", "eed_email", ["address"], unique=False)


def _add(table: str, column: "sa.Column[Any]") -> None:
    if column.name not in {one["name"] for one in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


@contextmanager
def _connection() -> Iterator[sa.Connection]:
    """One that can commit. Alembic's own belongs to the caller that began its transaction."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        yield bind  # a second one would wait for this one
    else:
        with bind.engine.connect() as c:
            yield c


def _in_chunks(c: sa.Connection, step: Callable[[sa.Connection, Any], Any]) -> None:
    """`step` gets where the one before has ended, None at first, and returns where it has.

    None means that there is no more.
    """
    after: Any = None
    while True:
        after = step(c, after)
        if c.dialect.name != "sqlite":
            c.commit()
        if after is None:
            return


def _emails(c: sa.Connection, after: int | None) -> int | None:
    beyond = _email.c.email_id > (after or 0)
    ids = sa.select(_email.c.email_id).where(beyond).order_by(_email.c.email_id).limit(EMAILS_AT_ONCE).subquery()
    last = c.execute(sa.select(sa.func.max(ids.c.email_id))).scalar_one()
    if last is None:
        return None
    these = (beyond, _email.c.email_id <= last, _email.c.address.is_(None))
    c.execute(sa.update(_email).where(*these).values(address=plain_form(_email.c.recipient)))
    others = c.execute(sa.select(_email.c.email_id, _email.c.recipient).where(*these)).all()
    found = [{"id": row.email_id, "form": form} for row in others if (form := canonical(row.recipient))]
    if found:
        one = sa.update(_email).where(_email.c.email_id == sa.bindparam("id")).values(address=sa.bindparam("form"))
        c.execute(one, found)
    return int(last)


def _entries(c: sa.Connection, after: tuple[str, str] | None) -> tuple[str, str] | None:
    statement = sa.select(_entry).order_by(_entry.c.address, _entry.c.category).limit(ENTRIES_AT_ONCE)
    if after:
        address, category = _entry.c.address, _entry.c.category
        statement = statement.where(address >= after[0], sa.or_(address > after[0], category > after[1]))
    rows = c.execute(statement).all()
    for row in rows:
        if (form := _listed(row)) != row.address:
            _move(c, row, form)
    return (rows[-1].address, rows[-1].category) if rows else None


def _listed(row: Any) -> str:
    """An entry's new form. One that stands for a domain is what a person meant by it, and never what a bounce did."""
    try:
        form = listed(row.address)
    except NotAnAddress:
        return str(row.address)
    return str(row.address) if form.startswith("@") and row.source not in ENTERED_BY_PEOPLE else form


def _move(c: sa.Connection, row: Any, form: str) -> None:
    """Of two entries that become one, the one that lasts longer stays, with its reason."""
    there = (_entry.c.address == form, _entry.c.category == row.category)
    other = c.execute(sa.select(_entry).where(*there)).one_or_none()
    c.execute(sa.delete(_entry).where(_entry.c.address == row.address, _entry.c.category == row.category))
    if other is None:
        c.execute(sa.insert(_entry).values({**row._mapping, "address": form}))
    elif other.expires_at is not None and (row.expires_at is None or row.expires_at > other.expires_at):
        c.execute(sa.update(_entry).where(*there).values({**row._mapping, "address": form}))


def _events(c: sa.Connection, after: str | None) -> str | None:
    statement = sa.select(_event.c.address).distinct().where(_event.c.address > (after or ""))
    found = c.execute(statement.order_by(_event.c.address).limit(ENTRIES_AT_ONCE)).scalars().all()
    for address in found:
        form = canonical(address)
        if form is not None and form != address:
            c.execute(sa.update(_event).where(_event.c.address == address).values(address=form))
    return found[-1] if found else None


def downgrade() -> None:
    """There is no way back. See 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
