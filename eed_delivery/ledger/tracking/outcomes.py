"""Queries of the second axis for people, the delivery outcomes of a job's emails and the events of each."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, union_all

from eed_delivery.database.transactions import Database
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.schema import eed_email, eed_event
from eed_delivery.model import EmailState

BAD_OUTCOMES = frozenset(DeliveryOutcome) - {DeliveryOutcome.DELIVERED}
EVENTS_OF_AN_EMAIL = 1000
"""Limit, because any reader of an email can open it a million times."""

_OF_THE_SAME_GEN = (eed_event.c.email_id == eed_email.c.email_id) & (eed_event.c.gen == eed_email.c.gen)


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """What became of a job's sent emails. Together they are all of them. An email's outcome is of its generation."""

    delivered: int
    soft_bounced: int
    hard_bounced: int
    complained: int
    no_word_yet: int

    @property
    def known(self) -> bool:
        """Whether anything was heard."""
        return any((self.delivered, self.soft_bounced, self.hard_bounced, self.complained))


@dataclass(frozen=True, slots=True)
class EventReport:
    """One thing that was heard about an email after it left. `automatic` means of a machine, so it decides nothing."""

    occurred_at: datetime
    received_at: datetime
    gen: int
    kind: str
    sub_type: str
    outcome: str | None
    code: int | None
    enhanced: str | None
    detail: str
    message_id: str | None
    automatic: bool


@dataclass(frozen=True, slots=True)
class BounceReason:
    """One reason why emails came back, and how many emails had it."""

    outcome: str
    sub_type: str
    code: int | None
    enhanced: str | None
    emails: int


class OutcomeLedger:
    """Read-only questions to the ledger. Each raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: int) -> OutcomeReport:
        """What became of a job's sent emails. All is counted by the indexes, but what has an outcome and is not sent.
        That is little as a rule, and at worst the smaller of these two parts of the job is read."""
        ours = eed_email.c.job_id == job_id
        sent = eed_email.c.state == EmailState.SENT
        has_outcome = eed_email.c.outcome.is_not(None)
        by_outcome = select(eed_email.c.outcome, func.count()).group_by(eed_email.c.outcome)
        statement = union_all(  # one statement sees one moment
            select(literal(None), func.count()).where(ours, sent),
            by_outcome.where(ours, has_outcome),
            by_outcome.with_only_columns(eed_email.c.outcome, -func.count()).where(ours, has_outcome, ~sent),
        )
        found: Counter[str | None] = Counter()
        for outcome, count in self._database.run(lambda c: c.execute(statement).all()):
            found[outcome] += count
        heard = {outcome: found[outcome] for outcome in DeliveryOutcome}
        return OutcomeReport(
            **{outcome.value: count for outcome, count in heard.items()},
            no_word_yet=found[None] - sum(heard.values()),
        )

    def events_of(self, email_id: int) -> list[EventReport]:
        """What was reported about an email, in the order in which it happened, over all its generations. The first
        `EVENTS_OF_AN_EMAIL`."""
        names = EventReport.__dataclass_fields__
        statement = (
            select(*(eed_event.c[name] for name in names))
            .where(eed_event.c.email_id == email_id)
            .order_by(eed_event.c.occurred_at, eed_event.c.received_at, eed_event.c.event_id)
            .limit(EVENTS_OF_AN_EMAIL)
        )
        return self._database.run(lambda c: [EventReport(*row) for row in c.execute(statement)])

    def bounces(self, job_id: int, limit: int = 20) -> list[BounceReason]:
        """Why a job's emails came back or were complained about, the commonest reasons first. An email with two
        reasons counts for both."""
        facts = (eed_event.c.outcome, eed_event.c.sub_type, eed_event.c.code, eed_event.c.enhanced)
        count = func.count(eed_email.c.email_id.distinct())
        statement = (
            select(*facts, count)
            .select_from(eed_email)
            .join(eed_event, _OF_THE_SAME_GEN & (eed_event.c.outcome == eed_email.c.outcome))
            .where(eed_email.c.job_id == job_id, eed_email.c.state == EmailState.SENT)
            .where(eed_email.c.outcome.in_(sorted(BAD_OUTCOMES)))
            .where(eed_event.c.automatic.is_(False))
            .group_by(*facts)
            .order_by(count.desc(), *facts)
            .limit(limit)
        )
        return self._database.run(lambda c: [BounceReason(*row) for row in c.execute(statement)])
