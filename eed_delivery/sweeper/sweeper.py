"""The sweeper puts back emails whose lease has ended, settles what cannot be known, and finishes jobs that balance.

Every part is safe to run on several hosts at once, because each change is conditional on what was read.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from eed_delivery.config import SweeperSettings
from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.hints import hint
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.queue import MAX_BATCH, Queue, Received
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

DEAD_LETTERS_A_STEP = 50
FOREIGN_VISIBILITY_SECONDS = 3600
"""A dead letter that is not ours stays in the dead-letter queue for a person; it is received once an hour."""
RETENTION_MARGIN_SECONDS = 3600
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
        queue: Queue,
        settings: SweeperSettings,
        rules: SweepRules,
        put_back_alike: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """`put_back_alike` judges a job's refusals before it is finished, and says whether any went back."""
        self._put_back_alike = put_back_alike
        self._ledger = ledger
        self._workers = workers
        self._queue = queue
        self._settings = settings
        self._rules = rules
        self._empty_since: float | None = None
        self._retention: float | None = None
        self._outlived_at = float("-inf")
        self._unbalanced: set[int] = set()
        self._endings_interval = PollInterval(ENDINGS_SECONDS, time.monotonic)
        self._ending = threading.Lock()

    def step(self) -> float:
        """One round. Raises `DatabaseGone` or `QueueGone`. The next round does what this one left.

        Each part is tried for itself, because a defect in one of them must not keep the others from their work.
        """
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
            except (DatabaseGone, QueueGone):
                raise
            except Exception:  # reported, and the next round tries again
                log.exception("sweep_failed", part=part.__name__)
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
        settled = self._ledger.settle_the_wire(resend_below=self._rules.resend_below)
        failpoints.reach("sweeper.settled")
        if settled:
            log.error("died_on_the_wire", count=settled, policy="resend" if self._rules.resend_below else "hold")

    def _put_back_queued(self) -> None:
        """Queued rows whose message cannot exist any more, because the queue is empty or keeps nothing that long."""
        self._put_back_outlived()
        depth = self._queue.depth()
        if depth is None or not depth.empty:
            self._empty_since = None
            return
        now = time.monotonic()
        self._empty_since = self._empty_since or now
        # The counts are approximate and may lag by a minute: they must have said "empty" for the whole patience.
        if now - self._empty_since >= self._settings.queued_patience_seconds:
            _say("put_back", self._ledger.put_back_queued(self._settings.queued_patience_seconds))
            failpoints.reach("sweeper.put_back")

    def _put_back_outlived(self) -> None:
        """At long intervals, because this reads every queued email."""
        now = time.monotonic()
        if now - self._outlived_at >= RETENTION_MARGIN_SECONDS:
            self._outlived_at = now
            _say("put_back", self._ledger.put_back_queued(self._retention_seconds() + RETENTION_MARGIN_SECONDS))

    def _retention_seconds(self) -> float:
        if self._retention is None:
            self._retention = float(self._queue.attributes()["MessageRetentionPeriod"])
        return self._retention

    def _bury_dead_letters(self) -> None:
        for _ in range(0, DEAD_LETTERS_A_STEP, MAX_BATCH):
            messages = self._queue.receive_dead(MAX_BATCH, FOREIGN_VISIBILITY_SECONDS)
            failpoints.reach("sweeper.dead_received")
            if not messages:
                return
            self._queue.ack_dead([message for message in messages if self._bury(message)])
            failpoints.reach("sweeper.dead_acked")

    def _bury(self, message: Received) -> bool:
        """End the email of a dead letter. False when the letter is not ours and must stay."""
        if message.ticket is None or not self._ledger.knows(message.ticket):
            log.error("foreign_dead_letter", sqs_message_id=message.sqs_id, problem=message.problem or "unknown email")
            return False
        if self._ledger.bury(message.ticket):
            ticket = message.ticket
            log.error("buried", email=self._ledger.email_key(ticket.email_id), email_id=ticket.email_id, gen=ticket.gen)
        failpoints.reach("sweeper.buried")
        return True

    def _finish_all(self) -> None:
        self._finish(self._ledger.finishable())

    def _finish(self, job_ids: Sequence[int]) -> None:
        keys = self._ledger.job_keys(job_ids) if job_ids else {}
        for job_id in job_ids:
            if self._put_back_alike(job_id):
                continue
            key = keys.get(job_id, "")
            balances = self._ledger.finish(job_id)
            failpoints.reach("sweeper.finished")
            if balances:
                log.info("job_finished", job=key, job_id=job_id)
            elif balances is False and job_id not in self._unbalanced:
                self._unbalanced.add(job_id)
                log.error("job_does_not_balance", job=key, job_id=job_id, todo=hint("job", key=key))


def _say(event: str, count: int) -> None:
    if count:
        log.info(event, count=count)
