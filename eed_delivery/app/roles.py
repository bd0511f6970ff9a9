"""Which processes the service has, and what each of them does.

The supervisor needs their names alone. What they are made of is loaded by the fork server, once, and is imported here
only where a process is at work. A service starts a second earlier for it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from eed_delivery import logs
from eed_delivery.config import Settings, failpoints_wanted
from eed_delivery.errors import ConfigError, DatabaseGone, Problem, QueueGone
from eed_delivery.model import DEFAULT_CHANNEL
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.loop import AWAY_SECONDS, Loop, LoopThread, Pulse
from eed_delivery.runtime.supervisor import Role

if TYPE_CHECKING:
    from eed_delivery.alerts.desk import Desk
    from eed_delivery.app.parts import App
    from eed_delivery.app.people_parts import PeopleApp
    from eed_delivery.channels.watch import WantedWorkers
    from eed_delivery.manifests.putter import ManifestPutter
    from eed_delivery.queue import Queue

log = structlog.get_logger(__name__)

HANDOVER_SECONDS = 5.0
"""Seconds by which a worker stops before its supervisor's deadline."""
LAST_ALERTS_SECONDS = 4.0
"""Seconds that a process waits at its end for alerts about its last lines; less than HANDOVER_SECONDS."""
OF_FILE = "file 0"
"""The mark of workers of the configuration file's channels, as `ChannelWatch` gives it."""
COORDINATION = "coordination"
"""What a worker waits for at its start."""
MANIFESTS = "manifests"
"""The loop that puts manifests."""
LAST_MANIFEST_SECONDS = 1.0
"""Seconds that a worker waits at its end for a manifest that it puts. Another worker puts it again."""
DRAIN_CHECK_SECONDS = 1.0
DRAIN_CHECKS = 3
"""Counts in a row that must find the queue empty, because SQS's counts are approximate."""


def roles(settings: Settings, *names: str, drain: bool = False, wanted: "Sequence[WantedWorkers]" = ()) -> list[Role]:
    """The processes of the service, as many of `worker` and `events` as are configured, and one of each other that is
    named."""
    found = []
    alone = {"publisher": run_publisher, "sweeper": run_sweeper, "bounces": run_bounces}
    alone |= {"web": run_web, "webhooks": run_webhooks, "operators": run_operators}
    alone |= {"archive": partial(run_archive, drain=drain), "resolver": run_resolver}
    for name in names:
        if name == "worker":
            found += worker_roles(settings, DEFAULT_CHANNEL, settings.worker.processes, OF_FILE, drain=drain)
            for channel, given in settings.channel.items():
                found += worker_roles(settings, channel, given.processes, OF_FILE, drain=drain)
            found += [replace(role, once=drain) for role in wanted_roles(settings, wanted)]
            if not drain:
                found.append(Role("channels", partial(in_role, settings, "channels", partial(run_channels, settings))))
        elif name == "events":
            for n in _each(settings.tracking.processes):
                work = partial(in_role, settings, name, partial(run_events, settings, n == 1))
                found.append(Role(f"events-{n}", work))
        else:
            work = partial(in_role, settings, name, partial(alone[name], settings))
            found.append(Role(name, work, once=drain, apart=name == "operators"))
    return found


def wanted_roles(settings: Settings, wanted: "Sequence[WantedWorkers]") -> list[Role]:
    """The worker processes that the role `channels` asks for."""
    return [role for one in wanted for role in worker_roles(settings, one.channel, one.processes, one.mark)]


def worker_roles(settings: Settings, channel: str, processes: int, mark: str, *, drain: bool = False) -> list[Role]:
    """The worker processes of one channel: `worker-1` of the default, `worker-statements-1` of another. The service is
    ready, and its watchdog fed, without those of another: a channel that cannot start stops none."""
    name = "worker" if channel == DEFAULT_CHANNEL else f"worker-{channel}"
    work = partial(in_role, settings, name, partial(run_worker, settings, channel, drain))
    vital = channel == DEFAULT_CHANNEL
    return [Role(f"{name}-{n}", work, once=drain, vital=vital, mark=mark) for n in _each(processes)]


def _each(processes: int) -> range:
    """The numbers of the processes. 0 means one for each core."""
    return range(1, (processes or os.cpu_count() or 1) + 1)


def _app(settings: Settings, stop: threading.Event | None = None) -> "App":
    from eed_delivery.app.parts import App

    return App(settings, stop)


def alive(
    app: "PeopleApp", role: str, stop: threading.Event, pulse: Pulse, problem: Callable[[], str | None] = lambda: None
) -> AbstractContextManager[None]:
    """Heartbeats of a role that sends no emails. `problem` is what keeps it from its work."""
    from eed_delivery.app.heartbeats import heartbeat

    return heartbeat(app, role, stop, pulse, problem)


def run_publisher(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The publisher's process: the default channel's publisher, and beside it those of the others."""
    app = _app(settings, stop)
    others = app.channel_publishers(partial(LoopThread, pulse=pulse))
    publisher = app.publisher(others)
    with alive(app, "publisher", stop, pulse, lambda: publisher.problem):
        beside = Loop("channels", others.step, stop, pulse).start()
        Loop("publisher", publisher.step, stop, pulse).run()
        beside.join()
    others.close()
    publisher.close()


def run_channels(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that tells the supervisor which channels need workers."""
    app = _app(settings, stop)
    watch = app.channel_watch(pulse.want)
    with alive(app, "channels", stop, pulse):
        Loop("channels", watch.step, stop, pulse).run()


def run_sweeper(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The sweeper's process."""
    from eed_delivery.app.sweeper_steps import sweeper_steps

    app = _app(settings, stop)
    sweeper, *beside = (Loop(name, step, stop, pulse) for name, step in sweeper_steps(app).items())
    with alive(app, "sweeper", stop, pulse):
        threads = [loop.start() for loop in beside]
        sweeper.run()
        for thread in threads:
            thread.join()


def run_events(settings: Settings, settles: bool, stop: threading.Event, pulse: Pulse) -> None:
    """A process that collects SES's events. One on each host `settles` late doubts, too."""
    app = _app(settings, stop)
    collector = app.collector(settings.tracking.events_queue_url or "")
    names = [f"events-{n}" for n in range(1, settings.tracking.threads + 1)]
    with alive(app, "events", stop, pulse):
        threads = [Loop(name, collector.step, stop, pulse).start() for name in names]
        if settles:
            Loop("doubts", collector.settle, stop, pulse).run()
        for thread in threads:
            thread.join()


def run_bounces(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that listens for bounces."""
    from eed_delivery.tracking.bounces.server import THREADS, BounceServer  # asyncio and all: no other role needs it

    app = _app(settings, stop)
    server = BounceServer(app.bounce_intake(THREADS), settings.bounces.protocol)
    host, port = settings.bounces.place()
    with alive(app, "bounces", stop, pulse):
        server.run(host, port, stop, lambda: pulse.beat("bounces"))
    pulse.forget("bounces")


def run_web(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that answers where the links in emails lead."""
    from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
    from eed_delivery.ledger.tracking.acceptance import AcceptanceLedger
    from eed_delivery.ledger.tracking.ledger import TrackingLedger
    from eed_delivery.link_server import role  # an HTTP server: no other role needs it
    from eed_delivery.link_server.recording import LinkRecorder

    app = _app(settings, stop)
    links = app.links()
    if links is None:
        raise ConfigError([Problem("web.base_url", "it is not set, and so no link leads here", "Give it.")])
    database = app.database(role.CONNECTIONS)
    tracking = TrackingLedger(database, app.source, settings.tracking, app.outbox)
    recording = LinkRecorder(tracking, AcceptanceLedger(database), UnsubscribeLedger(database, app.outbox))
    web = settings.web
    with alive(app, "web", stop, pulse):
        role.run(
            links, recording, web.place(), stop, pulse, health_place=web.health_place(), valid_days=web.link_valid_days
        )


def run_webhooks(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that sends webhooks to the tenant's own system."""
    from eed_delivery.ledger.webhooks.ledger import WebhookLedger
    from eed_delivery.webhooks.teller import Housekeeper, Teller

    app = _app(settings, stop)
    threads = settings.webhooks.threads
    ledger = WebhookLedger(app.database(threads + 1), settings.webhooks)
    tellers = [Teller(ledger, app.webhook_endpoint(), settings.webhooks, stop) for _ in range(threads)]
    with alive(app, "webhooks", stop, pulse):
        running = [Loop(f"webhooks-{n}", one.step, stop, pulse).start() for n, one in enumerate(tellers, 1)]
        Loop("housekeeping", Housekeeper(ledger).step, stop, pulse).run()
        for thread in running:
            thread.join()


def run_operators(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that answers people on call and the API."""
    from eed_delivery.app.operators import run  # packages of the extra `operators`: no other role needs them
    from eed_delivery.app.people_parts import PeopleApp

    with alive(PeopleApp(settings, stop), "operators", stop, pulse):
        run(settings, stop, pulse)


def run_archive(settings: Settings, stop: threading.Event, pulse: Pulse, *, drain: bool = False) -> None:
    """The process that takes copies of sent emails from this host's spools into their archives; with `drain` it ends
    when there is none that could go there."""
    from eed_delivery.archive.role import run

    app = _app(settings, stop)
    database = app.database(connections=len(app.archives.of))
    archivers = app.archives.archivers(database, lambda channel: pulse.beat(f"archive-{channel}"))
    run(archivers, *app.heartbeat("archive"), settings.worker.heartbeat_seconds, stop, pulse, drain=drain)


def run_resolver(settings: Settings, stop: threading.Event, pulse: Pulse) -> None:
    """The process that settles doubts from the log of a relay on this host."""
    from eed_delivery.app.resolving import make_resolver

    resolver = make_resolver(settings, pulse)
    with alive(_app(settings, stop), "resolver", stop, pulse, lambda: resolver.detail):
        Loop("resolver", resolver.step, stop, pulse).run()


def run_worker(settings: Settings, channel: str, drain: bool, stop: threading.Event, pulse: Pulse) -> None:
    """One worker process of a channel. With `drain` it ends when the channel's queue holds nothing any more."""
    app = _app(settings, stop)
    _await_coordination(app, channel, stop, pulse)
    try:
        _make_queues(app, channel, stop, pulse)
        worker = app.worker(stop, pulse, channel)
        manifests = app.manifests(channel, lambda: pulse.beat(MANIFESTS))
    except ConfigError as error:
        if channel == DEFAULT_CHANNEL:
            raise
        _say_unusable(app, channel, error)
        return
    if drain:
        queue = app.queue(channel=app.channel(channel))
        Loop("drain", DrainWatch(queue, stop).step, stop, pulse).start()
    threads = _put_manifests(manifests, stop, pulse) if manifests is not None else []
    worker.run(settings.service.stop_seconds - HANDOVER_SECONDS)
    for thread in threads:
        thread.join(LAST_MANIFEST_SECONDS)


def _put_manifests(manifests: "ManifestPutter", stop: threading.Event, pulse: Pulse) -> list[threading.Thread]:
    """Beside the worker: a job's manifest needs nothing but the channel's way out."""
    loops = [Loop(MANIFESTS, manifests.step, stop, pulse), Loop("manifest-lease", manifests.renew, stop, pulse)]
    return [loop.start() for loop in loops]


def _await_coordination(app: "App", channel: str, stop: threading.Event, pulse: Pulse) -> None:
    """Wait until no other process or function of the channel shares the rate in another way. Hosts that are replaced
    one after the other meet for a while, and the other roles of this host have work meanwhile."""
    watch = app.coordination_watch(channel)
    while not stop.is_set():
        pulse.beat(COORDINATION)
        try:
            if watch.agrees():
                break
        except DatabaseGone as gone:  # others then cannot send either
            log.warning("waiting", loop=COORDINATION, reason=str(gone))
        stop.wait(AWAY_SECONDS)
    pulse.forget(COORDINATION)


def _make_queues(app: "App", channel: str, stop: threading.Event, pulse: Pulse) -> None:
    """Make the queues that the channel asks for. Waits while SQS is away. Raises `ConfigError`."""
    while not stop.is_set():
        pulse.beat("queues")
        try:
            app.make_queues(app.channel(channel))
            break
        except QueueGone as gone:
            log.warning("waiting", loop="queues", reason=str(gone))
            stop.wait(AWAY_SECONDS)
    pulse.forget("queues")


def _say_unusable(app: "App", channel: str, error: ConfigError) -> None:
    """A mistake of a person's, and no defect: it is said without a traceback, and the supervisor tries again later."""
    log.error("channel_cannot_start", channel=channel, reason=str(error))
    with suppress(DatabaseGone):
        app.note_unusable(channel, error)


def in_role(
    settings: Settings, role: str, work: Callable[[threading.Event, Pulse], None], stop: threading.Event, pulse: Pulse
) -> None:
    """Do a role's `work` as every process of the service does. It logs, and alerts may listen."""
    with hearing(settings, role) as desk:
        places = failpoints_wanted()
        if failpoints.arm(places):
            log.warning("failpoints_armed", places=places)
        if desk is not None and _looks_at_facts(settings, role):
            Loop("facts", _app(settings, stop).fact_watch(desk).step, stop, pulse).start()
        if settings.metrics.directory is not None:
            from eed_delivery.app.metrics import keep_metrics

            keep_metrics(settings, role)
        work(stop, pulse)


@contextmanager
def hearing(settings: Settings, role: str) -> "Iterator[Desk | None]":
    """Log as `role`, with alerts listening, if there are any. What they heard last is handed over at the end."""
    if not (settings.alerts.rule or _looks_at_facts(settings, role)):
        logs.configure(settings.logs, role=role)
        yield None
        return
    desk = _app(settings).alert_desk()
    logs.configure(settings.logs, role=role, listeners=[desk.hear] if settings.alerts.rule else [])
    desk.start()
    try:
        yield desk
    finally:
        desk.close(LAST_ALERTS_SECONDS)


def _looks_at_facts(settings: Settings, role: str) -> bool:
    """Whether this role measures facts.

    Only the sweeper does. It has the ledger and the queue, and one host must have one.
    """
    return role == "sweeper" and bool(settings.alerts.fact)


class DrainWatch:
    """Sets the stop event when the queue has looked empty a few times in a row. Empty is nothing visible, in flight or
    delayed, so retries that still wait are waited for."""

    def __init__(self, queue: "Queue", stop: threading.Event) -> None:
        self._queue = queue
        self._stop = stop
        self._seen_empty = 0

    def step(self) -> float:
        depth = self._queue.depth()
        self._seen_empty = self._seen_empty + 1 if depth is not None and depth.empty else 0
        if self._seen_empty >= DRAIN_CHECKS:
            self._stop.set()
        return DRAIN_CHECK_SECONDS
