"""eed-delivery itself, as systemd starts it by `eed-delivery run`, a supervisor with all its processes."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from benchmarks.arena import Ground
from benchmarks.work import release
from tests.servers.network import Host, environ_at
from tests.service_process import ServiceProcess
from tests.stack import Stack

# The product's own defaults again, where `tests.stack.DEFAULTS` is made for short tests.
SETTINGS: dict[str, Any] = {
    "queue.wait_seconds": 20,
    "queue.visibility_timeout_seconds": 120,
    "publisher.poll_seconds": 0.25,
    "publisher.job_lease_seconds": 60,
    "worker.processes": 0,
    "worker.threads": "auto",
    "worker.lease_seconds": 60,
    "worker.heartbeat_seconds": 5,
    "worker.probe_seconds": 10,
    "sweeper.interval_seconds": 10,
    "service.stop_seconds": 80,
    "smtp.connect_timeout_seconds": 30,
    "smtp.command_timeout_seconds": 60,
    "smtp.data_timeout_seconds": 600,
}

CABLE = "servers"
"""By this one a host reaches all of them; the other one that `Host` lays is left unused."""


class Ours:
    """The service at work on one ground, idle until `begin`. `settings` are dotted keys, over `SETTINGS`.

    Each of `hosts` has a whole service of its own. Without any there is one, on this machine itself.
    """

    name = "ours"

    def __init__(
        self,
        ground: Ground,
        settings: Mapping[str, Any],
        role: str = "run",
        hosts: Sequence[Host] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = dict(settings)
        self._environ = environ
        self._ground = ground
        self._role = role
        self._hosts = hosts

    def __enter__(self) -> "Ours":
        ground = self._ground
        places = {"smtp.port": ground.smtp_port, "rendering.attachments_root": str(ground.files)}
        with ExitStack() as opened:
            self.stack = opened.enter_context(
                Stack(
                    ground.url, ground.arena.sqs, ground.directory / "ours", {**SETTINGS, **places, **self.settings},
                    environ=self._environ,
                )
            )  # fmt: skip
            opened.callback(self._remove_queues)
            self._services = [self._on(host) for host in self._hosts] or [self.stack.start(self._role, anew=True)]
            self.stack.wait_until(lambda: all(s.log_events("ready") for s in self._services), "the service is ready")
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
        """The supervisors. All others are below them."""
        return [service.pid for service in self._services]

    @property
    def names(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for n, service in enumerate(self._services, start=1):
            where = f" on host {n}" if self._hosts else ""
            roles = {event["pid"]: f"{event['role']}{where}" for event in service.log_events("role_started")}
            found |= {service.pid: f"supervisor{where}", **roles}
        return found

    def story(self) -> str:
        """Where it stands, and the ends of the logs."""
        return self.stack.story()

    def _on(self, host: Host) -> ServiceProcess:
        """A service on that host, which reaches the servers by its cable."""
        ground = self._ground
        ports = (ground.arena.database.port, ground.arena.sqs.port, ground.smtp_port)
        environ = environ_at(ground.url, *(host.reach(CABLE, port) for port in ports))
        return self.stack.start(self._role, environ=environ, within=host.within, anew=True)

    def _remove_queues(self) -> None:
        for url in (self.stack.queue_url, self.stack.dead_letter_url):
            self.stack.sqs.delete_queue(QueueUrl=url)
