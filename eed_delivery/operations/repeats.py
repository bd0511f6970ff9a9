"""Requests with a key of their own: each is done once, however often it comes, also after a process was killed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from eed_delivery.errors import ConfigError, DeliveryFailure, NotPossible
from eed_delivery.ledger.access.idempotency import (
    IdempotencyLedger,
    KeyAnswered,
    KeyAtWork,
    KeyOfAnother,
    KeyState,
    KeyTaken,
    digest_of,
)
from eed_delivery.ledger.acts import operations_named
from eed_delivery.operations.refusals import WrongState

__all__ = ["KeptKey", "KeyAnswered", "KeyAtWork", "KeyOfAnother", "KeyState", "KeyTaken", "KeyedRequest", "Repeats"]


KEEP_SECONDS = 4.0
"""How often a long request says that it is still at work."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request, the key that its caller gave it, and who that is."""

    caller: str
    key: str
    method: str
    path: str
    body: str


class Repeats:
    """Knows which requests were done. Each call raises `DatabaseGone`."""

    def __init__(self, keys: IdempotencyLedger) -> None:
        self._keys = keys

    def take(self, request: KeyedRequest) -> KeyState:
        """Begin to work on a request, or say what became of it."""
        same = digest_of(request.method, request.path, request.body)
        return self._keys.take(digest_of(request.caller, request.key), same)

    def act(self, taken: KeyTaken, act: Callable[[], None], *, again: bool = False) -> None:
        """Do the act, unless it was done before. `again`: it may be done again, and then comes to the same end.

        A refusal changes nothing. The key is free again then.
        """
        if taken.acted and not again:
            return
        try:
            with operations_named(taken.operation):
                act()
        except (NotPossible, DeliveryFailure, ConfigError):
            self._keys.let_go(taken)
            raise

    def kept(self, taken: KeyTaken) -> "KeptKey":
        """The key of a request that takes long."""
        return KeptKey(self._keys, taken)

    def answered(self, taken: KeyTaken, status: int, answer: str) -> None:
        """Keep the answer."""
        self._keys.answered(taken, status, answer)


class KeptKey:
    """The key of a request that takes long. Its calls raise `WrongState` if another process has taken it over."""

    def __init__(self, keys: IdempotencyLedger, taken: KeyTaken) -> None:
        self._keys = keys
        self._taken = taken
        self._kept_at = float("-inf")

    def keep(self) -> None:
        """Say that the request is still at work. Call it often: it does so every few seconds."""
        now = time.monotonic()
        if now - self._kept_at < KEEP_SECONDS:
            return
        if not self._keys.keep(self._taken):
            raise _taken_over()
        self._kept_at = now

    def keep_in(self, c: Connection) -> None:
        """Hold the key until the end of the caller's transaction, which does what must be done once."""
        if not self._keys.keep_in(c, self._taken):
            raise _taken_over()


def _taken_over() -> WrongState:
    return WrongState("another process has taken this request over", which="Idempotency-Key")
