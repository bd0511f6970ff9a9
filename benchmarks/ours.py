"""eed-delivery itself, as systemd starts it: `eed-delivery run`, a supervisor with all its processes."""

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from benchmarks.arena import Ground
from benchmarks.work import release
from tests.stack import Stack

# The product's own defaults again, where `tests.stack.DEFAULTS` is made for short tests. One is not the default: a new
# job is looked for every 0.3 s instead of every 5 s, or where in those 5 s a job comes in would decide short runs.
SETTINGS: dict[str, Any] = {
    "queue.wait_seconds": 20,
    "queue.visibility_timeout_seconds": 120,
    "publisher.poll_seconds": 0.3,
    "publisher.job_lease_seconds": 60,
    "worker.processes": 0,
    "worker.threads": 16,
    "worker.lease_seconds": 60,
    "worker.heartbeat_seconds": 5,
    "worker.probe_seconds": 10,
    "sweeper.interval_seconds": 10,
    "service.stop_seconds": 80,
    "smtp.connect_timeout_seconds": 30,
    "smtp.command_timeout_seconds": 60,
    "smtp.data_timeout_seconds": 600,
}


class Ours:
    """The service at work on one ground, idle until `begin`. `settings`: dotted keys, over `SETTINGS`."""

    name = "ours"

    def __init__(self, ground: Ground, settings: Mapping[str, Any], role: str = "run") -> None:
        self.settings = dict(settings)
        self._ground = ground
        self._role = role

    def __enter__(self) -> "Ours":
        ground = self._ground
        places = {"smtp.port": ground.smtp_port, "rendering.attachments_root": str(ground.files)}
        with ExitStack() as opened:
            self.stack = opened.enter_context(
                Stack(ground.url, ground.arena.sqs, ground.directory / "ours", {**SETTINGS, **places, **self.settings})
            )
            opened.callback(self._remove_queues)
            self._service = self.stack.start(self._role)
            self.stack.wait_until(lambda: bool(self._service.log_events("ready")), "the service is ready")
            self._at_the_end = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_the_end.close()

    def begin(self, job_id: int) -> None:
        """Make a job ready in the source."""
        release(self._ground.url, job_id)

    @property
    def roots(self) -> list[int]:
        """The supervisor; all others are below it."""
        return [self._service.pid]

    @property
    def names(self) -> dict[int, str]:
        roles = {event["pid"]: event["role"] for event in self._service.log_events("role_started")}
        return {self._service.pid: "supervisor", **roles}

    def story(self) -> str:
        """Where it stands, and the ends of the logs."""
        return self.stack.story()

    def _remove_queues(self) -> None:
        for url in (self.stack.queue_url, self.stack.dead_letter_url):
            self.stack.sqs.delete_queue(QueueUrl=url)
