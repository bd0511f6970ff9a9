"""The audit as a chain of hashes (`audit_chain`). Rows that are there already become the first of it, in their order.

Each of them gets a salt, too, because it is older acts that may name an address.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from eed_delivery.ledger.audit_chain import FACTS, LINKS, NOTHING, TEXTS, link

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

DIGEST = sa.BINARY(32).with_variant(sa.LargeBinary(), "sqlite")
SALT = sa.BINARY(16).with_variant(sa.LargeBinary(), "sqlite")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "row_format": "DYNAMIC"}.items()
}
ROWS_AT_ONCE = 1000

_audit = sa.table("eed_audit", sa.column("act_id"), sa.column("at", TIME), *map(sa.column, (*FACTS, *TEXTS, *LINKS)))
_head = sa.table("eed_audit_head", *map(sa.column, ("head_id", "sequence", "hash")))


def upgrade() -> None:
    """May be broken off at any point and run again: MySQL and MariaDB commit each statement by itself."""
    inspector = sa.inspect(op.get_bind())
    there = set(inspector.get_table_names())
    if "eed_audit_head" not in there:
        head: list[Any] = [sa.Column("head_id", sa.Integer(), primary_key=True, autoincrement=False)]
        head += [sa.Column("sequence", sa.BigInteger(), nullable=False), sa.Column("hash", DIGEST, nullable=False)]
        op.create_table("eed_audit_head", *head, **OPTIONS)
    if "eed_duty" not in there:
        word = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
        duty: list[Any] = [sa.Column("name", word, primary_key=True), sa.Column("done_at", TIME, nullable=False)]
        op.create_table("eed_duty", *duty, **OPTIONS)
    columns = {column["name"] for column in inspector.get_columns("eed_audit")}
    types: dict[str, Any] = {
        "sequence": sa.BigInteger(),
        "salt": SALT,
        "texts_hash": DIGEST,
        "previous_hash": DIGEST,
        "hash": DIGEST,
    }
    for name, kind in types.items():
        if name not in columns:
            op.add_column("eed_audit", sa.Column(name, kind))
    if "eed_audit_by_sequence" not in {index["name"] for index in inspector.get_indexes("eed_audit")}:
        op.create_index("eed_audit_by_sequence", "eed_audit", ["sequence"], unique=True)
    with _connection() as c:
        more = True
        while more:
            more = _chain(c)
            if c.dialect.name != "sqlite":
                c.commit()


@contextmanager
def _connection() -> Iterator[sa.Connection]:
    """One that can commit: Alembic's own is in the hand of whoever began its transaction."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        yield bind  # a second one would wait for this one
    else:
        with bind.engine.connect() as c:
            yield c


def _chain(c: sa.Connection) -> bool:
    """Add the next rows to the chain. False when all are in it."""
    unchained = sa.select(_audit).where(_audit.c.sequence.is_(None)).order_by(_audit.c.act_id).limit(ROWS_AT_ONCE)
    rows = c.execute(unchained).mappings().all()
    head = c.execute(sa.select(_head.c.sequence, _head.c.hash).with_for_update()).one_or_none()
    if head is None:  # two first acts at once would have to agree on who makes it
        c.execute(sa.insert(_head).values(head_id=1, sequence=0, hash=NOTHING))
    if not rows:
        return False
    sequence, previous = (0, NOTHING) if head is None else (head.sequence, head.hash)
    changes = []
    for row in rows:
        sequence += 1
        linked = link(dict(row), sequence, previous)
        previous = linked["hash"]
        changes.append({"id": row["act_id"], **{f"to_{name}": linked[name] for name in LINKS}})
    values: dict[str, Any] = {name: sa.bindparam(f"to_{name}") for name in LINKS}
    c.execute(sa.update(_audit).where(_audit.c.act_id == sa.bindparam("id")).values(values), changes)
    c.execute(sa.update(_head).values(sequence=sequence, hash=previous))
    return True


def downgrade() -> None:
    """There is no way back: see 0001."""
    raise NotImplementedError("the ledger is never dropped by a migration")
