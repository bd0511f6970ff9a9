"""Operations on jobs and emails."""

from collections.abc import Callable
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING

from eed_delivery.app.service_operations import ServiceOperations

FAILURES_SECONDS = 10.0
"""Between two countings of a job's failures and outcomes."""
BREATHER_SECONDS = 0.02
"""Between two pieces of what is counted by the side, so that others get their turn at the database."""
REASONS_COUNTED = 50
PATIENCE_SECONDS = 5.0
"""Seconds until a second look at a job that has just become ready, unless two polls of the publisher are longer."""

if TYPE_CHECKING:
    from eed_delivery.ledger.previewing import EmailContent
    from eed_delivery.model import Files, Rendered
    from eed_delivery.operations.deciding import Deciding
    from eed_delivery.operations.doubts.workbench import DoubtWorkbench
    from eed_delivery.operations.emails import EmailQueries
    from eed_delivery.operations.forecasts.kept import KeptForecasts
    from eed_delivery.operations.forecasts.queries import ForecastQueries
    from eed_delivery.operations.jobs import JobQueries, SharedJobFigures
    from eed_delivery.operations.nudging import Nudging
    from eed_delivery.operations.previewing import Previewing
    from eed_delivery.operations.reconciling import Reconciling
    from eed_delivery.operations.reporting import Reporting
    from eed_delivery.operations.requeueing import Requeueing
    from eed_delivery.operations.resending import Resending
    from eed_delivery.operations.searching import Searching
    from eed_delivery.operations.submitting.incomplete import IncompleteJobs
    from eed_delivery.operations.submitting.submission import Submitting
    from eed_delivery.operations.submitting.uploading import Uploading
    from eed_delivery.operations.tonight import TonightQueries
    from eed_delivery.operations.watching import Watching


class JobOperations(ServiceOperations):
    """Jobs and emails: looked at, decided about, registered and reported."""

    @cached_property
    def jobs(self) -> "JobQueries":
        """List jobs, and show one."""
        from eed_delivery.operations.jobs import JobQueries

        ledgers = (self._reporting, self._scheduling, self._outcomes, self._engagement, self._acts, self._archive)
        return JobQueries(self.settings, self.keys, *ledgers, self._manifests, self._lists, self._shared_figures)

    @cached_property
    def _shared_figures(self) -> "SharedJobFigures":
        """Those of all viewers."""
        from eed_delivery.ledger.job_breakdown import BreakdownLedger
        from eed_delivery.operations.job_counts import JobCounts
        from eed_delivery.operations.jobs import MadeBreakdown, MadeFailures, MadeOutcomes, SharedJobFigures

        breakdowns, now = BreakdownLedger(self._database), self._reporting.now

        def others_first() -> None:
            Event().wait(BREATHER_SECONDS)

        def failures(job_id: int) -> MadeFailures:
            report = self._reporting.job(job_id)
            found, others = ((), 0) if report is None else self.jobs.failures(report, REASONS_COUNTED)
            return MadeFailures(found, others, now())

        return SharedJobFigures(
            JobCounts(self._lists, now),
            self._figures_of(lambda job_id: MadeBreakdown(breakdowns.of_job(job_id, others_first), now())),
            self._figures_of(failures, FAILURES_SECONDS),
            self._figures_of(lambda job_id: MadeOutcomes(self._outcomes.of_job(job_id), now()), FAILURES_SECONDS),
        )

    @cached_property
    def tonight(self) -> "TonightQueries":
        """What runs, and what stands still."""
        from eed_delivery.ledger.alerts.facts import AlertFacts
        from eed_delivery.operations.tonight import TonightQueries

        looks = (self._shared_figures.counts, self.jobs.all_waiting, self.processes.all, self.gates.all)
        facts = AlertFacts(self._database)
        figures = (facts, self._aws_figures.queues, self.domain_paces.bounds_of)
        return TonightQueries(self._lists, *looks, self.holds.all, *figures, self._reporting.now)

    @cached_property
    def forecasts(self) -> "ForecastQueries":
        """Forecast when unfinished jobs end."""
        from eed_delivery.app.forecasting import forecast_sources
        from eed_delivery.operations.forecasts.queries import ForecastQueries

        surroundings = (self._database, self._lists, self._window_plan, self._allowed_rates, self._aws_figures)
        return ForecastQueries(forecast_sources(self, *surroundings))

    @cached_property
    def kept_forecasts(self) -> "KeptForecasts":
        """Say what was forecast last."""
        from eed_delivery.ledger.forecasts import ForecastLedger
        from eed_delivery.operations.forecasts.kept import KeptForecasts

        return KeptForecasts(ForecastLedger(self._database).fresh)

    @cached_property
    def emails(self) -> "EmailQueries":
        """List emails, and show one."""
        from eed_delivery.operations.emails import EmailQueries

        ledgers = (self._reporting, self._outcomes, self._engagement, self._proofs, self._acts, self._audit)
        likeliest = self._message_ids.likeliest
        return EmailQueries(likeliest, self.keys, *ledgers, lambda: self._app.webhook_list(self._database, self._actor))

    @cached_property
    def watching(self) -> "Watching":
        """Follow a job until it has finished."""
        from eed_delivery.operations.watching import Watching

        return Watching(self._reporting)

    @cached_property
    def requeueing(self) -> "Requeueing":
        """Send failed emails again."""
        from eed_delivery.operations.requeueing import Requeueing

        return Requeueing(self.keys, self._reporting, self._operating, self._audit, self._second)

    @cached_property
    def deciding(self) -> "Deciding":
        """Settle, pause, resume, cancel."""
        from eed_delivery.operations.deciding import Deciding

        return Deciding(
            self.keys, self._reporting, self._operating, self._scheduling, self._file_channels, self._second
        )

    @cached_property
    def doubts(self) -> "DoubtWorkbench":
        """List the doubts of all jobs, and settle them from a relay's log."""
        from eed_delivery.ledger.doubts import DoubtLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.doubts.workbench import DoubtWorkbench

        ledger = DoubtLedger(self._database, self._source, self._outbox, self._actor)
        ids = self._message_ids
        parts = (ledger, WorkerLedger(self._database), self._reporting.now, ids.of_doubt, ids.domain)
        return DoubtWorkbench(*parts, self._file_channels, self._app.stored_reply())

    @cached_property
    def nudging(self) -> "Nudging":
        """Register a job before the publisher looks for it."""
        from eed_delivery.ledger.publishing.ledger import PublishingLedger
        from eed_delivery.ledger.publishing.nudging import NudgeLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.nudging import Nudging

        marking = self._app.window_marking(self._database)
        publishing = PublishingLedger(self._database, self._source, self._outbox, self._actor, marking)
        nudges = NudgeLedger(self._database, self._source, publishing)
        return Nudging(self.keys, self._reporting, nudges, WorkerLedger(self._database), self._lists)

    @cached_property
    def resending(self) -> "Resending":
        """Send a sent email once more."""
        from eed_delivery.ledger.resending import ResendLedger
        from eed_delivery.operations.resending import Resending

        who, outbox, pseudonyms = self._actor, self._outbox, self._pseudonyms
        resends = ResendLedger(self._database, self._source, who, outbox, pseudonyms, self._file_channels)
        return Resending(self.keys, resends, self._reporting, self._second)

    @cached_property
    def searching(self) -> "Searching":
        """Find emails and jobs over all that there is."""
        from eed_delivery.ledger.searching import SearchLedger
        from eed_delivery.operations.searching import Searching

        found, read = SearchLedger(self._database), self._message_ids.read
        return Searching(self.emails, found, self._reporting, self._audit, read)

    @cached_property
    def previewing(self) -> "Previewing":
        """Show an email as its customer would get it."""
        from eed_delivery.ledger.previewing import PreviewLedger
        from eed_delivery.operations.previewing import Previewing

        contents = PreviewLedger(self._database, self._source)
        return Previewing(self.keys, contents, self._audit, self._previews)

    @cached_property
    def _previews(self) -> "Callable[[EmailContent], Rendered | Files]":
        """What renders emails for people. A process for it is kept where more than one person asks."""
        from eed_delivery.app.previews import KEEP_SECONDS, renders

        for_many = self._shared is not None and not self._in_function
        return renders(self.settings, KEEP_SECONDS if for_many else 0.0)

    @cached_property
    def incomplete_jobs(self) -> "IncompleteJobs":
        """List and discard jobs whose registration broke off."""
        from eed_delivery.operations.submitting.incomplete import IncompleteJobs

        return IncompleteJobs(self._database, self.settings.source, self.long_act_ledger, self._actor)

    @cached_property
    def submitting(self) -> "Submitting":
        """Register a job from a file of recipients."""
        from eed_delivery.operations.submitting.submission import Submitting

        parts = (self._database, self._reporting, self._app.renderer, self._actor)
        return Submitting(self.settings, *parts, self._window_plan)

    @cached_property
    def uploading(self) -> "Uploading":
        """Register a job whose recipients a caller sends along, or has in S3."""
        from eed_delivery.operations.submitting.s3_recipients import S3Recipients
        from eed_delivery.operations.submitting.uploading import Uploading

        return Uploading(self.submitting, S3Recipients(self._app.clients.submitted, self.settings.operators.submit_s3))

    @cached_property
    def reporting(self) -> "Reporting":
        """Write a job's report."""
        from eed_delivery.operations.reporting import Reporting, ReportLedgers

        proofs, manifests, acts = self._proofs, self._manifests, self._acts
        ledgers = ReportLedgers(self._reporting, self._engagement, self._outcomes, proofs, manifests, acts, self._audit)
        return Reporting(self.settings, self.keys, ledgers)

    @cached_property
    def reconciling(self) -> "Reconciling":
        """Compare the delivery server's rows with the ledger, and repair."""
        from eed_delivery.operations.reconciling import Reconciling

        patience = max(PATIENCE_SECONDS, 2 * self.settings.publisher.poll_seconds)
        return Reconciling(self.keys, self._app.reconciler(self._database, self._actor), patience)
