"""What one event says, wherever it comes from, and which of several has the last word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
    """What became of an email after acceptance. It is a second axis beside its state, and never mixed with it."""

    DELIVERED = "delivered"
    SOFT_BOUNCED = "soft_bounced"
    HARD_BOUNCED = "hard_bounced"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True)
class TrackingEvent:
    """One event about one recipient of one email.

    `event_id` is the same whenever the same event comes again, and never for two. `email_id` and `gen` are there when
    our own tag (or VERP address, or signed link) names them. Otherwise `message_id` (the provider's) is to find the
    email.
    `occurred_at` is in UTC. `outcome` is None where the event says nothing about one. `detail` is for people, and
    holds no address. `user_agent` is an open's or a click's, and distinguishes a mail proxy from a person. `automatic`
    means by a machine (a mail proxy's prefetch, an out-of-office note).
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


def in_utc(at: datetime) -> datetime:
    """As the database's clock has it, in UTC without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


_CLASSES: Mapping[DeliveryOutcome | None, int] = {DeliveryOutcome.COMPLAINED: 3, DeliveryOutcome.HARD_BOUNCED: 2}


def weight(event: TrackingEvent) -> tuple[int, datetime, bool]:
    """How much an event with an outcome counts against others about the same email.

    A complaint beats all, then a hard bounce. Of deliveries and soft bounces the later one is right, and a bounce when
    they are of the same moment. The server that accepted it was then not the last one.
    """
    bounced = event.outcome is not DeliveryOutcome.DELIVERED
    return _CLASSES.get(event.outcome, 1), in_utc(event.occurred_at), bounced


def decisive(events: Iterable[TrackingEvent]) -> TrackingEvent | None:
    """The event that says what became of an email, of all about it. None when none does."""
    return max((e for e in events if e.outcome is not None and not e.automatic), key=weight, default=None)
