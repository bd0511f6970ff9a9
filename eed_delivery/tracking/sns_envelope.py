"""What SNS wraps a message in, and how it is taken off.

Source: docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. With "raw message delivery" the queue has
the message alone, without an envelope.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from eed_delivery.tracking.ses_fields import shown

# What SES publishes to see whether it may publish at all.
VALIDATED = "Successfully validated SNS topic"
CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


def message_in(body: str) -> Mapping[str, Any] | None:
    """The JSON object that was published; None if SNS, or SES's test of the topic, says nothing of an email.

    Raises ValueError, and RecursionError for what is nested too deeply.
    """
    if body.startswith(VALIDATED):
        return None
    outer = _object(body)
    if "Type" not in outer:
        return outer
    if outer["Type"] in CONFIRMATIONS:
        return None
    message = outer.get("Message")
    if outer["Type"] != "Notification" or not isinstance(message, str):
        raise ValueError(f"SNS sent something that is no notification: {shown(outer['Type'])}")
    return None if message.startswith(VALIDATED) else _object(message)


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
