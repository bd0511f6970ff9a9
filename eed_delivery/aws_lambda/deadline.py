"""The time that an invocation has. Lambda ends it without a word when that is over."""

import threading
from typing import Protocol

from eed_delivery.config.lambda_checks import LAST_SECONDS
from eed_delivery.errors import Stopping

GIVE_UP_SECONDS = 2.0
"""With less time left, an outcome that the database does not take is logged, and abandoned."""


class InvocationContext(Protocol):
    """Lambda's context object, as far as it is used.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """How long Lambda still lets the invocation run."""
        ...


class Deadline:
    """`give_up` is set when nothing more can be awaited."""

    def __init__(self, context: InvocationContext, wire_seconds: float) -> None:
        """`wire_seconds` is the longest send."""
        self._context = context
        self.needed = wire_seconds + LAST_SECONDS
        """Seconds that must be left for a send."""
        self.give_up = threading.Event()

    @property
    def remaining(self) -> float:
        """Seconds."""
        return self._context.get_remaining_time_in_millis() / 1000

    @property
    def allows_a_send(self) -> bool:
        """Whether the longest send, and all that follows it, would still be in time."""
        return self.remaining >= self.needed

    def before_wire(self) -> None:
        """Raise `Stopping` if it is too late to put an email on the wire."""
        if not self.allows_a_send:
            raise Stopping("the invocation has no time left for a send")

    def beat(self) -> None:
        """Called while something is awaited."""
        if self.remaining < GIVE_UP_SECONDS:
            self.give_up.set()
