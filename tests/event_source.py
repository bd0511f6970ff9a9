"""Lambda's poller of a queue, as far as a function can tell: it receives, invokes, and deletes what did not fail.

It does what emulators do not: a throttled invocation has received in vain, and a batch may be delivered twice.
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eed_delivery.aws_lambda.deadline import InvocationContext

Invoke = Callable[[dict[str, Any], InvocationContext], Any]
BATCH = 10


class TimeLeft:
    """A context with a timeout, by the real clock."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._until - time.monotonic()) * 1000)


def event_of(messages: list[dict[str, Any]], queue_arn: str) -> dict[str, Any]:
    """What Lambda makes of messages as ReceiveMessage gives them."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": queue_arn.split(":")[3],
            }
            for message in messages
        ]
    }


@dataclass
class EventSource:
    """One poller. `seconds` is the function's timeout, and `visibility` the queue's own."""

    sqs: Any
    queue_url: str
    seconds: float = 300.0
    visibility: int = 60
    results: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        facts = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        self.arn: str = facts["Attributes"]["QueueArn"]

    def receive(self, visibility: int | None = None, wait: int = 0) -> list[dict[str, Any]]:
        """Messages as ReceiveMessage gives them, which counts."""
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=self.visibility if visibility is None else visibility,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def throttled(self) -> int:
        """A poll whose invocation is throttled. The messages are visible again at once, and their receives count."""
        return len(self.receive(visibility=0))

    def poll(self, invoke: Invoke, *, twice: bool = False, wait: int = 0) -> int:
        """Receive, invoke, and delete what did not fail. Returns how many messages there were."""
        messages = self.receive(wait=wait)
        if messages:
            event = event_of(messages, self.arn)
            result = invoke(event, TimeLeft(self.seconds))
            if twice:
                result = invoke(event, TimeLeft(self.seconds))
            self.results.append(result)
            self.settle(messages, result)
        return len(messages)

    def settle(self, messages: list[dict[str, Any]], result: Any) -> None:
        """Delete what did not fail. A result that names no message, or another one, means that all have failed.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        ids = {message["MessageId"] for message in messages}
        failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
        if not failed <= ids:
            return
        gone = [message for message in messages if message["MessageId"] not in failed]
        if gone:
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(gone)]
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
