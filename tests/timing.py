"""Where a test's time goes: a pytest plugin that writes it into the report, and `spending`, which names a cause.

    with spending("database creation"):
        ...

Each test's entry in the JUnit report gets properties: `setup`, `call` and `teardown` in seconds, `cpu` (of this
process, and of its children that have ended meanwhile), and one `cause:NAME` for each cause. A cause within another one
counts for itself alone, so that causes add up to no more than the test. `python -m tests.durations` sums them.

PYTEST_DONT_REWRITE: other modules of the tests import it before pytest loads it as a plugin.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident, main_thread
from time import monotonic

import pytest

SERVER_START = "server start"
DATABASE_CREATION = "database creation"
WAITING = "waiting"
PROCESS_STOP = "process stop"
HYPOTHESIS = "Hypothesis"

_spent: Counter[str] = Counter()
_open: list[float] = []  # for each cause that is being spent on: what was spent on others within it
_started: dict[str, float] = {}


@contextmanager
def spending(cause: str) -> Iterator[None]:
    """Count the time until the end of the block for this cause; only in the main thread, where the test runs."""
    if get_ident() != main_thread().ident:
        yield
        return
    started = monotonic()
    _open.append(0.0)
    try:
        yield
    finally:
        took = monotonic() - started
        _spent[cause] += took - _open.pop()
        if _open:
            _open[-1] += took


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    _spent.clear()
    _started["cpu"] = _cpu()
    yield from _phase(item, "setup")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        with spending(HYPOTHESIS):
            yield from _phase(item, "call")
    else:
        yield from _phase(item, "call")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    try:
        yield from _phase(item, "teardown")
    finally:
        item.user_properties.append(("cpu", f"{_cpu() - _started['cpu']:.3f}"))
        item.user_properties.extend((f"cause:{cause}", f"{took:.3f}") for cause, took in sorted(_spent.items()))


def _phase(item: pytest.Item, name: str) -> Iterator[None]:
    started = monotonic()
    try:
        yield
    finally:
        item.user_properties.append((name, f"{monotonic() - started:.3f}"))


def _cpu() -> float:
    return sum(os.times()[:4])
