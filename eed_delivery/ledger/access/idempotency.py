"""Requests with an Idempotency-Key: each is done once, however often it comes.

The key's row comes first, with the name that the request's first act will have in the audit. A process that is killed
between the act and the answer leaves a row without an answer. Who comes with the key again finds the act by its name.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.acts import is_noted, new_operation
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.schema import ANSWER_LENGTH, eed_idempotency_key

KEPT_SECONDS = 86_400.0
LEASE_SECONDS = 20.0
"""How long a request is taken to be at work. A killed one can be repeated afterwards."""

_k = eed_idempotency_key.c
TAKE_OVER = (
    update(eed_idempotency_key)
    .where(_k.digest == bindparam("its_digest"))
    .where(_k.status.is_(None))
    .where(_k.lease_until <= utc_now())
    .values(token=bindparam("our_token"), lease_until=utc_in(LEASE_SECONDS))
)
KEEP = (
    update(eed_idempotency_key)
    .where(_k.digest == bindparam("its_digest"))
    .where(_k.token == bindparam("our_token"))
    .where(_k.status.is_(None))
    .values(lease_until=utc_in(LEASE_SECONDS))
)
ANSWERED = (
    update(eed_idempotency_key)
    .where(_k.digest == bindparam("its_digest"))
    .where(_k.token == bindparam("our_token"))
    .where(_k.status.is_(None))
    .values(status=bindparam("its_status"), answer=bindparam("its_answer"))
)


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The request is ours to do. `acted` means that its first act is done already: the answer is what is left."""

    digest: bytes
    token: int
    operation: str
    acted: bool


@dataclass(frozen=True, slots=True)
class KeyAnswered:
    """The request was answered before. `answer` None: it was too long to be kept."""

    status: int
    answer: str | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class KeyAtWork:
    """The first request is still at work."""


@dataclass(frozen=True, slots=True)
class KeyOfAnother:
    """The key came with another request before."""


KeyState = KeyTaken | KeyAnswered | KeyAtWork | KeyOfAnother


def digest_of(*parts: str) -> bytes:
    """The SHA-256 of these texts, each with its length."""
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "backslashreplace")).digest()


class IdempotencyLedger:
    """Takes keys, and keeps their answers. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, digest: bytes, request: bytes) -> KeyState:
        """Begin to work on a request, or say what became of it."""
        ours = new_token()
        row = {"digest": digest, "request": request, "operation": new_operation(), "token": ours}

        def work(c: Connection) -> KeyState:
            c.execute(delete(eed_idempotency_key).where(_k.digest == digest, _k.made_at < utc_in(-KEPT_SECONDS)))
            times = {"lease_until": utc_in(LEASE_SECONDS), "made_at": utc_now()}
            c.execute(unless_there(insert(eed_idempotency_key).values(**row, **times)))
            found = c.execute(select(eed_idempotency_key).where(_k.digest == digest).with_for_update()).one()
            if found.request != request:
                return KeyOfAnother()
            if found.status is not None:
                return KeyAnswered(found.status, found.answer, found.made_at)
            if found.token != ours and c.execute(TAKE_OVER, {"its_digest": digest, "our_token": ours}).rowcount != 1:
                return KeyAtWork()
            return KeyTaken(digest, ours, found.operation, is_noted(c, found.operation))

        return self._database.run(work)

    def keep(self, taken: KeyTaken) -> bool:
        """Say that a long request is still at work. False: another process has taken it over."""
        return self._database.did(lambda c: self.keep_in(c, taken))

    def keep_in(self, c: Connection, taken: KeyTaken) -> bool:
        """As `keep`, in the caller's transaction. Until its end, no other process can take the key over."""
        return c.execute(KEEP, {"its_digest": taken.digest, "our_token": taken.token}).rowcount == 1

    def answered(self, taken: KeyTaken, status: int, answer: str) -> None:
        """Keep the answer of a request that is done."""
        kept = answer if len(answer) <= ANSWER_LENGTH else None
        values = {"its_digest": taken.digest, "our_token": taken.token, "its_status": status, "its_answer": kept}
        self._database.run(lambda c: c.execute(ANSWERED, values))

    def let_go(self, taken: KeyTaken) -> None:
        """Forget a request that was refused, and has changed nothing."""
        gone = delete(eed_idempotency_key).where(_k.digest == taken.digest, _k.token == taken.token)
        self._database.run(lambda c: c.execute(gone))
