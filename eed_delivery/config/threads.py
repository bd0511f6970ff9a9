"""How many threads a worker process has: a fixed number, or as many as are worth it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from eed_delivery.config.formats import mistake

AUTO_LEAST = 4
AUTO_FIRST = 16
AUTO_MOST = 128
"""Limits of `"auto"` in each process, and where it begins."""
MOST_THREADS = 256
"""Limit of a fixed number."""


def _threads(value: Any) -> Any:
    if value == "auto":
        return value
    try:
        threads = int(value) if not isinstance(value, bool | float) else 0
    except (TypeError, ValueError):
        threads = 0
    if not 1 <= threads <= MOST_THREADS:
        raise mistake(
            f"{value!r} is not a number of threads",
            f'Give a whole number, 1 to {MOST_THREADS}, or "auto" for as many as are worth it.',
        )
    return threads


Threads = Annotated[Annotated[int, Field(ge=1, le=MOST_THREADS)] | Literal["auto"], BeforeValidator(_threads)]


def most_threads(threads: int | Literal["auto"]) -> int:
    """The number of threads that a process may come to have."""
    return AUTO_MOST if threads == "auto" else threads


def first_threads(threads: int | Literal["auto"]) -> int:
    """The number of threads that a process begins with."""
    return AUTO_FIRST if threads == "auto" else threads
