"""`python -m benchmarks.events`: SES's events through the role `events`, each doubled and in any order.

MariaDB, a queue and the role are real processes on this machine. The speed is that from the role's start until the
queue is empty. The processes' CPU says what it would be with the queue elsewhere. At the end the ledger is held against
what the set of events says.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.measure import cpu_seconds
from eed_delivery.events import decisive
from eed_delivery.queue import MAX_BATCH
from eed_delivery.tracking.ses.parsing import parse
from tests.command_line import CommandLine
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.unit.tracking import ses_examples as ses
from tests.world import World

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SHAPES = (ses.send, ses.delivery, ses.opened, ses.bounce, ses.complaint)
WEIGHTS = (45, 45, 6, 3, 1)


def one_event(number: int, email_id: int, chance: random.Random) -> str:
    """An event of its own about an email, in SNS's envelope or without."""
    made: dict[str, Any] = chance.choices(SHAPES, WEIGHTS)[0]()
    at = (START + timedelta(milliseconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = json.dumps(made).replace(ses.SENT_AT, at).replace(ses.TOLD_AT, at)
    told = told.replace(ses.FEEDBACK_ID, f"{ses.FEEDBACK_ID}-{number}").replace(ses.MESSAGE_ID, f"ses-{email_id}")
    made = json.loads(told)
    made["mail"]["tags"] |= {"eed_email": [str(email_id)], "eed_gen": ["0"]}
    return ses.notification(json.dumps(made)) if number % 2 else json.dumps(made)


def enlist(world: World, emails: int) -> None:
    rows = [{"i": i, "r": f"c{i}@example.com"} for i in range(1, emails + 1)]
    ours = text("INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES (:i, 1, :r, 'sent')")
    theirs = text("INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (:i, 1, :r, 'sent')")
    for statement in (ours, theirs):
        world.database.run(lambda c, statement=statement: c.execute(statement, rows))  # type: ignore[misc]


def publish(ministack: MiniStack, url: str, bodies: Sequence[str]) -> None:
    sqs = ministack.client("sqs")

    def send(start: int) -> None:
        some = bodies[start : start + MAX_BATCH]
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(some)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(0, len(bodies), MAX_BATCH)))


def expected(bodies: Sequence[str]) -> dict[int, str]:
    told: dict[int, list[Any]] = {}
    for body in bodies:
        for event in parse(body):
            told.setdefault(event.email_id or 0, []).append(event)
    last = {email_id: decisive(events) for email_id, events in told.items()}
    return {email_id: str(event.outcome) for email_id, event in last.items() if event is not None}


def is_empty(sqs: Any, url: str) -> bool:
    facts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return not any(int(facts[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="different ones; each comes twice")
    parser.add_argument("--emails", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=4, help="of each process")
    parser.add_argument("--processes", type=int, default=1, help="of the role")
    asked = parser.parse_args(words)
    chance = random.Random(5)
    bodies = [one_event(n, chance.randint(1, asked.emails), chance) for n in range(asked.events)]
    coming = bodies * 2
    chance.shuffle(coming)
    mariadb = MariaDb()
    mariadb.start()
    try:
        with MiniStack("tests.servers.deep_ministack") as ministack, tempfile.TemporaryDirectory() as directory:
            return measure(mariadb, ministack, Path(directory), bodies, coming, asked)
    finally:
        mariadb.stop()


def measure(
    mariadb: MariaDb, ministack: MiniStack, directory: Path, bodies: Sequence[str], coming: Sequence[str], asked: Any
) -> int:
    world = World(mariadb.create_database("events"))
    enlist(world, asked.emails)
    url, _ = ministack.make_queue("events")
    publish(ministack, url, coming)
    eed = CommandLine(directory, world.url, ministack.make_queue("mail"), ministack.endpoint_url)
    eed.environ |= {"EED_TRACKING__EVENTS_QUEUE_URL": url, "EED_TRACKING__THREADS": str(asked.threads)}
    eed.environ["EED_TRACKING__PROCESSES"] = str(asked.processes)
    servers = {"mariadbd": mariadb.pid, "ministack": ministack.pid}
    before = {name: cpu_seconds(pid) for name, pid in servers.items()}
    sqs, started = ministack.client("sqs"), time.monotonic()
    with (directory / "log").open("wb") as log:
        role = eed.process("events", stdout=log, stderr=log)
    try:
        while not is_empty(sqs, url) and role.poll() is None:
            time.sleep(0.2)
        seconds = time.monotonic() - started
        used = {name: cpu_seconds(pid) - before[name] for name, pid in servers.items()}
        used["events"] = cpu_seconds(role.pid)
    finally:
        os.kill(role.pid, signal.SIGTERM)
        role.wait(60)
    print(f"{len(coming):,} messages, {len(bodies):,} events in {seconds:.1f} s: {len(coming) / seconds:,.0f} a second")
    for name, cpu in used.items():
        print(f"{name:>10}: {cpu:.1f} s of CPU, {1000 * cpu / len(coming):.2f} ms a message")
    found = dict(world.execute("SELECT email_id, outcome FROM eed_email WHERE outcome IS NOT NULL"))
    right = found == expected(bodies) and world.scalar("SELECT COUNT(*) FROM eed_event") == len(bodies)
    print("the ledger is right" if right else f"THE LEDGER IS WRONG\n{(directory / 'log').read_text()[-2000:]}")
    world.close()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
