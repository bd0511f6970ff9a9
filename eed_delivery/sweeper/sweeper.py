"""The sweeper puts back emails whose lease has ended, settles what cannot be known, and finishes jobs that balance.

Every part is safe to run on several hosts at once, because each change is conditional on what was read.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from eed_delivery.config import SweeperSettings
from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.hints import hint
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.queue import Queue
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.poll_interval import PollInterval
from eed_delivery.sweeper.queue_sweep import QueueSweep

log = structlog.get_logger(__name__)
T = TypeVar("T")

LEFTOVERS_A_STEP = 20
"""Limit: chunks of a cancelled job that are ended in one round, so that the other parts get their turn."""
ENDINGS_SECONDS = 0.5
"""Interval at which emails of cancelled jobs are ended between the rounds, because an operator waits for it."""


@dataclass(frozen=True, slots=True)
class SweepRules:
    """What the sweeper needs to know of the others. `resend_below` is the attempts under the policy `resend`, 0 for
    `hold`. `drop_patience_seconds` is how long a lost claim's own message may take to come back."""

    resend_below: int
    drop_patience_seconds: float


class Sweeper:
    """One sweeper process. `step()` does one round."""

    def __init__(
        self,
        ledger: SweepLedger,
        workers: WorkerLedger,
        queues: Callable[[], Mapping[str, Queue]],
        settings: SweeperSettings,
        rules: SweepRules,
        put_back_alike: Callable[[int], bool] = lambda _: False,
        file_channels: Callable[[], Collection[str]] = lambda: (),
        manifests_of: Callable[[], Collection[str]] = lambda: (),
    ) -> None:
        """`queues` gives those of the channels that are there, by the channels' names. `put_back_alike` judges a job's
        refusals before it is finished, and says whether any went back. `file_channels` names the channels that put
        files, and `manifests_of` those that put manifests of them."""
        self._manifests_of = manifests_of
        self._file_channels = file_channels
        self._put_back_alike = put_back_alike
        self._ledger = ledger
        self._workers = workers
        self._queues = queues
        self._queue_sweeps: dict[str, QueueSweep] = {}
        self._gone: QueueGone | None = None
        self._settings = settings
        self._rules = rules
        self._unbalanced: set[int] = set()
        self._endings_interval = PollInterval(ENDINGS_SECONDS, time.monotonic)
        self._ending = threading.Lock()

    def step(self) -> float:
        """One round. Raises `DatabaseGone` or `QueueGone`. The next round does what this one left.

        Each part is tried for itself, because a defect in one of them must not keep the others from their work.
        """
        self._gone = None
        for part in (
            self._settle_the_wire,
            self._pick_up_dropped,
            self._end_jobs,
            self._finish_all,
            self._workers.forget_the_dead,
            self._bury_dead_letters,
            self._put_back_queued,
        ):
            try:
                part()
            except DatabaseGone:
                raise
            except Exception:  # reported, and the next round tries again
                log.exception("sweep_failed", part=part.__name__)
        if self._gone is not None:
            raise self._gone
        return self._settings.interval_seconds

    def end_jobs(self) -> float:
        """Between the rounds, in a loop of its own, one chunk of what cancelled or failed jobs have left. Those with
        nothing left are finished. Raises `DatabaseGone`."""
        with self._endings_interval.polling():
            ended = self._end_some()
            if not ended:
                self._finish(self._ledger.finishable(ended_only=True))
        return 0.0 if ended else self._endings_interval.wait

    def _pick_up_dropped(self) -> None:
        _say("picked_up", self._ledger.pick_up_dropped(self._rules.drop_patience_seconds))
        failpoints.reach("sweeper.picked_up")

    def _end_jobs(self) -> None:
        _say("jobs_expired", self._ledger.expire_jobs())
        failpoints.reach("sweeper.expired")
        for _ in range(LEFTOVERS_A_STEP):
            if not self._end_some():
                return

    def _end_some(self) -> int:
        with self._ending:  # two loops at it would wait for each other's rows
            ended = self._ledger.end_leftovers()
        _say("leftovers_ended", ended)
        failpoints.reach("sweeper.leftovers_ended")
        return ended

    def _settle_the_wire(self) -> None:
        known = self._queues().keys()  # before the look at their kinds: what comes in between waits for the next round
        of_files = self._file_channels()
        self._ledger.put_again(of_files)
        below = self._rules.resend_below
        settled = self._ledger.settle_the_wire(resend_below=below, file_channels=of_files, known=known)
        failpoints.reach("sweeper.settled")
        if settled:
            log.error("died_on_the_wire", count=settled, policy="resend" if self._rules.resend_below else "hold")

    def _bury_dead_letters(self) -> None:
        self._of_each_queue(QueueSweep.delete_foreign)
        self._of_each_queue(QueueSweep.bury_dead_letters)
        self._ledger.dead_letters.forget()

    def _put_back_queued(self) -> None:
        _say("put_back", sum(self._of_each_queue(QueueSweep.put_back_queued)))
        _say("put_back", self._ledger.put_back_held(self._settings.queued_patience_seconds))

    def _of_each_queue(self, part: Callable[[QueueSweep], T]) -> list[T]:
        """A part of the round for each channel. One whose queue is away does not keep the others from it."""
        done: list[T] = []
        gone: QueueGone | None = None
        for sweep in self._sweeps_now():
            try:
                done.append(part(sweep))
            except QueueGone as error:
                gone = gone or error
        self._gone = self._gone or gone
        return done

    def _sweeps_now(self) -> Collection[QueueSweep]:
        """Those of the channels that are there now, each with what it remembers of its queue."""
        patience = self._settings.queued_patience_seconds
        before = self._queue_sweeps
        self._queue_sweeps = {
            name: before[name]
            if name in before and before[name].queue.url == queue.url
            else QueueSweep(name, queue, self._ledger, patience)
            for name, queue in self._queues().items()
        }
        return self._queue_sweeps.values()

    def _finish_all(self) -> None:
        self._finish(self._ledger.finishable())

    def _finish(self, job_ids: Sequence[int]) -> None:
        if not job_ids:
            return
        keys, known, manifests_of = self._ledger.job_keys(job_ids), self._queues().keys(), self._manifests_of()
        for job_id in job_ids:
            if self._put_back_alike(job_id):
                continue
            key = keys.get(job_id, "")
            balances = self._ledger.finish(job_id, manifests_of, known)
            failpoints.reach("sweeper.finished")
            if balances:
                log.info("job_finished", job=key, job_id=job_id)
            elif balances is False and job_id not in self._unbalanced:
                self._unbalanced.add(job_id)
                log.error("job_does_not_balance", job=key, job_id=job_id, todo=hint("job", key=key))


def _say(event: str, count: int) -> None:
    if count:
        log.info(event, count=count)
