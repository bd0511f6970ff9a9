"""What the simulation says of installations in AWS: hosts with cores of their own, and SES instead of a mail server."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from benchmarks.scaling.day_model import HOUR, Day, DayResult, Group, Job, Limits
from benchmarks.scaling.host_model import Demand, Plant, emails_a_second, lognormal
from benchmarks.scaling.law import little, utilisation

MILLION = 1_000_000
SES_SECONDS, SES_SPREAD = 0.07, 0.4
"""Assumed: half of SES's answers come within 70 ms, and one in 40 takes more than 150."""
SES_CPU = 0.0022
"""Seconds of CPU of a host for an email of 60 KB by SES: docs/performance.md."""
DATABASE_CPU, QUEUE_CPU, FLUSH = 0.0010, 0.0, 0.001
HOST = Plant(hosts=1, processes=2, threads=32, cores=2, database_cores=8, queue_ahead=500)
HOSTS = (1, 2, 4, 8, 16, 40)


def in_aws(cpu: float = SES_CPU, latency: float = SES_SECONDS) -> Demand:
    """One email by SES, from a host whose servers are elsewhere."""
    answer = lognormal(latency, SES_SPREAD)
    return Demand(cpu - 0.00011, 0.00011, DATABASE_CPU, QUEUE_CPU, 0.0, flush=FLUSH, answer=answer)


def steadily(demand: Demand, plant: Plant) -> float:
    """Emails a second of a job that lasts. Each thread sends 60 emails at least."""
    sending = plant.hosts * plant.processes * plant.threads
    return emails_a_second(demand, plant, 60 * sending, steady=True)


def seconds_in_hand(demand: Demand, latency: float = SES_SECONDS) -> float:
    """What Little's law counts: Python, the mean of SES's answers, and the commit."""
    return demand.python + latency * math.exp(SES_SPREAD**2 / 2) + demand.database + demand.flush


def threads() -> Iterator[str]:
    """How many threads a host needs."""
    yield "| threads of a host | emails/s | Little's law | utilisation |"
    yield "|---|---|---|---|"
    demand = in_aws()
    for each in (8, 16, 32, 64):
        plant = replace(HOST, threads=each)
        row = (steadily(demand, plant), little(plant, seconds_in_hand(demand)), utilisation(demand, plant))
        yield f"| {2 * each} | {row[0]:,.0f} | {row[1]:,.0f} | {row[2]:,.0f} |"


def fleets() -> Iterator[str]:
    """What 1 to 40 hosts send without a limit, and what then bounds them."""
    yield "| hosts | emails/s | each | bound | what bounds |"
    yield "|---|---|---|---|---|"
    demand = in_aws()
    for hosts in HOSTS:
        plant = replace(HOST, hosts=hosts)
        speed, bound = steadily(demand, plant), utilisation(demand, plant)
        of_database = plant.database_cores / demand.database
        what = "the database's 8 cores" if bound >= of_database else "the hosts' Python"
        yield f"| {hosts} | {speed:,.0f} | {speed / hosts:,.0f} | {bound:,.0f} | {what} |"


@cache
def capacity_of_one() -> float:
    return steadily(in_aws(), HOST)


def capacity(factor: float = 1.0) -> Callable[[int], float]:
    """Of hosts together, up to what the database takes."""
    return lambda hosts: min(factor * hosts * capacity_of_one(), HOST.database_cores / DATABASE_CPU)


JOBS = {
    "ten jobs of a million, one an hour from 9 h": [Job(HOUR * (9 + n), MILLION) for n in range(10)],
    "one job of ten million at 18 h": [Job(18 * HOUR, 10 * MILLION)],
}
ACCOUNTS = {
    "new account, 14/s, 50,000 a day": Limits(14, 50_000),
    "700/s": Limits(700, 12 * MILLION),
    "2,000/s": Limits(2000, 20 * MILLION),
}


def group(limits: Limits, minutes: float = 10, **other: float) -> Group:
    """As the module `hosts` makes it: no more hosts than the rate needs."""
    most = max(1, math.ceil(limits.rate / capacity_of_one()))
    return Group(1, min(40, most), 60 * minutes * capacity_of_one(), **other)  # type: ignore[arg-type]


def one_day(jobs: list[Job], limits: Limits, chosen: Group, factor: float = 1.0) -> DayResult:
    """From midnight to the end of the next day, so that a late job has its night."""
    return Day(jobs, limits, chosen, capacity(factor), (0.0, 48 * HOUR), 48 * HOUR).run()


def days() -> Iterator[str]:
    """Days of ten million emails, with one host, with hosts by the backlog, and with as many as are allowed."""
    yield "| jobs | SES | hosts | done after | host hours in 48 h | emails/s at most |"
    yield "|---|---|---|---|---|---|"
    for name, jobs in JOBS.items():
        for account, limits in ACCOUNTS.items():
            chosen = group(limits)
            for hosts in dict.fromkeys(((1, 1), (1, chosen.most), (chosen.most, chosen.most))):
                result = one_day(jobs, limits, replace(chosen, least=hosts[0], most=hosts[1]))
                done = f"{result.ended / HOUR:.1f} h" if result.ended else f"not: {result.sent:,.0f} sent"
                words = str(hosts[0]) if hosts[0] == hosts[1] else f"{hosts[0]} to {hosts[1]}, used {result.most_hosts}"
                yield f"| {name} | {account} | {words} | {done} | {result.host_hours:.0f} | {result.fastest:,.0f} |"


def assumptions() -> Iterator[str]:
    """Each assumption 30 % less and 30 % more."""
    yield "| assumption | its value | one host, emails/s | 16 hosts, emails/s |"
    yield "|---|---|---|---|"
    demand, plant = in_aws(), HOST

    def speeds(vary: Callable[[float], tuple[Demand, Plant]]) -> str:
        made = [vary(factor) for factor in (0.7, 1.0, 1.3)]
        one = [steadily(d, p) for d, p in made]
        many = [steadily(d, replace(p, hosts=16)) for d, p in made]
        return " | ".join(" · ".join(f"{speed:,.0f}" for speed in found) for found in (one, many))

    def answers(factor: float) -> Demand:
        return replace(demand, answer=lognormal(factor * SES_SECONDS, SES_SPREAD))

    rows: dict[str, Callable[[float], tuple[Demand, Plant]]] = {
        f"CPU of Python | {1000 * demand.python:.2f} ms": lambda f: (replace(demand, python=f * demand.python), plant),
        f"CPU of the database | {1000 * DATABASE_CPU:.2f} ms": lambda f: (
            replace(demand, database=f * DATABASE_CPU),
            plant,
        ),
        f"a write of its log | {1000 * FLUSH:.1f} ms": lambda f: (replace(demand, flush=f * FLUSH), plant),
        f"SES's latency | {1000 * SES_SECONDS:.0f} ms": lambda f: (answers(f), plant),
        f"threads of a process | {HOST.threads}": lambda f: (demand, replace(plant, threads=round(f * HOST.threads))),
    }
    for name, vary in rows.items():
        yield f"| {name} | {speeds(vary)} |"


def delays() -> Iterator[str]:
    """What Auto Scaling's delays cost a job of a million at 2,000/s, which needs several hosts."""
    yield "| changed | 30 % less | as assumed | 30 % more |"
    yield "|---|---|---|---|"
    limits, jobs = ACCOUNTS["2,000/s"], [Job(9 * HOUR, MILLION)]
    base = group(limits)

    def ends(vary: Callable[[float], tuple[Group, Limits, float]]) -> str:
        results = [
            one_day(jobs, chosen_limits, chosen, factor) for chosen, chosen_limits, factor in map(vary, (0.7, 1.0, 1.3))
        ]
        return " | ".join(f"{(result.ended or math.inf) / 60:.0f} min, {result.most_hosts} hosts" for result in results)

    rows: dict[str, Callable[[float], tuple[Group, Limits, float]]] = {
        "a host's warm-up, 180 s": lambda f: (replace(base, warm_up=f * base.warm_up), limits, 1.0),
        "figures, each 60 s": lambda f: (replace(base, period=f * base.period), limits, 1.0),
        "backlog_minutes, 10": lambda f: (replace(base, each=f * base.each), limits, 1.0),
        f"speed of a host, {capacity_of_one():,.0f}/s": lambda f: (base, limits, f),
        "SES's rate, 2,000/s": lambda f: (base, Limits(f * limits.rate), 1.0),
    }
    for name, vary in rows.items():
        yield f"| {name} | {ends(vary)} |"
