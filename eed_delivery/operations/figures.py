"""The figures of the whole ledger for monitoring. They are right after any restart: nothing counts them in memory.

All who ask share one round of queries. What cannot be known is left out and never 0. The age of the round then grows.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from eed_delivery.errors import EedError
from eed_delivery.ledger.figures import FiguresLedger
from eed_delivery.ledger.forecasts import StoredForecast
from eed_delivery.ledger.paces import TOGETHER
from eed_delivery.model import Depth
from eed_delivery.operations.processes import ProcessQueries
from eed_delivery.untrusted import mask_addresses

log = structlog.get_logger(__name__)

T = TypeVar("T")

SHARED_SECONDS = 15.0
"""How old a round may be that is given again."""
JOB_LENGTH = 100
AGE = "eed_ledger_figures_age_seconds"


@dataclass(frozen=True, slots=True)
class LedgerFigure:
    """One gauge. `unit` is CloudWatch's, for those that go there."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    unit: str | None = None


FIGURES = (
    LedgerFigure("eed_job_emails", "Emails of an unfinished job, by state.", ("job", "state"), "Count"),
    LedgerFigure(
        "eed_job_forecast_end_timestamp_seconds", "When an unfinished job ends, in seconds since 1970.", ("job",)
    ),
    LedgerFigure(
        "eed_job_deadline_margin_seconds", "From a job's end to its deadline. Negative: it ends too late.", ("job",)
    ),
    LedgerFigure("eed_jobs", "Unfinished jobs, by state.", ("state",), "Count"),
    LedgerFigure("eed_jobs_window_closed", "Active jobs whose send window is closed.", (), "Count"),
    LedgerFigure("eed_backlog", "Emails that wait and may go. An estimate for large jobs.", (), "Count"),
    LedgerFigure("eed_backlog_seconds", "How long that takes at the send rates that are allowed.", (), "Seconds"),
    LedgerFigure("eed_oldest_queued_seconds", "For how long the oldest queued email has been due.", (), "Seconds"),
    LedgerFigure(
        "eed_silence_seconds", "For how long nothing has been sent although something could have been.", (), "Seconds"
    ),
    LedgerFigure("eed_in_doubt", "Emails in doubt, of jobs that run or ended within seven days.", (), "Count"),
    LedgerFigure(
        "eed_gate_shut_seconds", "For how long a channel has sent nothing, because its gate is shut.", (), "Seconds"
    ),
    LedgerFigure("eed_queue_messages", "Messages in the queue of the default channel, by kind.", ("kind",), "Count"),
    LedgerFigure("eed_dead_letters", "Messages in the dead-letter queue of the default channel.", (), "Count"),
    LedgerFigure(
        "eed_processes", "Processes of all hosts that were seen within a day, by role.", ("role", "alive"), "Count"
    ),
    LedgerFigure("eed_ses_quota_used_ratio", "How much of SES's quota of 24 hours is used, from 0 to 1.", (), "None"),
    LedgerFigure("eed_suppressions", "Suppressed addresses, by what suppressed them.", ("source",)),
    LedgerFigure("eed_webhooks_waiting", "Webhooks that wait to be sent."),
    LedgerFigure("eed_operations_running", "Long acts that a process works on."),
    LedgerFigure("eed_audit_head_sequence", "How many rows the audit's chain has."),
    LedgerFigure(AGE, "How old these figures are."),
)

Values = Mapping[tuple[str, ...], float]
"""By the values of the labels."""


@dataclass(frozen=True, slots=True)
class FigureSources:
    """Where figures come from. Each call raises an error of ours, or the database's, when it cannot be known.

    `facts` are the measures of alerts by their names. `depth` is None where it cannot be asked. `backlog` are emails
    by channel, and `limits` emails a second by channel.
    """

    ledger: FiguresLedger
    processes: ProcessQueries
    facts: Mapping[str, Callable[[], float]]
    depth: Callable[[], Depth | None]
    backlog: Callable[[], Mapping[str, int]] = dict
    limits: Callable[[], Mapping[str, float]] = dict
    forecasts: Callable[[], Sequence[StoredForecast]] = tuple


@dataclass
class LedgerFigures:
    """The figures, shared by all who ask."""

    sources: FigureSources
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _round: dict[str, Values] = field(default_factory=dict)
    _counted_at: float | None = None
    _tried_at: float = float("-inf")

    def now(self) -> dict[str, Values]:
        """The figures by name, with their age. Whoever asks first counts, and the others wait for it."""
        with self._lock:
            if self.clock() - self._tried_at >= SHARED_SECONDS:
                self._count()
            if self._counted_at is None:
                return {}
            return {**self._round, AGE: {(): self.clock() - self._counted_at}}

    def _count(self) -> None:
        """A round in which the ledger does not answer leaves nothing of the one before but its age."""
        began = self._tried_at = self.clock()
        found: dict[str, Values] = {}
        try:
            found |= self._of_ledger()
        except (EedError, DBAPIError) as error:
            log.warning("figures_unknown", reason=str(error).partition("\n")[0])
            self._round = {}
            self._counted_at = self._counted_at if self._counted_at is not None else began
            return
        for name, values in self._measured():
            found[name] = values
        self._round, self._counted_at = found, began

    def _of_ledger(self) -> dict[str, Values]:
        counts = self.sources.ledger.counts()
        alive = Counter((one.process.role, str(one.alive).lower()) for one in self.sources.processes.all())
        emails: Counter[tuple[str, str]] = Counter()
        for (job, state), count in counts.job_emails.items():
            emails[mask_addresses(job)[:JOB_LENGTH], state] += count
        found: dict[str, Values] = {
            "eed_job_emails": {labels: float(count) for labels, count in emails.items()},
            "eed_jobs": {(state,): float(count) for state, count in counts.jobs.items()},
            "eed_jobs_window_closed": {(): float(counts.window_closed)},
            "eed_processes": {labels: float(count) for labels, count in alive.items()},
            "eed_operations_running": {(): float(counts.operations_running)},
            "eed_audit_head_sequence": {(): float(counts.audit_head)},
        }
        if counts.suppressions is not None:
            found["eed_suppressions"] = {(source,): float(count) for source, count in counts.suppressions.items()}
        if counts.webhooks_waiting is not None:
            found["eed_webhooks_waiting"] = {(): float(counts.webhooks_waiting)}
        return found

    def _measured(self) -> Iterator[tuple[str, Values]]:
        """Each by itself: SQS that is away takes no other figure with it."""
        names = {
            "eed_oldest_queued_seconds": "oldest_queued_seconds",
            "eed_silence_seconds": "silence_seconds",
            "eed_in_doubt": "in_doubt",
            "eed_gate_shut_seconds": "gate_shut_seconds",
            "eed_dead_letters": "dead_letters",
            "eed_ses_quota_used_ratio": "ses_quota_percent",
        }
        for name, fact in names.items():
            if fact in self.sources.facts:
                value = _known(name, self.sources.facts[fact])
                if value is not None:
                    yield name, {(): value / 100 if name.endswith("_ratio") else value}
        yield from _of_forecasts(_known("eed_job_forecast_end_timestamp_seconds", self.sources.forecasts) or ())
        backlog = _known("eed_backlog", self.sources.backlog)
        if backlog is not None:
            yield "eed_backlog", {(): float(sum(backlog.values()))}
            limits = _known("eed_backlog_seconds", self.sources.limits)
            if limits:  # without a limit nobody knows how long it takes
                yield "eed_backlog_seconds", {(): backlog_seconds(backlog, limits)}
        depth = _known("eed_queue_messages", self.sources.depth)
        if depth is not None:
            kinds = {"visible": depth.visible, "in_flight": depth.in_flight, "delayed": depth.delayed}
            yield "eed_queue_messages", {(kind,): float(count) for kind, count in kinds.items()}


def backlog_seconds(backlog: Mapping[str, int], limits: Mapping[str, float]) -> float:
    """How long the slowest channel needs, and all of them under the pace of all (`TOGETHER`)."""
    waiting = {TOGETHER: sum(backlog.values()), **backlog}
    return max(waiting.get(channel, 0) / limit for channel, limit in limits.items())


def _of_forecasts(forecasts: Sequence[StoredForecast]) -> Iterator[tuple[str, Values]]:
    """The end and the margin of each job where they are known."""
    ends: dict[tuple[str, ...], float] = {}
    margins: dict[tuple[str, ...], float] = {}
    for one in forecasts:
        label = (mask_addresses(one.key)[:JOB_LENGTH],)
        if one.end is not None:
            ends[label] = one.end.replace(tzinfo=UTC).timestamp()
        if one.margin is not None:
            margins[label] = one.margin
    if ends:
        yield "eed_job_forecast_end_timestamp_seconds", ends
    if margins:
        yield "eed_job_deadline_margin_seconds", margins


def _known(name: str, measure: Callable[[], T]) -> T | None:
    try:
        return measure()
    except (EedError, DBAPIError) as error:
        log.warning("figure_unknown", figure=name, reason=str(error).partition("\n")[0])
        return None
