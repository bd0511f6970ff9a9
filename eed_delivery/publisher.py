"""The publisher turns ready jobs into pending rows, and pending rows into messages.

    look     new jobs in the source are registered
    lease    this publisher takes hold of jobs with work to do
    enlist   their emails are copied into the ledger, a chunk at a time, behind a cursor
    publish  pending emails get a message each, ten to a request, several requests in flight; they are at most a limit
             ahead of the workers, so a new job's messages never wait behind all those of a huge one

A crash between any two of these loses nothing. The cursor and the states say where to continue. Two publishers may run.
Leases keep them apart, and if both publish one email, the second message finds it taken.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from eed_delivery.config import PublisherSettings
from eed_delivery.errors import DatabaseGone, RenderError
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.publishing.enlisting import LeasedJob
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.model import JobState, Ticket
from eed_delivery.queue import MAX_BATCH, Published, Queue
from eed_delivery.rendering import Renderer
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

JOBS_AT_ONCE = 200
TICKETS_AT_ONCE = 5000
"""Limit: emails that are published in one step, well within a job's lease."""
SLICE = 50
"""Limit: requests, of ten messages each, that one UPDATE marks. A longer list of ids makes the database scan the
table."""
NEW_JOBS_AT_ONCE = 500
"""In a single-table schema each row is a job: they come by the thousand."""
TOP_UP_SECONDS = 0.5
"""How often the queue is counted: with the default of 2,000 ahead that is enough for 4,000 emails a second."""

AILING_SECONDS = 5.0
"""How long a job is left alone that cannot be registered or enlisted, and a queue that refuses every message."""


SLOW_CHUNK_SECONDS = 5.0
SLOW_CHUNK_REMEDY = "run eed-delivery db check. It names the view or join that reads a whole table for each chunk"


class Window:
    """How many more messages may go into the queue. Between two counts, what was published is subtracted.

    The count may be late or wrong. Then a message is early or late, which none of the guarantees depends on.
    """

    def __init__(self, limit: int, interval: PollInterval) -> None:
        self._limit = limit
        self._interval = interval
        self._room = 0

    @property
    def wait(self) -> float:
        """Seconds until another message may be published. 0 while one may be."""
        return 0.0 if self._room > 0 else self._interval.wait

    def recount(self, count: Callable[[int], int]) -> None:
        """When it is time, ask `count`, which counts up to a limit, how many messages are ahead."""
        if self._interval.wait == 0:
            with self._interval.polling():
                self._room = self._limit - count(self._limit)

    def share(self, jobs: int) -> int:
        """How many emails of each job may be published. At least one below the limit, so that none of them waits for
        another to end. 0 means that the limit is reached."""
        return max(1, self._room // max(1, jobs)) if self._room > 0 else 0

    def fill(self, messages: int) -> None:
        """Count `messages` that were published."""
        self._room -= messages


class Publisher:
    """One publisher process. `step()` does one round and says in how many seconds it wants the next."""

    def __init__(
        self,
        ledger: PublishingLedger,
        queue: Queue,
        renderer: Renderer,
        settings: PublisherSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._renderer = renderer
        self._settings = settings
        self._token = new_token()
        self._turn = 0
        self._ailing: dict[str, float] = {}
        self._clock = clock
        self._look_interval = PollInterval(settings.poll_seconds, clock)
        self._idle_interval = PollInterval(settings.poll_seconds, clock)
        self._window = Window(settings.queue_ahead, PollInterval(TOP_UP_SECONDS, clock))
        self._flights = ThreadPoolExecutor(settings.connections, thread_name_prefix="publish")

    def step(self) -> float:
        """Register what is new, then give every leased job one chunk, so that a small job never waits for a huge one.

        Raises `DatabaseGone` or `QueueGone`. The next step continues where this one stopped.
        """
        with self._idle_interval.polling():
            self._look()
            jobs = self._ledger.lease(self._token, self._settings.job_lease_seconds, JOBS_AT_ONCE, self._turn)
        failpoints.reach("publisher.leased")
        if not jobs:
            return self._idle_interval.wait
        self._turn = jobs[-1].job_id
        chunk = max(MAX_BATCH, min(self._settings.chunk, TICKETS_AT_ONCE // len(jobs)))
        enlisted = [self._try_to_enlist(job, chunk) for job in jobs]
        tickets = self._tickets(jobs, chunk)
        published = self._publish(tickets)
        self._ledger.let_go([job for job, more in zip(jobs, enlisted, strict=True) if not more])
        failpoints.reach("publisher.let_go")
        return 0.0 if any(enlisted) else self._pause(len(tickets), published)

    def close(self) -> None:
        """Wait for the requests in flight."""
        self._flights.shutdown()

    def _look(self) -> None:
        if self._look_interval.wait:
            return
        with self._look_interval.polling():
            jobs = self._ledger.new_jobs(NEW_JOBS_AT_ONCE)
        for job in self._ledger.register([job for job in jobs if not self._is_ailing(job.key)]):
            self._leave_alone(job.key)
        failpoints.reach("publisher.registered")
        if len(jobs) == NEW_JOBS_AT_ONCE:
            self._look_interval.hurry()

    def _try_to_enlist(self, job: LeasedJob, chunk: int) -> bool:
        """As `_enlist`. A job that the database refuses is left out, and the others continue."""
        if self._is_ailing(job.key):
            return False
        try:
            return self._enlist(job, chunk)
        except DatabaseGone:
            raise
        except Exception:  # a row the ledger refuses, a view that breaks: this job's affair
            log.exception("enlist_failed", **job.log_facts())
            self._leave_alone(job.key)
            return False

    def _is_ailing(self, key: str | int) -> bool:
        return self._clock() < self._ailing.get(str(key), float("-inf"))

    def _leave_alone(self, key: str | int) -> None:
        self._ailing[str(key)] = self._clock() + AILING_SECONDS

    def _enlist(self, job: LeasedJob, chunk: int) -> bool:
        """One chunk of a job into the ledger. True while there may be more."""
        if job.enlisted:
            return False
        if job.state is JobState.ACTIVE and not job.started:
            self._check_templates(job)
            failpoints.reach("publisher.compiled")
        began = self._clock()
        rows = self._ledger.enlist(job, chunk, self._settings.job_lease_seconds)
        if (seconds := self._clock() - began) > SLOW_CHUNK_SECONDS:
            facts = {"seconds": round(seconds, 1), "emails": rows, "todo": SLOW_CHUNK_REMEDY}
            log.warning("chunk_slow", **job.log_facts(), **facts)
        failpoints.reach("publisher.enlisted")
        if rows:
            log.debug("enlisted", **job.log_facts(), emails=rows)
        return rows > 0

    def _check_templates(self, job: LeasedJob) -> None:
        """A job whose templates can't compile fails before a single email of it is published."""
        try:
            self._renderer.compile(self._ledger.content(job))
        except RenderError as error:
            self._ledger.fail(job, error)
            log.warning("job_failed", **job.log_facts(), reason=error.reply)

    def _tickets(self, jobs: Sequence[LeasedJob], chunk: int) -> Sequence[Ticket]:
        """The tickets that the queue's limit allows, of each job as many as of every other."""
        self._window.recount(lambda limit: self._ledger.queued(jobs, limit))
        size = min(chunk, self._window.share(len(jobs)))
        return self._ledger.pending(jobs, size)[:TICKETS_AT_ONCE] if size else []

    def _pause(self, tried: int, published: int) -> float:
        """Seconds until the next step, when everything is enlisted."""
        if tried and not published:
            return AILING_SECONDS
        until_room = self._window.wait
        return until_room if published or until_room else self._idle_interval.wait

    def _publish(self, tickets: Sequence[Ticket]) -> int:
        """Publish, and mark what SQS named as taken, a slice at a time while the next one is in flight. The rest stays
        `pending` for the next step."""
        batches = [tickets[start : start + MAX_BATCH] for start in range(0, len(tickets), MAX_BATCH)]
        flights = [self._flights.submit(self._queue.publish, batch) for batch in batches]
        try:
            slices = [flights[n : n + SLICE] for n in range(0, len(flights), SLICE)]
            return sum(self._mark_slice(slice_) for slice_ in slices)
        finally:
            for flight in flights:
                flight.cancel()

    def _mark_slice(self, flights: Sequence[Future[Published]]) -> int:
        accepted: list[Ticket] = []
        refused: list[str] = []
        try:
            for flight in flights:
                answer = flight.result()
                accepted += answer.accepted
                refused += answer.refused
                failpoints.reach("publisher.published")
        finally:
            self._window.fill(len(accepted))
            self._ledger.mark_queued(accepted)
        failpoints.reach("publisher.marked")
        if refused:
            log.warning("publish_refused", count=len(refused), reasons=sorted(set(refused))[:5])
        return len(accepted)
