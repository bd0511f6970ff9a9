"""Orders reports that are written by the side, and finds their files."""

from dataclasses import dataclass
from pathlib import Path

from eed_delivery.ledger.acts import Act, ActKind
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActOrder, LongActState
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.long_acts.report_files import ReportFiles
from eed_delivery.operations.long_acts.whole_works import EXTENSIONS, file_name
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState

__all__ = ["FORMATS", "ReportOrder", "ReportOrders", "WrittenReport", "shows_recipients"]

FORMATS = tuple(EXTENSIONS)


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """A job's report in one of `FORMATS`. `opens` as in `ReportRequest`. Raises `InvalidRequest`."""

    job: str
    format: str
    opens: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidRequest(f"a report is one of {', '.join(FORMATS)}", which="format")
        if self.opens and self.format not in ("csv", "json"):
            raise InvalidRequest("only csv and json have opens and clicks", which="opens")


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report's file on this host."""

    path: Path
    name: str
    sha256: str


def shows_recipients(format_: str) -> bool:
    """Whether a report in this format has addresses."""
    return format_ in ("csv", "json")


class ReportOrders:
    """Takes orders. Each call raises `DatabaseGone`."""

    def __init__(
        self, keys: Keys, reporting: ReportingLedger, ledger: LongActLedger, audit: AuditLedger, files: ReportFiles
    ) -> None:
        self._keys = keys
        self._reporting = reporting
        self._ledger = ledger
        self._audit = audit
        self._files = files

    def order(self, order: ReportOrder) -> LongAct:
        """Have a report written. Raises `OperationRefused` for a key that is none, or without a directory."""
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, LongActKind.REPORT)
        job_id = self._keys.job_id(order.job)
        self._files.check()
        job = self._reporting.job(job_id)
        parameters = {"format": order.format, "opens": order.opens}
        total = None if job is None else job.total
        return self._ledger.start(LongActOrder(LongActKind.REPORT, {"job": order.job}, parameters, None, total), name)

    def file(self, act: LongAct) -> WrittenReport:
        """The file of a report that is done. To fetch one with addresses is in the audit. Raises `OperationRefused`."""
        which = f"operation {act.id}"
        if act.kind is not LongActKind.REPORT:
            raise UnknownKey(f"operation {act.id} writes no file", which=which)
        if act.state is not LongActState.DONE or act.result is None:
            raise WrongState(f"the report is {act.state}", which=which, do="Wait until it is done.")
        path = self._files.path(file_name(act))
        if path is None:
            raise UnknownKey(
                f"the report is not on this host, or is older than a day. Host {act.result['host']} has written it",
                which=which,
                do="Ask that host, or order it again.",
            )
        if shows_recipients(act.parameters["format"]):
            job_id = self._keys.job_id(str(act.selection["job"]))
            self._audit.record(Act(ActKind.REPORT, job_id, after={**act.parameters, "fetched": True}))
        name = f"{act.selection['job']}.{EXTENSIONS[act.parameters['format']]}"
        return WrittenReport(path, name, str(act.result["sha256"]))
