"""A big run from the outside.

    python -m tests.integration.rehearsal --emails 10000 --attachment-bytes 60000 [--kill 3]

Sends through a MariaDB, an SQS and a mail server of its own, with the service as real processes. With `--kill`, its
whole group is killed (-9) at random moments and started again. Prints the table, and exits with 1 when the books of
ledger, source and mail server differ.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.oracle import Books
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.service_process import ServiceProcess
from tests.stack import BRISK, Stack

FILES = 200
"""Different attachments; emails share them, each has one."""
HOURS = 3600.0


def main() -> None:
    options = _options()
    with (
        tempfile.TemporaryDirectory(prefix="eed-rehearsal-") as directory,
        MariaDb() as database,
        MiniStack() as ministack,
        Stack(
            database.create_database("rehearsal"), ministack, Path(directory) / "stack", _settings(options),
            keep_mail=False,
        ) as stack,
    ):  # fmt: skip
        _fill(stack, options.emails, options.attachment_bytes)
        stack.mail_up()
        seconds, stopped_in = _run(stack, options)
        books = stack.books()
        violations = books.violations() + _too_much_doubt(books, options)
        _print_table(books, options, seconds, stopped_in)
    for violation in violations:
        print(f"VIOLATION  {violation}")
    sys.exit(1 if violations else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=1000)
    parser.add_argument("--attachment-bytes", type=int, default=0)
    parser.add_argument("--kill", type=int, default=0, nargs="?", const=1, metavar="TIMES")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    brisk = BRISK if options.kill else {}
    return {"worker.processes": options.processes, "worker.threads": options.threads, **brisk}


def _fill(stack: Stack, emails: int, size: int) -> None:
    files = []
    if size:
        for n in range(FILES):
            (stack.attachments / f"{n}.pdf").write_bytes(os.urandom(size))
        files = [{"location": f"{n % FILES}.pdf", "email_id": 100_000 + n} for n in range(1, emails + 1)]
    stack.add_job([f"customer{n}@example.com" for n in range(1, emails + 1)], attachments=files)


def _run(stack: Stack, options: argparse.Namespace) -> tuple[float, float]:
    """Run to the end; how long the job and how long the stop took, in seconds."""
    started = time.monotonic()
    service = stack.start("run")
    chosen = random.Random(options.seed)
    moments = sorted(chosen.randint(1, options.emails - 1) for _ in range(options.kill))
    for moment in moments:
        service = _kill_at(stack, service, moment)
    stack.wait_finished(1, seconds=HOURS)
    took = time.monotonic() - started
    return took, service.stop_seconds()


def _kill_at(stack: Stack, service: ServiceProcess, moment: int) -> ServiceProcess:
    """Kill the service when this many emails have ended, and start it again."""
    stack.wait_until(lambda: sum(stack.counts()[s] for s in ("sent", "in_doubt")) >= moment, f"email {moment}", HOURS)
    service.kill()
    print(f"killed when {moment} had been sent", flush=True)
    return stack.start("run")


def _too_much_doubt(books: Books, options: argparse.Namespace) -> list[str]:
    """A kill puts no more in doubt than what was on the wire: one email a thread."""
    bound = options.kill * options.processes * options.threads
    doubts = books.counts["in_doubt"]
    return [f"in doubt: {doubts}, and {options.kill} kills explain {bound} at most"] if doubts > bound else []


def _print_table(books: Books, options: argparse.Namespace, seconds: float, stopped_in: float) -> None:
    rows = {
        "emails": options.emails,
        "attachment bytes": options.attachment_bytes,
        "processes x threads": f"{options.processes} x {options.threads}",
        "kills (seed)": f"{options.kill} ({options.seed})",
        **{f"state {state}": n for state, n in sorted(books.counts.items())},
        "taken by the mail server": len(books.taken),
        "lost": len(books.lost),
        "sent twice": len(books.sent_twice),
        "seconds": f"{seconds:.1f}",
        "emails a second": f"{options.emails / seconds:.1f}",
        "seconds to stop": f"{stopped_in:.1f}",
    }
    for what, value in rows.items():
        print(f"{what:<26}{value}")


if __name__ == "__main__":
    main()
