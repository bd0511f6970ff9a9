"""Emails of a job or to an address, and one email with its attempts and delivery events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from eed_delivery.addresses import canonical
from eed_delivery.archive.names import archive_key
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.acts import Act, ActKind, ActLedger, ActObject, ActReport
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.proofs import Proof, ProofLedger
from eed_delivery.ledger.reporting import NO_WORD_YET, AttemptReport, EmailReport, ReportingLedger
from eed_delivery.ledger.tracking.engagement import Engagement, EngagementLedger
from eed_delivery.ledger.tracking.outcomes import EVENTS_OF_AN_EMAIL, EventReport, OutcomeLedger
from eed_delivery.ledger.webhooks.listing import WebhookList, WebhookReport
from eed_delivery.model import EmailState
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey

__all__ = [
    "NO_WORD_YET", "OUTCOMES", "ActReport", "AttemptReport", "EmailQueries", "EmailReport", "EmailView", "EmailsPage",
    "EmailsRequest", "Engagement", "EventReport",
]  # fmt: skip

WEBHOOKS_SHOWN = 50
READ_AT_ONCE = 1000
OUTCOMES = (*(outcome.value for outcome in DeliveryOutcome), NO_WORD_YET)


@dataclass(frozen=True, slots=True)
class EmailsRequest:
    """Which emails, those of a job by its key, or all to an address, however it is spelt. `state` and `outcome` narrow
    a job's. `after` is what the page before said. Raises `InvalidRequest`."""

    job: str | None = None
    to: str | None = None
    state: EmailState | None = None
    outcome: str | None = None
    after: str | None = None

    def __post_init__(self) -> None:
        if (self.job is None) == (self.to is None):
            raise InvalidRequest("name a job or an address, and not both", which="job")
        if self.to is not None and (self.state or self.outcome):
            raise InvalidRequest("state and outcome narrow a job's emails, not those to an address", which="state")
        if self.outcome is not None and self.outcome not in OUTCOMES:
            raise InvalidRequest(f"an outcome is one of {', '.join(OUTCOMES)}", which="outcome")
        if self.after is not None and not (self.after.isascii() and self.after.isdigit()):
            raise InvalidRequest("after is what the page before said", which="after")


@dataclass(frozen=True, slots=True)
class EmailsPage:
    """Emails in a fixed order. `job_keys` has the keys of their jobs, by id. `next_after` is None on the last page."""

    emails: tuple[EmailReport, ...]
    job_keys: Mapping[int, str]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class EmailView:
    """All there is to say of an email. `header_id` is the Message-ID that the service gives it. `archive_key` is where
    the archive has its copy. `more_events` means that only the first ones are here. `webhooks` are the newest about it,
    the newest first."""

    report: EmailReport
    job_key: str
    header_id: str
    resends: tuple[str, ...]
    engagement: Engagement
    proof: Proof
    archive_key: str | None
    attempts: tuple[AttemptReport, ...]
    events: tuple[EventReport, ...]
    more_events: bool
    acts: tuple[ActReport, ...]
    webhooks: tuple[WebhookReport, ...]


class EmailQueries:
    """Reads emails. Each call raises `DatabaseGone`, and `OperationRefused` for a key or an address that is none."""

    def __init__(
        self,
        message_id: Callable[[int, int, str], str],
        keys: Keys,
        reporting: ReportingLedger,
        outcomes: OutcomeLedger,
        engagement: EngagementLedger,
        proofs: ProofLedger,
        acts: ActLedger,
        audit: AuditLedger,
        webhooks: Callable[[], WebhookList],
    ) -> None:
        """`message_id` gives the Message-ID of an email, by its id, its generation and its job's channel."""
        self._webhooks = webhooks
        self._message_id = message_id
        self._keys = keys
        self._reporting = reporting
        self._outcomes = outcomes
        self._engagement = engagement
        self._proofs = proofs
        self._acts = acts
        self._audit = audit

    def each(self, request: EmailsRequest) -> Iterator[EmailReport]:
        """All of them, read a page at a time, so that half a million never stand in memory at once."""
        return self._each(request, READ_AT_ONCE)

    def _each(self, request: EmailsRequest, page: int) -> Iterator[EmailReport]:
        after = int(request.after or 0)
        if request.to is not None:
            key = canonical(request.to) or request.to
            self._audit.record(Act(ActKind.EMAILS, object=ActObject.ADDRESS, key=key))
            return self._reporting.emails_to(request.to, page, after)
        job_id = self._keys.job_id(str(request.job))
        self._audit.record(Act(ActKind.EMAILS, job_id))
        return self._reporting.emails(job_id, request.state, request.outcome, page, after)

    def with_engagement(self, emails: Iterable[EmailReport]) -> Iterator[tuple[EmailReport, Engagement]]:
        """Each with its opens and clicks."""
        return self._engagement.beside(emails)

    def page(self, request: EmailsRequest, limit: int) -> EmailsPage:
        """At most `limit` of them."""
        found = self._each(request, limit + 1)
        shown = tuple(islice(found, limit))
        more = next(found, None) is not None
        keys = self._reporting.job_keys({email.job_id for email in shown})
        return EmailsPage(shown, keys, str(shown[-1].email_id) if more else None)

    def view(self, key: str) -> EmailView:
        """One email."""
        email_id = self._keys.email_id(key)
        report = self._reporting.email(email_id)
        if report is None:
            raise UnknownKey(f"there is no email {key} in the ledger.", which=f"email {key}")
        self._audit.record(Act(ActKind.EMAIL, report.job_id, email_id))
        job_key, channel = self._reporting.key_and_channel(report.job_id) or (str(report.job_id), "")
        events = tuple(self._outcomes.events_of(email_id))
        proof = self._proofs.of_email(report)
        archived_as = archive_key(report.job_id, email_id, report.gen) if proof.archived_at else None
        return EmailView(
            report=report,
            job_key=job_key,
            header_id=f"<{self._message_id(report.email_id, report.gen, channel)}>",
            resends=tuple(resend.key for resend in self._reporting.resends(report)),
            engagement=self._engagement.of_email(report),
            proof=proof,
            archive_key=archived_as,
            attempts=tuple(self._reporting.attempts(email_id)),
            events=events,
            more_events=len(events) == EVENTS_OF_AN_EMAIL,
            acts=tuple(self._acts.of_email(email_id)),
            webhooks=tuple(self._webhooks().of_email(email_id, WEBHOOKS_SHOWN)),
        )
