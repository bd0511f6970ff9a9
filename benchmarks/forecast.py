"""How far the forecast of a real job is off, every five seconds until its end.

    python -m benchmarks.forecast                  100,000 emails
    python -m benchmarks.forecast --emails 10000

One service sends one job. `--svg FILE` writes the curve. Each line has the seconds since its first email, what the
forecast said of the seconds left, what was left in truth, and the error in percent of that. The band counts as right if
the end lies within it.
"""

import argparse
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.arena import Arena, Ground
from benchmarks.ours import Ours
from benchmarks.work import Work
from eed_delivery.app.operations import Operations
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.forecasts.views import JobForecastView
from tests.servers.databases import KINDS

EVERY_SECONDS = 5.0
LAST_SECONDS = 60.0
"""Looks later than this before the end do not count in the sums: then seconds decide, and not the speed."""


@dataclass(frozen=True)
class Look:
    """What was forecast at one time. The database's clock, in UTC."""

    at: datetime
    view: JobForecastView


def main() -> None:
    """Print each look, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=100_000)
    parser.add_argument("--attachment-bytes", type=int, default=0)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    parser.add_argument("--svg", type=Path, help="Write the curve to this file.")
    given = parser.parse_args()
    work = Work(given.emails, given.attachment_bytes)
    with Arena(given.database) as arena:
        ground = arena.ground([work])
        with Ours(ground, {}) as ours:
            looks = watched(ours)
            ended = ours.stack.world.scalar("SELECT finished_at FROM eed_job WHERE job_id = 1")
            last = ours.stack.world.scalar("SELECT MAX(ended_at) FROM eed_attempt")
        report(looks, ended, last, ground)
        if given.svg is not None:
            given.svg.write_text(drawn(looks, last, given.emails), encoding="utf-8")


def watched(ours: Ours) -> list[Look]:
    """The looks until the job has finished."""
    queries = Operations(ours.stack.settings, Actor("bench", "cli")).forecasts
    pause, found = threading.Event(), []
    ours.begin(1)
    while True:
        began = time.monotonic()
        rows = ours.stack.world.execute("SELECT finished_at FROM eed_job WHERE job_id = 1")
        if rows and rows[0][0] is not None:
            return found
        view = queries.known("1") if rows else None
        if view is not None:
            found.append(Look(ours.stack.world.reporting.now(), view))
        pause.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))


WIDTH, HEIGHT, EDGE = 720, 320, 48


def drawn(looks: list[Look], last: datetime, emails: int) -> str:
    """The forecast end over time, with its band, and the end as it came. Seconds since the first look."""
    begin = looks[0].at
    known = [(one.at - begin, one.view.end) for one in looks if one.view.end is not None and one.view.end.likely]
    points = [
        [(when.total_seconds(), (end - begin).total_seconds()) for when, one in known if (end := getattr(one, name))]
        for name in ("early", "late", "likely")
    ]
    truth = (last - begin).total_seconds()
    top = max([truth, *(y for line in points for _, y in line)]) * 1.05

    def at(x: float, y: float) -> str:
        return f"{EDGE + x / truth * (WIDTH - 2 * EDGE):.1f},{HEIGHT - EDGE - y / top * (HEIGHT - 2 * EDGE):.1f}"

    lines = [" ".join(at(x, y) for x, y in line) for line in points]
    band = " ".join([lines[0], *reversed(lines[1].split())])
    title = f"Forecast end of a job of {emails:,} emails, every 5 s, and its end after {truth:.0f} s"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<polygon points="{band}" fill="#9ecae1" opacity="0.6"/>
<polyline points="{lines[2]}" fill="none" stroke="#08519c" stroke-width="2"/>
<polyline points="{at(0, truth)} {at(truth, truth)}" stroke="#a50f15" stroke-dasharray="6 4" fill="none"/>
<polyline points="{at(0, top)} {at(0, 0)} {at(truth, 0)}" stroke="#333333" fill="none"/>
<g font-family="sans-serif" font-size="12" fill="#333333">
<text x="{EDGE}" y="20">{title}</text>
<text x="{WIDTH - EDGE}" y="{HEIGHT - 16}" text-anchor="end">seconds since the first look: {truth:.0f}</text>
<text x="{EDGE + 4}" y="{HEIGHT - EDGE - truth / top * (HEIGHT - 2 * EDGE) - 6:.0f}" fill="#a50f15">as it came</text>
</g>
</svg>
"""


def report(looks: list[Look], finished: datetime, last: datetime, ground: Ground) -> None:
    """The curve, then the errors."""
    print(f"last email at {last}, finished at {finished}, on {ground.arena.servers()}")
    print(f"{'seconds':>8} {'left':>9} {'speed':>8} {'forecast':>9} {'truth':>7} {'error':>7}  band")
    errors, right = [], 0
    for look in looks:
        truth, end, speed = (last - look.at).total_seconds(), look.view.end, look.view.speed
        if end is None or end.likely is None or speed is None or truth <= 0:
            print(f"{(look.at - looks[0].at).total_seconds():8.0f} {look.view.left:9,} {look.view.verdict}")
            continue
        said = (end.likely - look.at).total_seconds()
        error = (said - truth) / truth
        early, late = end.early or end.likely, end.late
        within = early <= last and (late is None or last <= late)
        if truth >= LAST_SECONDS:
            errors.append(abs(error))
            right += within
        numbers = f"{look.view.left:9,} {speed.per_second:8.1f} {said:9.1f} {truth:7.1f} {100 * error:6.1f}%"
        print(f"{(look.at - looks[0].at).total_seconds():8.0f} {numbers}  {'within' if within else 'outside'}")
    if not errors:
        print(f"no look more than {LAST_SECONDS:.0f} s before the end")
        sys.exit(0)
    ordered = sorted(errors)
    worst = ordered[int(0.95 * (len(ordered) - 1))]
    print(
        f"error of the time left: median {100 * statistics.median(errors):.1f} %, 95th percentile {100 * worst:.1f} %"
    )
    print(f"the end lay within the band at {right} of {len(errors)} looks")


if __name__ == "__main__":
    main()
