"""A publisher for each channel but the default, each in a loop of its own: none waits for another's queue."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from eed_delivery.errors import ConfigError, QueueGone
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.model import DEFAULT_CHANNEL
from eed_delivery.publisher.publisher import Publisher
from eed_delivery.queue import Queue
from eed_delivery.runtime.loop import LoopStarter, RunningLoop

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""How often the channels are compared with the running publishers."""


@dataclass(frozen=True, slots=True)
class _Running:
    publisher: Publisher
    queue_url: str
    loop: RunningLoop


class ChannelPublishers:
    """Starts a publisher for each channel that comes, and ends that of one that goes."""

    def __init__(
        self,
        queues: Callable[[], Mapping[str, Queue]],
        make: Callable[[str, Queue], Publisher],
        start: LoopStarter,
        file_channels: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`queues`: the queue of each channel, by its name. `make` makes the publisher of one, and `start` its loop.
        `file_channels` are those that put files."""
        self._queues = queues
        self.file_channels = file_channels
        self._make = make
        self._start_loop = start
        self._running: dict[str, _Running] = {}
        self._reported: dict[str, str] = {}
        self._known: frozenset[str] | None = None

    def known(self) -> Collection[str] | None:
        """The channels that are there, the default among them. None before the first look."""
        return self._known

    def default(self) -> ServedChannels:
        """What the publisher of the default channel takes: also what is of no channel."""
        return ServedChannels(DEFAULT_CHANNEL, (self._known or frozenset()) - {DEFAULT_CHANNEL})

    def step(self) -> float:
        """Compare. What cannot be made now is tried again with the next look, and keeps no other from being made."""
        queues = {name: queue for name, queue in self._queues().items() if name != DEFAULT_CHANNEL}
        self._known = frozenset((DEFAULT_CHANNEL, *queues))
        for name, running in list(self._running.items()):
            if name not in queues or queues[name].url != running.queue_url:
                self._end(name)
        for name, queue in queues.items():
            if name not in self._running:
                self._try_to_start(name, queue)
        return LOOK_SECONDS

    def _try_to_start(self, name: str, queue: Queue) -> None:
        reason = ""
        try:
            self._start(name, queue)
        except (ConfigError, QueueGone) as error:
            reason = str(error)
        if reason != self._reported.get(name, ""):
            self._reported[name] = reason
            if reason:  # a mistake of a person's, and no defect: it is said without a traceback
                log.error("channel_cannot_start", channel=name, reason=reason)

    def _start(self, name: str, queue: Queue) -> None:
        publisher = self._make(name, queue)
        loop = self._start_loop(f"publisher-{name}", publisher.step)
        self._running[name] = _Running(publisher, queue.url, loop)
        log.info("channel_publisher_started", channel=name)

    def _end(self, name: str) -> None:
        running = self._running.pop(name)
        running.loop.stop()
        running.loop.join()
        running.publisher.close()
        log.info("channel_publisher_ended", channel=name)

    @property
    def publishers(self) -> Collection[Publisher]:
        """Those that run now."""
        return [running.publisher for running in self._running.values()]

    def close(self) -> None:
        """End all of them."""
        for running in self._running.values():
            running.loop.stop()
        for name in list(self._running):
            self._end(name)
