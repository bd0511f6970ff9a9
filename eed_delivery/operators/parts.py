"""What the composition root hands to the pages and the API."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eed_delivery.access.callers import Callers
from eed_delivery.access.logging_in import LoggingIn
from eed_delivery.access.request_rates import RequestRates
from eed_delivery.config import OperatorsSettings
from eed_delivery.operations.access import SessionOperations, TokenOperations, UserOperations
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.auditing import AuditQueries
from eed_delivery.operations.channels import ChannelOperations
from eed_delivery.operations.dead_letters import DeadLetters
from eed_delivery.operations.deciding import Deciding
from eed_delivery.operations.domain_paces import DomainPaceOperations
from eed_delivery.operations.doubts.workbench import DoubtWorkbench
from eed_delivery.operations.emails import EmailQueries
from eed_delivery.operations.figures import LedgerFigures
from eed_delivery.operations.forecasts.queries import ForecastQueries
from eed_delivery.operations.gates import GateOperations
from eed_delivery.operations.holds import HoldOperations
from eed_delivery.operations.jobs import JobQueries
from eed_delivery.operations.long_acts.approving import Approvals
from eed_delivery.operations.long_acts.report_orders import ReportOrders
from eed_delivery.operations.long_acts.starting import LongActs
from eed_delivery.operations.long_acts.takers import LongActTakers
from eed_delivery.operations.nudging import Nudging
from eed_delivery.operations.paces import PaceOperations
from eed_delivery.operations.previewing import Previewing
from eed_delivery.operations.processes import ProcessQueries
from eed_delivery.operations.readiness import Readiness
from eed_delivery.operations.rehearsing.orders import RehearsalOrders
from eed_delivery.operations.rehearsing.results import RehearsalResults
from eed_delivery.operations.rehearsing.sample_sending import SampleSending
from eed_delivery.operations.repeats import Repeats
from eed_delivery.operations.reporting import Reporting
from eed_delivery.operations.resending import Resending
from eed_delivery.operations.searching import Searching
from eed_delivery.operations.shadowing.accepting import ShadowAcceptances
from eed_delivery.operations.shadowing.orders import ShadowOrders
from eed_delivery.operations.shadowing.results import ShadowResults
from eed_delivery.operations.submitting.by_the_side import SubmissionOrders
from eed_delivery.operations.submitting.incomplete import IncompleteJobs
from eed_delivery.operations.submitting.submission import Submitting
from eed_delivery.operations.submitting.uploading import Uploading
from eed_delivery.operations.suppression.listing import Suppression
from eed_delivery.operations.suppression.moving import SuppressionMoving
from eed_delivery.operations.tonight import TonightQueries
from eed_delivery.operations.windows import WindowOperations


class PersonsOperations(Protocol):
    """What one person can ask and decide."""

    @property
    def jobs(self) -> JobQueries: ...
    @property
    def emails(self) -> EmailQueries: ...
    @property
    def deciding(self) -> Deciding: ...
    @property
    def doubts(self) -> DoubtWorkbench: ...
    @property
    def nudging(self) -> Nudging: ...
    @property
    def searching(self) -> Searching: ...
    @property
    def previewing(self) -> Previewing: ...
    @property
    def resending(self) -> Resending: ...
    @property
    def processes(self) -> ProcessQueries: ...
    @property
    def channels(self) -> ChannelOperations: ...
    @property
    def gates(self) -> GateOperations: ...
    @property
    def forecasts(self) -> ForecastQueries: ...
    @property
    def holds(self) -> HoldOperations: ...
    @property
    def uploading(self) -> Uploading: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def submission_orders(self) -> SubmissionOrders: ...
    @property
    def submitting(self) -> Submitting: ...
    @property
    def incomplete_jobs(self) -> IncompleteJobs: ...
    @property
    def paces(self) -> PaceOperations: ...
    @property
    def domain_paces(self) -> DomainPaceOperations: ...
    @property
    def windows(self) -> WindowOperations: ...
    @property
    def suppression(self) -> Suppression: ...
    @property
    def suppression_moving(self) -> SuppressionMoving: ...
    @property
    def reporting(self) -> Reporting: ...
    @property
    def auditing(self) -> AuditQueries: ...
    @property
    def long_acts(self) -> LongActs: ...
    @property
    def long_act_takers(self) -> LongActTakers: ...
    @property
    def report_orders(self) -> ReportOrders: ...
    @property
    def rehearsal_orders(self) -> RehearsalOrders: ...
    @property
    def rehearsal_results(self) -> RehearsalResults: ...
    @property
    def sample_sending(self) -> SampleSending: ...
    @property
    def shadow_orders(self) -> ShadowOrders: ...
    @property
    def shadow_results(self) -> ShadowResults: ...
    @property
    def shadow_acceptances(self) -> ShadowAcceptances: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def tonight(self) -> TonightQueries: ...
    @property
    def users(self) -> UserOperations: ...
    @property
    def tokens(self) -> TokenOperations: ...
    @property
    def sessions(self) -> SessionOperations: ...
    @property
    def repeats(self) -> Repeats: ...


@dataclass(frozen=True, slots=True)
class OperatorsParts:
    """`host` is where this process runs, `version` its release. `operations` are those of one person. `figures` makes
    those of the ledger when they are first asked for."""

    settings: OperatorsSettings
    host: str
    version: str
    callers: Callers
    logging_in: LoggingIn
    rates: RequestRates
    operations: Callable[[Actor], PersonsOperations]
    readiness: Readiness
    figures: Callable[[], LedgerFigures]
    metrics_directory: Path | None = None

    @property
    def secret(self) -> str:
        """What signs cookies and cursors. It is set where the role runs."""
        given = self.settings.secret
        return "" if given is None else given.get_secret_value()
