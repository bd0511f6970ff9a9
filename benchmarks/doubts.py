"""How long it takes to settle 1,192 doubts from a log of a million lines.

    python -m benchmarks.doubts

The log is Postfix's, of 200,000 emails, with all doubts somewhere in it. CPU time is this process's, without the
database's.
"""

import io
import tempfile
import time
from datetime import datetime
from pathlib import Path

from eed_delivery.app.operations import Operations
from eed_delivery.config import load
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.doubts.workbench import SettleDoubtsRequest
from tests.command_line import CommandLine
from tests.servers.mariadb import MariaDb
from tests.world import World

DOUBTS, EMAILS = 1192, 200_000
DOMAIN = "mail.example.com"
ID = 1_000_000


def main() -> None:
    """Print how long each step took."""
    database = MariaDb(in_memory=True)
    database.start()
    try:
        world = World(database.create_database("doubts"))
        handed_over = fill(world)
        log = log_of(handed_over)
        lines = log.count(b"\n")
        print(f"{DOUBTS:,} doubts, {lines:,} lines, {len(log) / 2**20:.0f} MiB")
        with tempfile.TemporaryDirectory() as place:
            cli = CommandLine(Path(place), world.url)
            operations = Operations(load(cli.config, cli.environ), Actor("bench", "cli"), world.database)
            for _ in range(3):
                world.execute("UPDATE eed_email SET state = 'in_doubt'")
                measure(operations, log)
        world.close()
    finally:
        database.stop()


def measure(operations: Operations, log: bytes) -> None:
    began, used = time.monotonic(), time.process_time()
    plan = operations.doubts.match(io.BytesIO(log)).plan
    matched, of_match = time.monotonic(), time.process_time()
    done = operations.doubts.settle(plan, SettleDoubtsRequest("bench", plan.etag))
    ended, of_settle = time.monotonic(), time.process_time()
    print(
        f"match {matched - began:.2f} s ({of_match - used:.2f} s CPU), settle {ended - matched:.2f} s "
        f"({of_settle - of_match:.2f} s CPU), together {ended - began:.2f} s: {done.sent} sent, {done.failed} failed",
        flush=True,
    )


def fill(world: World) -> datetime:
    """A job whose emails are all in doubt. Returns when they were handed over."""
    world.add_job([f"c{n}@example.com" for n in range(DOUBTS)], ID // 1000)
    world.enlist(ID // 1000)
    world.execute(f"UPDATE eed_email SET state = 'in_doubt', wire_at = {world.earlier(world.now, 3600)}")
    at = world.scalar("SELECT MAX(wire_at) FROM eed_email")
    assert isinstance(at, datetime)
    return at


def log_of(handed_over: datetime) -> bytes:
    """Five lines an email, 50 emails a second."""
    step = EMAILS // DOUBTS
    first = handed_over.timestamp() - EMAILS / 50 / 2
    lines = []
    for n in range(EMAILS):
        number = ID + n // step if n % step == 0 and n // step < DOUBTS else 5 * ID + n
        at = datetime.fromtimestamp(first + n / 50)  # noqa: DTZ006 - the zone goes in and comes out again
        when, queue = f"{at:%b %d %H:%M:%S} relay", f"{n:011X}"
        lines.append(
            f"{when} postfix/smtpd[2534]: {queue}: client=eed.example.com[192.0.2.7]\n"
            f"{when} postfix/cleanup[2536]: {queue}: message-id=<{number}.0@{DOMAIN}>\n"
            f"{when} postfix/qmgr[2531]: {queue}: from=<b+{number}.0.abcdefghijklmnop@bounces.example.com>, "
            f"size=61344, nrcpt=1 (queue active)\n"
            f"{when} postfix/smtp[2538]: {queue}: to=<customer{number}@example.net>, "
            f"relay=mx.example.net[192.0.2.1]:25, delay=1.1, delays=0.04/0/0.6/0.46, "
            "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 8BDCA22DA71)\n"
            f"{when} postfix/qmgr[2531]: {queue}: removed\n"
        )
    return "".join(lines).encode()


if __name__ == "__main__":
    main()
