"""SQS in memory: a standard queue with its dead-letter queue, as boto3's client shows it.

It promises what SQS promises and nothing more: a message may come twice, again after it was deleted, in any order, or
never. Its clock stands still until it is moved.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from eed_delivery.queue import Queue
from tests.faults.model.actors import Life
from tests.faults.model.trouble import Kind

URL = "https://sqs.example/model"
DEAD_LETTER_URL = "https://sqs.example/model-dead"
RETENTION_SECONDS = 345_600
"""SQS's default of four days."""


@dataclass(eq=False)
class Message:
    """One message. It is hidden until `visible_at`; `receipt` is that of its last receive."""

    number: int
    body: str
    sent_at: float
    visible_at: float
    receives: int = 0
    receipt: str | None = None


class MemoryQueue:
    """The queue and its dead-letter queue."""

    def __init__(self, max_receives: int) -> None:
        self.now = 0.0
        self.at_most = 10
        """A receive brings so many messages at most, however many there are."""
        self.waiting: dict[str, list[Message]] = {URL: [], DEAD_LETTER_URL: []}
        self.died: list[str] = []
        """Bodies of all messages that were ever moved to the dead-letter queue."""
        self.ever: list[Message] = []
        """Every message that was ever sent."""
        self._max_receives = max_receives
        self._receipts = itertools.count(1)

    # --- what SQS does -------------------------------------------------------------------------------------------

    def send(self, body: str, delay: float) -> None:
        message = Message(len(self.ever) + 1, body, self.now, self.now + delay)
        self.ever.append(message)
        self.waiting[URL].append(message)

    def receive(self, url: str, limit: int, visibility: float) -> list[Message]:
        if url == URL:
            self._redrive()
        found = [message for message in self.waiting[url] if message.visible_at <= self.now]
        found = found[: min(limit, self.at_most)]
        for message in found:
            message.receives += 1
            message.receipt = f"{message.number}-{next(self._receipts)}"
            message.visible_at = self.now + visibility
        return found

    def _redrive(self) -> None:
        for message in list(self.waiting[URL]):
            if message.visible_at <= self.now and message.receives >= self._max_receives:
                self.waiting[URL].remove(message)
                self.waiting[DEAD_LETTER_URL].append(message)
                self.died.append(message.body)

    def delete(self, url: str, receipt: str) -> None:
        """An old receipt deletes nothing, which SQS does not report."""
        self.waiting[url] = [message for message in self.waiting[url] if message.receipt != receipt]

    def hide(self, url: str, receipt: str, seconds: float) -> bool:
        """False when the receipt is not that of a message in flight."""
        for message in self.waiting[url]:
            if message.receipt == receipt and message.visible_at > self.now:
                message.visible_at = self.now + seconds
                return True
        return False

    def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        hidden = [message for message in self.waiting[url] if message.visible_at > self.now]
        in_flight = sum(1 for message in hidden if message.receipt is not None)
        return len(self.waiting[url]) - len(hidden), in_flight, len(hidden) - in_flight

    def has_any(self) -> bool:
        """Whether a receive would bring something."""
        return any(message.visible_at <= self.now for message in self.waiting[URL])

    # --- what the world does to it -------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what is older than the retention is gone."""
        self.now += seconds
        self.waiting[URL] = [m for m in self.waiting[URL] if m.sent_at + RETENTION_SECONDS > self.now]

    def lose(self, which: int) -> bool:
        """A message disappears; False when there is none."""
        waiting = self.waiting[URL]
        return bool(waiting) and bool(waiting.pop(which % len(waiting)))

    def bring_again(self, which: int) -> bool:
        """A message is there to be received, although a worker holds it or it was deleted."""
        if not self.ever:
            return False
        message = self.ever[which % len(self.ever)]
        message.visible_at = self.now
        if not any(message in waiting for waiting in self.waiting.values()):
            self.waiting[URL].append(message)
        return True

    def turn(self, which: int) -> bool:
        """Other messages come first from now on."""
        waiting = self.waiting[URL]
        if len(waiting) > 1:
            self.waiting[URL] = waiting[which % len(waiting) :] + waiting[: which % len(waiting)]
        return len(waiting) > 1


class Client:
    """boto3's SQS client, as far as the product uses it, in the hands of one process."""

    def __init__(self, queue: MemoryQueue, life: Life) -> None:
        self._queue = queue
        self._life = life

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self._ask("sqs.send")
        taken, failed = self._split(Entries)
        for entry in taken:
            self._queue.send(entry["MessageBody"], entry.get("DelaySeconds", 0))
        return self._answer({"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": failed})

    def receive_message(
        self,
        QueueUrl: str,  # noqa: N803 - boto3's names
        MaxNumberOfMessages: int,  # noqa: N803
        WaitTimeSeconds: int,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
        MessageSystemAttributeNames: list[str],  # noqa: N803
    ) -> dict[str, Any]:
        self._ask("sqs.receive")
        found = self._queue.receive(QueueUrl, MaxNumberOfMessages, VisibilityTimeout)
        return self._answer({"Messages": [_as_received(message) for message in found]} if found else {})

    def delete_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self._ask("sqs.delete")
        taken, failed = self._split(Entries)
        for entry in taken:
            self._queue.delete(QueueUrl, entry["ReceiptHandle"])
        return self._answer({"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": failed})

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self._ask("sqs.change_visibility")
        taken, failed = self._split(Entries)
        for entry in taken:
            if not self._queue.hide(QueueUrl, entry["ReceiptHandle"], entry["VisibilityTimeout"]):
                failed.append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
        return self._answer({"Failed": failed})

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        self._ask("sqs.attributes")
        visible, in_flight, delayed = self._queue.counts(QueueUrl)
        facts = {
            "ApproximateNumberOfMessages": visible,
            "ApproximateNumberOfMessagesNotVisible": in_flight,
            "ApproximateNumberOfMessagesDelayed": delayed,
            "MessageRetentionPeriod": RETENTION_SECONDS,
        }
        return self._answer({"Attributes": {name: str(value) for name, value in facts.items()}})

    def _ask(self, place: str) -> None:
        self._life.reach(place)
        if self._life.trouble.take_queue(Kind.QUEUE_REFUSES):
            raise EndpointConnectionError(endpoint_url=URL)

    def _split(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        refused = entries[:1] if self._life.trouble.take_queue(Kind.QUEUE_REFUSES_ONE) else []
        failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return entries[len(refused) :], failed

    def _answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        if self._life.trouble.take_queue(Kind.QUEUE_ANSWER_LOST):
            raise ReadTimeoutError(endpoint_url=URL)
        return answer


def queue_for(queue: MemoryQueue, life: Life) -> Queue:
    """The product's queue, in one try: a second would wait, and publish what hypothesis may publish twice by itself."""
    return Queue(Client(queue, life), URL, DEAD_LETTER_URL, tries=1)  # type: ignore[arg-type]


def _as_received(message: Message) -> dict[str, Any]:
    return {
        "MessageId": str(message.number),
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": {"ApproximateReceiveCount": str(message.receives)},
    }
