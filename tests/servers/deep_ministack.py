"""`python -m tests.servers.deep_ministack`: ministack with queues that stay quick when they are deep.

Unchanged, each of ministack's calls walks through every message of the queue, several times. With 10,000 messages in
it, a receive takes 16 ms of CPU, with 500,000 half a second. SQS knows no such thing. So ministack gets to see
the messages in flight and the next few alone; the rest wait in line behind them.
"""

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from ministack.app import main
from ministack.services import sqs

SHOWN = 100
"""So many messages that can be received are in sight; one call receives 10 at most."""
Message = dict[str, Any]


class InSight(list[Message]):
    """What ministack takes for all of a queue's messages."""

    def __init__(self, messages: Iterable[Message], line: deque[Message]) -> None:
        super().__init__(messages)
        self._line = line

    def refill(self) -> None:
        """Bring the next of the line into sight. Not at any other moment than a receive, because ministack knows by
        their number whether it has deleted one."""
        now = time.time()
        missing = SHOWN - sum(message["visible_at"] <= now for message in self)
        while missing > 0 and self._line:
            super().append(self._line.popleft())
            missing -= 1

    def append(self, message: Message) -> None:
        """A new message goes to the end of the line, if there is one."""
        if self._line or len(self) >= SHOWN:
            self._line.append(message)
        else:
            super().append(message)

    def clear(self) -> None:
        super().clear()
        self._line.clear()


class DeepQueue(dict[str, Any]):
    """A queue of ministack's, with a line behind the messages in sight."""

    def __init__(self, queue: dict[str, Any]) -> None:
        super().__init__(queue)
        self.line: deque[Message] = deque()
        self["messages"] = queue["messages"]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, InSight(value, self.line) if key == "messages" else value)


_create_queue, _receive, _refresh_counts = sqs._HANDLERS["CreateQueue"], sqs._collect_msgs, sqs._refresh_counts


def _create_deep_queue(data: dict[str, Any], url: str) -> Any:
    answer = _create_queue(data, url)
    queue = sqs._queues[answer["QueueUrl"]]
    if not isinstance(queue, DeepQueue):
        sqs._queues[answer["QueueUrl"]] = DeepQueue(queue)
    return answer


def _receive_and_refill(queue: dict[str, Any], *limits: int) -> Any:
    if isinstance(queue, DeepQueue):
        queue["messages"].refill()
    return _receive(queue, *limits)


def _count_all(queue: dict[str, Any]) -> None:
    _refresh_counts(queue)
    attributes = queue["attributes"]
    waiting = len(queue.line) if isinstance(queue, DeepQueue) else 0
    attributes["ApproximateNumberOfMessages"] = str(int(attributes["ApproximateNumberOfMessages"]) + waiting)


sqs._HANDLERS["CreateQueue"] = _create_deep_queue
sqs._collect_msgs = _receive_and_refill
sqs._refresh_counts = _count_all

if __name__ == "__main__":
    main()
