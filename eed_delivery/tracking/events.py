"""What one event says, wherever it comes from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """SES's own kinds, which bounces by mail and our web endpoint share."""

    SEND = "send"
    REJECT = "reject"
    DELIVERY = "delivery"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    DELAY = "delay"
    OPEN = "open"
    CLICK = "click"
    RENDERING_FAILURE = "rendering_failure"
    SUBSCRIPTION = "subscription"


class DeliveryOutcome(StrEnum):
    """What became of an email after acceptance: a second axis beside its state, never mixed with it."""

    DELIVERED = "delivered"
    SOFT_BOUNCED = "soft_bounced"
    HARD_BOUNCED = "hard_bounced"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True)
class TrackingEvent:
    """One event about one recipient of one email.

    `event_id` is the same whenever the same event comes again, and never for two. `email_id` and `gen` are there when
    our own tag (or VERP address, or signed link) names them, else `message_id` (the provider's) is to find the email.
    `occurred_at` is in UTC. `outcome` is None where the event says nothing about one. `detail` is for people, and
    holds no address. `user_agent` is an open's or a click's, to tell a mail proxy from a person. `automatic`: by a
    machine (a mail proxy's prefetch, an out-of-office note).
    """

    event_id: str
    kind: EventKind
    occurred_at: datetime
    email_id: int | None = None
    gen: int | None = None
    message_id: str | None = None
    recipient: str | None = None
    outcome: DeliveryOutcome | None = None
    sub_type: str = ""
    code: int | None = None
    enhanced: str | None = None
    detail: str = ""
    user_agent: str = ""
    automatic: bool = False
