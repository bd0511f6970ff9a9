"""The one unknown of the host model, found from the benchmark's row of one host.

The row gives each program's CPU for an email, the speed, and which part of the cores others had. What it does not give
is how long the database's log takes to be written. That is fitted. If even a log that costs nothing is too slow, the
machine did more in a millisecond of CPU than its clock says, and all CPU is scaled instead.
"""

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.scaling.host_model import Demand, Plant, emails_a_second

PUBLISHER = 0.00011
"""Of the host's CPU for an email: docs/performance.md, "the publisher alone"."""
LONGEST_FLUSH = 0.05


@dataclass(frozen=True)
class Fit:
    """What was fitted, and the speed that the model then has."""

    demand: Demand
    plant: Plant
    measured: float
    modelled: float
    flush: float
    factor: float


def slowed_by_others(row: dict[str, Any], cores: int = 2) -> float:
    """How much longer a second of CPU takes, because others had a part of the cores meanwhile."""
    return cores / max(0.1, cores - (row["others_cores"] or 0.0) - (row["stolen_cores"] or 0.0))


def demand_of(row: dict[str, Any]) -> Demand:
    """From milliseconds of a row of build/bench.json, as long as they took beside what else ran."""
    servers, figures = row["servers_cpu_ms_per_email"], row["figures"]
    return _demand(servers, figures, row["cpu_ms_per_email"]).scaled(slowed_by_others(row))


def _demand(servers: dict[str, float], figures: dict[str, float], own_ms: float) -> Demand:
    return Demand(
        python=own_ms / 1000 - PUBLISHER,
        publisher=PUBLISHER,
        database=servers["database"] / 1000,
        queue=servers["queue"] / 1000,
        mail_server=servers["mail_server"] / 1000,
        relay=figures.get("relays_cpu_ms", 0.0) / 1000,
    )


def plant_of(row: dict[str, Any], cores: int = 2, **other: Any) -> Plant:
    """As the row's settings say."""
    settings = row["settings"]
    hosts, processes = settings["hosts"], settings["worker.processes"]
    threads = settings.get("worker.threads", 16)
    return Plant(hosts, processes, threads, cores=cores, shares_cores=True, **other)


def fit(row: dict[str, Any], emails: int = 2000) -> Fit:
    """The model that is as fast as the row."""
    demand, plant, measured = demand_of(row), plant_of(row), float(row["emails_per_s"])
    flush, factor = 0.0, 1.0
    if emails_a_second(replace(demand, flush=0.0), plant, emails) >= measured:
        flush = _search(lambda x: emails_a_second(replace(demand, flush=x), plant, emails), measured, LONGEST_FLUSH)
    else:
        factor = _search(
            lambda x: emails_a_second(replace(demand.scaled(x), flush=0.0), plant, emails),
            measured,
            1.0,
            falls_from=0.1,
        )
    fitted = replace(demand.scaled(factor), flush=flush)
    return Fit(fitted, plant, measured, emails_a_second(fitted, plant, emails), flush, factor)


def _search(speed: Any, wanted: float, most: float, falls_from: float = 0.0) -> float:
    """Where a falling function has a value, to a thousandth of the range."""
    low, high = falls_from, most
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if speed(middle) > wanted else (low, middle)
    return (low + high) / 2
