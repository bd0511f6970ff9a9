"""Long acts that are done in one go: reports, and decisions that a second person has approved."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from eed_delivery.ledger.acts import ActKind, operations_named
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind
from eed_delivery.operations.deciding import Deciding, ResumeRequest, StopRequest
from eed_delivery.operations.long_acts.report_files import ReportFiles
from eed_delivery.operations.reporting import Reporting, ReportRequest

CERTIFICATE = "certificate"
EXTENSIONS: Mapping[str, str] = {"csv": "csv", "json": "json", "html": "html", CERTIFICATE: "certificate.json"}
SAYS_EVERY_SECONDS = 2.0


def file_name(act: LongAct) -> str:
    """The name of a report's file."""
    return f"{act.id}.{EXTENSIONS[act.parameters['format']]}"


class ReportWork:
    """Writes a job's report, or its certificate alone, into a file on this host."""

    def __init__(self, reporting: Reporting, files: ReportFiles, host: str) -> None:
        self._reporting = reporting
        self._files = files
        self._host = host

    def do(self, act: LongAct, progress: Callable[[int], None]) -> Mapping[str, Any]:
        """Write it. What was begun before is written again."""
        job, kind = str(act.selection["job"]), act.parameters["format"]
        counted = _Progress(progress)
        with self._files.made(file_name(act)) as file:
            if kind == CERTIFICATE:
                file.write(self._reporting.certificate(job, counted.one, masked=True))
            else:
                opens, masked = bool(act.parameters.get("opens")), kind == "html"
                request = ReportRequest(job, kind, _command, opens, masked)
                self._reporting.begin(request, counted.one).write(file)  # type: ignore[arg-type]
            progress(counted.done)
            return {"bytes": file.size, "sha256": file.digest.hexdigest(), "host": self._host}


class _Progress:
    """Says how far it is, every few seconds."""

    def __init__(self, say: Callable[[int], None]) -> None:
        self._say = say
        self._said_at = time.monotonic()
        self.done = 0

    def one(self) -> None:
        """One more is done."""
        self.done += 1
        if self.done % 100 == 0 and time.monotonic() - self._said_at > SAYS_EVERY_SECONDS:
            self._said_at = time.monotonic()
            self._say(self.done)


def _command(*words: str) -> str:
    """For the page of a report, which names what to type next."""
    return " ".join(["eed-delivery", *words])


class DecisionWork:
    """Cancels a job, or resumes it without its watch. Done before, it is not done again."""

    def __init__(self, deciding: Deciding, audit: AuditLedger) -> None:
        self._deciding = deciding
        self._audit = audit

    def do(self, act: LongAct, progress: Callable[[int], None]) -> Mapping[str, Any]:
        """Decide. Raises `OperationRefused` if the job's state forbids it, or `JobChanged`."""
        job, version, why = str(act.selection["job"]), act.selection_etag, act.reason or ""
        kind = ActKind.CANCEL if act.kind is LongActKind.CANCEL else ActKind.RESUME
        if not self._audit.has(act.id, kind):
            with operations_named(act.id):
                if act.kind is LongActKind.CANCEL:
                    self._deciding.cancel(StopRequest(job, why, version))
                else:
                    self._deciding.resume(ResumeRequest(job, False, why, version))
        progress(1)
        return {"job": job}
