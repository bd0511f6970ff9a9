"""Opens and clicks, as far as they are known. They are no part of an email's state or outcome, and never change one.

Those of people and those of machines (mail proxies, scanners) are counted apart. All of it is personal data, and gone
once its events are forgotten.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import bindparam, func, select

from eed_delivery.database.transactions import Database
from eed_delivery.events import EventKind
from eed_delivery.ledger.reporting import EmailReport
from eed_delivery.ledger.schema import eed_email, eed_event
from eed_delivery.model import EmailState

PAGE = 1000

# Both are answered from the index eed_event_by_email_kind alone.
_OF_THE_SAME_GEN = (eed_event.c.email_id == eed_email.c.email_id) & (eed_event.c.gen == eed_email.c.gen)
_LOOKS = eed_event.c.kind.in_([EventKind.OPEN, EventKind.CLICK])

OF_JOB = (
    select(eed_event.c.kind, eed_event.c.automatic, func.count(eed_email.c.email_id.distinct()))
    .select_from(eed_email)
    .join(eed_event, _OF_THE_SAME_GEN)
    .where(eed_email.c.job_id == bindparam("job"), eed_email.c.state == EmailState.SENT, _LOOKS)
    .group_by(eed_event.c.kind, eed_event.c.automatic)
)
OF_EMAILS = (
    select(eed_event.c.email_id, eed_event.c.gen, eed_event.c.kind, eed_event.c.automatic, func.count())
    .where(eed_event.c.email_id.in_(bindparam("ids", expanding=True)), _LOOKS)
    .group_by(eed_event.c.email_id, eed_event.c.gen, eed_event.c.kind, eed_event.c.automatic)
)


@dataclass(frozen=True, slots=True)
class JobEngagement:
    """How many of a job's sent emails were opened, or clicked in. An email that a person and a machine have opened
    counts for both."""

    opened: int = 0
    clicked: int = 0
    machine_opened: int = 0
    machine_clicked: int = 0

    @property
    def any(self) -> bool:
        return any((self.opened, self.clicked, self.machine_opened, self.machine_clicked))


@dataclass(frozen=True, slots=True)
class Engagement:
    """How often one email was opened, or clicked in, in its present generation."""

    opens: int = 0
    clicks: int = 0
    machine_opens: int = 0
    machine_clicks: int = 0


NONE = Engagement()


class EngagementLedger:
    """Read-only questions to the ledger. Each raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: int) -> JobEngagement:
        """Reads all events of the job, so it is not for each second."""
        rows = self._database.run(lambda c: c.execute(OF_JOB, {"job": job_id}).all())
        found = {(kind, bool(automatic)): count for kind, automatic, count in rows}
        return JobEngagement(*(found.get(which, 0) for which in _IN_ORDER))

    def of_email(self, email: EmailReport) -> Engagement:
        """One email's."""
        return self._of([email]).get(email.email_id, NONE)

    def beside(self, emails: Iterable[EmailReport], page: int = PAGE) -> Iterator[tuple[EmailReport, Engagement]]:
        """Each email with its own, a page at a time."""
        coming = iter(emails)
        while some := list(islice(coming, page)):
            found = self._of(some)
            yield from ((email, found.get(email.email_id, NONE)) for email in some)

    def _of(self, emails: Sequence[EmailReport]) -> dict[int, Engagement]:
        gens = {email.email_id: email.gen for email in emails}
        rows = self._database.run(lambda c: c.execute(OF_EMAILS, {"ids": list(gens)}).all())
        told: dict[int, dict[tuple[str, bool], int]] = {}
        for email_id, gen, kind, automatic, count in rows:
            if gen == gens[email_id]:
                told.setdefault(email_id, {})[kind, bool(automatic)] = count
        return {email_id: Engagement(*(counts.get(w, 0) for w in _IN_ORDER)) for email_id, counts in told.items()}


_IN_ORDER: Sequence[tuple[str, bool]] = [
    (EventKind.OPEN, False),
    (EventKind.CLICK, False),
    (EventKind.OPEN, True),
    (EventKind.CLICK, True),
]
