"""How much one rendering may produce and do. A template is a program of somebody else's; this is its fuel."""

import time
from collections.abc import Iterator

from jinja2.exceptions import TemplateRuntimeError

MAX_STEPS = 200_000
"""Loop rounds, calls and filters in one template for one email. A statement of 1,000 lines uses some 10,000."""

MAX_CPU_SECONDS = 5.0
"""CPU time of the rendering thread for one template and one email. Usual: below 0.01. A busy host doesn't count."""

MIN_WORK_CHARS = 1_000_000
"""Room for intermediate text, however small the output's limit is."""

_CLOCK_EVERY = 256  # steps between two looks at the clock, which costs more than a step


class TemplateLimit(TemplateRuntimeError):
    """A template did more than one email may. Its text is for people and holds no value of the email's."""


class Budget:
    """Counts what one template does for one email, and stops it with `TemplateLimit` when it is too much.

    `chars` bounds all text that the template's expressions produce, intermediate text included. The output has its own
    limit, `max_output_chars`; the work is allowed four times as much.
    """

    __slots__ = ("chars", "chars_left", "deadline", "steps_left", "until_clock")

    def __init__(self, max_output_chars: int) -> None:
        self.chars = max(4 * max_output_chars, MIN_WORK_CHARS)
        self.chars_left = self.chars
        self.steps_left = MAX_STEPS
        self.until_clock = _CLOCK_EVERY
        self.deadline = time.thread_time() + MAX_CPU_SECONDS

    def step(self) -> None:
        """One loop round, call or filter."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise TemplateLimit(f"more than {MAX_STEPS:,} loop rounds and calls; use smaller loops")
        self.until_clock -= 1
        if self.until_clock <= 0:
            self.until_clock = _CLOCK_EVERY
            if time.thread_time() > self.deadline:
                raise TemplateLimit(f"still not done after {MAX_CPU_SECONDS:g} s of CPU time; simplify the template")

    def charge(self, chars: int) -> None:
        """So many characters were made."""
        self.chars_left -= chars
        if self.chars_left < 0:
            self.room(0)

    def room(self, chars: int) -> None:
        """Refused unless there is room for so many characters that are about to be made."""
        if chars > self.chars_left:
            raise TemplateLimit(f"it makes more than {self.chars:,} characters of text")

    def made(self, value: object) -> None:
        """What an operator, filter or call gave: text and lists are charged by their length, lists weighed too."""
        if isinstance(value, str):
            self.charge(len(value))
        elif isinstance(value, (list, tuple, dict)):
            self.bound(value)
            self.charge(len(value))

    def bound(self, value: object) -> None:
        """A list or dict that the template made: refused if, written out, it would be longer than the budget."""
        if weight(value, self.chars) > self.chars:
            raise TemplateLimit("a list or dict in the template grows too large")


class Counted:
    """What a `for` goes through: each round is a step. Keeps its length, so that `loop.length` works as it does."""

    __slots__ = ("_budget", "_items")

    def __init__(self, items: object, budget: Budget) -> None:
        self._items = items
        self._budget = budget

    def __iter__(self) -> Iterator[object]:
        step = self._budget.step
        for item in self._items:  # type: ignore[attr-defined]  # not iterable: TypeError, told as the template's error
            step()
            yield item

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]  # no length: TypeError, and Jinja counts the items itself


def weight(value: object, limit: int) -> int:
    """How long `value` is when written out, roughly; counting stops above `limit`.

    A list that holds the same list many times counts it each time (that is how long it would be as text), but is walked
    only once, so a small nest that would unfold to gigabytes is weighed in no time.
    """
    if isinstance(value, str):
        return len(value) + 1
    if isinstance(value, (list, tuple, dict)):
        return _weigh(value, limit, {})
    return 1


def _weigh(value: object, limit: int, known: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value) + 1
    if not isinstance(value, (list, tuple, dict)):
        return 1
    if id(value) in known:
        return known[id(value)]
    total = 1
    for item in _members(value):
        total += _weigh(item, limit, known)
        if total > limit:
            break
    known[id(value)] = total
    return total


def _members(value: list[object] | tuple[object, ...] | dict[object, object]) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    else:
        yield from value
