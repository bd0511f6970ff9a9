"""What SNS and EventBridge wrap an event in, and how it is taken off.

Source: docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. With "raw message delivery" the queue has
the message alone, without an envelope. EventBridge's:
docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ses.html, which names the kinds that SES sends. A
rule may lead to the queue, or to a topic before it.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from eed_delivery.tracking.ses.fields import shown

# What SES publishes to see whether it may publish at all.
VALIDATED = "Successfully validated SNS topic"
EVENTBRIDGE_SOURCE = "aws.ses"
EVENT_TYPES = {
    "Email Bounced": "Bounce",
    "Email Complaint Received": "Complaint",
    "Email Delivered": "Delivery",
    "Email Sent": "Send",
    "Email Rejected": "Reject",
    "Email Opened": "Open",
    "Email Clicked": "Click",
    "Email Rendering Failed": "Rendering Failure",
    "Email Delivery Delayed": "DeliveryDelay",
    "Email Subscribed": "Subscription",
}
"""EventBridge's names for the kinds of event that are about an email."""
CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


def message_in(body: str) -> Mapping[str, Any] | None:
    """The JSON object that was published. None for what SNS, EventBridge or SES says of no email.

    Raises ValueError, and RecursionError for what is nested too deeply.
    """
    if body.startswith(VALIDATED):
        return None
    outer = _object(body)
    if "Type" not in outer:
        return _without_eventbridge(outer)
    if outer["Type"] in CONFIRMATIONS:
        return None
    message = outer.get("Message")
    if outer["Type"] != "Notification" or not isinstance(message, str):
        raise ValueError(f"SNS sent a message that is not a notification: {shown(outer['Type'])}")
    return None if message.startswith(VALIDATED) else _without_eventbridge(_object(message))


def _without_eventbridge(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The event in EventBridge's envelope. A message without one is unchanged."""
    kind, detail = message.get("detail-type"), message.get("detail")
    if not isinstance(kind, str) or not isinstance(detail, dict):
        return message
    if message.get("source") != EVENTBRIDGE_SOURCE:
        raise ValueError(f"EventBridge sent an event that is not SES's: {shown(message.get('source'))}")
    if kind not in EVENT_TYPES and not isinstance(detail.get("mail"), dict):
        return None  # of the account (a recommendation, sending switched off), or one that CloudTrail has recorded
    return detail if "eventType" in detail else {**detail, "eventType": EVENT_TYPES.get(kind)}


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


_decoder = json.JSONDecoder(parse_constant=_no_number)


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = _decoder.decode(text)
    except ValueError as e:
        raise ValueError(f"the message is not JSON: {shown(str(e))}") from None
    if isinstance(value, dict):
        return value
    raise ValueError("the message is JSON, but no object")
