"""A job's report as CSV, JSON or a page, with the certificate that its sums come out even."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import IO, Literal

from eed_delivery.config import Settings
from eed_delivery.ledger.acts import Act, ActKind, ActLedger
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.manifests import ManifestLedger
from eed_delivery.ledger.proofs import Proof, ProofLedger
from eed_delivery.ledger.reporting import EmailReport, RefusalReport, ReportingLedger
from eed_delivery.ledger.tracking.engagement import Engagement, EngagementLedger
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import UnknownKey
from eed_delivery.reports.certificate import Certificate, Reconciliation
from eed_delivery.reports.digest import Digest
from eed_delivery.reports.page import REASONS_LISTED, page
from eed_delivery.reports.rows import facts, utc
from eed_delivery.reports.tracked import tracked
from eed_delivery.untrusted import json_text, mask_addresses

ReportKind = Literal["csv", "json", "html"]


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A job's report.

    `opens` means with each email's opens and clicks, which are personal data. `command` gives the command line of these
    words, for a page to name. `masked`: addresses in the words about the job are, because viewers may have it."""

    job: str
    kind: ReportKind
    command: Callable[..., str]
    opens: bool = False
    masked: bool = False


@dataclass(frozen=True, slots=True)
class ReportLedgers:
    """What a report is read from."""

    reporting: ReportingLedger
    engagement: EngagementLedger
    outcomes: OutcomeLedger
    proofs: ProofLedger
    manifests: ManifestLedger
    acts: ActLedger
    audit: AuditLedger


class Reporting:
    """Makes reports. Each call raises `DatabaseGone`."""

    def __init__(self, settings: Settings, keys: Keys, ledgers: ReportLedgers) -> None:
        self._settings = settings
        self._keys = keys
        self._ledgers = ledgers

    def begin(self, request: ReportRequest, at_each: Callable[[], None] = lambda: None) -> "ReportWriter":
        """Begin a report of what the ledger says from now on. Raises `OperationRefused` for a key that is none.

        `at_each` is called with each email that is read.
        """
        job_id = self._keys.job_id(request.job)
        if request.kind != "html":  # the page has no addresses
            self._ledgers.audit.record(
                Act(ActKind.REPORT, job_id, after={"format": request.kind, "opens": request.opens})
            )
        return ReportWriter(self._settings, self._ledgers, job_id, request, at_each)

    def certificate(self, job: str, at_each: Callable[[], None] = lambda: None, *, masked: bool = False) -> bytes:
        """The certificate alone, as JSON. It reads each row of the job, and hands none of them out."""
        job_id = self._keys.job_id(job)
        request = ReportRequest(job, "csv", lambda *_: "", masked=masked)
        return ReportWriter(self._settings, self._ledgers, job_id, request, at_each).certify()


class ReportWriter:
    """The making of one report. Each format is written as its rows are read."""

    def __init__(
        self,
        settings: Settings,
        ledgers: ReportLedgers,
        job_id: int,
        request: ReportRequest,
        at_each: Callable[[], None],
    ) -> None:
        self._at_each = at_each
        self._settings = settings
        self._ledgers = ledgers
        self._job_id = job_id
        self._request = request
        self._reconciliation = Reconciliation(with_engagement=request.opens)
        self._read_from = ledgers.reporting.now()

    def write(self, file: IO[bytes]) -> None:
        """Write the whole report, in the format that was asked for."""
        writers: dict[str, Callable[[IO[bytes]], None]] = {"csv": self._csv, "json": self._json, "html": self._html}
        writers[self._request.kind](file)

    def certify(self) -> bytes:
        """The certificate of all rows, which are read for it and not kept."""
        for email, engagement, proof in self._emails():
            self._reconciliation.row(email, engagement, proof)
        for refusal in self._refusals():
            self._reconciliation.refusal(refusal)
        return self.certificate()

    def _csv(self, file: IO[bytes]) -> None:
        """A row for each email."""
        file.write(self._reconciliation.header)
        for email, engagement, proof in self._emails():
            file.write(self._reconciliation.row(email, engagement, proof))
        for refusal in self._refusals():
            file.write(self._reconciliation.refusal(refusal))

    def _json(self, file: IO[bytes]) -> None:
        """One object: `emails` and `refused`, one in a line, then the job's `engagement` and the `certificate`."""
        start = b'{"emails": [\n'
        for email, engagement, proof in self._emails():
            self._reconciliation.row(email, engagement, proof)
            file.write(start + _json(facts(email, engagement, proof)))
            start = b",\n"
        file.write(b'{"emails": [' if start != b",\n" else b"\n")
        file.write(b'],\n"refused": [')
        start = b"\n"
        for refusal in self._refusals():
            self._reconciliation.refusal(refusal)
            file.write(start + _json(_refused(refusal)))
            start = b",\n"
        file.write(b'],\n"engagement": ' + _json(asdict(self._ledgers.engagement.of_job(self._job_id))))
        file.write(b',\n"certificate": ' + self.certificate().rstrip() + b"}\n")

    def _html(self, file: IO[bytes]) -> None:
        """The page."""
        digest = Digest()
        for email, engagement, proof in self._emails():
            self._reconciliation.row(email, engagement, proof)
            digest.add(email)
        for refusal in self._refusals():
            self._reconciliation.refusal(refusal)
            digest.refuse(refusal)
        bounces = self._ledgers.outcomes.bounces(self._job_id, REASONS_LISTED)
        engaged = self._ledgers.engagement.of_job(self._job_id)
        acts = self._ledgers.acts.of_job(self._job_id)
        certificate = self._certificate()
        known = tracked(self._settings, certificate.outcomes)
        text = page(certificate, digest, bounces, engaged, acts, known, self._request.command)
        file.write(text.encode("utf-8", "backslashreplace"))

    def certificate(self) -> bytes:
        """The certificate of what was written, as JSON."""
        return _json(self._certificate().as_json(), indent=2) + b"\n"

    def _emails(self) -> Iterator[tuple[EmailReport, Engagement | None, Proof]]:
        """Each email, with its opens and clicks where they are asked for, and with what is known of its content."""
        emails = self._ledgers.reporting.emails(self._job_id)
        plain = ((email, None) for email in emails)
        beside = self._ledgers.engagement.beside(emails) if self._request.opens else plain
        for found in self._ledgers.proofs.beside(beside):
            self._at_each()
            yield found

    def _refusals(self) -> Iterator[RefusalReport]:
        """The rows of the source that were refused."""
        return self._ledgers.reporting.refusals(self._job_id)

    def _certificate(self) -> Certificate:
        job = self._ledgers.reporting.job(self._job_id)
        if job is None:
            raise UnknownKey("the job has gone from the ledger while it was read", which=f"job {self._request.job}")
        if self._request.masked:
            reason = None if job.reason is None else mask_addresses(job.reason)
            job = replace(job, name=mask_addresses(job.name), reason=reason)
        manifests = self._ledgers.manifests.of_job(self._job_id)
        return self._reconciliation.certificate(job, self._read_from, self._ledgers.reporting.now(), manifests)


def _refused(refusal: RefusalReport) -> dict[str, object]:
    values = asdict(refusal)
    return {"email": values.pop("key"), **values}


def _json(data: object, indent: int | None = None) -> bytes:
    def plain(value: object) -> str:
        return utc(value) if isinstance(value, datetime) else str(value)

    return json_text(data, indent=indent, default=plain).encode()
