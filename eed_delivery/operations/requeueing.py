"""Send failed emails again, with a new generation. Works while the service runs."""

from dataclasses import dataclass
from datetime import datetime

from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.operating import OperatingLedger, Selection
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.model import EmailState
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.long_acts.second_person import NOBODY_ELSE, SecondPerson, SecondPersonRule
from eed_delivery.operations.looks import looks
from eed_delivery.operations.refusals import InvalidRequest, NothingMatches
from eed_delivery.operations.values import seconds_before

__all__ = ["RequeuePreview", "RequeueRequest", "Requeueing", "Selection", "contains"]

NAMED = 10
"""Limit: states of emails that an error names."""


@dataclass(frozen=True, slots=True)
class RequeueRequest:
    """Which emails are to be sent again. What is named narrows what is named before it.

    `jobs` and `emails` are the source's keys, `every` is needed where both are empty. `since` is how long ago an email
    has ended at most, in seconds or as a time in UTC. `reason_contains` is a part of its reason. `accept_duplicates` is
    needed for `in_doubt`, because some of these may have arrived. Raises `InvalidRequest`.
    """

    state: EmailState = EmailState.FAILED
    jobs: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    every: bool = False
    since: float | datetime | None = None
    reason_contains: str | None = None
    accept_duplicates: bool = False

    def __post_init__(self) -> None:
        named = bool(self.jobs or self.emails)
        if named == self.every:
            raise InvalidRequest("name jobs or emails, or every email, and not both", which="every")
        if self.state is EmailState.IN_DOUBT and not self.accept_duplicates:
            raise InvalidRequest(
                "an email in doubt may have arrived", which="accept_duplicates", do="Settle it, or accept duplicates."
            )


@dataclass(frozen=True, slots=True)
class RequeuePreview:
    """What a requeue would do now. `count` emails match. `readdressed` of them go to another address than before,
    because the source has changed it. `selection` is what `Requeueing.requeue` takes."""

    selection: Selection
    count: int
    readdressed: int


class Requeueing:
    """Counts the emails that match a request, and sends them again. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        keys: Keys,
        reporting: ReportingLedger,
        operating: OperatingLedger,
        audit: AuditLedger,
        second: SecondPerson = NOBODY_ELSE,
    ) -> None:
        """`second` says what another person has to approve."""
        self._second = second
        self._audit = audit
        self._keys = keys
        self._reporting = reporting
        self._operating = operating

    def preview(self, request: RequeueRequest) -> RequeuePreview:
        """Count what matches, and change nothing. What it looks for is in the audit.

        Raises `OperationRefused` for a key that is none, and where emails are named and none of them matches.
        """
        selection = self._selection(request)
        self._audit.record_all(looks(request.reason_contains))
        count = self._operating.count(selection)
        readdressed = self._operating.readdressed(selection) if count else 0
        if selection.emails and not count:
            raise self._none(selection)
        return RequeuePreview(selection, count, readdressed)

    def requeue(self, preview: RequeuePreview, reason: str | None = None) -> int:
        """Send again what was previewed. Returns how many emails. What has changed its state meanwhile is left."""
        if preview.selection.state is EmailState.IN_DOUBT:
            self._second.demand(SecondPersonRule.RESEND_DOUBTS)
        return self._operating.requeue(preview.selection, reason)

    def _selection(self, request: RequeueRequest) -> Selection:
        since = request.since
        now = self._reporting.now() if isinstance(since, datetime) else datetime.min  # noqa: DTZ901 - of no use then
        like = request.reason_contains
        return Selection(
            state=request.state,
            jobs=tuple(self._keys.job_id(key) for key in request.jobs),
            emails=tuple(self._keys.email_id(key) for key in request.emails),
            since_seconds=seconds_before(since, now),
            error_like=None if like is None else contains(like),
        )

    def _none(self, selection: Selection) -> NothingMatches:
        """Why none of the named emails is requeued."""
        reports = [self._reporting.email(email_id) for email_id in selection.emails[:NAMED]]
        states = ", ".join(f"{report.key} is {report.state}" for report in reports if report is not None)
        which = ", ".join(f"email {report.key}" for report in reports if report is not None)
        if all(report is not None and report.state == selection.state for report in reports):
            what = f"none can be requeued: they don't match the other options, or their job is cancelled ({states})"
        else:
            what = f"only {selection.state} emails are requeued here: {states}"
        return NothingMatches(what, which=which)


def contains(text: str) -> str:
    """The LIKE pattern for "contains `text`", its own % and _ taken literally. The escape character is /."""
    for special in "/%_":
        text = text.replace(special, f"/{special}")
    return f"%{text}%"
