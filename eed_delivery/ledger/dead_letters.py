"""Messages in dead-letter queues that name no email of ours. The sweeper sees each once an hour, and a person decides.

The queue hides a message for an hour from all others. So it is shown from here, as the sweeper saw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, new_operation, note, shortened
from eed_delivery.ledger.schema import DETAIL_LENGTH, LETTER_LENGTH, eed_dead_letter
from eed_delivery.untrusted import mask_addresses

UNSEEN_SECONDS = 86_400.0
"""The sweeper sees each letter once an hour. One that it has not seen for a day is not there any more."""
DELETED_SECONDS = 14 * 86_400.0
"""SQS keeps no message longer. A letter that was deleted and comes again by then is deleted again."""
AT_ONCE = 100

_l = eed_dead_letter.c
SEEN = (
    update(eed_dead_letter)
    .where(_l.sqs_id == bindparam("its_id"))
    .values(receipt=bindparam("its_receipt"), receives=bindparam("its_receives"), seen_at=utc_now())
)
GIVE_UP = (
    update(eed_dead_letter)
    .where(_l.letter_id == bindparam("id"))
    .where(_l.deleted_at.is_(None))
    .values(deleted_at=utc_now())
)
ASKED = (
    update(eed_dead_letter)
    .where(_l.letter_id == bindparam("id"))
    .where(_l.receipt == bindparam("its_receipt"))
    .values(receipt=None)
)


@dataclass(frozen=True, slots=True)
class ForeignLetter:
    """A letter as it was received. `problem` says why it is none of ours. `receipt` deletes it."""

    channel: str
    sqs_id: str
    receipt: str
    receives: int
    body: str
    problem: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as the ledger has it. Times are UTC. `body` is its beginning, with addresses masked. `size` is in
    characters."""

    letter_id: int
    channel: str
    sqs_id: str
    problem: str
    body: str
    size: int
    receives: int
    sent_at: datetime | None
    found_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class DeletableLetter:
    """A letter that a person wants deleted."""

    letter_id: int
    sqs_id: str
    receipt: str


class DeadLetterLedger:
    """Keeps letters. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def saw(self, letter: ForeignLetter) -> bool:
        """Keep a letter, or that it is still there. True: a person wants it deleted."""
        seen = {"its_id": letter.sqs_id, "its_receipt": letter.receipt, "its_receives": letter.receives}
        new = unless_there(insert(eed_dead_letter).values(**_new(letter), found_at=utc_now(), seen_at=utc_now()))

        def work(c: Connection) -> bool:
            if c.execute(SEEN, seen).rowcount != 1:
                c.execute(new)
            wanted = select(_l.deleted_at).where(_l.sqs_id == letter.sqs_id)
            return c.execute(wanted).scalar_one_or_none() is not None

        return self._database.run(work)

    def page(self, limit: int, before: int | None = None) -> list[StoredLetter]:
        """Letters, the newest first. `before` is the last one of the page before."""
        wanted = select(eed_dead_letter).where(_l.deleted_at.is_(None)).order_by(_l.letter_id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(_l.letter_id < before)
        return self._database.run(lambda c: [_stored(row) for row in c.execute(wanted)])

    def of(self, letter_id: int) -> StoredLetter | None:
        """One letter. None: there is none, or it is deleted."""
        one = select(eed_dead_letter).where(_l.letter_id == letter_id, _l.deleted_at.is_(None))
        row = self._database.run(lambda c: c.execute(one).first())
        return None if row is None else _stored(row)

    def delete(self, letter_id: int, reason: str) -> bool:
        """Have a letter deleted by the sweeper. False: there is none, or somebody was faster."""
        operation = new_operation()

        def work(c: Connection) -> bool:
            if is_noted(c, operation):
                return True
            if c.execute(GIVE_UP, {"id": letter_id}).rowcount != 1:
                return False
            row = c.execute(select(eed_dead_letter).where(_l.letter_id == letter_id)).one()
            before = {"channel": row.channel, "sqs_id": row.sqs_id, "problem": row.problem}
            act = Act(ActKind.DEAD_LETTER_DELETE, reason=reason, before=before, operation=operation)
            note(c, self._who, replace(act, object=ActObject.DEAD_LETTER, key=str(letter_id)))
            return True

        return self._database.run(work)

    def to_delete(self, channel: str) -> list[DeletableLetter]:
        """Some letters that people want deleted, and that SQS was not asked about since it gave them last."""
        wanted = (
            select(_l.letter_id, _l.sqs_id, _l.receipt)
            .where(_l.channel == channel, _l.deleted_at.is_not(None), _l.receipt.is_not(None))
            .limit(AT_ONCE)
        )
        return self._database.run(lambda c: [DeletableLetter(*row) for row in c.execute(wanted)])

    def asked(self, letters: Sequence[DeletableLetter]) -> None:
        """SQS was asked to delete these. One that comes again has another receipt then."""

        def work(c: Connection) -> None:
            for letter in letters:
                c.execute(ASKED, {"id": letter.letter_id, "its_receipt": letter.receipt})

        self._database.run(work)

    def forget(self) -> None:
        """Delete what is not in its queue any more."""
        gone = (_l.seen_at < utc_in(-UNSEEN_SECONDS)) & _l.deleted_at.is_(None)
        old = delete(eed_dead_letter).where(or_(gone, _l.deleted_at < utc_in(-DELETED_SECONDS)))
        self._database.run(lambda c: c.execute(old))

    def count(self) -> int:
        """How many there are."""
        there = select(func.count()).select_from(eed_dead_letter).where(_l.deleted_at.is_(None))
        return self._database.run(lambda c: c.execute(there).scalar_one())


def _new(letter: ForeignLetter) -> dict[str, Any]:
    return {
        "channel": letter.channel,
        "sqs_id": letter.sqs_id,
        "receipt": letter.receipt,
        "receives": letter.receives,
        "body": shortened(mask_addresses(letter.body), LETTER_LENGTH),
        "size": len(letter.body),
        "problem": letter.problem[:DETAIL_LENGTH],
        "sent_at": letter.sent_at,
    }


def _stored(row: Row[Any]) -> StoredLetter:
    return StoredLetter(
        letter_id=row.letter_id,
        channel=row.channel,
        sqs_id=row.sqs_id,
        problem=row.problem,
        body=row.body,
        size=row.size,
        receives=row.receives,
        sent_at=row.sent_at,
        found_at=row.found_at,
        seen_at=row.seen_at,
    )
