"""The chain of the audit: each row has a number, the hash of the row before it, and its own hash.

A row's hash covers its number, the hash before, and every column. Whoever changes, removes, adds or moves a row changes
all hashes behind it, and the last one is in the logs of the service (docs/reliability.md). What people wrote is covered
by a salted digest of its own. So these texts can be erased with their salt, and the chain still holds.

`docs/check_audit.py` does the same by itself. A change here is a new version there.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_audit, eed_audit_head

NOTHING = bytes(32)
"""The hash before the first row."""
SALT_BYTES = 16
FACTS = ("act", "who", "sudo_user", "host", "surface", "job_id", "email_id", "object_kind", "count", "operation")
TEXTS = ("command", "object_key", "reason", "counts", "state_before", "state_after")
"""Columns in which a recipient may be named."""
LINKS = ("sequence", "salt", "texts_hash", "previous_hash", "hash")
PAGE = 1000
_HEAD_ID = 1

Values = Mapping[str, Any]

_columns = (eed_audit_head.c.sequence, eed_audit_head.c.hash)
HEAD = select(*_columns, utc_now().label("now")).where(eed_audit_head.c.head_id == _HEAD_ID).with_for_update()
_LAST = select(eed_audit.c.sequence, eed_audit.c.hash).order_by(eed_audit.c.sequence.desc()).limit(1)
_LAST = _LAST.where(eed_audit.c.sequence.is_not(None))
_FIRST_HEAD = unless_there(insert(eed_audit_head))
MOVE = (
    update(eed_audit_head)
    .where(eed_audit_head.c.head_id == _HEAD_ID)
    .values(sequence=bindparam("to_sequence"), hash=bindparam("to_hash"))
)


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the chain: how many rows it has, and the hash of the last one in hexadecimal."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What a walk along the chain found. `erased` counts rows whose texts were erased, and `outside` those that are
    not in the chain. `problems` says in words what is wrong."""

    rows: int
    erased: int
    outside: int
    head: AuditHead
    problems: tuple[str, ...]


def append(c: Connection, rows: Sequence[Values]) -> None:
    """Add rows to the audit. It locks the chain's end until the transaction ends, so it is called last."""
    head = c.execute(HEAD).one_or_none()
    if head is None:
        _begin(c)
        head = c.execute(HEAD).one()
    sequence, previous, linked = head.sequence, head.hash, []
    for row in rows:
        sequence += 1
        linked.append(link({**row, "at": head.now}, sequence, previous))
        previous = linked[-1]["hash"]
    c.execute(insert(eed_audit), linked)
    c.execute(MOVE, {"to_sequence": sequence, "to_hash": previous})


def _begin(c: Connection) -> None:
    """The first row of the head, or one in the place of a head that has gone."""
    last = c.execute(_LAST).one_or_none()
    sequence, digest = (0, NOTHING) if last is None else (last.sequence, last.hash)
    c.execute(_FIRST_HEAD.values(head_id=_HEAD_ID, sequence=sequence, hash=digest))


def link(row: Values, sequence: int, previous: bytes) -> dict[str, Any]:
    """A row with its place in the chain."""
    salt = secrets.token_bytes(SALT_BYTES)
    linked = {**row, "sequence": sequence, "salt": salt, "previous_hash": previous}
    linked["texts_hash"] = hash_of_texts(linked)
    linked["hash"] = hash_of(linked)
    return linked


def hash_of_texts(row: Values) -> bytes:
    """The digest of what people wrote. Without the salt nobody can guess it."""
    return _digest({"salt": row["salt"].hex(), **{name: row.get(name) for name in TEXTS}})


def hash_of(row: Values) -> bytes:
    """The row's hash."""
    facts = {name: row.get(name) for name in FACTS}
    place = {"sequence": row["sequence"], "previous_hash": row["previous_hash"].hex(), "at": moment(row["at"])}
    return _digest({**facts, **place, "texts_hash": row["texts_hash"].hex()})


def moment(at: datetime) -> str:
    """A time with all of its six decimals."""
    return at.isoformat(sep="T", timespec="microseconds") + "Z"


def _digest(facts: Values) -> bytes:
    """Of JSON in one form: names in order, no blanks, ASCII only."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).digest()


def head_in(c: Connection) -> AuditHead:
    """The end of the chain, as it stands in its own table."""
    found = c.execute(select(*_columns).where(eed_audit_head.c.head_id == _HEAD_ID)).one_or_none()
    return AuditHead(0, NOTHING.hex()) if found is None else AuditHead(found.sequence, found.hash.hex())


class ChainLedger:
    """Reads the chain. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> AuditHead:
        """The end of the chain, as it stands in its own table."""
        return self._database.run(head_in)

    def rows(self) -> Iterator[Values]:
        """All rows of the chain in order, with every column."""
        after, columns = 0, [eed_audit.c[name] for name in ("act_id", "at", *FACTS, *TEXTS, *LINKS)]
        while True:
            page = select(*columns).where(eed_audit.c.sequence > after).order_by(eed_audit.c.sequence).limit(PAGE)
            found = self._database.run(lambda c, page=page: c.execute(page).mappings().all())  # type: ignore[misc]
            yield from found
            if len(found) < PAGE:
                return
            after = found[-1]["sequence"]

    def outside(self) -> int:
        """How many rows are not in the chain."""
        statement = select(func.count()).select_from(eed_audit).where(eed_audit.c.sequence.is_(None))
        return int(self._database.run(lambda c: c.execute(statement).scalar_one()))

    def check(self) -> ChainResult:
        """Walk along the chain, and do each hash again. Rows that are added meanwhile are seen, too."""
        at_first, outside = self.head(), self.outside()
        sequence, previous, erased, first = 0, NOTHING, 0, ""
        problems = [f"{outside} rows are not in the chain"] if outside else []
        for row in self.rows():
            wrong = wrong_with(row, sequence, previous)
            problems += wrong if len(problems) < MOST_PROBLEMS else ()
            sequence, previous = row["sequence"], row["hash"] or NOTHING
            erased += row["salt"] is None
            first = previous.hex() if sequence == at_first.sequence else first
        if sequence < at_first.sequence:
            problems.append(f"the end is missing: the head says {at_first.sequence} rows, and the last is {sequence}")
        elif first != at_first.hash and at_first.sequence:
            problems.append(f"row {at_first.sequence} has another hash than the head says")
        return ChainResult(sequence, erased, outside, AuditHead(sequence, previous.hex()), tuple(problems))


MOST_PROBLEMS = 100
"""So many are named."""


def wrong_with(row: Values, before: int, previous: bytes) -> list[str]:
    """What is wrong with a row that follows the row `before` with the hash `previous`."""
    sequence = row["sequence"]
    if None in (row["texts_hash"], row["previous_hash"], row["hash"]):
        return [f"row {sequence} has no hash"]
    wrong = []
    if sequence != before + 1:
        wrong.append(f"rows {before + 1} to {sequence - 1} are missing")
    elif row["previous_hash"] != previous:
        wrong.append(f"row {sequence} does not follow the row before it")
    if row["salt"] is None and any(row[name] is not None for name in TEXTS):
        wrong.append(f"row {sequence} has texts without their salt")
    elif row["salt"] is not None and hash_of_texts(row) != row["texts_hash"]:
        wrong.append(f"the texts of row {sequence} were changed")
    if hash_of(row) != row["hash"]:
        wrong.append(f"row {sequence} was changed")
    return wrong
