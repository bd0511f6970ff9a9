"""What is measured, part by part, as functions that yield their runs. `python -m benchmarks --list` names them."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.arena import Arena, Ground
from benchmarks.ceiling import ceiling
from benchmarks.large_ledger import fill_finished
from benchmarks.measure import Run
from benchmarks.ours import CABLE, SETTINGS, Ours
from benchmarks.peers.crew import CELERY, DRAMATIQ, THREAD_PER_EMAIL, Kind, Peer
from benchmarks.race import WARM_UP, Meter, System, await_so, await_taken, race, seconds_to_accepted, seconds_to_end
from benchmarks.work import KB, STATEMENT_BYTES, Work
from benchmarks.yardstick import yardstick as measured
from tests.servers.network import Host
from tests.world import World

SYSTEMS = ("thread_per_email", "celery", "dramatiq", "ours", "smtp-source")
_PEERS: dict[str, Kind] = {kind.name: kind for kind in (THREAD_PER_EMAIL, CELERY, DRAMATIQ)}
# Of the same emails the slow ones send fewer, so that each sender is at it for ten seconds or more: a run that is over
# in four tells how it starts.
_SHARE = {"thread_per_email": 0.1, "celery": 0.3, "dramatiq": 0.4, "ours": 3, "smtp-source": 3}
SINGLES = 5
FEW = 10
HISTORY = 1_000_000
PATIENCE_SECONDS = 3 * 3600
"""A thread per email takes more than an hour for 100,000."""


@dataclass(frozen=True)
class Bench:
    """What the command line asks for. `emails` is how many ours sends in most runs, and in others a multiple of it.

    The part `systems` is run `repetitions` times. In others a run of ours is repeated `repeat` times, and the middle
    one counts.
    """

    arena: Arena
    emails: int
    attachment_bytes: int = STATEMENT_BYTES
    repetitions: int = 3
    repeat: int = 1
    systems: Sequence[str] = SYSTEMS
    settings: dict[str, Any] = field(default_factory=dict)
    long: bool = False

    def ours(
        self, part: str, work: Work, settings: dict[str, Any] | None = None, *, slow_ms: int = 0, ses: bool = False
    ) -> Run:
        """Our service, as often as it is to be repeated."""
        return middle([self.once(part, work, settings, slow_ms=slow_ms, ses=ses) for _ in range(self.repeat)])

    def once(
        self,
        part: str,
        work: Work,
        settings: dict[str, Any] | None = None,
        *,
        slow_ms: int = 0,
        ses: bool = False,
        history: int = 0,
    ) -> Run:
        """One run of our service, in a ledger that has `history` emails of finished jobs."""
        wanted = {**(settings or {}), **self.settings}
        with ExitStack() as opened:
            sink = opened.enter_context(self.arena.ses()) if ses else None
            port = opened.enter_context(self.arena.relay(slow_ms)).port if slow_ms else None
            if sink is not None:
                wanted |= {"transport.kind": "ses", "ses.endpoint_url": f"http://127.0.0.1:{sink.port}"}
            ground = self.arena.ground([work, WARM_UP], sink, port)
            if history:
                _put_history(ground.url, history)
            system = opened.enter_context(Ours(ground, wanted))
            run = race(part, system, ground, work, "ses" if ses else "smtp")
        return replace(run, settings={**(settings or {}), **self.settings})


def _put_history(url: str, emails: int) -> None:
    world = World(url)
    fill_finished(world, emails)
    world.close()


class Skipped(Exception):
    """This machine does not have what the part needs, in words."""


Part = Callable[[Bench], Iterator[Run]]
PARTS: dict[str, Part] = {}
EXTRA: set[str] = set()
"""Those that run only when they are named."""


def part(function: Part) -> Part:
    """Make it one of PARTS, by its name."""
    PARTS[function.__name__] = function
    return function


@part
def yardstick(bench: Bench) -> Iterator[Run]:
    """What a millisecond is worth here, by the CPU to build the email with the standard library, and nothing else."""
    yield measured(bench.arena, 0)
    yield measured(bench.arena, bench.attachment_bytes)


@part
def systems(bench: Bench) -> Iterator[Run]:
    """All systems send the same emails, in turns. The medians of these runs are the ratios."""
    turns = [(name, turn) for turn in range(bench.repetitions) for name in bench.systems]
    runs: dict[str, list[Run]] = {}
    for name, _ in turns:
        run = _one(bench, name)
        if run is not None:
            runs.setdefault(name, []).append(run)
    for found in runs.values():
        yield middle(found)


def _one(bench: Bench, name: str) -> Run | None:
    work = Work(_times(bench, _SHARE[name]), bench.attachment_bytes)
    if name == "smtp-source":
        return ceiling("systems", bench.arena, work)
    if name == "ours":
        return bench.once("systems", work)
    ground = bench.arena.ground([work, WARM_UP])
    with Peer(_PEERS[name], ground) as peer:
        return race("systems", peer, ground, work)


@part
def transports(bench: Bench) -> Iterator[Run]:
    """SES. SMTP is what all other parts use."""
    yield bench.ours("transports", Work(bench.emails, bench.attachment_bytes), ses=True)
    yield bench.ours("transports", Work(bench.emails, 0), ses=True)


@part
def attachments(bench: Bench) -> Iterator[Run]:
    """No attachment, 60 KB each, 1 MB each, and one file of 1 MB that all have in common."""
    yield bench.ours("attachments", Work(_times(bench, 3), 0))
    yield bench.ours("attachments", Work(bench.emails, 60 * KB))
    yield bench.ours("attachments", Work(_times(bench, 1 / 8), KB * KB))
    shared = bench.ours("attachments", Work(_times(bench, 1 / 8), KB * KB, shared=True))
    yield replace(shared, settings={**shared.settings, "attachment": "one for all"})


@part
def threads(bench: Bench) -> Iterator[Run]:
    """Processes times threads."""
    for processes in (1, 2):
        for count in (4, 16, 32):
            settings = {"worker.processes": processes, "worker.threads": count}
            yield bench.ours("threads", Work(_times(bench, 1 / 2), bench.attachment_bytes), settings)


@part
def hosts(bench: Bench) -> Iterator[Run]:
    """Two worker processes, both on one host, and one on each of two, which are network namespaces."""
    with ExitStack() as opened:
        there = [opened.enter_context(Host((CABLE, "unused"))) for _ in range(2)]
        if not all(host.separate for host in there):
            raise Skipped("this machine lets us make no network namespaces")
        yield _on_hosts(bench, there[:1], processes=2)
        yield _on_hosts(bench, there, processes=1)


def _on_hosts(bench: Bench, there: Sequence[Host], processes: int) -> Run:
    """The way to the servers leads through relays in this process. What they cost is reported."""
    work = Work(_times(bench, 1 / 2), bench.attachment_bytes)
    ground = bench.arena.ground([work, WARM_UP])
    wanted = {"worker.processes": processes, **bench.settings}
    with Ours(ground, wanted, hosts=there) as system:
        begun = time.process_time()
        run = race("hosts", system, ground, work)
        relays_ms = (time.process_time() - begun) * 1000 / (work.emails + WARM_UP.emails)
    figures = {**run.figures, "relays_cpu_ms": round(relays_ms, 2)}
    return replace(run, settings={"hosts": len(there), **run.settings}, figures=figures)


@part
def sizes(bench: Bench) -> Iterator[Run]:
    """Jobs of 1,000 and 10,000 emails, and with --long of 100,000 and 500,000 too.

    An email must not cost more in them.
    """
    for emails in (1_000, 10_000, 100_000, 500_000) if bench.long else (1_000, 10_000):
        yield bench.ours("sizes", Work(emails, bench.attachment_bytes))


@part
def history(bench: Bench) -> Iterator[Run]:
    """A job in an empty ledger, and in one with a million emails of finished jobs, in turns.

    An email must not cost more there.
    """
    if bench.arena.database.kind != "mariadb":
        raise Skipped("only MariaDB makes a million rows within the database")
    turns = [(emails, turn) for turn in range(bench.repetitions) for emails in (0, HISTORY)]
    runs: dict[int, list[Run]] = {0: [], HISTORY: []}
    for emails, _ in turns:
        runs[emails].append(bench.once("history", Work(bench.emails, bench.attachment_bytes), history=emails))
    empty, full = middle(runs[0]), middle(runs[HISTORY])
    times = {f"{name}_cost_times": value for name, value in _ratios(full, empty).items()}
    yield replace(empty, settings={**empty.settings, "emails_before": 0})
    yield replace(full, settings={**full.settings, "emails_before": HISTORY}, figures={**full.figures, **times})


def _ratios(run: Run, other: Run) -> dict[str, float]:
    before = _cpu_ms(other)
    return {name: round(used / before[name], 2) for name, used in _cpu_ms(run).items() if before[name]}


@part
def latency(bench: Bench) -> Iterator[Run]:
    """A mail server each of whose answers takes 1, 20, 100 ms, which threads must hide.

    With the default number of threads, which each process has to find during the job, and with 16.
    """
    for milliseconds, threads, share in ((1, "auto", 6), (20, "auto", 6), (100, "auto", 10), (100, 16, 0.4)):
        work = Work(_times(bench, share), bench.attachment_bytes)
        run = bench.ours("latency", work, {"worker.threads": threads}, slow_ms=milliseconds)
        yield replace(run, settings={**run.settings, "each_answer_ms": milliseconds})


@part
def publish(bench: Bench) -> Iterator[Run]:
    """The publisher alone, from a ready job to the last message in the queue."""
    work = Work(100_000 if bench.long else _times(bench, 3), 0)
    ground = bench.arena.ground([work, WARM_UP])
    with Ours(ground, {**bench.settings, "publisher.queue_ahead": 1_000_000}, "publisher") as system:
        system.begin(2)
        await_so(lambda: system.stack.counts(2) == {"queued": WARM_UP.emails}, system)
        meter = Meter(system, ground)
        system.begin(1)
        await_so(lambda: system.stack.counts(1) == {"queued": work.emails}, system, 600)
        yield meter.run("publish", work, "sqs", work.emails)


@part
def idle(bench: Bench) -> Iterator[Run]:
    """One email into an idle service, several times one after the other, from submitting it to its acceptance."""
    for name in bench.systems:
        if name in _PEERS:
            yield _idle_peer(bench, _PEERS[name])
    if "ours" in bench.systems:
        yield _idle_ours(bench)


def _idle_peer(bench: Bench, kind: Kind) -> Run:
    ground = bench.arena.ground([Work(1, bench.attachment_bytes)] * (SINGLES + 1))
    with Peer(kind, ground) as peer:
        waits = [seconds_to_accepted(peer, ground, job_id) for job_id in range(1, SINGLES + 2)]
        return _waits("idle", peer.name, bench, waits, peer.settings)


def _idle_ours(bench: Bench) -> Run:
    ground = bench.arena.ground([Work(1, bench.attachment_bytes)] * (SINGLES + 1))
    # Each at another moment of the poll, spread evenly: what it waits for the poll is then what anybody would wait.
    poll_seconds = bench.settings.get("publisher.poll_seconds", SETTINGS["publisher.poll_seconds"])
    pauses = [poll_seconds * n / SINGLES for n in range(SINGLES + 1)]
    with Ours(ground, bench.settings) as system:
        waits = [seconds_to_accepted(system, ground, n, pause) for n, pause in enumerate(pauses, start=1)]
        return _waits("idle", "ours", bench, waits, system.settings)


def _waits(part_name: str, name: str, bench: Bench, waits: Sequence[float], settings: dict[str, Any]) -> Run:
    """The first one pays for connections and templates, and is shown apart."""
    first, *others = waits
    figures = {"first_s": first, "median_s": statistics.median(others), "longest_s": max(others)}
    return Run(
        part=part_name,
        system=name,
        emails=1,
        attachment_bytes=bench.attachment_bytes,
        transport="smtp",
        settings=settings,
        figures={key: round(value, 3) for key, value in figures.items()},
    )


@part
def behind(bench: Bench) -> Iterator[Run]:
    """A job of 10 emails that is submitted while a big one is under way.

    With --long it is one of 100,000, for all systems.
    """
    for name in bench.systems:
        if name == "smtp-source":
            continue
        # As many as it sends in about the time in which we send ours: what each of them met is in its row.
        many = 100_000 if bench.long else max(FEW, _times(bench, 2 * _SHARE[name]))
        ground = bench.arena.ground([Work(many, bench.attachment_bytes), Work(FEW, bench.attachment_bytes)])
        with Ours(ground, bench.settings) if name == "ours" else Peer(_PEERS[name], ground) as system:
            yield _behind(bench, system, ground, many)


def _behind(bench: Bench, system: System, ground: Ground, many: int) -> Run:
    """Submitted when a twentieth of the big job is sent. `ahead` are emails that were not sent yet."""
    taken_before = ground.sink.taken
    system.begin(1)
    await_taken(system, ground, taken_before + many // 20)
    ahead = many - (ground.sink.taken - taken_before)
    seconds = seconds_to_end(system, ground, 2, PATIENCE_SECONDS)
    return Run(
        part="behind",
        system=system.name,
        emails=FEW,
        attachment_bytes=bench.attachment_bytes,
        transport="smtp",
        settings=system.settings,
        figures={"ahead": ahead, "seconds_to_the_last": round(seconds, 2)},
    )


@part
def half_million(bench: Bench) -> Iterator[Run]:
    """The real size, 500,000 emails with 60 KB each, ours alone, and 10,000 before and after, to see what one costs."""
    before = bench.ours("half_million", Work(10_000, STATEMENT_BYTES))
    yield before
    real = bench.ours("half_million", Work(500_000, STATEMENT_BYTES))
    yield real
    after = bench.ours("half_million", Work(10_000, STATEMENT_BYTES))
    yield replace(after, figures={**after.figures, **_times_as_much(real, [before, after])})


EXTRA.add("half_million")


def _times_as_much(big: Run, small: Sequence[Run]) -> dict[str, float]:
    """CPU of an email in the big job to that in small ones. The mail server has the same work with each email, wherever
    it comes from. What it took shows how much of that is the machine, which is not the same at two times of the day."""
    usual = [_cpu_ms(run) for run in small]
    times = {name: used / statistics.mean(one[name] for one in usual) for name, used in _cpu_ms(big).items()}
    return {f"{big.emails}_cost_{name}_times": round(value, 2) for name, value in times.items()}


def _cpu_ms(run: Run) -> dict[str, float]:
    return {"ours": run.cpu_ms_per_email or math.nan, **run.servers_cpu_ms_per_email}


def middle(runs: Sequence[Run]) -> Run:
    """The run with the middle speed, which knows the speeds and the CPU of all."""
    ordered = sorted(runs, key=lambda run: run.emails_per_s or 0)
    cpu = [run.cpu_ms_per_email for run in runs if run.cpu_ms_per_email is not None]
    return replace(ordered[(len(ordered) - 1) // 2], rates=[run.emails_per_s or 0 for run in runs], cpu_ms=cpu)


def _times(bench: Bench, share: float) -> int:
    return max(1, round(bench.emails * share))
