"""The queue: publish, receive, ack, retry later, extend, and what one message says on the wire.

Quotas: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from eed_delivery.errors import QueueGone
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import Depth, Ticket

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import MessageSystemAttributeNameType

    from eed_delivery.aws.calls import SqsCalls

log = structlog.get_logger(__name__)
T = TypeVar("T")

WIRE_VERSION = 1
MAX_BATCH = 10  # entries of any batch request, and messages of one receive
MAX_VISIBILITY_SECONDS = 12 * 3600
MAX_DELAY_SECONDS = 900
MAX_WAIT_SECONDS = 20
SENT: Final = "SentTimestamp"
FIRST_RECEIVED: Final = "ApproximateFirstReceiveTimestamp"
"""Milliseconds of the queue's own clock."""
ATTRIBUTES: "list[MessageSystemAttributeNameType]" = ["ApproximateReceiveCount", "MessageGroupId", SENT, FIRST_RECEIVED]
_TROUBLE = (BotoCoreError, ClientError)


@light_dataclass
class Received:
    """A message in our hand. `ticket` is None when it is none of ours. `problem` then says what is wrong with it.

    `waited_seconds` is how long it was in the queue before it was received first, by the queue's clock. None: it was
    received before, or it is not known.
    """

    sqs_id: str
    receipt: str
    receive_count: int
    ticket: Ticket | None
    problem: str = ""
    waited_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A received message that another sender wrote, unread."""

    sqs_id: str
    receipt: str
    receive_count: int
    body: str


Message = Received | Letter


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message from the dead-letter queue, with its body. `sent_at` is UTC, by the queue's clock."""

    message: Received
    body: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Published:
    """What SQS said to a batch. It holds the tickets it named as taken, and the reasons for the others, by how many."""

    accepted: tuple[Ticket, ...]
    refused: tuple[str, ...]


def write(ticket: Ticket) -> str:
    """The message body for a ticket. It has ids only, never an address or content. JSON of four whole numbers."""
    return f'{{"v":{WIRE_VERSION},"email_id":{ticket.email_id:d},"gen":{ticket.gen:d},"base":{ticket.base:d}}}'


def read(body: str) -> Ticket:
    """Parse a message body. Raises ValueError, saying what is wrong, for anything that is not exactly ours."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(said, dict) or set(said) != {"v", "email_id", "gen", "base"}:
        raise ValueError("the body is not an object with exactly v, email_id, gen and base")
    if any(type(value) is not int for value in said.values()):
        raise ValueError("v, email_id, gen and base must be whole numbers")
    if said["v"] != WIRE_VERSION:
        raise ValueError(f"version {said['v']} is not {WIRE_VERSION}, the only one this release reads")
    if not (0 < said["email_id"] < 2**63 and 0 <= said["gen"] < 2**31 and 0 <= said["base"] < 2**31):
        raise ValueError("a number is out of range")
    return Ticket(said["email_id"], said["gen"], said["base"])


class Queue:
    """One SQS standard queue and its dead-letter queue. Safe for many threads, as boto3 clients are.

    Every call is tried a few times on trouble and then raises `QueueGone`.
    """

    def __init__(
        self, client: "SqsCalls | SQSClient", url: str, dead_letter_url: str | None = None, *, tries: int = 3
    ) -> None:
        self._client = client
        self.url = url
        self.dead_letter_url = dead_letter_url
        self._retrying = Retrying(
            retry=retry_if_exception_type(_TROUBLE),
            stop=stop_after_attempt(tries),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        )

    def publish(self, tickets: Sequence[Ticket], delay_seconds: float = 0) -> Published:
        """Send up to ten tickets. Only what `Successful` names counts as taken. What neither list names does not."""
        delay = min(MAX_DELAY_SECONDS, max(0, round(delay_seconds)))
        entries: list[Any] = [_entry(str(i), ticket, delay) for i, ticket in enumerate(tickets)]
        answer = self._call(lambda: self._client.send_message_batch(QueueUrl=self.url, Entries=entries))
        taken = {entry["Id"] for entry in answer.get("Successful", [])}
        refused = {entry["Id"]: f"{entry['Code']}: {entry.get('Message', '')}" for entry in answer.get("Failed", [])}
        accepted = tuple(ticket for i, ticket in enumerate(tickets) if str(i) in taken - refused.keys())
        silent = [str(i) for i in range(len(tickets)) if str(i) not in taken | refused.keys()]
        return Published(accepted, (*refused.values(), *("named in neither list" for _ in silent)))

    def receive(self, limit: int, wait_seconds: float, visibility_seconds: float) -> list[Received]:
        """Long-poll for up to `limit` messages."""
        return [received_from(message) for message in self._messages(self.url, limit, wait_seconds, visibility_seconds)]

    def letters(self, limit: int, wait_seconds: float, visibility_seconds: float) -> list[Letter]:
        """Long-poll a queue whose messages are not ours, for up to `limit` of them."""
        return [
            Letter(message["MessageId"], message["ReceiptHandle"], _count(message), message["Body"])
            for message in self._messages(self.url, limit, wait_seconds, visibility_seconds)
        ]

    def receive_dead(self, limit: int, visibility_seconds: float) -> list[DeadLetter]:
        """Receive from the dead-letter queue. Nothing if none is configured."""
        if self.dead_letter_url is None:
            return []
        found = self._messages(self.dead_letter_url, limit, 0, visibility_seconds)
        return [DeadLetter(received_from(message), message["Body"], _sent_at(message)) for message in found]

    def _messages(self, url: str, limit: int, wait: float, visibility: float) -> list[Any]:
        answer = self._call(
            lambda: self._client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(MAX_BATCH, limit),
                WaitTimeSeconds=min(MAX_WAIT_SECONDS, round(wait)),
                VisibilityTimeout=round(visibility),
                MessageSystemAttributeNames=ATTRIBUTES,
            )
        )
        return list(answer.get("Messages", []))

    def ack(self, messages: Sequence[Message]) -> None:
        """Delete messages whose work is done. One that is not deleted comes again and finds its email ended."""
        self._delete(self.url, messages)

    def ack_dead(self, messages: Sequence[Received]) -> None:
        """Delete messages from the dead-letter queue."""
        if self.dead_letter_url is not None:
            self._delete(self.dead_letter_url, messages)

    def _delete(self, url: str, messages: Sequence[Message]) -> None:
        # A message delivered twice in one batch has one id and two receipts; the later receipt is the valid one, and
        # SQS refuses a batch that names one message twice (awspring/spring-cloud-aws#1634).
        receipts = list({message.sqs_id: message.receipt for message in messages}.values())
        for start in range(0, len(receipts), MAX_BATCH):
            entries: list[Any] = [
                {"Id": str(i), "ReceiptHandle": receipt}
                for i, receipt in enumerate(receipts[start : start + MAX_BATCH])
            ]
            answer = self._call(partial(self._client.delete_message_batch, QueueUrl=url, Entries=entries))
            _say_refused("delete", answer.get("Failed", []))

    def later(self, messages: Sequence[Message], seconds: float) -> None:
        """Make messages visible again after a delay in seconds (at most twelve hours)."""
        timeout = min(MAX_VISIBILITY_SECONDS, max(0, round(seconds)))
        receipts = list({message.sqs_id: message.receipt for message in messages}.values())
        for start in range(0, len(receipts), MAX_BATCH):
            entries: list[Any] = [
                {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": timeout}
                for i, receipt in enumerate(receipts[start : start + MAX_BATCH])
            ]
            change = partial(self._client.change_message_visibility_batch, QueueUrl=self.url, Entries=entries)
            answer = self._call(change)
            _say_refused("change_visibility", answer.get("Failed", []))

    def depth(self, *, dead: bool = False) -> Depth | None:
        """Approximate counts of the queue, or of the dead-letter queue (None when there is none)."""
        url = self.dead_letter_url if dead else self.url
        if url is None:
            return None
        facts = self.attributes(url)
        prefix = "ApproximateNumberOfMessages"
        return Depth(int(facts[prefix]), int(facts[f"{prefix}NotVisible"]), int(facts[f"{prefix}Delayed"]))

    def attributes(self, url: str | None = None) -> dict[str, str]:
        """The queue's attributes by name, as GetQueueAttributes gives them."""
        answer = self._call(lambda: self._client.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=["All"]))
        return {str(name): value for name, value in answer["Attributes"].items()}

    def _call(self, request: Callable[[], T]) -> T:
        try:
            return self._retrying(request)
        except _TROUBLE as error:
            raise QueueGone(f"the queue does not answer: {str(error)[:300]}") from error


def _entry(entry_id: str, ticket: Ticket, delay: int) -> dict[str, object]:
    entry: dict[str, object] = {"Id": entry_id, "MessageBody": write(ticket)}
    if ticket.group:
        entry["MessageGroupId"] = ticket.group
    if delay:
        entry["DelaySeconds"] = delay
    return entry


def received_from(message: Any) -> Received:
    """A message in our hand, of one as ReceiveMessage gives it."""
    facts = message.get("Attributes", {})
    try:
        ticket, problem = replace(read(message["Body"]), group=facts.get("MessageGroupId", "")), ""
    except ValueError as error:
        ticket, problem = None, str(error)
    count = _count(message)
    waited = _waited(facts) if count == 1 else None
    return Received(message["MessageId"], message["ReceiptHandle"], count, ticket, problem, waited)


def _waited(facts: Any) -> float | None:
    try:
        return max(0, int(facts[FIRST_RECEIVED]) - int(facts[SENT])) / 1000
    except (KeyError, ValueError):
        return None


def _sent_at(message: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(message["Attributes"][SENT]) / 1000, UTC).replace(tzinfo=None)
    except (KeyError, ValueError, OverflowError):
        return None


def _count(message: Any) -> int:
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))


def _say_refused(action: str, failed: Sequence[Any]) -> None:
    """An expired receipt is no disaster (celery/kombu#1198). The message comes again and its email's state is known."""
    if failed:
        log.info("queue_refused", action=action, count=len(failed), codes=sorted({entry["Code"] for entry in failed}))
