"""Does the chunks of long acts, one a step. Several hosts may have one: a lease says whose a chunk is."""

import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

import structlog

from eed_delivery.errors import InfrastructureFailure, NotPossible
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import (
    ChunkedWork,
    LongAct,
    LongActChunk,
    LongActKind,
    LongActState,
    NotOursAnyMore,
    TakenAct,
)
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

CHUNK = 1000
IDLE_SECONDS = 1.0
KEEP_SECONDS = 5.0
"""How often a lease is renewed before the first chunk."""
WAITS_SECONDS = 5.0
"""Until an act is looked at again that lets others first."""
MOST_TRIES = 5
"""A chunk that breaks off so often would do so again."""


@runtime_checkable
class WholeWork(Protocol):
    """Work in one go. `progress` says how far it is, and raises `NotOursAnyMore` if the act was stopped."""

    def do(self, act: LongAct, progress: Callable[[int], None]) -> Mapping[str, Any]:
        """Do it. It may have been begun before. Returns the result."""


LongActSteps = Generator[LongActChunk, None, Mapping[str, Any]]
"""Chunks, each of which is done before the next one is asked for, and at last the result."""


class SteadyWork(Protocol):
    """Work in chunks that one process does one after the other, because it has to get ready for them first."""

    def steps(self, act: LongAct, keep: Callable[[], None]) -> LongActSteps:
        """The chunks behind the act's cursor. `keep` says that it is at work, and raises `NotOursAnyMore`.

        Raises `InfrastructureFailure` for what passes by itself, and `LetsOthersFirst`.
        """


class LetsOthersFirst(Exception):
    """An act has to wait for something, and other acts need not wait for it. Nothing of it has failed."""


class SeveralErrors(OperationRefused):
    """Why an act has failed, in more than one text."""

    def __init__(self, what: str, others: Sequence[str]) -> None:
        super().__init__(what)
        self.others = tuple(others)


Works = Mapping[LongActKind, ChunkedWork | WholeWork | SteadyWork]


class LongActRunner:
    """Does acts of some kinds, in the name of who asked for them."""

    def __init__(
        self,
        ledger: LongActLedger,
        works: Callable[[Actor], Works],
        kinds: Collection[LongActKind],
        chunk: int = CHUNK,
        only: str | None = None,
    ) -> None:
        """`only` is the one act that it does."""
        self._only = only
        self._ledger = ledger
        self._works = works
        self._kinds = kinds
        self._chunk = chunk

    def step(self) -> float:
        """Do a chunk of the act that has waited longest. Returns the seconds until the next step."""
        taken = self._ledger.take(self._kinds, self._only)
        if taken is None:
            return IDLE_SECONDS
        failpoints.reach("operations.taken")
        try:
            self._continue(taken)
        except NotOursAnyMore:
            log.info("operation_let_go", operation=taken.act.id, kind=taken.act.kind)
        except LetsOthersFirst:
            self._ledger.put_back(taken)
            return WAITS_SECONDS
        except InfrastructureFailure as error:  # its lease ends, and it is tried again
            self._broke_off(taken, error)
        except NotPossible as error:
            others = error.others if isinstance(error, SeveralErrors) else ()
            self._end(taken, LongActState.FAILED, errors=(str(error), *others))
        return 0.0

    def _broke_off(self, taken: TakenAct, error: InfrastructureFailure) -> None:
        if taken.act.tries < MOST_TRIES:
            log.warning("operation_waits", operation=taken.act.id, kind=taken.act.kind, reason=str(error))
            return
        what = f"It broke off {taken.act.tries} times at the same place, the last time because: {error}"
        self._end(taken, LongActState.FAILED, errors=(what,))

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
        if isinstance(work, WholeWork):
            result = work.do(act, lambda done: self._ledger.renew(taken, done))
            self._end(taken, LongActState.DONE, result=result)
            return
        self._steady(taken, work)

    def _chunked(self, taken: TakenAct, work: ChunkedWork) -> None:
        act = taken.act
        left = self._chunk if act.canary is None else min(self._chunk, act.canary - act.looked_at)
        chunk = work.next_chunk(act, left)
        if chunk is None:
            self._end(taken, LongActState.DONE, result={"done": act.done, "skipped": act.skipped})
            return
        self._advance(taken, chunk)

    def _advance(self, taken: TakenAct, chunk: LongActChunk, *, keep: bool = False) -> TakenAct:
        taken = self._ledger.advance(taken, chunk, keep=keep)
        failpoints.reach("operations.advanced")
        return taken

    def _steady(self, taken: TakenAct, work: SteadyWork) -> None:
        keep = _Keeping(lambda: self._ledger.renew(taken, taken.act.done))
        with closing(work.steps(taken.act, keep)) as steps:
            while True:
                try:
                    chunk = next(steps)
                except StopIteration as end:
                    result = end.value
                    break
                taken = self._advance(taken, chunk, keep=True)
        self._end(taken, LongActState.DONE, result=result)

    def _end(
        self,
        taken: TakenAct,
        state: LongActState,
        errors: tuple[str, ...] = (),
        result: Mapping[str, Any] | None = None,
    ) -> None:
        self._ledger.end(taken, state, errors, result)
        log.info("operation_ended", operation=taken.act.id, kind=taken.act.kind, state=state, done=taken.act.done)


class _Keeping:
    """Renews the lease, however often it is called."""

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew = renew
        self._kept_at = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._kept_at > KEEP_SECONDS:
            self._renew()
            self._kept_at = now


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
