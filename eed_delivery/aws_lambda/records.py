"""The records of an event as messages.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eed_delivery.queue import Received, received_from


@dataclass(frozen=True, slots=True)
class QueueEvent:
    """The messages of one event, and how many records are none.

    `other_queues`: names of queues that are not ours, from which records came.
    """

    messages: tuple[Received, ...]
    unreadable: int
    other_queues: frozenset[str]


def read_event(event: Any, queue_url: str) -> QueueEvent:
    """The messages of an event. `queue_url` is the queue that they should come from."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    found = [(_message(record), record) for record in (records if isinstance(records, list) else ())]
    ours = queue_url.rstrip("/").rpartition("/")[2]
    sources = {_queue_of(record) for message, record in found if message is not None}
    messages = tuple(message for message, _ in found if message is not None)
    return QueueEvent(messages, len(found) - len(messages), frozenset(sources - {ours, ""}))


def _message(record: Any) -> Received | None:
    """A record in the words of ReceiveMessage. None: it lacks what no message lacks."""
    if not isinstance(record, Mapping):
        return None
    named = {"MessageId": record.get("messageId"), "ReceiptHandle": record.get("receiptHandle")}
    if not all(isinstance(value, str) and value for value in named.values()):
        return None
    body, attributes = record.get("body"), record.get("attributes")
    said = {"Body": body if isinstance(body, str) else "", "Attributes": _texts(attributes)}
    return received_from({**named, **said})


def _texts(attributes: Any) -> dict[str, str]:
    given = attributes if isinstance(attributes, Mapping) else {}
    found = {str(name): value for name, value in given.items() if isinstance(value, str)}
    if not found.get("ApproximateReceiveCount", "1").isdecimal():
        del found["ApproximateReceiveCount"]
    return found


def _queue_of(record: Mapping[str, Any]) -> str:
    """The name at the end of arn:aws:sqs:us-east-1:123456789012:emails. "" if it is not said."""
    arn = record.get("eventSourceARN")
    return arn.rpartition(":")[2] if isinstance(arn, str) else ""
