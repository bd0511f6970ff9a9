"""Hosts that send, event by event: threads wait for each other, for a core, for the mail server and for the disk.

Each thread takes a batch of ten, and sends one email after the other. For each it needs Python (one thread of a process
at a time), the mail server's answer, and a commit. Threads of a process that are ready together share a commit, and the
database writes its log once for all that wait.
"""

import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import simpy

BATCH = 10
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Demand:
    """Seconds of CPU that one email needs, and of waiting that nothing shortens.

    `python` is the workers' own, under the interpreter's lock. `relay` is the benchmark's relays. `flush` is one write
    of the database's log. `answer` draws the time until the mail server's answer.
    """

    python: float
    publisher: float
    database: float
    queue: float
    mail_server: float
    relay: float = 0.0
    flush: float = 0.0005
    answer: Callable[[random.Random], float] = lambda _: 0.0

    @property
    def of_host(self) -> float:
        return self.python + self.publisher

    @property
    def of_servers(self) -> float:
        return self.database + self.queue + self.mail_server + self.relay

    def scaled(self, factor: float) -> "Demand":
        """All of the CPU, times a factor."""
        names = ("python", "publisher", "database", "queue", "mail_server", "relay")
        return replace(self, **{name: factor * getattr(self, name) for name in names})


@dataclass(frozen=True)
class Plant:
    """What sends. `shares_cores`: hosts and servers have the same `cores`, as in the benchmark. Else each host has as
    many of its own, and the database `database_cores`. `idle_cores` is what a host's other processes need anyway.
    `queue_ahead` is how many emails are published ahead of those that were sent. None: all of them, at once."""

    hosts: int
    processes: int
    threads: int
    cores: int = 2
    database_cores: int = 8
    shares_cores: bool = False
    idle_cores: float = 0.02
    rate: float | None = None
    queue_ahead: int | None = None


class _Commits:
    """Group commit of one process: who comes while one is under way goes with the next."""

    def __init__(self, model: "_Model", cores: simpy.Resource) -> None:
        self._model = model
        self._cores = cores
        self._waiting: list[simpy.Event] = []
        self._busy = False

    def join(self) -> simpy.Event:
        """Succeeds when the email's outcome is committed."""
        done = self._model.env.event()
        self._waiting.append(done)
        if not self._busy:
            self._busy = True
            self._model.env.process(self._lead())
        return done

    def _lead(self) -> Process:
        model = self._model
        while self._waiting:
            group, self._waiting = self._waiting, []
            yield from model.use(self._cores, model.demand.database * len(group))
            yield from model.flush()
            for done in group:
                done.succeed()
        self._busy = False


class _Model:
    def __init__(self, demand: Demand, plant: Plant, emails: int, seed: int) -> None:
        self.env = simpy.Environment()
        self.demand = demand
        self.plant = plant
        self.random = random.Random(seed)
        self.left = emails
        self.sent = 0
        self.sent_at: list[float] = []
        self._log_busy = False
        self._log_waiting: list[simpy.Event] = []
        self._next_turn = 0.0
        self.queue = simpy.Resource(self.env, 1)
        self.relay = simpy.Resource(self.env, 1)
        self.mail_server = simpy.Resource(self.env, 1)

    def use(self, resource: simpy.Resource, seconds: float) -> Iterator[simpy.Event]:
        """A core, or a program that does one thing at a time."""
        if seconds <= 0:
            return
        with resource.request() as turn:
            yield turn
            yield self.env.timeout(seconds)

    def flush(self) -> Iterator[simpy.Event]:
        """One write of the log for all that wait for it."""
        done = self.env.event()
        self._log_waiting.append(done)
        if not self._log_busy:
            self._log_busy = True
            self.env.process(self._write())
        yield done

    def _write(self) -> Process:
        while self._log_waiting:
            group, self._log_waiting = self._log_waiting, []
            yield self.env.timeout(self.demand.flush)
            for done in group:
                done.succeed()
        self._log_busy = False

    def server(self, program: simpy.Resource, cores: simpy.Resource, seconds: float) -> Iterator[simpy.Event]:
        """A program with one thread, on whatever core is free."""
        if seconds <= 0:
            return
        if not self.plant.shares_cores:
            return
        with program.request() as turn:
            yield turn
            yield from self.use(cores, seconds)

    def thread(
        self, gil: simpy.Resource, own: simpy.Resource, of_servers: simpy.Resource, commits: _Commits
    ) -> Process:
        """One sending thread, until no emails are left."""
        demand, env = self.demand, self.env
        while self.left > 0:
            batch = min(BATCH, self.left)
            self.left -= batch
            yield from self.server(self.queue, of_servers, demand.queue * batch)
            for _ in range(batch):
                with gil.request() as turn:
                    yield turn
                    yield from self.use(own, demand.python)
                if self.plant.rate is not None:
                    self._next_turn = max(self._next_turn, env.now) + 1 / self.plant.rate
                    yield env.timeout(self._next_turn - env.now)
                yield from self.server(self.relay, of_servers, demand.relay)
                yield from self.server(self.mail_server, of_servers, demand.mail_server)
                yield env.timeout(demand.answer(self.random))
                yield commits.join()
                self.sent += 1
                self.sent_at.append(env.now)

    def publisher(self, own: simpy.Resource, emails: int) -> Process:
        """Its work for all emails, a hundred at a time, and ahead of the workers."""
        for published in range(0, emails, 100):
            while self.plant.queue_ahead is not None and published > self.sent + self.plant.queue_ahead:
                yield self.env.timeout(0.01)
            yield from self.use(own, self.demand.publisher * 100)

    def idler(self, own: simpy.Resource) -> Process:
        """What a host's other processes do all the time, ten times a second."""
        while self.left > 0:
            yield self.env.timeout(0.1)
            yield from self.use(own, 0.1 * self.plant.idle_cores)


def emails_a_second(demand: Demand, plant: Plant, emails: int = 3000, seed: int = 1, *, steady: bool = False) -> float:
    """How fast `emails` are sent, from the first to the last. `steady`: in the middle three fifths of them, as in a
    job that is so large that its beginning and its end do not count."""
    model = _Model(demand, plant, emails, seed)
    shared = simpy.Resource(model.env, plant.cores if plant.shares_cores else plant.database_cores)
    threads = []
    for host in range(plant.hosts):
        own = shared if plant.shares_cores else simpy.Resource(model.env, plant.cores)
        model.env.process(model.idler(own))
        if host == 0:
            model.env.process(model.publisher(own, emails))
        for _ in range(plant.processes):
            gil, commits = simpy.Resource(model.env, 1), _Commits(model, shared)
            threads += [model.env.process(model.thread(gil, own, shared, commits)) for _ in range(plant.threads)]
    model.env.run(simpy.AllOf(model.env, threads))
    if steady:
        begun, ended = model.sent_at[emails // 5], model.sent_at[4 * emails // 5]
        return (4 * emails // 5 - emails // 5) / (ended - begun)
    return model.sent / model.env.now


def lognormal(median: float, spread: float) -> Callable[[random.Random], float]:
    """Latencies of a service: half are below the median, and a few are long. `spread` is the sigma of the logarithm."""
    return lambda source: median * source.lognormvariate(0.0, spread)
