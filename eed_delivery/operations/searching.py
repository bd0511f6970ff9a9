"""Finds a customer's emails over all jobs: by address, by key, by Message-ID. Jobs are found by key and by name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.reporting import EmailReport, ReportingLedger
from eed_delivery.ledger.searching import FoundJob, SearchLedger
from eed_delivery.model import LARGEST_KEY
from eed_delivery.operations.emails import EmailQueries, EmailsRequest
from eed_delivery.operations.refusals import InvalidRequest

__all__ = ["EmailReport", "FoundJob", "SearchKind", "SearchRequest", "SearchResult", "Searching"]

LONGEST = 500
SHORTEST_NAME = 3
_SES = re.compile(r"<?([0-9a-f]{16}-[0-9a-f-]{20,64})(?:@[a-z0-9-]+\.amazonses\.com)?>?")
"""SES's own id: https://docs.aws.amazon.com/ses/latest/dg/header-fields.html"""


class SearchKind(StrEnum):
    """What a text is."""

    RECIPIENT = "recipient"
    KEY = "key"  # of an email or of a job
    MESSAGE_ID = "message_id"  # ours, or the id that SES gave
    NAME = "name"  # of a job


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for. `after` is what the page before said. Raises `InvalidRequest`."""

    text: str
    kind: SearchKind
    after: str | None = None

    def __post_init__(self) -> None:
        if not self.text.strip() or not self.text.isprintable() or len(self.text) > LONGEST:
            raise InvalidRequest(f"look for 1 to {LONGEST} printable characters", which=self.kind)
        if self.kind is SearchKind.NAME and len(self.text.strip()) < SHORTEST_NAME:
            raise InvalidRequest(f"a name to look for has at least {SHORTEST_NAME} characters", which=self.kind)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Emails in a fixed order, and jobs. `job_keys` has the keys of the emails' jobs, by id. `next_after` is None on
    the last page."""

    emails: tuple[EmailReport, ...] = ()
    job_keys: Mapping[int, str] | None = None
    jobs: tuple[FoundJob, ...] = ()
    next_after: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.emails or self.jobs)

    def job_key(self, email: EmailReport) -> str:
        """The key of an email's job."""
        return (self.job_keys or {}).get(email.job_id, "")


class Searching:
    """Each call raises `DatabaseGone`. To find emails is in the audit."""

    def __init__(
        self,
        emails: EmailQueries,
        found: SearchLedger,
        reporting: ReportingLedger,
        audit: AuditLedger,
        read_message_id: Callable[[str], tuple[int, int] | None],
    ) -> None:
        """`read_message_id` gives the email and the generation that a Message-ID of ours names."""
        self._emails = emails
        self._found = found
        self._reporting = reporting
        self._audit = audit
        self._read_message_id = read_message_id

    def kinds(self, text: str) -> tuple[SearchKind, ...]:
        """What a text may be, the likeliest first."""
        if self._read_message_id(text) or _SES.fullmatch(text.strip()):
            return (SearchKind.MESSAGE_ID,)
        if "@" in text:
            return (SearchKind.RECIPIENT, SearchKind.KEY)
        return (SearchKind.KEY, SearchKind.MESSAGE_ID, SearchKind.NAME)

    def page(self, request: SearchRequest, limit: int) -> SearchResult:
        """What there is. Raises `NotPossible` for an address that is none."""
        text = request.text.strip()
        if request.kind is SearchKind.RECIPIENT:
            page = self._emails.page(EmailsRequest(to=text, after=request.after), limit)
            return SearchResult(page.emails, page.job_keys, (), page.next_after)
        if request.kind is SearchKind.NAME:
            return SearchResult(jobs=tuple(self._found.jobs_named(text)))
        self._audit.record(Act(ActKind.EMAILS, object=ActObject.EMAIL, key=text))
        if request.kind is SearchKind.KEY:
            return self._of(self._found.with_key(text), tuple(self._found.jobs_with_key(text)))
        return self._of(self._with_message_id(text))

    def _with_message_id(self, text: str) -> list[int]:
        ours = self._read_message_id(text)
        if ours is not None:
            return [ours[0]] if ours[0] <= LARGEST_KEY else []
        by_ses = _SES.fullmatch(text)
        return self._found.with_message_id(by_ses[1] if by_ses else text)

    def _of(self, email_ids: list[int], jobs: tuple[FoundJob, ...] = ()) -> SearchResult:
        emails = tuple(email for i in email_ids if (email := self._reporting.email(i)) is not None)
        return SearchResult(emails, self._reporting.job_keys({email.job_id for email in emails}), jobs)
