"""Compares the delivery server's rows with the ledger, row by row, and corrects differences where it can."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from eed_delivery.ledger.reconciling.differences import Difference
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.sweeper.reconciliation import Correction, Findings, Reconciler

__all__ = ["ChosenJobs", "Correction", "Difference", "ReconcileRequest", "ReconcileResult", "Reconciling"]


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """Jobs to compare, by their keys, or every job, and those that are ready and not in the ledger. Raises
    `InvalidRequest`."""

    jobs: tuple[str, ...] = ()
    every: bool = False

    def __post_init__(self) -> None:
        if self.every == bool(self.jobs):
            raise InvalidRequest("name jobs, or every job, and not both", which="jobs")


@dataclass(frozen=True, slots=True)
class ChosenJobs:
    """The jobs that a request is about. Without ids it is every job."""

    job_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What a comparison has come to. `count` and `counts` are complete, `differences` are the first ones, up to the
    limit. `settled_elsewhere` are emails with a status of the delivery server's own, which are not compared."""

    jobs: int
    emails: int
    settled_elsewhere: int
    count: int
    counts: Mapping[str, int]
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        return self.count == 0


class Reconciling:
    """Compares jobs, and repairs them. Safe while the service runs. Each call raises `DatabaseGone`."""

    def __init__(self, keys: Keys, reconciler: Reconciler, patience_seconds: float) -> None:
        """`patience_seconds` is the wait before a second look at a job that has just become ready."""
        self._keys = keys
        self._reconciler = reconciler
        self._patience_seconds = patience_seconds

    def choose(self, request: ReconcileRequest) -> ChosenJobs:
        """Raises `OperationRefused` for a key that is none."""
        return ChosenJobs(tuple(self._keys.job_id(key) for key in request.jobs))

    def repair(self, chosen: ChosenJobs) -> Iterator[Correction]:
        """Correct what can be corrected, and yield each correction. It is done as far as the corrections are
        read. No email that has ended is sent again."""
        return self._reconciler.repair(self._ids(chosen))

    def compare(self, chosen: ChosenJobs, limit: int, wait: Callable[[float], object]) -> ReconcileResult:
        """Compare, and list at most `limit` differences. A job counts as not picked up only if two looks find it so,
        between which `wait` waits."""
        findings = Findings(limit)
        before = {} if chosen.job_ids else self._reconciler.not_taken_up()
        self._reconciler.compare(self._ids(chosen), findings)
        if before:
            wait(self._patience_seconds)
            now = self._reconciler.not_taken_up()
            findings.add_all([now[key] for key in before if key in now])
        return _result(findings)

    def _ids(self, chosen: ChosenJobs) -> Iterable[int]:
        """Those of all jobs as they are read."""
        return chosen.job_ids or self._reconciler.every_job()


def _result(findings: Findings) -> ReconcileResult:
    return ReconcileResult(
        jobs=findings.jobs,
        emails=findings.rows,
        settled_elsewhere=findings.elsewhere,
        count=findings.total,
        counts={str(kind): count for kind, count in sorted(findings.counts.items())},
        differences=tuple(findings.listed),
    )
