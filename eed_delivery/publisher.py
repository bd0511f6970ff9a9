"""The publisher: ready jobs become pending rows, pending rows become messages.

    look     new jobs in the source are registered
    lease    this publisher takes hold of jobs with work to do
    enlist   their emails are copied into the ledger, a chunk at a time, behind a cursor
    publish  pending emails get a message each, ten to a request, several requests in flight

A crash between any two of these loses nothing: the cursor and the states say where to go on. Two publishers may run;
leases keep them apart, and if both publish one email, the second message finds it taken.
"""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from eed_delivery import failpoints
from eed_delivery.config import PublisherSettings
from eed_delivery.errors import DatabaseGone, RenderError
from eed_delivery.ledger.delivering import new_token
from eed_delivery.ledger.registry import LeasedJob, RegistryLedger
from eed_delivery.model import JobState, Ticket
from eed_delivery.rendering import Renderer
from eed_delivery.sqs import MAX_BATCH, Published, Queue

log = structlog.get_logger(__name__)

JOBS_AT_ONCE = 200
TICKETS_AT_ONCE = 5000
"""So many emails at most are published in one step, well within a job's lease."""
MARK_AT_ONCE = 500
"""So many rows at most are marked in one UPDATE: a longer list of ids makes the database scan the table."""
NEW_JOBS_AT_ONCE = 500
"""In a single-table schema each row is a job: they come by the thousand."""


class Publisher:
    """One publisher process. `step()` does one round and says in how many seconds it wants the next."""

    def __init__(self, ledger: RegistryLedger, queue: Queue, renderer: Renderer, settings: PublisherSettings) -> None:
        self._ledger = ledger
        self._queue = queue
        self._renderer = renderer
        self._settings = settings
        self._token = new_token()
        self._turn = 0
        self._looked_at = float("-inf")
        self._flights = ThreadPoolExecutor(settings.connections, thread_name_prefix="publish")

    def step(self) -> float:
        """Register what is new, then give every leased job one chunk, so that a small job never waits for a huge one.

        Raises `DatabaseGone` or `QueueGone`; the next step goes on where this one stopped.
        """
        self._look()
        jobs = self._ledger.lease(self._token, self._settings.job_lease_seconds, JOBS_AT_ONCE, self._turn)
        failpoints.reach("publisher.leased")
        self._turn = jobs[-1].job_id if jobs else 0
        chunk = max(MAX_BATCH, min(self._settings.chunk, TICKETS_AT_ONCE // max(1, len(jobs))))
        enlisted = [self._try_to_enlist(job, chunk) for job in jobs]
        published = self._publish(self._ledger.pending(jobs, chunk)[:TICKETS_AT_ONCE])
        self._ledger.let_go([job for job, more in zip(jobs, enlisted, strict=True) if not more])
        failpoints.reach("publisher.let_go")
        return 0.0 if any(enlisted) or published else self._settings.poll_seconds

    def close(self) -> None:
        """Wait for the requests in flight."""
        self._flights.shutdown()

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < self._settings.poll_seconds:
            return
        jobs = self._ledger.new_jobs(NEW_JOBS_AT_ONCE)
        self._ledger.register(jobs)
        failpoints.reach("publisher.registered")
        for job in jobs:
            log.info("job_registered", job_id=job.key, name=job.name)
        if len(jobs) < NEW_JOBS_AT_ONCE:
            self._looked_at = time.monotonic()

    def _try_to_enlist(self, job: LeasedJob, chunk: int) -> bool:
        """As `_enlist`; a job that the database will not take stays behind alone, and the others go on."""
        try:
            return self._enlist(job, chunk)
        except DatabaseGone:
            raise
        except Exception:  # a row the ledger refuses, a view that breaks: this job's affair
            log.exception("enlist_failed", job_id=job.job_id)
            return False

    def _enlist(self, job: LeasedJob, chunk: int) -> bool:
        """One chunk of a job into the ledger; True while there may be more."""
        if job.enlisted:
            return False
        if job.state is JobState.ACTIVE and not job.started:
            self._check_templates(job)
            failpoints.reach("publisher.compiled")
        rows = self._ledger.enlist(job, chunk, self._settings.job_lease_seconds)
        failpoints.reach("publisher.enlisted")
        if rows:
            log.debug("enlisted", job_id=job.job_id, emails=rows)
        return rows > 0

    def _check_templates(self, job: LeasedJob) -> None:
        """A job whose templates can't compile fails before a single email of it is published."""
        try:
            self._renderer.compile(self._ledger.content(job))
        except RenderError as error:
            self._ledger.fail(job, error)
            log.warning("job_failed", job_id=job.job_id, reason=error.reply)

    def _publish(self, tickets: Sequence[Ticket]) -> int:
        """Publish, and mark what SQS named as taken, a slice at a time. The rest stays `pending` for the next step."""
        return sum(self._publish_slice(tickets[n : n + MARK_AT_ONCE]) for n in range(0, len(tickets), MARK_AT_ONCE))

    def _publish_slice(self, tickets: Sequence[Ticket]) -> int:
        accepted: list[Ticket] = []
        refused: list[str] = []
        try:
            for answer in self._answers(tickets):
                accepted += answer.accepted
                refused += answer.refused
                failpoints.reach("publisher.published")
        finally:
            self._ledger.mark_queued(accepted)
        failpoints.reach("publisher.marked")
        if refused:
            log.warning("publish_refused", count=len(refused), reasons=sorted(set(refused))[:5])
        return len(accepted)

    def _answers(self, tickets: Sequence[Ticket]) -> Iterable[Published]:
        batches = [tickets[start : start + MAX_BATCH] for start in range(0, len(tickets), MAX_BATCH)]
        return self._flights.map(self._queue.publish, batches)
