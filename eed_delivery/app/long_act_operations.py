"""Operations that take a while."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from eed_delivery.app.job_operations import JobOperations
from eed_delivery.operations.actor import Actor

if TYPE_CHECKING:
    from eed_delivery.ledger.long_acts.long_act import ChunkedWork, LongActKind
    from eed_delivery.ledger.long_acts.parts import SubmittedParts
    from eed_delivery.operations.long_acts.approving import Approvals
    from eed_delivery.operations.long_acts.report_files import ReportFiles
    from eed_delivery.operations.long_acts.report_orders import ReportOrders
    from eed_delivery.operations.long_acts.runner import SteadyWork, WholeWork
    from eed_delivery.operations.long_acts.starting import LongActs
    from eed_delivery.operations.long_acts.takers import LongActTakers
    from eed_delivery.operations.submitting.by_the_side import SubmissionOrders


class LongActOperations(JobOperations):
    """Acts that are done by the side, and what a second person decides."""

    def chunked_works(self) -> "Mapping[LongActKind, ChunkedWork]":
        """How long acts are done in chunks, in this person's name."""
        from eed_delivery.ledger.long_acts import chunks
        from eed_delivery.ledger.long_acts.long_act import LongActKind

        return {
            LongActKind.REQUEUE: chunks.RequeueWork(self._operating),
            LongActKind.SETTLE: chunks.SettleWork(self._operating, self._file_channels),
            LongActKind.RETRY_NOW: chunks.RetryNowWork(self._database, self._actor),
            LongActKind.UNSUPPRESS: chunks.UnsuppressWork(self._suppression_list),
        }

    @property
    def report_files(self) -> "ReportFiles":
        """Where the files of reports are."""
        from eed_delivery.operations.long_acts.report_files import ReportFiles

        ours = self.settings.operators
        return ReportFiles(ours.reports_directory, ours.reports_max_bytes)

    @cached_property
    def _submitted_parts(self) -> "SubmittedParts":
        from eed_delivery.ledger.long_acts.parts import SubmittedParts

        return SubmittedParts(self._database)

    @cached_property
    def submission_orders(self) -> "SubmissionOrders":
        """Have a job with many recipients registered by the side."""
        from eed_delivery.operations.submitting.by_the_side import ROWS_AT_ONCE, ROWS_IN_FUNCTION, SubmissionOrders

        takers = self.long_act_takers
        rows = ROWS_IN_FUNCTION if self._in_function else ROWS_AT_ONCE
        return SubmissionOrders(self.uploading, self.long_act_ledger, self._submitted_parts, takers, rows)

    def steady_works(self) -> "Mapping[LongActKind, SteadyWork]":
        """How long acts are done whose chunks one process does to the end, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.submitting.by_the_side import SubmissionWork

        parts = (self.uploading, self._submitted_parts, self._actor)
        return {LongActKind.SUBMIT: SubmissionWork(self._database, self.settings.source, *parts)}

    def submission_step(self, operation: str) -> "Callable[[], float]":
        """What registers the job of one operation. It returns the seconds until the next step."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.runner import LongActRunner

        def works(actor: Actor) -> "Mapping[LongActKind, SteadyWork]":
            return type(self)(self.settings, actor, self._database).steady_works()

        return LongActRunner(self.long_act_ledger, works, [LongActKind.SUBMIT], only=operation).step

    def clean_long_acts(self) -> None:
        """Delete what long acts have left, and what is not asked for any more."""
        self.report_files.clean()
        self._submitted_parts.clean()

    def whole_works(self, host: str) -> "Mapping[LongActKind, WholeWork]":
        """How long acts are done that have no chunks, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.whole_works import DecisionWork, ReportWork

        decision = DecisionWork(self.deciding, self._audit)
        return {
            LongActKind.REPORT: ReportWork(self.reporting, self.report_files, host),
            LongActKind.CANCEL: decision,
            LongActKind.RESUME: decision,
        }

    @cached_property
    def long_acts(self) -> "LongActs":
        """Start long acts, follow, stop and continue them."""
        from eed_delivery.operations.long_acts.starting import LongActs

        return LongActs(self.keys, self.long_act_ledger, self.chunked_works(), self._second, self._audit)

    @cached_property
    def long_act_takers(self) -> "LongActTakers":
        """Whether any process does long acts."""
        from eed_delivery.operations.long_acts.takers import LongActTakers

        return LongActTakers(self.processes if self._in_function else None)

    @cached_property
    def report_orders(self) -> "ReportOrders":
        """Order reports that are written by the side."""
        from eed_delivery.operations.long_acts.report_orders import ReportOrders

        return ReportOrders(self.keys, self._reporting, self.long_act_ledger, self._audit, self.report_files)

    @cached_property
    def approvals(self) -> "Approvals":
        """Ask a second person, and decide."""
        from eed_delivery.ledger.long_acts.approvals import ApprovalLedger
        from eed_delivery.operations.long_acts.approving import Approvals

        approvals = ApprovalLedger(self._database, self._actor, self.long_act_ledger)
        return Approvals(self.long_acts, self.long_act_ledger, approvals, self.deciding, self._second)
