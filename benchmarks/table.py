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

DISTURBED_CORES = 0.25
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
    lacking = [cores for run in runs if (cores := _cores_lacking(run)) > DISTURBED_CORES]
    if lacking:
        console.print(
            f"In {len(lacking)} of {len(runs)} rows up to {max(lacking):.1f} cores were busy with something else,"
            " or taken by the host: these rows show less than the machine can do."
        )
    for name, ratio in ratios(runs).items():
        console.print(f"ours / {name}: {ratio:g}")
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


def ratios(runs: Sequence[Run]) -> dict[str, float]:
    """Our emails a second over each other system's, from the part `systems`."""
    names = {
        "celery": "celery",
        "thread_per_email": "thread_per_email",
        "dramatiq": "dramatiq",
        "smtp-source": "ceiling",
    }
    speeds = {run.system: run.emails_per_s for run in runs if run.part == "systems" and run.emails_per_s}
    ours = speeds.get("ours")
    return {name: round(ours / speeds[key], 2) for key, name in names.items() if ours and key in speeds}


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


def _cores_lacking(run: Run) -> float:
    return (run.others_cores or 0) + (run.stolen_cores or 0)


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
    return [run.part, run.system, f"{run.emails:,}", size, run.transport, speed, cpu, memory, _else(run)]


def _else(run: Run) -> str:
    facts: list[str] = []
    if len(run.rates) > 1:
        facts.append(f"{min(run.rates):,.0f} to {max(run.rates):,.0f}/s in {len(run.rates)} runs")
    facts += [f"{key}={value}" for key, value in run.figures.items()]
    if run.system == "ours":
        facts += [f"{key.partition('.')[2] or key}={value}" for key, value in run.settings.items() if _telling(key)]
    return ", ".join(facts)


def _telling(key: str) -> bool:
    return key not in ("transport.kind", "ses.endpoint_url")
