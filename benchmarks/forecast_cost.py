"""What forecasts cost beside a running job: processor time of a count and of a look, our own and the database's.

    python -m benchmarks.forecast_cost                   a job with 100,000 emails left
    python -m benchmarks.forecast_cost --emails 500000

The sweeper of one host counts every 5 s and looks every 20 s, for all hosts together. Processor time is what is
measured, so a busy machine changes little. It is given in percent of one core.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from benchmarks.arena import DATABASE_OPTIONS
from benchmarks.measure import cpu_seconds
from eed_delivery.app.operations import Operations
from eed_delivery.config import load
from eed_delivery.forecast.steadiness import LOOK_SECONDS
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.ledger.schema import eed_email
from eed_delivery.operations.actor import Actor
from eed_delivery.sweeper.progress import SECONDS
from tests.command_line import CommandLine
from tests.servers.databases import KINDS, new_database
from tests.world import World

TURNS = 40
ROWS_AT_ONCE = 2_000


def main() -> None:
    """Print what each costs, then both together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=100_000)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    given = parser.parse_args()
    options = DATABASE_OPTIONS[given.database]
    with tempfile.TemporaryDirectory() as place, new_database(given.database, options) as database:
        world = World(database.create_database("forecast"))
        fill(world, given.emails)
        cli = CommandLine(Path(place), world.url)
        operations = Operations(load(cli.config, cli.environ), Actor("bench", "cli"), world.database)
        progress = ProgressLedger(world.database)
        count = measured(lambda: progress.count(["default"]), SECONDS, database.pid)
        look = measured(lambda: operations.forecasts._look(), LOOK_SECONDS, database.pid)
        world.close()
    print(f"a job with {given.emails:,} emails left, {TURNS} turns of each, in percent of one core")
    together = [sum(pair) for pair in zip(count, look, strict=True)]
    for name, used in (("count", count), ("look", look), ("together", together)):
        print(f"{name:>9}: own {100 * used[0]:.3f} %, {given.database} {100 * used[1]:.3f} %")


def fill(world: World, emails: int) -> None:
    """A job of which no email has ended."""
    world.add_job(["a@example.com"])
    world.enlist()
    world.execute("UPDATE eed_job SET total = :total", total=emails)
    for first in range(1, emails, ROWS_AT_ONCE):
        rows = [
            {
                "email_id": 10**6 + n,
                "source_key": str(10**6 + n),
                "job_id": 1,
                "recipient": "a@example.com",
                "state": "queued",
            }
            for n in range(first, min(emails, first + ROWS_AT_ONCE))
        ]
        world.database.run(lambda c, rows=rows: c.execute(insert(eed_email), rows))  # type: ignore[misc]


def measured(work: Callable[[], object], every: float, database: int) -> list[float]:
    """Our own and the database's share of a core, if this is done once in `every` seconds."""
    work()  # what is made once is no cost of a turn
    own, theirs = time.process_time(), cpu_seconds(database)
    for _ in range(TURNS):
        work()
    return [used / TURNS / every for used in (time.process_time() - own, cpu_seconds(database) - theirs)]


if __name__ == "__main__":
    main()
