"""The delivery server goes on with its tables while the service sends: rows and jobs come, go, move and come again."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from click.testing import CliRunner
from sqlalchemy import text

from eed_delivery.cli import cli
from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, people
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import BRISK, Stack

JOBS = 4
VIEW = "drifting_email"
LEASE_SECONDS = 1.0
CHUNK = 20
SLOW_EVERY = 6
"""Every sixth act is made while each chunk takes long, and every sixth while the tables are locked."""
LOCKED_SECONDS = 1.5
BETWEEN_SECONDS = 0.2
SLOW_CHUNK_SECONDS = 2.0
"""So long a chunk takes while the view is slow: longer than its lease."""
LONG_CHUNK_SECONDS = 10.0
"""The same in a long run."""
NAME = json.dumps({"name": "Zoë"})
MANY = 200
"""From so many acts on, a run is a long one."""
EXPLAINED = {"gone", "moved", "job_gone", "recipient"}
"""What is left of the drift when all is over. Nothing is missing, and all sums are right."""
SETTINGS: dict[str, Any] = {
    **BRISK,
    "source.email.table": VIEW,
    "publisher.chunk": CHUNK,
    "publisher.job_lease_seconds": LEASE_SECONDS,
    "sweeper.reconcile_hours": 0.001,
}


@scenario("source-drift", quick=Amount(60, 12), short=Amount(400, 60), long=Amount(4_000, 600))
def source_drift(site: Site, amount: Amount) -> Told:
    """Rows and jobs of the source come, go, move and are ready again; its views are slow, its tables locked."""
    stack = site.stack(SETTINGS)
    drift = Drift(site.random, stack, amount.emails // JOBS, long=amount.faults >= MANY)
    stack.mail_up()
    with Crew(stack) as crew:
        for n in range(amount.faults):
            drift.act(n)
            if n % 3 == 2:
                crew.kill(site.random.choice([*crew.of("publisher"), *crew.of("publisher"), *crew.members]))
            crew.tend()
        drift.slowly(0)
        stack.wait_until(drift.is_over, "every row is in the ledger or refused, and every job finished", seconds=1800)
        problems = crew.stop()
    books = replace(stack.books(), drifted=True)
    spoilt = {e.email_id for e in books.entries if e.job_id in drift.deleted_jobs or e.email_id in drift.deleted}
    return Told(
        stack,
        faults=drift.acts + crew.kills,
        doubt_at_most=crew.kills * THREADS,
        may_fail=spoilt,
        problems=[*problems, *drift.unaccounted(), *_reconciled(stack, drift.deleted_jobs)],
        books=books,
    )


class Drift:
    """What the delivery server and its people do to their tables. `deleted`: rows that are gone, or were for a time."""

    def __init__(self, chance: random.Random, stack: Stack, size: int, *, long: bool) -> None:
        self._chance = chance
        self._stack = stack
        self._size = size
        self._chunk_seconds = LONG_CHUNK_SECONDS if long else SLOW_CHUNK_SECONDS
        self._next_row = 1
        self.acts = 0
        self.deleted: set[int] = set()
        self.deleted_jobs: set[int] = set()
        self._execute("CREATE TABLE drift_pace (seconds DOUBLE NOT NULL)")
        self._execute("INSERT INTO drift_pace VALUES (0)")
        self._execute(
            f"CREATE VIEW {VIEW} AS SELECT * FROM delivery_email"
            " WHERE SLEEP((SELECT seconds FROM drift_pace)) = 0 OR id > 0"
        )
        for job_id in range(1, JOBS + 1):
            stack.add_job(people(size, f"job{job_id}.example.com"), job_id=job_id)

    def _execute(self, statement: str, **values: Any) -> Any:
        return self._stack.world.execute(statement, **values)

    def act(self, n: int) -> None:
        """One more change, at a random moment."""
        Event().wait(self._chance.uniform(0, BETWEEN_SECONDS))
        change = self._chance.choice(self._changes)
        if n % SLOW_EVERY == SLOW_EVERY - 1:
            self.slowly(self._chunk_seconds / CHUNK)
        elif n % SLOW_EVERY == 2:
            self.slowly(0)
        elif n % SLOW_EVERY == 3:
            with self._locked():
                Event().wait(self._chance.uniform(0, LOCKED_SECONDS))
        self.acts += bool(change(self))

    def slowly(self, seconds: float) -> None:
        """From now on each row of the view takes so long."""
        self._execute("UPDATE drift_pace SET seconds = :seconds", seconds=seconds)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Another session has a lock on all rows of the source, as a backup or an ALTER TABLE has."""
        with self._stack.world.database.engine.connect() as c:
            c.execute(text("LOCK TABLES delivery_email WRITE, delivery_job WRITE"))
            try:
                yield
            finally:
                c.execute(text("UNLOCK TABLES"))
                c.invalidate()

    def _any_job(self) -> int:
        return self._chance.randint(1, JOBS)

    def _some(self, where: str, most: int = 5) -> list[int]:
        rows = [row[0] for row in self._execute(f"SELECT id FROM delivery_email WHERE {where} ORDER BY id")]
        return self._chance.sample(rows, min(len(rows), self._chance.randint(1, most)))

    def _each(self, statement: str, ids: list[int], **values: Any) -> int:
        return sum(self._execute(statement, id=i, **values) for i in ids)

    def _add_rows(self) -> int:
        job = self._any_job()
        rows = [
            {
                "id": self._new_key(job),
                "job_id": job,
                "recipient": f"late{self._next_row}@example.com",
                "variables": NAME,
            }
            for _ in range(self._chance.randint(1, 5))
        ]
        self._stack.insert({"delivery_email": rows})
        return len(rows)

    def _new_key(self, job: int) -> int:
        """Some before all other keys, some behind them, some that cannot be kept."""
        self._next_row += 1
        return self._chance.choice([self._next_row, job * 100_000 + 50_000 + self._next_row, -self._next_row])

    def _delete_rows(self) -> int:
        ids = self._some("id > 0")
        self.deleted |= set(ids)
        return self._each("DELETE FROM delivery_email WHERE id = :id", ids)

    def _change_addresses(self) -> int:
        ids = self._some("status = 'pending'")
        statement = "UPDATE delivery_email SET recipient = CONCAT('changed', id, '@example.com') WHERE id = :id"
        return self._each(statement, ids)

    def _run_again(self) -> int:
        """The old way: what has ended says "not sent yet" again."""
        return self._each(
            "UPDATE delivery_email SET status = 'pending' WHERE id = :id", self._some("status <> 'pending'")
        )

    def _move_rows(self) -> int:
        statement = "UPDATE delivery_email SET job_id = :job, status = 'pending' WHERE id = :id"
        return self._each(statement, self._some("id > 0"), job=self._any_job())

    def _delete_job(self) -> int:
        if len(self.deleted_jobs) == JOBS // 2:
            return 0
        job = self._any_job()
        self.deleted_jobs.add(job)
        return int(self._execute("DELETE FROM delivery_job WHERE id = :id", id=job))

    def _make_ready(self) -> int:
        return int(self._execute("UPDATE delivery_job SET status = 'processing' WHERE status <> 'processing'"))

    _changes: tuple[Callable[["Drift"], int], ...] = (
        _add_rows,
        _add_rows,
        _delete_rows,
        _change_addresses,
        _run_again,
        _move_rows,
        _delete_job,
        _make_ready,
        _make_ready,
    )

    def is_over(self) -> bool:
        """Whether everything is done; jobs that have rows left are made ready once more."""
        unfinished = self._execute("SELECT COUNT(*) FROM eed_job WHERE finished_at IS NULL")[0][0]
        ready = self._execute("SELECT COUNT(*) FROM delivery_job WHERE status = 'processing'")[0][0]
        if unfinished or ready:
            return False
        return not self._execute(f"UPDATE delivery_job SET status = 'processing' WHERE id IN ({_ASKED_FOR_JOBS})")

    def unaccounted(self) -> list[str]:
        """Rows of the source that are not accounted for, in words."""
        left = self._execute(f"SELECT id, job_id {_ASKED_FOR}")
        return [f"not sent yet, and nobody is at it: {len(left)}, as {list(left)[:5]}"] if left else []


# Nobody can ask for a row whose job is not there.
_ASKED_FOR = "FROM delivery_email WHERE status = 'pending' AND job_id IN (SELECT id FROM delivery_job)"
_ASKED_FOR_JOBS = "SELECT job_id FROM delivery_email WHERE status = 'pending'"


def _reconciled(stack: Stack, deleted_jobs: set[int]) -> list[str]:
    """What the command says of it, when all is over."""
    words = ["reconcile", "--all", "--json", "--config", str(stack.config)]
    result = CliRunner().invoke(cli, words, env=stack.environ)
    if result.exit_code not in (0, 1):
        return [f"reconcile ended with {result.exit_code}: {result.output}"]
    left = [d for d in json.loads(result.stdout)["differences"] if d["kind"] not in EXPLAINED]
    # A job that is gone cannot be made ready again: what was set back to "not sent yet" in it, added or moved to it
    # stays so.
    unexplained = [
        d for d in left if d["kind"] not in ("status", "missing", "moved_here") or int(d["job"]) not in deleted_jobs
    ]
    return [f"reconcile finds what is not explained: {unexplained[:5]}"] if unexplained else []
