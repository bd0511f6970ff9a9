"""What a tenant's own system can be notified of: the kinds of notices and their data. Frozen data, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    """The `type` of a webhook. docs/webhooks.md says when each is sent."""

    EMAIL_DELIVERED = "email.delivered"
    EMAIL_BOUNCED = "email.bounced"
    EMAIL_COMPLAINED = "email.complained"
    EMAIL_OPENED = "email.opened"
    EMAIL_CLICKED = "email.clicked"
    EMAIL_UNSUBSCRIBED = "email.unsubscribed"
    EMAIL_FAILED = "email.failed"
    EMAIL_IN_DOUBT = "email.in_doubt"
    JOB_REGISTERED = "job.registered"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_HELD = "job.held"
    JOB_RELEASED = "job.released"
    JOB_CANCELLED = "job.cancelled"
    JOB_FAILED = "job.failed"
    JOB_DEADLINE_AT_RISK = "job.deadline_at_risk"
    JOB_FINISHED = "job.finished"
    JOB_REOPENED = "job.reopened"
    OPERATION_FINISHED = "operation.finished"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. The ids are the ledger's, and the endpoint receives the source's keys instead.

    `event_id` is the tracking event's it came of. `occurred_at` is in UTC (None is now, by the database's clock).
    `facts` are what the kind has besides, words and numbers, but no address and no server's reply.
    """

    kind: NoticeKind
    job_id: int | None = None
    email_id: int | None = None
    gen: int | None = None
    event_id: str | None = None
    occurred_at: datetime | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
