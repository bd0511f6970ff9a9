"""How much one rendering may produce and do. A template is another party's program. This is its budget."""

import time
from collections.abc import Iterator, Sized
from types import MappingProxyType

from jinja2.exceptions import TemplateRuntimeError
from jinja2.utils import Namespace
from markupsafe import Markup

from eed_delivery.column_values import Written

MAX_STEPS = 200_000
"""Loop rounds, calls and filters in one template for one email. A statement of 1,000 lines uses some 10,000."""

MAX_CPU_SECONDS = 5.0
"""CPU time of the rendering thread for one template and one email, from the first look at the clock. Usual: below 0.01.
A busy host doesn't count."""

MIN_WORK_CHARS = 1_000_000
"""Room for intermediate text, however small the output's limit is."""

MAX_NESTING = 100
"""Levels of lists and dicts within each other. An email's variables have at most 50."""

_CLOCK_EVERY = 256
"""Steps before the first look at the clock, and between two. Nearly every template ends before the first.

At each look the kernel settles the thread's accounts. On a busy machine that ends the thread's turn early. With a look
at the beginning of each template, a render was interrupted twice as often.
"""


class TemplateLimit(TemplateRuntimeError):
    """A template did more than one email may. Its text is for people and holds no value of the email's."""


class Budget:
    """Counts what one template does for one email, and stops it with `TemplateLimit` when it is too much.

    `chars` bounds all text that the template's expressions produce, intermediate text included. The output has its own
    limit, `max_output_chars`. The work is allowed four times as much.
    """

    __slots__ = ("chars", "chars_left", "deadline", "steps_left", "until_clock")

    def __init__(self, max_output_chars: int) -> None:
        self.chars = max(4 * max_output_chars, MIN_WORK_CHARS)
        self.chars_left = self.chars
        self.steps_left = MAX_STEPS
        self.until_clock = _CLOCK_EVERY
        self.deadline: float | None = None

    def step(self) -> None:
        """One loop round, call or filter."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise TemplateLimit(f"more than {MAX_STEPS:,} loop rounds and calls. Use smaller loops")
        self.tick()

    def tick(self) -> None:
        """A little work that is no step, such as one more item of a list."""
        self.until_clock -= 1
        if self.until_clock <= 0:
            self.look_at_clock()

    def look_at_clock(self) -> None:
        """Refused when the time is up. It is counted from the first look."""
        self.until_clock = _CLOCK_EVERY
        now = time.thread_time()
        if self.deadline is None:
            self.deadline = now + MAX_CPU_SECONDS
        elif now > self.deadline:
            raise TemplateLimit(f"still not done after {MAX_CPU_SECONDS:g} s of CPU time. Simplify the template")

    def charge(self, chars: int) -> None:
        """Count characters that were made."""
        self.chars_left -= chars
        if self.chars_left < 0:
            self.room(0)

    def room(self, chars: int) -> None:
        """Refuse characters that are about to be made, unless the budget allows them."""
        if chars > self.chars_left:
            raise TemplateLimit(f"it makes more than {self.chars:,} characters of text")

    def made(self, value: object) -> None:
        """What an operator, filter or call gave.

        Text and lists are charged by their length, and lists are weighed too.
        """
        if isinstance(value, str):
            self.charge(len(value))
        elif isinstance(value, CONTAINERS):
            self.bound(value)
            self.charge(len(value) if isinstance(value, Sized) else 1)

    def taken(self, value: object) -> None:
        """What an operator, filter, test or call is about to work on. What takes one step is done with it in time."""
        kind = type(value)
        if kind is str or kind is int or kind is Markup or value is None:  # nearly all
            return
        self.bound(value)
        self.look_at_clock()

    def bound(self, value: object) -> None:
        """Refused if `value`, written out, would be longer than the budget."""
        if weight(value, self.chars) > self.chars:
            raise TemplateLimit("a list, dict or namespace in the template grows too large or is nested too deeply")


class Counted:
    """What a `for` goes through. Each round is a step. Keeps its length, so that `loop.length` works as it does."""

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


_EMPTY: dict[object, object] = {}
_VIEWS: tuple[type, ...] = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))
CONTAINERS: tuple[type, ...] = (list, tuple, dict, set, frozenset, range, Namespace, *_VIEWS)
"""All that a template can hold and that has parts of its own. What is made of generators is weighed when it is made."""
_FLOAT_CHARS = 25  # -1.7976931348623157e+308
_BITS_A_DIGIT = 3


def weight(value: object, limit: int) -> int:
    """How long `value` is when written out, roughly. Counting stops above `limit`.

    A list that holds the same list many times counts it each time (that is how long it would be as text), but is walked
    only once. So a small nest that would unfold to gigabytes is weighed in no time. What is nested more than
    MAX_NESTING levels deep is above any limit, because Python's own functions would go through it by recursion.
    """
    return _weigh(value, limit, {}, MAX_NESTING)


def _weigh(value: object, limit: int, known: dict[int, int], depth: int) -> int:
    if isinstance(value, str):
        return len(value) + 1
    if isinstance(value, int):
        return value.bit_length() // _BITS_A_DIGIT + 1
    if isinstance(value, CONTAINERS):
        return _weigh_parts(value, limit, known, depth)
    if isinstance(value, Written):
        return len(value.text) + 1
    return _FLOAT_CHARS if isinstance(value, (float, complex)) else 1


def _weigh_parts(value: object, limit: int, known: dict[int, int], depth: int) -> int:
    if isinstance(value, range):
        return 1 + len(value) * (1 + max(abs(value.start), abs(value.stop)).bit_length() // _BITS_A_DIGIT)
    if id(value) in known:
        return known[id(value)]
    if not depth:
        return limit + 1
    known[id(value)] = 1  # a namespace may hold itself; Python writes "..." there
    total = 1
    for part in _parts(value):
        total += _weigh(part, limit, known, depth - 1)
        if total > limit:
            break
    known[id(value)] = total
    return total


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Namespace):
        value = object.__getattribute__(value, "_Namespace__attrs")  # its own getattr knows the template's names only
    elif isinstance(value, _VIEWS):
        value = value.mapping  # type: ignore[attr-defined]
    if isinstance(value, (dict, MappingProxyType)):
        yield from value.keys()
        yield from value.values()
    else:
        yield from value  # type: ignore[misc]  # a list, tuple or set
