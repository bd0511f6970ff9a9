"""Requests with a key of their own: each is done once, however often it comes, also after a process was killed."""

from collections.abc import Callable
from dataclasses import dataclass

from eed_delivery.errors import DeliveryFailure, NotPossible
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

__all__ = ["KeyAnswered", "KeyAtWork", "KeyOfAnother", "KeyState", "KeyTaken", "KeyedRequest", "Repeats"]


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
        except (NotPossible, DeliveryFailure):
            self._keys.let_go(taken)
            raise

    def keep(self, taken: KeyTaken) -> None:
        """Say that a long request is still at work. Raises `WrongState` if another process has taken it over."""
        if not self._keys.keep(taken):
            raise WrongState("another process has taken this request over", which="Idempotency-Key")

    def answered(self, taken: KeyTaken, status: int, answer: str) -> None:
        """Keep the answer."""
        self._keys.answered(taken, status, answer)
