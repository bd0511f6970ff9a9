"""One channel's publisher turns ready jobs into pending rows, and pending rows into messages.

    look     new jobs in the source are registered, by the publisher of the default channel for all
    lease    this publisher takes hold of jobs with work to do
    enlist   their emails are copied into the ledger, a chunk at a time, behind a cursor
    publish  pending emails get a message each, ten to a request, several requests in flight; they are at most a limit
             ahead of the workers, so a new job's messages never wait behind all those of a huge one

A crash between any two of these loses nothing. The cursor and the states say where to continue. Two publishers of a
channel may run. Leases keep them apart, and if both publish one email, the second message finds it taken.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from eed_delivery.config import PublisherSettings
from eed_delivery.errors import DatabaseGone, QueueGone, RenderError
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.publishing.enlisting import LeasedJob
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.publishing.served_channels import DEFAULT_ALONE, ServedChannels
from eed_delivery.model import JobState, Ticket
from eed_delivery.publisher.ailing import AILING_SECONDS, Ailing
from eed_delivery.publisher.destinations import DestinationBacklogs
from eed_delivery.publisher.gate_limit import GateLimit
from eed_delivery.publisher.registrar import Registrar
from eed_delivery.publisher.rehearsal_gate import RehearsalGate
from eed_delivery.publisher.window import TOP_UP_SECONDS, Window
from eed_delivery.queue import MAX_BATCH, Published, Queue
from eed_delivery.rendering.renderer import MessageMaker
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

JOBS_AT_ONCE = 200
TICKETS_AT_ONCE = 5000
"""Limit: emails that are published in one step, well within a job's lease."""
SLICE = 50
"""Limit: requests, of ten messages each, that one UPDATE marks. A longer list of ids makes the database scan the
table."""
SLOW_CHUNK_SECONDS = 5.0
SLOW_CHUNK_REMEDY = "run eed-delivery db check. It names the view or join that reads a whole table for each chunk"


class Publisher:
    """One channel's publisher. `step()` does one round and says in how many seconds it wants the next."""

    def __init__(
        self,
        ledger: PublishingLedger,
        queue: Queue,
        renderer: MessageMaker,
        settings: PublisherSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        registrar: Registrar | None = None,
        served: Callable[[], ServedChannels] = lambda: DEFAULT_ALONE,
        gate: GateLimit | None = None,
        destinations: DestinationBacklogs | None = None,
        rehearsals: RehearsalGate | None = None,
        at_the_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`registrar` looks for new jobs of all channels before each round. `served` says whose jobs are published into
        `queue`, and `gate` how many messages may be ahead. `destinations` chooses where domains have a pace, and
        `rehearsals` says which jobs may start. `at_the_end` closes what was opened for this publisher alone."""
        self._rehearsals = rehearsals
        self._ledger = ledger
        self._queue = queue
        self._renderer = renderer
        self._settings = settings
        self._token = new_token()
        self._turn = 0
        self._registrar = registrar
        self._served = served
        self._gate = gate
        self._destinations = destinations
        self._at_the_end = at_the_end
        self._ailing = Ailing(clock)
        self._clock = clock
        self._idle_interval = PollInterval(settings.poll_seconds, clock)
        self._window = Window(settings.queue_ahead, PollInterval(TOP_UP_SECONDS, clock))
        self._flights: ThreadPoolExecutor | None = None
        self.published = 0
        """Messages that the queue has accepted."""
        self.problem: str | None = None
        """Why the queue did not accept the last ones."""

    def step(self) -> float:
        """Register what is new, then give every leased job one chunk, so that a small job never waits for a huge one.

        Raises `DatabaseGone` or `QueueGone`. The next step continues where this one stopped.
        """
        served = self._served()
        if self._registrar is not None:
            self._registrar.look()
        # How long a look into the source takes does not count: a job that was nudged is in the ledger already.
        with self._idle_interval.polling():
            lease = self._settings.job_lease_seconds
            leased = self._ledger.lease(self._token, lease, JOBS_AT_ONCE, self._turn, served)
        failpoints.reach("publisher.leased")
        if not leased:
            return self._idle_interval.wait
        self._turn = leased[-1].job_id
        jobs = [job for job in leased if self._may_start(job)]
        self._ledger.let_go([job for job in leased if job not in jobs])
        if not jobs:
            return self._idle_interval.wait
        chunk = max(MAX_BATCH, min(self._settings.chunk, TICKETS_AT_ONCE // len(jobs)))
        enlisted = [self._try_to_enlist(job, chunk) for job in jobs]
        tickets = self._tickets([job for job in jobs if job.channel == served.published], chunk)
        published = self._publish(tickets)
        self._ledger.let_go([job for job, more in zip(jobs, enlisted, strict=True) if not more])
        failpoints.reach("publisher.let_go")
        return 0.0 if any(enlisted) else self._pause(len(tickets), published)

    def rest(self) -> None:
        """End the threads of requests. The next step starts them again."""
        if self._flights is not None:
            self._flights.shutdown()
            self._flights = None

    def close(self) -> None:
        """Wait for the requests in flight."""
        self.rest()
        self._at_the_end()

    def _may_start(self, job: LeasedJob) -> bool:
        """Whether its rehearsal lets it. A job that the database refuses to compare does not start."""
        if self._rehearsals is None or job.key in self._ailing:
            return self._rehearsals is None
        try:
            return self._rehearsals.lets(job)
        except DatabaseGone:
            raise
        except Exception:  # a view that breaks: this job's affair
            log.exception("rehearsal_check_failed", **job.log_facts())
            self._ailing.add(job.key)
            return False

    def _try_to_enlist(self, job: LeasedJob, chunk: int) -> bool:
        """As `_enlist`. A job that the database refuses is left out, and the others continue."""
        if job.key in self._ailing:
            return False
        try:
            return self._enlist(job, chunk)
        except DatabaseGone:
            raise
        except Exception:  # a row the ledger refuses, a view that breaks: this job's affair
            log.exception("enlist_failed", **job.log_facts())
            self._ailing.add(job.key)
            return False

    def _enlist(self, job: LeasedJob, chunk: int) -> bool:
        """One chunk of a job into the ledger. True while there may be more."""
        if job.enlisted:
            return False
        if job.state in (JobState.ACTIVE, JobState.HELD) and not job.started:
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
        """The tickets that the queue's limit allows, of each job as many as of every other. While the channel's gate is
        shut there are none. While it is tried, there are enough for one batch."""
        most = self._gate.most() if self._gate is not None else None
        if most is not None:
            room = most - self._ledger.queued(jobs, most) if most else 0
            return self._pending(jobs, room, room) if room > 0 else []
        self._window.recount(lambda limit: self._ledger.queued(jobs, limit))
        size = min(chunk, self._window.share(len(jobs)))
        return self._pending(jobs, size, min(TICKETS_AT_ONCE, size * len(jobs))) if size else []

    def _pending(self, jobs: Sequence[LeasedJob], size: int, room: int) -> Sequence[Ticket]:
        """Up to `size` of each job, and `room` of all. Where destinations have a pace, what may go to them."""
        if self._destinations is not None and self._destinations.is_active():
            return self._destinations.tickets(jobs, room)
        return self._ledger.pending(jobs, size)[:room]

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
        if not batches:
            return 0
        pool = self._flights = self._flights or ThreadPoolExecutor(
            self._settings.connections, thread_name_prefix="publish"
        )
        flights = [pool.submit(self._queue.publish, batch) for batch in batches]
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
                self.problem = None if answer.accepted else next(iter(answer.refused), None)
                failpoints.reach("publisher.published")
        except QueueGone as gone:
            self.problem = str(gone)
            raise
        finally:
            self._window.fill(len(accepted))
            self._ledger.mark_queued(accepted)
            self.published += len(accepted)
        failpoints.reach("publisher.marked")
        if refused:
            log.warning("publish_refused", count=len(refused), reasons=sorted(set(refused))[:5])
        return len(accepted)
