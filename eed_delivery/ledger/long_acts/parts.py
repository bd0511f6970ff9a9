"""Jobs and their files of recipients, until the operation that registers them has ended. Any host can read them."""

import zlib
from collections.abc import Iterator

from sqlalchemy import Connection, delete, exists, insert, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.long_acts.long_act import ENDED
from eed_delivery.ledger.schema import eed_operation, eed_submitted_part

PART_BYTES = 2**20
"""Of a part before it is compressed. A statement of twice this size fits into the smallest max_allowed_packet."""
ORPHANED_SECONDS = 86_400.0
_FAST = 1

_p = eed_submitted_part.c


class SubmittedParts:
    """Keeps parts by the operation's id. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, operation: str, number: int, content: bytes) -> None:
        """Keep a part. One that is there stays: the same call has put it."""
        values = {"operation_id": operation, "number": number, "content": zlib.compress(content, _FAST)}
        row = unless_there(insert(eed_submitted_part).values(**values, made_at=utc_now()))
        self._database.run(lambda c: c.execute(row))

    def of(self, operation: str) -> Iterator[bytes]:
        """The parts in their order. Each is read when it is asked for."""
        number = 0
        while (content := self._part(operation, number)) is not None:
            yield content
            number += 1

    def _part(self, operation: str, number: int) -> bytes | None:
        one = select(_p.content).where(_p.operation_id == operation, _p.number == number)
        found = self._database.run(lambda c: c.execute(one).scalar_one_or_none())
        return None if found is None else zlib.decompress(found)

    def clean(self) -> None:
        """Delete what a process left that was killed before its operation began."""
        _o = eed_operation.c
        awaited = exists().where(_o.operation_id == _p.operation_id, _o.state.not_in(sorted(ENDED)))
        old = select(_p.operation_id).where(_p.made_at < utc_in(-ORPHANED_SECONDS), ~awaited).distinct().limit(10)

        def work(c: Connection) -> None:
            if orphaned := list(c.execute(old).scalars()):
                c.execute(delete(eed_submitted_part).where(_p.operation_id.in_(orphaned)))

        self._database.run(work)
