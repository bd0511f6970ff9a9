"""How long a search takes in a ledger of ten million emails, and what its index costs.

    python -m benchmarks.search [--emails 10000000] [--pairs 10]

The table is filled first, and gets its index online then, which is timed. Enlisting is measured in two databases of one
server, one with the index and one without, a job of 20,000 emails in turns. What is compared is the CPU time of
MariaDB, and of MariaDB and the publisher's code together, so that other load on the machine counts little. With
`--emails 0` only enlisting is measured.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from eed_delivery.app.operations import Operations
from eed_delivery.config import load
from eed_delivery.config.settings import PublisherSettings
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.searching import SearchKind, SearchRequest
from tests.command_line import CommandLine
from tests.servers.mariadb import MariaDb
from tests.world import World

INDEX = "eed_email_by_address"
SEARCHES = 200
CHUNK = 1_000_000
JOB = 20_000
OPTIONS = ("--innodb-buffer-pool-size=1G", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--skip-log-bin")


def main() -> None:
    """Print each figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--emails", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=10)
    given = parser.parse_args()
    server = MariaDb(OPTIONS)
    server.start()
    try:
        if given.emails:
            searched(World(server.create_database("search")), given.emails)
        enlisted(server, given.pairs)
    finally:
        server.stop()


def searched(world: World, emails: int) -> None:
    """Fill the ledger, and search in it."""
    world.add_job(job_id=1, name="Statements")
    world.enlist()
    world.execute(f"ALTER TABLE eed_email DROP INDEX {INDEX}")
    for first in range(2_000_000, 2_000_000 + emails, CHUNK):
        last = min(first + CHUNK, 2_000_000 + emails) - 1
        world.execute(
            "INSERT INTO eed_email (email_id, job_id, recipient, address, state, changed_at)"
            " SELECT seq, 1 + seq DIV 500000, CONCAT(MD5(seq), '@example.com'), CONCAT(MD5(seq), '@example.com'),"
            f" 'sent', UTC_TIMESTAMP(6) FROM seq_{first}_to_{last}"
        )
        print(f"{last - 2_000_000 + 1:,} emails", flush=True)
    began = time.monotonic()
    world.execute(f"ALTER TABLE eed_email ADD INDEX {INDEX} (address), ALGORITHM=INPLACE, LOCK=NONE")
    print(f"the index was made online in {time.monotonic() - began:.0f} s", flush=True)
    plan = world.execute("EXPLAIN SELECT * FROM eed_email WHERE address = 'a@example.com' ORDER BY email_id LIMIT 1000")
    print(f"EXPLAIN: {plan[0]}")
    with tempfile.TemporaryDirectory() as place:
        cli = CommandLine(Path(place), world.url)
        searching = Operations(load(cli.config, cli.environ), Actor("bench", "cli"), world.database).searching
        for kind in SearchKind:
            took = []
            for n in range(SEARCHES):
                number = 2_000_000 + n * (emails // SEARCHES)
                wanted = SearchRequest(text_of(world, kind, number), kind)
                began = time.monotonic()
                found = searching.page(wanted, 100)
                took.append((time.monotonic() - began) * 1000)
                assert not found.is_empty, (kind, number)
            took.sort()
            print(
                f"{kind.value:10} median {statistics.median(took):.1f} ms, 95th percentile "
                f"{took[int(SEARCHES * 0.95)]:.1f} ms, longest {took[-1]:.1f} ms",
                flush=True,
            )
    world.close()


def text_of(world: World, kind: SearchKind, number: int) -> str:
    match kind:
        case SearchKind.RECIPIENT:
            return str(world.scalar("SELECT address FROM eed_email WHERE email_id = :id", id=number))
        case SearchKind.KEY:
            return str(number)
        case SearchKind.MESSAGE_ID:
            return f"{number}.0@mail.example.com"
        case SearchKind.NAME:
            return "statements"


def enlisted(server: MariaDb, pairs: int) -> None:
    """Enlist jobs in turns, with the index and without."""
    with_index, without = World(server.create_database("indexed")), World(server.create_database("bare"))
    without.execute(f"ALTER TABLE eed_email DROP INDEX {INDEX}")
    ratios, of_both = [], []
    for n in range(1, pairs + 1):
        order = (with_index, without) if n % 2 else (without, with_index)
        used = {world: cpu_of_enlisting(server, world, n) for world in order}
        (theirs, own), (theirs_before, own_before) = used[with_index], used[without]
        ratios.append(theirs / theirs_before)
        of_both.append((theirs + own) / (theirs_before + own_before))
        print(
            f"pair {n}: {theirs * 1e6 / JOB:.1f} and {theirs_before * 1e6 / JOB:.1f} µs of MariaDB's CPU an email, "
            f"{ratios[-1]:.3f}; own {own * 1e6 / JOB:.1f} and {own_before * 1e6 / JOB:.1f} µs, "
            f"together {of_both[-1]:.3f}",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.3f}, together {statistics.median(of_both):.3f}, of {pairs} pairs")
    for world in (with_index, without):
        world.close()


def cpu_of_enlisting(server: MariaDb, world: World, number: int) -> tuple[float, float]:
    """Seconds of MariaDB's CPU and of our own."""
    world.add_job([], number)
    world.execute(
        "INSERT INTO delivery_email (id, job_id, recipient, status)"
        f" SELECT {number} * 1000000 + seq, {number}, CONCAT(MD5({number} * 1000000 + seq), '@example.com'), 'pending'"
        f" FROM seq_1_to_{JOB}"
    )
    before, own_before = cpu(server), time.process_time()
    enlist(world, number)
    return cpu(server) - before, time.process_time() - own_before


def enlist(world: World, number: int) -> None:
    """As the publisher does, in chunks of its size."""
    size = PublisherSettings().chunk
    world.registry.register(world.registry.new_jobs(100))
    (job,) = (one for one in world.registry.lease(new_token(), 60, 50, 0) if one.job_id == number)
    while world.registry.enlist(job, size, 60):
        pass
    world.registry.let_go([job])


def cpu(server: MariaDb) -> float:
    """Seconds of the server's process so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
