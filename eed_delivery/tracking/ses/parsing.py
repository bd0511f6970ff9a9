"""SES's notifications, as events.

Sources, all in Amazon's SES developer guide (docs.aws.amazon.com/ses/latest/dg/…):

- event-publishing-retrieving-sns-contents and -examples: what a configuration set publishes (`eventType`), with our
  tags;
- notification-contents and notification-examples: an identity's older feedback notifications (`notificationType`),
  without tags;
- monitoring-eventbridge: the same event in EventBridge's envelope.

Amazon keeps the right to add fields, so what is not known is passed over. An event must have its kind, its SES message
id and its time. Without one of them it is no event.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.tracking.bounces.auto_replies import says_away
from eed_delivery.tracking.bounces.diagnosis import diagnose
from eed_delivery.tracking.bounces.enhanced_codes import Meaning
from eed_delivery.tracking.bounces.feedback_reports import NO_COMPLAINTS
from eed_delivery.tracking.ses import fields as field
from eed_delivery.tracking.ses.sns_envelope import message_in
from eed_delivery.untrusted import clean

ID_CHARS = 32  # of SHA-256 in hexadecimal, 128 bits: no two events of a lifetime share them
MAX_EMAIL_ID = 2**63 - 1  # the ledger's BIGINT
MAX_GEN = 2**31 - 1  # the ledger's INTEGER

SUBSCRIBED = "AmazonSnsSubscriptionSucceeded"  # an identity's notifications were turned on
# Its own lists, and its check of addresses: whatever a server said once, SES will not carry the next email either.
NOT_TRIED = frozenset(
    {
        *("Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList"),
        *("EmailValidationSuppressed", "UnsubscribedRecipient"),
    }
)
UNKNOWN_TO_SES = "General"
"""The sub-type of a bounce that SES could not classify, so only the server's words are known."""

EMAIL_ID = re.compile(r"[1-9][0-9]{0,18}")
GEN = re.compile(r"0|[1-9][0-9]{0,9}")


def parse(body: str) -> list[TrackingEvent]:
    """The events of one message of the events queue, one for each recipient and each event once.

    Both of SNS's deliveries, EventBridge's envelope in either, and both of SES's formats. An empty list for what is
    known and concerns no email (SNS's confirmations, SES's test messages). ValueError, in words fit for a log, for all
    else.
    """
    try:
        event = message_in(body)
        return [] if event is None or event.get("notificationType") == SUBSCRIBED else _events(event)
    except RecursionError:
        raise ValueError("the message is nested too deeply to be an event") from None


@dataclass(frozen=True, slots=True)
class _Mail:
    """The email an event is about. `sent_at` is as SES wrote it, because few events need it."""

    message_id: str
    sent_at: Any
    destination: list[str | None]
    email_id: int | None
    gen: int | None

    @property
    def sole_recipient(self) -> str | None:
        return self.destination[0] if len(self.destination) == 1 else None


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where an event keeps what is its own, and how that is read."""

    key: str
    read: Callable[[_Mail, Mapping[str, Any]], Iterator[TrackingEvent]]


def _events(event: Mapping[str, Any]) -> list[TrackingEvent]:
    name = event.get("eventType") or event.get("notificationType")
    shape = SHAPES.get(name) if isinstance(name, str) else None
    if shape is None:
        raise ValueError(f"the message is not a known SES event: {field.shown(name)}")
    told = event.get(shape.key)
    found = shape.read(_mail(event.get("mail")), told if isinstance(told, dict) else {})
    return list({one.event_id: one for one in found}.values())


def _mail(mail: Any) -> _Mail:
    if not isinstance(mail, dict):
        mail = {}
    tags = mail.get("tags")
    email_id = field.tag(tags, "eed_email", EMAIL_ID, MAX_EMAIL_ID)
    return _Mail(
        message_id=field.message_id(mail),
        sent_at=mail.get("timestamp"),
        destination=[field.address(one) for one in field.entries(mail.get("destination"))],
        email_id=email_id,
        gen=None if email_id is None else field.tag(tags, "eed_gen", GEN, MAX_GEN),
    )


def _event(
    kind: EventKind,
    mail: _Mail,
    at: datetime,
    recipient: str | None,
    facts: Iterable[object],
    *,
    outcome: DeliveryOutcome | None = None,
    sub_type: str = "",
    reply: field.ServerReply | None = None,
    detail: str = "",
    user_agent: str = "",
    automatic: bool = False,
) -> TrackingEvent:
    """`facts` distinguish this event from others of its kind about the same recipient of the same email."""
    own = json.dumps([mail.message_id, kind, recipient, *facts], sort_keys=True)
    return TrackingEvent(
        event_id=sha256(own.encode()).hexdigest()[:ID_CHARS],
        kind=kind,
        occurred_at=at,
        email_id=mail.email_id,
        gen=mail.gen,
        message_id=mail.message_id,
        recipient=recipient,
        outcome=outcome,
        sub_type=sub_type,
        code=reply.code if reply else None,
        enhanced=reply.enhanced if reply else None,
        detail=reply.text if reply else detail,
        user_agent=user_agent,
        automatic=automatic,
    )


def _each(recipients: Any, mail: _Mail) -> list[tuple[str | None, Mapping[str, Any]]]:
    """Who the event is about, and what is said of each.

    An automatic response may come with an empty list. Then it is about the one we wrote to, if there is only one.
    """
    said = [one if isinstance(one, dict) else {"emailAddress": one} for one in field.entries(recipients)] or [{}]
    return [(field.address(one.get("emailAddress")) or mail.sole_recipient, one) for one in said]


def _send(mail: _Mail, _told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    return _by_ses(EventKind.SEND, mail, "")


def _reject(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    """SES found a virus, and stopped."""
    return _by_ses(EventKind.REJECT, mail, field.text(told.get("reason")))


def _rendering_failure(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    return _by_ses(
        EventKind.RENDERING_FAILURE,
        mail,
        _joined(": ", field.text(told.get("templateName")), field.text(told.get("errorMessage"))),
    )


def _by_ses(kind: EventKind, mail: _Mail, detail: str) -> Iterator[TrackingEvent]:
    """What SES itself did when it took the email, for all recipients at once."""
    at = field.time(mail.sent_at)
    for recipient in mail.destination or [None]:
        yield _event(kind, mail, at, recipient, [at.isoformat()], detail=detail)


def _delivery(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    at = field.time(told.get("timestamp"))
    reply = field.server_reply(told.get("smtpResponse"))
    for recipient, _ in _each(told.get("recipients"), mail):
        yield _event(
            EventKind.DELIVERY,
            mail,
            at,
            recipient,
            [at.isoformat()],
            outcome=DeliveryOutcome.DELIVERED,
            reply=reply,
        )


def _bounce(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    """A hard bounce, or a soft one that SES has stopped to retry.

    Permanent with the sub-types of `NOT_TRIED` is hard too, though SES did not try. It will not carry the next one
    either. `sub_type` says which.
    """
    at = field.time(told.get("timestamp"))
    for recipient, one in _each(told.get("bouncedRecipients"), mail):
        reply = field.server_reply(one.get("diagnosticCode"), one.get("status"))
        automatic = _is_auto_reply(told, one, reply)
        yield _event(
            EventKind.BOUNCE,
            mail,
            at,
            recipient,
            [_feedback_id(told, at)],
            outcome=None if automatic else _bounce_outcome(told, one, reply.enhanced),
            sub_type=field.word(told.get("bounceSubType")),
            reply=reply,
            automatic=automatic,
        )


def _feedback_id(told: Mapping[str, Any], at: datetime) -> str:
    feedback_id = told.get("feedbackId")
    return feedback_id if isinstance(feedback_id, str) and feedback_id else at.isoformat()


def _bounce_outcome(told: Mapping[str, Any], one: Mapping[str, Any], enhanced: str | None) -> DeliveryOutcome:
    """The type is the whole bounce's, the status one recipient's. Amazon's own example of a Permanent bounce has a
    recipient who is only delayed (notification-contents, "Bounce object")."""
    delayed = enhanced is not None and enhanced.startswith("4")
    dead = told.get("bounceType") == "Permanent" and not delayed and not _lives(told.get("bounceSubType"), one)
    return DeliveryOutcome.HARD_BOUNCED if dead else DeliveryOutcome.SOFT_BOUNCED


def _lives(sub_type: Any, one: Mapping[str, Any]) -> bool:
    """Whether the server's own words contradict SES, which calls a refusal by policy (DMARC, a blocklist) Permanent,
    too.
    """
    if isinstance(sub_type, str) and sub_type in NOT_TRIED:
        return False
    status, said = one.get("status"), one.get("diagnosticCode")
    diagnosis = diagnose(status if isinstance(status, str) else "", said if isinstance(said, str) else "")
    if diagnosis.cause.meaning is Meaning.DEAD or not diagnosis.spoken:
        return False
    return not diagnosis.vague or (sub_type == UNKNOWN_TO_SES and diagnosis.cause.sub_type == "policy")


def _is_auto_reply(told: Mapping[str, Any], one: Mapping[str, Any], reply: field.ServerReply) -> bool:
    """Whether the recipient's mailbox answered by itself, and so has the email.

    "If you send an email to a recipient who has an active automatic response rule (such as an "out of the office"
    message), you might receive this type of notification." So says notification-contents of Transient/General, and does
    not count it as a bounce. Such a response is no DSN (RFC 3834), so the fields that a DSN gives are missing.
    """
    if told.get("bounceType") != "Transient" or told.get("bounceSubType") != "General":
        return False
    from_dsn = told.get("reportingMTA") or one.get("action") or one.get("status") or one.get("diagnosticCode")
    return not from_dsn or (reply.enhanced is None and says_away(reply.text))


def _complaint(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    """`sub_type` is OnAccountSuppressionList where SES did not send because of an earlier complaint, else the report's
    own Feedback-Type."""
    at = field.time(told.get("timestamp"))
    feedback = field.word(told.get("complaintFeedbackType"))
    for recipient, _ in _each(told.get("complainedRecipients"), mail):
        yield _event(
            EventKind.COMPLAINT,
            mail,
            at,
            recipient,
            [_feedback_id(told, at)],
            outcome=None if feedback.lower() in NO_COMPLAINTS else DeliveryOutcome.COMPLAINED,
            sub_type=field.word(told.get("complaintSubType")) or feedback,
            detail=_joined(" by ", feedback, field.text(told.get("userAgent"))),
        )


def _delay(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    at = field.time(told.get("timestamp"))
    for recipient, one in _each(told.get("delayedRecipients"), mail):
        yield _event(
            EventKind.DELAY,
            mail,
            at,
            recipient,
            [at.isoformat()],
            sub_type=field.word(told.get("delayType")),
            reply=field.server_reply(one.get("diagnosticCode"), one.get("status")),
        )


def _open(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    at = field.time(told.get("timestamp"))
    facts = [at.isoformat(), told.get("ipAddress"), told.get("userAgent")]
    yield _event(EventKind.OPEN, mail, at, mail.sole_recipient, facts, user_agent=field.text(told.get("userAgent")))


def _click(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    at = field.time(told.get("timestamp"))
    facts = [at.isoformat(), *(told.get(name) for name in ("ipAddress", "userAgent", "link", "linkTags"))]
    yield _event(
        EventKind.CLICK,
        mail,
        at,
        mail.sole_recipient,
        facts,
        detail=field.link(told.get("link")),
        user_agent=field.text(told.get("userAgent")),
    )


def _subscription(mail: _Mail, told: Mapping[str, Any]) -> Iterator[TrackingEvent]:
    """A contact of SES's own lists has changed what it is subscribed to."""
    at = field.time(told.get("timestamp"))
    wanted = told.get("newTopicPreferences")
    yield _event(
        EventKind.SUBSCRIPTION,
        mail,
        at,
        mail.sole_recipient,
        [at.isoformat(), told.get("contactList"), wanted],
        sub_type=field.word(told.get("source")),
        detail=_joined(": ", field.text(told.get("contactList")), _preferences(wanted)),
    )


def _preferences(wanted: Any) -> str:
    wanted = wanted if isinstance(wanted, dict) else {}
    topics = [one for one in field.entries(wanted.get("topicSubscriptionStatus")) if isinstance(one, dict)]
    said = ["unsubscribed from all"] if wanted.get("unsubscribeAll") is True else []
    said += [
        _joined(" ", field.text(one.get("topicName")), field.word(one.get("subscriptionStatus"))) for one in topics
    ]
    return ", ".join(said)


def _joined(between: str, *parts: str) -> str:
    return clean(between.join(part for part in parts if part))


SHAPES: Mapping[str, _Shape] = {
    "Send": _Shape("send", _send),
    "Reject": _Shape("reject", _reject),
    "Delivery": _Shape("delivery", _delivery),
    "Bounce": _Shape("bounce", _bounce),
    "Complaint": _Shape("complaint", _complaint),
    "DeliveryDelay": _Shape("deliveryDelay", _delay),
    "Open": _Shape("open", _open),
    "Click": _Shape("click", _click),
    "Rendering Failure": _Shape("failure", _rendering_failure),
    "Subscription": _Shape("subscription", _subscription),
}
