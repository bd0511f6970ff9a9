"""`python -m benchmarks.log_line`: what a log line costs the thread that logs it, and its process, by alert rules.

The kinds take turns in one process. The figures are medians of CPU microseconds a line, by `time.thread_time()` of the
logging thread and `time.process_time()` of all.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import structlog
from sqlalchemy import make_url

from eed_delivery import logs
from eed_delivery.alerts.desk import WAITING, Desk
from eed_delivery.alerts.rulebook import Rulebook
from eed_delivery.alerts.turns import LocalTurns, Turns
from eed_delivery.config import AlertRule, LogSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.alerts.turns import AlertLedger

LINES = WAITING // 2  # so that none is dropped
RULES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory, Path(os.devnull).open("w") as nowhere:
        database = Database(make_engine(make_url(f"sqlite:///{directory}/alerts.sqlite3"), connections=1))
        migrations.upgrade(database.engine)
        desks = {level: _desk(database, level) for level in ("warning", "info")}
        took: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for _ in range(rounds):
            for kind, desk in {"no rule": None, **{f"{RULES} rules, {level}": d for level, d in desks.items()}}.items():
                listeners = [desk.hear] if desk else []
                logs.configure(LogSettings(), role="worker", stream=nowhere, listeners=listeners)
                took[kind].append(_one_round())
        for desk in desks.values():
            desk.close(10)
        database.close()
    print(f"{'':20} {'thread':>8} {'process':>8}  us a line")
    for kind, rows in took.items():
        print(f"{kind:20} {statistics.median(r[0] for r in rows):8.1f} {statistics.median(r[1] for r in rows):8.1f}")


def _desk(database: Database, level: str) -> Desk:
    """One with rules that no line fits, half of them words and half expressions."""
    looks = [
        {"word": f"event_{n}"} if n % 2 else {"regex": f'"reply": "5[0-9]+.*"event": "(defect_{n}|failed_{n})"'}
        for n in range(RULES)
    ]
    rules = [AlertRule(name=f"r{n}", level=level, audience=("dev",), **look) for n, look in enumerate(looks)]
    turns = Turns(AlertLedger(database, 60), LocalTurns(60))
    desk = Desk(Rulebook(rules), turns, {"dev": []}, "eed", "benchmark")
    desk.start()
    return desk


def _one_round() -> tuple[float, float]:
    """Microseconds a line of this thread, and of the process until everything is looked at."""
    log, pause = structlog.get_logger(), threading.Event()
    process, thread = time.process_time(), time.thread_time()
    for n in range(LINES):
        log.info("sent", job_id=1, email_id=n, gen=0, attempt=1, state="sent", verdict="sent", reply="250 2.0.0 queued")
    thread = time.thread_time() - thread
    pause.wait(0.1)  # the desk's thread is done by then; waiting costs no CPU
    return thread / LINES * 1e6, (time.process_time() - process) / LINES * 1e6


if __name__ == "__main__":
    main()
