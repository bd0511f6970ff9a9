"""The worker processes of all hosts, and whether they send."""

from dataclasses import dataclass

from eed_delivery.ledger.workers import SeenProcess, WorkerLedger

__all__ = ["ProcessQueries", "ProcessView", "SeenProcess"]


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process with a heartbeat within a day. It is not alive any more after it has missed three."""

    process: SeenProcess
    alive: bool

    @property
    def sending(self) -> bool:
        return self.alive and self.process.sending


class ProcessQueries:
    """Reads heartbeats. Each call raises `DatabaseGone`."""

    def __init__(self, workers: WorkerLedger, heartbeat_seconds: float) -> None:
        self._workers = workers
        self._heartbeat_seconds = heartbeat_seconds

    def all(self) -> tuple[ProcessView, ...]:
        """All of them, the latest heartbeat first. There are a few on each host."""
        found = self._workers.all()
        return tuple(ProcessView(process, process.is_alive(self._heartbeat_seconds)) for process in found)
