"""The processes of all hosts, whether they send, and which of them differ from the others."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.ledger.workers import FUNCTIONS, SeenProcess, WorkerLedger
from eed_delivery.operations.snapshots import SharedFigures

__all__ = ["ProcessQueries", "ProcessView", "ProcessesView", "SeenProcess"]


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process with a heartbeat within a day. It is not alive any more after it has missed three."""

    process: SeenProcess
    alive: bool
    differs: tuple[str, ...] = ()
    """`version` or `config`, where it is not that of most living processes."""

    @property
    def sending(self) -> bool:
        return self.alive and self.process.sending


@dataclass(frozen=True, slots=True)
class ProcessesView:
    """All processes as they were at `at` (UTC)."""

    at: datetime
    processes: tuple[ProcessView, ...]


class ProcessQueries:
    """Reads heartbeats. Each call raises `DatabaseGone`."""

    def __init__(self, workers: WorkerLedger, heartbeat_seconds: float, now: Callable[[], datetime]) -> None:
        """`now` is the database's clock."""
        self._workers = workers
        self._heartbeat_seconds = heartbeat_seconds
        self._shared = SharedFigures(lambda: ProcessesView(now(), self.all()))

    def look(self) -> ProcessesView:
        """The figures that all viewers share."""
        return self._shared.get()

    def all(self) -> tuple[ProcessView, ...]:
        """All of them, the latest heartbeat first. There are a few on each host."""
        found = [(process, process.is_alive(self._heartbeat_seconds)) for process in self._workers.all()]
        living = [process for process, alive in found if alive]
        version = _usual(one.version for one in living)
        config = _usual(one.config for one in living if one.host != FUNCTIONS)
        return tuple(
            ProcessView(process, alive, _differing(process, version, config) if alive else ())
            for process, alive in found
        )


def _usual(values: Iterable[str | None]) -> str | None:
    """The most frequent one. Of two that are as frequent, the greater one, so that all hosts say the same."""
    counted = Counter(value for value in values if value is not None)
    return max(counted, key=lambda value: (counted[value], value), default=None)


def _differing(process: SeenProcess, version: str | None, config: str | None) -> tuple[str, ...]:
    other_config = process.config != config and process.host != FUNCTIONS  # functions have a configuration of their own
    which = {"version": process.version != version, "config": other_config}
    return tuple(name for name, differs in which.items() if differs)
