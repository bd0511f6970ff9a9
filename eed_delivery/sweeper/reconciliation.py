"""Compares source and ledger, at an operator's command (`eed-delivery reconcile`) and once a day beside the sweeper.

The sweep finds and reports. Only an operator repairs.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.hints import hint
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.reconciling import differences
from eed_delivery.ledger.reconciling.comparing import GROUP, ComparedJob, ComparedPage, ComparingLedger
from eed_delivery.ledger.reconciling.differences import Difference, DifferenceKind
from eed_delivery.ledger.reconciling.ledger import ReconcilingLedger
from eed_delivery.runtime.poll_interval import PollInterval
from eed_delivery.source import Source
from eed_delivery.source.comparing import SourceComparison

log = structlog.get_logger(__name__)

READY_JOBS_LISTED = 1000
"""Limit: jobs that are ready and not picked up, and that are named."""
LOOK_SECONDS = 30.0
"""How often the sweep looks for jobs that are due."""
PAUSE_SECONDS = 0.05
"""Between two pages of the sweep, so that the database has time for others."""
LEASE_SECONDS = 600.0
"""Seconds after which a dead sweeper's jobs go to the others. Longer than one page takes, with any view."""
NOT_TAKEN_UP_SECONDS = 600.0
"""Seconds between two looks that must find a job ready, before it counts as not picked up."""
KEYS_LOGGED = 5


@dataclass
class Findings:
    """What a comparison has come to. `listed` holds the first differences, up to a limit. The counts are complete."""

    limit: int
    jobs: int = 0
    rows: int = 0
    elsewhere: int = 0
    counts: Counter[DifferenceKind] = field(default_factory=Counter)
    of_job: dict[str, Counter[DifferenceKind]] = field(default_factory=lambda: defaultdict(Counter))
    listed: list[Difference] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many differences there are."""
        return self.counts.total()

    def add(self, page: ComparedPage) -> None:
        """Count one page."""
        self.rows += page.rows
        self.elsewhere += page.elsewhere
        self.add_all(page.differences)

    def add_all(self, found: Iterable[Difference]) -> None:
        """Count these differences."""
        for difference in found:
            self.counts[difference.kind] += 1
            self.of_job[difference.job][difference.kind] += 1
            if len(self.listed) < self.limit:
                self.listed.append(difference)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a repair has done, or why it has left something. `email` is None for what is about the whole job."""

    job: str
    email: str | None
    done: bool
    what: str


class Reconciler:
    """Compares jobs, and repairs them where it is asked to. Safe while the service runs."""

    def __init__(
        self, comparing: ComparingLedger, ledger: ReconcilingLedger, comparison: SourceComparison, source: Source
    ) -> None:
        self._comparing = comparing
        self._ledger = ledger
        self._comparison = comparison
        self._source = source

    def every_job(self) -> Iterator[int]:
        """The ids of all jobs in the ledger."""
        after = 0
        while ids := self._ledger.job_ids(after, GROUP):
            yield from ids
            after = ids[-1]

    def compare(self, job_ids: Iterable[int], findings: Findings) -> None:
        """Compare these jobs, and write down for each what it came to."""
        for group in self._comparing.groups(job_ids):
            began = self._ledger.now()
            for page in self._comparing.pages(group):
                findings.add(page)
            self._note(group, began, findings)

    def _note(self, group: Sequence[ComparedJob], began: datetime, findings: Findings) -> None:
        findings.jobs += len(group)
        for job in group:
            found = findings.of_job.pop(job.key, Counter())
            self._ledger.reconciled_by_hand(job.job_id, began, found.total())

    def repair(self, job_ids: Iterable[int]) -> Iterator[Correction]:
        """Compare these jobs, and put right what can be put right, telling of each.

        Statuses come first, because a row that was sent must not be taken for one that is not.
        """
        for group in self._comparing.groups(job_ids):
            yield from self._repair_group(group)

    def _repair_group(self, group: Sequence[ComparedJob]) -> Iterator[Correction]:
        kinds: dict[str, Counter[DifferenceKind]] = defaultdict(Counter)
        for page in self._comparing.pages(group):
            for difference in page.differences:
                kinds[difference.job][difference.kind] += 1
            yield from self._write_back(page.differences)
        for job in group:
            if DifferenceKind.COUNTS in kinds[job.key]:
                yield from self._correct_sums(job)
            if DifferenceKind.MISSING in kinds[job.key]:
                yield self._enlist(job, kinds[job.key])

    def _write_back(self, found: Sequence[Difference]) -> Iterator[Correction]:
        sent = [d for d in found if d.kind is DifferenceKind.STATUS and d.repairable]
        if not sent:
            return
        jobs = {self._comparison.key(d.email): d.job for d in sent}
        for key in self._ledger.write_back_sent(list(jobs)):
            yield Correction(jobs[key], str(key), True, 'it was sent: its status in the source is "sent" again')

    def _correct_sums(self, job: ComparedJob) -> Iterator[Correction]:
        corrected = self._ledger.correct_sums(job.job_id)
        if corrected is None:
            return
        for what in corrected.words:
            yield Correction(job.key, None, True, what)

    def _enlist(self, job: ComparedJob, kinds: Counter[DifferenceKind]) -> Correction:
        missing = kinds[DifferenceKind.MISSING]
        if DifferenceKind.MOVED_HERE in kinds and self._source.known_rows == "new_generation":
            what = (
                f"{_rows(missing)} left. The job also has rows that another job has ended, and "
                'source.job.known_rows = "new_generation" would send those again. Make the job ready again to send them'
            )
            return Correction(job.key, None, False, what)
        late = self._ledger.enlist_late(job.job_id)
        if late.by_publisher:
            return Correction(job.key, None, True, f"it is open for {_rows(missing)}, and the publisher enlists them")
        opened = "a further round has begun: " if job.finished else ""
        refused = f", {late.refused:,} refused by name" if late.refused else ""
        return Correction(job.key, None, True, f"{opened}{_rows(late.enlisted)} enlisted{refused}")

    def not_taken_up(self) -> dict[str, Difference]:
        """Jobs that are ready in the source, and that no publisher has picked up yet, by their keys."""
        jobs = self._ledger.not_taken_up(READY_JOBS_LISTED)
        return {str(job.key): differences.job_not_taken_up(str(job.key), again=job.again) for job in jobs}


@dataclass
class _Walk:
    """A comparison that the sweep is at."""

    group: Sequence[ComparedJob]
    pages: Iterator[ComparedPage]
    began: datetime
    findings: Findings


class ReconcileSweep:
    """One process's sweep, one page a step. Each unfinished job is compared every `every_seconds`, and each job once
    after it has finished. The jobs that one sweeper is at are left alone by the others."""

    def __init__(
        self, reconciler: Reconciler, comparing: ComparingLedger, ledger: ReconcilingLedger, every_seconds: float
    ) -> None:
        self._reconciler = reconciler
        self._comparing = comparing
        self._ledger = ledger
        self._every_seconds = every_seconds
        self._token = new_token()
        self._interval = PollInterval(LOOK_SECONDS, time.monotonic)
        self._ready_interval = PollInterval(NOT_TAKEN_UP_SECONDS, time.monotonic)
        self._ready_before: frozenset[str] = frozenset()
        self._walks: list[_Walk] = []

    def step(self) -> float:
        """One page, or one look for jobs that are due. Raises `DatabaseGone`.

        A job that cannot be compared is left until its lease has run out, because a view that breaks must not end the
        sweeper.
        """
        try:
            return self._step()
        except DatabaseGone:
            self._walks = []
            raise
        except Exception:
            self._walks = []
            log.exception("reconcile_failed")
            return LOOK_SECONDS

    def _step(self) -> float:
        if not self._walks and self._interval.wait == 0:
            self._look()
        if not self._walks:
            return min(self._interval.wait, LOOK_SECONDS)
        walk = self._walks[0]
        page = next(walk.pages, None)
        ids = [job.job_id for job in walk.group]
        if page is None:
            self._end(walk)
        elif not self._ledger.still_ours(self._token, ids, LEASE_SECONDS):
            self._walks.pop(0)
        else:
            walk.findings.add(page)
        return PAUSE_SECONDS

    def _look(self) -> None:
        with self._interval.polling():
            ids = self._ledger.take(self._token, self._every_seconds, LEASE_SECONDS, GROUP)
            began = self._ledger.now()
        for group in self._comparing.groups(ids):
            self._walks.append(_Walk(group, self._comparing.pages(group), began, Findings(limit=KEYS_LOGGED)))
        if len(ids) == GROUP:
            self._interval.hurry()
        if self._ready_interval.wait == 0:
            self._look_for_ready_jobs()

    def _look_for_ready_jobs(self) -> None:
        with self._ready_interval.polling():
            found = self._reconciler.not_taken_up()
        for key in sorted(self._ready_before & found.keys()):
            log.error("job_not_taken_up", job=key, todo=found[key].todo)
        self._ready_before = frozenset(found)

    def _end(self, walk: _Walk) -> None:
        self._walks.pop(0)
        for job in walk.group:
            found = walk.findings.of_job[job.key]
            if not self._ledger.reconciled(self._token, job.job_id, walk.began, found.total()):
                continue
            if not found:
                log.info("job_reconciled", job=job.key, job_id=job.job_id, emails=job.total)
                continue
            emails = [d.email for d in walk.findings.listed if d.job == job.key and d.email is not None]
            log.error(
                "source_differs",
                job=job.key,
                job_id=job.job_id,
                count=found.total(),
                kinds=dict(found),
                emails=emails,
                todo=hint("reconcile", key=job.key),
            )


def _rows(count: int) -> str:
    return "1 missing row" if count == 1 else f"{count:,} missing rows"
