"""Rehearsals on two hosts, killed at any moment, beside a job that is being sent."""

import os
import subprocess
import sys
import threading

from eed_delivery.app.operations import Operations
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.long_acts.starting import LongActState
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from tests.faults.judgement import Told
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import Stack

REHEARSED, LIVE = 2, 1
HOSTS = 2
LONGEST_SECONDS = 4.0
"""Until the next kill."""


@scenario("rehearsal-kills", quick=Amount(400, 2), short=Amount(5_000, 30), long=Amount(50_000, 300))
def rehearsal_kills(site: Site, amount: Amount) -> Told:
    """kill -9 of two hosts' rehearsals at random moments, beside a job that is being sent."""
    stack = site.stack({"rehearsal.read_as_service": True})
    stack.mail_up()
    stack.add_job([f"r{n}@example.com" for n in range(amount.emails)], REHEARSED, status="preparing")
    hosts = _Hosts(stack)
    quiet = hosts.rehearsed()
    rows = _rows(stack)
    stack.add_job([f"l{n}@example.com" for n in range(amount.emails // 4)], LIVE)
    stack.start("run")
    problems: list[str] = []
    pause, kills = threading.Event(), 0
    operation = hosts.order()
    while kills < amount.faults or not hosts.ended(operation):
        hosts.fill_up()
        pause.wait(site.random.uniform(0.2, LONGEST_SECONDS))
        if hosts.ended(operation) and kills < amount.faults:
            problems += hosts.differs(operation, quiet)
            operation = hosts.order()
        if kills < amount.faults:
            hosts.kill(site.random.randrange(HOSTS))
            kills += 1
    problems += hosts.differs(operation, quiet)
    hosts.close()
    if _rows(stack) != rows:
        problems.append("the source of the rehearsed job has changed")
    stack.world.execute("UPDATE delivery_job SET status = 'processing' WHERE id = :id", id=REHEARSED)
    stack.wait_finished(REHEARSED, LIVE, seconds=3600)
    return Told(stack, faults=kills, problems=problems)


def _rows(stack: Stack) -> list[object]:
    """The source's rows of the rehearsed job."""
    of_job = {"delivery_job": "id", "delivery_email": "job_id", "delivery_attachment": "job_id"}
    return [
        stack.world.execute(f"SELECT * FROM {table} WHERE {column} = {REHEARSED} ORDER BY id")
        for table, column in of_job.items()
    ]


class _Hosts:
    """A process on each of two hosts that does the rehearsals that are asked for."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._operations = Operations(stack.settings, Actor("faults", "cli"), stack.world.database)
        self._processes: list[subprocess.Popen[bytes]] = []

    def order(self) -> str:
        """Have the job rehearsed. Returns the operation."""
        request = RehearsalRequest(str(REHEARSED), processes=1, beside_live=True)
        return self._operations.rehearsal_orders.start(request).id

    def rehearsed(self) -> str:
        """The digest of a rehearsal that nothing disturbs."""
        operation = self.order()
        self.fill_up()
        self._stack.wait_until(lambda: self.ended(operation), "the job is rehearsed", seconds=600)
        return self._operations.rehearsal_results.view(operation).digest

    def ended(self, operation: str) -> bool:
        """Whether a rehearsal has come to its end."""
        state = self._operations.long_acts.view(operation).state
        if state in (LongActState.FAILED, LongActState.STOPPED):
            raise AssertionError(f"the rehearsal is {state}: {self._operations.long_acts.view(operation).errors}")
        return state is LongActState.DONE

    def differs(self, operation: str, digest: str) -> list[str]:
        """What a rehearsal says that was disturbed, where that is not what an undisturbed one says."""
        found = self._operations.rehearsal_results.view(operation)
        same = (found.verdict, found.digest, found.looked_at) == ("clean", digest, found.emails)
        return [] if same else [f"operation {operation}: {found.verdict}, {found.looked_at} emails, {found.digest}"]

    def fill_up(self) -> None:
        """Start what was killed again."""
        self._processes = [one for one in self._processes if one.poll() is None]
        while len(self._processes) < HOSTS:
            command = [sys.executable, "-m", "tests.rehearsing", str(self._stack.config)]
            environ = {**os.environ, **self._stack.environ}
            self._processes.append(subprocess.Popen(command, env=environ, start_new_session=True))

    def kill(self, number: int) -> None:
        """kill -9 of one, whose lease ends at once, as that of the other one may."""
        self._processes[number].kill()
        self._processes[number].wait()
        past = "UPDATE eed_operation SET lease_until = '2001-01-01 00:00:00' WHERE lease_until IS NOT NULL"
        self._stack.world.execute(past)

    def close(self) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            process.wait()
