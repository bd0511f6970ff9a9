"""Counts and observes. Whoever calls it need not know whether anybody keeps it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eed_delivery.metrics.recording import ProcessFigures

_figures: "ProcessFigures | None" = None


def keep(figures: "ProcessFigures | None") -> None:
    """From now on, in this process, keep all of it there."""
    global _figures
    _figures = figures


def count(name: str, *labels: str, by: int = 1) -> None:
    """Add to a counter."""
    if _figures is not None:
        _figures.of(name, labels).inc(by)


def observe(name: str, seconds: float, *labels: str) -> None:
    """Add to a histogram."""
    if _figures is not None:
        _figures.of(name, labels).observe(seconds)


def observe_later(name: str, seconds: float, *labels: str) -> None:
    """Add to a histogram with the next `flush`. It costs a tenth, for the path of each email."""
    if _figures is not None:
        _figures.later.append(((name, labels), seconds))


def flush(*, at_once: bool = False) -> None:
    """Add what `observe_later` has gathered, once a second. A process that is killed before loses it."""
    if _figures is not None and _figures.later:
        _figures.flush(at_once=at_once)


def put(name: str, value: float, *labels: str) -> None:
    """Set a gauge."""
    if _figures is not None:
        _figures.of(name, labels).set(value)
