"""Bounds that need no simulation. No schedule of the same work is faster."""

from benchmarks.scaling.host_model import Demand, Plant


def utilisation(demand: Demand, plant: Plant) -> float:
    """Emails a second at which the first resource is busy all the time."""
    local = demand.of_host + (demand.of_servers if plant.shares_cores else 0.0)
    idle = plant.hosts * plant.idle_cores
    bounds = [
        (plant.cores - idle if plant.shares_cores else plant.hosts * (plant.cores - plant.idle_cores)) / local,
        plant.hosts * plant.processes / demand.python,
    ]
    if demand.queue > 0:
        bounds.append(1 / demand.queue if plant.shares_cores else float("inf"))
    if not plant.shares_cores and demand.database > 0:
        bounds.append(plant.database_cores / demand.database)
    return min(bounds)


def little(plant: Plant, seconds: float) -> float:
    """Emails a second that all threads have in hand for `seconds` each."""
    return plant.hosts * plant.processes * plant.threads / seconds
