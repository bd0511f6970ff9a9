"""The results as a table for people, and as JSON."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Run
from benchmarks.work import KB

NOT_QUIET = "*"
"""Marks figures of a time at which the machine was busy with something else."""
_CPU_PARTS = ("systems", "transports", "attachments")
_COLUMNS = ("part", "system", "emails", "attached", "transport", "emails/s", "CPU ms", "RSS MB", "what else")


def print_table(runs: Sequence[Run], servers: Mapping[str, str]) -> None:
    """Print everything. `servers`: as `Arena.servers` gives them."""
    table = Table(*_COLUMNS, title="CPU ms: of its own processes, an email. RSS MB: the peaks of all of them added up")
    for run in runs:
        table.add_row(*_cells(run), end_section=run is _last_of(runs, run.part))
    console = Console(width=None if Console().is_terminal else 170)
    console.print(table)
    console.print(f"The database was {servers['database']}, the mail server {servers['mail_server']}.")
    lacking = [run.cores_lacking for run in runs if run.is_disturbed]
    if lacking:
        console.print(
            f"The machine was not quiet. In the {len(lacking)} of {len(runs)} rows with {NOT_QUIET} up to"
            f" {max(lacking):.1f} cores were busy with something else, or taken by the host: they show less than the"
            " machine can do."
        )
    for name, ratio in ratios(runs).items():
        cpu = f", and an email takes 1/{ratio['cpu']:g} of its CPU" if "cpu" in ratio else ""
        console.print(f"ours / {name}: {ratio['speed']:g} times as fast{cpu}")
    for row, ratio in cpu_in_yardsticks(runs):
        console.print(f"CPU of an email, ours / built by EmailMessage alone: {ratio:g} ({row})")


def cpu_in_yardsticks(runs: Sequence[Run]) -> list[tuple[str, float]]:
    """For each row of ours with a yardstick of its size, how many of those its CPU is."""
    sticks = {run.attachment_bytes: run.cpu_ms_per_email for run in runs if run.part == "yardstick"}
    return [
        (f"{run.part}, {run.transport}, {run.attachment_bytes // KB} KB", round(run.cpu_ms_per_email / stick, 2))
        for run in runs
        if run.system == "ours" and run.part in _CPU_PARTS and run.cpu_ms_per_email
        if (stick := sticks.get(run.attachment_bytes))
    ]


def ratios(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """From the part `systems`, for each other system: our emails a second over its own (`speed`), and its CPU of an
    email over ours (`cpu`). Other work on the machine disturbs the second least."""
    names = {
        "celery": "celery",
        "thread_per_email": "thread_per_email",
        "dramatiq": "dramatiq",
        "smtp-source": "ceiling",
    }
    rows = {run.system: run for run in runs if run.part == "systems" and run.emails_per_s}
    ours = rows.get("ours")
    return {name: _ratio(ours, rows[key]) for key, name in names.items() if ours is not None and key in rows}


def _ratio(ours: Run, other: Run) -> dict[str, float]:
    speed = {"speed": round((ours.emails_per_s or 0) / (other.emails_per_s or 1), 2)}
    if not ours.cpu_ms_per_email or not other.cpu_ms_per_email:
        return speed
    return {**speed, "cpu": round(other.cpu_ms_per_email / ours.cpu_ms_per_email, 2)}


def write(path: Path, runs: Sequence[Run], servers: Mapping[str, str]) -> None:
    """Write build/bench.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": {**_machine(), **servers},
        "runs": [asdict(run) for run in runs],
        "ratios": ratios(runs),
        "cpu_in_yardsticks": dict(cpu_in_yardsticks(runs)),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _machine() -> dict[str, Any]:
    memory = round(psutil.virtual_memory().total / 2**30, 1)
    return {"cores": psutil.cpu_count(), "memory_gb": memory, "python": platform.python_version()}


def _last_of(runs: Sequence[Run], part: str) -> Run:
    return [run for run in runs if run.part == part][-1]


def _cells(run: Run) -> list[str]:
    size = f"{run.attachment_bytes // KB:,} KB" if run.attachment_bytes else "none"
    speed = "" if run.emails_per_s is None else f"{run.emails_per_s:,.0f}"
    cpu = "" if run.cpu_ms_per_email is None else f"{run.cpu_ms_per_email:.2f}"
    memory = "" if run.peak_rss_mb is None else f"{run.peak_rss_mb:.0f}"
    mark = NOT_QUIET if run.is_disturbed else ""
    return [run.part, run.system, f"{run.emails:,}", size, run.transport, speed + mark, cpu + mark, memory, _else(run)]


def _else(run: Run) -> str:
    facts: list[str] = []
    if len(run.rates) > 1:
        cpu = f" and {min(run.cpu_ms):.2f} to {max(run.cpu_ms):.2f} ms" if run.cpu_ms else ""
        facts.append(f"{min(run.rates):,.0f} to {max(run.rates):,.0f}/s{cpu} in {len(run.rates)} runs")
    facts += [f"{key}={value}" for key, value in run.figures.items()]
    if run.system == "ours":
        facts += [f"{key.partition('.')[2] or key}={value}" for key, value in run.settings.items() if _telling(key)]
    return ", ".join(facts)


def _telling(key: str) -> bool:
    return key not in ("transport.kind", "ses.endpoint_url")
