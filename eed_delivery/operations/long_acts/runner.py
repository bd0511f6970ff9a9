"""Does the chunks of long acts, one a step. Several hosts may have one: a lease says whose a chunk is."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import structlog

from eed_delivery.errors import NotPossible
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import (
    ChunkedWork,
    LongAct,
    LongActKind,
    LongActState,
    NotOursAnyMore,
    TakenAct,
)
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

CHUNK = 1000
IDLE_SECONDS = 1.0
MOST_TRIES = 5
"""A chunk that breaks off so often would do so again."""


class WholeWork(Protocol):
    """Work in one go. `progress` says how far it is, and raises `NotOursAnyMore` if the act was stopped."""

    def do(self, act: LongAct, progress: Callable[[int], None]) -> Mapping[str, Any]:
        """Do it. It may have been begun before. Returns the result."""


Works = Mapping[LongActKind, ChunkedWork | WholeWork]


class LongActRunner:
    """Does acts of some kinds, in the name of who asked for them."""

    def __init__(
        self,
        ledger: LongActLedger,
        works: Callable[[Actor], Works],
        kinds: Collection[LongActKind],
        chunk: int = CHUNK,
    ) -> None:
        self._ledger = ledger
        self._works = works
        self._kinds = kinds
        self._chunk = chunk

    def step(self) -> float:
        """Do a chunk of the act that has waited longest. Returns the seconds until the next step."""
        taken = self._ledger.take(self._kinds)
        if taken is None:
            return IDLE_SECONDS
        failpoints.reach("operations.taken")
        try:
            self._continue(taken)
        except NotOursAnyMore:
            log.info("operation_let_go", operation=taken.act.id, kind=taken.act.kind)
        except NotPossible as error:
            self._end(taken, LongActState.FAILED, errors=(str(error),))
        return 0.0

    def _continue(self, taken: TakenAct) -> None:
        act = taken.act
        if act.tries > MOST_TRIES:
            what = f"It broke off {act.tries - 1} times at the same place. The log has more about it."
            self._end(taken, LongActState.FAILED, errors=(what,))
            return
        work = self._works(act.who)[act.kind]
        if isinstance(work, ChunkedWork):
            self._chunked(taken, work)
            return
        result = work.do(act, lambda done: self._ledger.renew(taken, done))
        self._end(taken, LongActState.DONE, result=result)

    def _chunked(self, taken: TakenAct, work: ChunkedWork) -> None:
        act = taken.act
        left = self._chunk if act.canary is None else min(self._chunk, act.canary - act.looked_at)
        chunk = work.next_chunk(act, left)
        if chunk is None:
            self._end(taken, LongActState.DONE, result={"done": act.done, "skipped": act.skipped})
            return
        self._ledger.advance(taken, chunk)
        failpoints.reach("operations.advanced")

    def _end(
        self,
        taken: TakenAct,
        state: LongActState,
        errors: tuple[str, ...] = (),
        result: Mapping[str, Any] | None = None,
    ) -> None:
        self._ledger.end(taken, state, errors, result)
        log.info("operation_ended", operation=taken.act.id, kind=taken.act.kind, state=state, done=taken.act.done)


class LongActHousekeeping:
    """Stops what no person has decided about in time, and forgets what ended long ago."""

    def __init__(self, ledger: LongActLedger, clean: Callable[[], None] = lambda: None) -> None:
        """`clean` deletes files that are over."""
        self._ledger = ledger
        self._clean = clean

    def step(self) -> float:
        """Do a little of it."""
        for act_id in self._ledger.neglected():
            self._ledger.stop_neglected(act_id, "no person decided about it in time")
        self._clean()
        return 0.0 if self._ledger.forget() else 60.0
