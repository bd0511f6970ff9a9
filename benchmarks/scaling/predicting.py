"""The prediction of the two-host row, and what came of it."""

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.scaling.fitting import Fit, fit
from benchmarks.scaling.host_model import Demand, Plant, emails_a_second
from benchmarks.scaling.law import utilisation

FOLDER = Path(__file__).with_name("results")
ONE_HOST, PREDICTION, OUTCOME = (FOLDER / f"{name}.json" for name in ("one_host", "prediction", "outcome"))
EMAILS = 3000


def row_of(path: Path, hosts: int) -> dict[str, Any]:
    """The row of the part `hosts` with this many of them. Raises `KeyError` if there is none."""
    runs = json.loads(path.read_text())["runs"]
    found = [run for run in runs if run["part"] == "hosts" and run["settings"]["hosts"] == hosts]
    if not found:
        raise KeyError(f"{path} has no row of {hosts} hosts")
    row: dict[str, Any] = found[-1]
    return row


def two_hosts(plant: Plant) -> Plant:
    """The same processes, one on each of two hosts."""
    return replace(plant, hosts=2, processes=1)


def predict(row: dict[str, Any]) -> dict[str, Any]:
    """What two hosts will do, by the row of one."""
    fitted = fit(row)
    plant = two_hosts(fitted.plant)
    return {
        "predicted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": os.getloadavg(),
        "one_host": {"measured": fitted.measured, "modelled": round(fitted.modelled, 1)},
        "fitted": {"flush_ms": round(1000 * fitted.flush, 2), "cpu_factor": round(fitted.factor, 3)},
        "demand_ms": {
            name: round(1000 * value, 3) for name, value in asdict(fitted.demand).items() if isinstance(value, float)
        },
        "two_hosts_emails_per_s": round(emails_a_second(fitted.demand, plant, EMAILS), 1),
        "bound_emails_per_s": round(utilisation(fitted.demand, plant), 1),
        "varied": varied(fitted.demand, plant),
    }


def varied(demand: Demand, plant: Plant) -> dict[str, list[float]]:
    """The prediction with each assumption 30 % less and 30 % more."""
    found = {}
    for name in ("python", "database", "queue", "mail_server", "relay", "flush"):
        changed = [replace(demand, **{name: factor * getattr(demand, name)}) for factor in (0.7, 1.3)]
        found[name] = [round(emails_a_second(one, plant, EMAILS), 1) for one in changed]
    idle = [replace(plant, idle_cores=factor * plant.idle_cores) for factor in (0.7, 1.3)]
    found["idle_cores"] = [round(emails_a_second(demand, one, EMAILS), 1) for one in idle]
    return found


def compare(prediction: dict[str, Any], bench: Path) -> dict[str, Any]:
    """The error, by the rows of a later run."""
    one, two = row_of(bench, 1), row_of(bench, 2)
    predicted, measured = prediction["two_hosts_emails_per_s"], two["emails_per_s"]
    before = prediction["one_host"]["measured"]
    scaled = predicted * one["emails_per_s"] / before
    return {
        "predicted_at": prediction["predicted_at"],
        "predicted": predicted,
        "measured": measured,
        "error_percent": round(100 * (predicted / measured - 1), 1),
        "one_host_then": before,
        "one_host_in_this_run": one["emails_per_s"],
        "error_percent_at_this_runs_speed": round(100 * (scaled / measured - 1), 1),
        "others_cores": [one["others_cores"], two["others_cores"]],
        "stolen_cores": [one["stolen_cores"], two["stolen_cores"]],
    }


def known_fit() -> Fit:
    """The model that was fitted to the row that is kept."""
    return fit(row_of(ONE_HOST, 1))
