"""What a batch does with messages that Lambda has received, and deletes by itself."""

from collections.abc import Sequence

from eed_delivery.model import Ticket
from eed_delivery.queue import Message, Published, Queue


class EventQueue:
    """`BatchQueue` of one invocation.

    Lambda deletes each message that is not among `failures`, so that a deletion costs no request. A failure comes again
    after its own visibility timeout, if it was given one, else after the queue's.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """

    def __init__(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Each message is to come again until its fate is decided."""
        self._queue = queue
        self._undecided = {message.sqs_id: None for message in messages}

    @property
    def failures(self) -> list[str]:
        """The ids of the messages that are to come again."""
        return list(self._undecided)

    def ack(self, messages: Sequence[Message]) -> None:
        """Have Lambda delete these."""
        for message in messages:
            self._undecided.pop(message.sqs_id, None)

    def later(self, messages: Sequence[Message], seconds: float) -> None:
        """Have these come again after some seconds. Raises `QueueGone`."""
        self._queue.later(messages, seconds)

    def publish(self, tickets: Sequence[Ticket], delay_seconds: float = 0) -> Published:
        """As `Queue.publish`."""
        return self._queue.publish(tickets, delay_seconds)
