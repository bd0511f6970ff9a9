"""kill -9 at each place between two steps: every failpoint of each role, several times."""

from eed_delivery.model import Ticket
from eed_delivery.queue import write
from eed_delivery.runtime import failpoints
from tests.archived import ArchiveBooks
from tests.faults.crew import USUAL, Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, people
from tests.faults.scenario import Amount, Site, scenario
from tests.faults.turns import Turns
from tests.servers.smtp_server import Close, Say
from tests.sink import Sink
from tests.stack import BRISK, Stack

ROLES = {
    "publisher": failpoints.PUBLISHER,
    "worker": (*failpoints.WORKER, *failpoints.COPIES),
    "sweeper": failpoints.SWEEPER,
    "archive": failpoints.ARCHIVE,
}
COMMON = (
    *("worker.rendered", "worker.before_wire", "worker.group_committed", "worker.wired", "worker.sent"),
    *failpoints.COPIES,
)
"""Reached with every email: the third or the thirtieth time is as good as the first."""
IN_CALM = "sweeper.put_back"
"""Reached only while the queue is empty: it comes last, when nothing is added any more."""
JOBS_AT_ONCE = 8
LONGEST_SECONDS = 3600.0


@scenario("failpoints", quick=Amount(0, 1), short=Amount(0, 5), long=Amount(0, 50))
def at_each_failpoint(site: Site, amount: Amount) -> Told:
    """kill -9 at each failpoint of publisher, worker, sweeper and archiver, this many times each."""
    archive, spool = site.directory / "archive", site.directory / "spool"
    settings = {"transport.archive.url": str(archive), "transport.archive.spool": str(spool)}
    settings |= {"publisher.job_lease_seconds": 2, "sweeper.queued_patience_seconds": 1}
    stack = site.stack({**BRISK, **settings}, keep_mail=True)
    books = ArchiveBooks(stack, archive, spool / "default")
    load = _Load(stack, stack.mail_up())
    turns = Turns(site.random, ROLES, amount.faults, COMMON, last=IN_CALM)
    crew = Crew(stack, (*USUAL, "archive"))
    turns.arm_all(crew)
    with crew:

        def strike_under_load() -> bool:
            turns.take_the_dead(crew)
            load.roll()
            return turns.only_the_last

        def strike_in_calm() -> bool:
            turns.take_the_dead(crew)
            return load.over and not turns.left

        stack.wait_until(strike_under_load, "every failpoint has struck", LONGEST_SECONDS)
        stack.wait_until(strike_in_calm, "the queue has been empty and every job is finished", LONGEST_SECONDS)
        stack.wait_until(lambda: not books.overdue(), "each sent email's copy has left the spool", LONGEST_SECONDS)
        problems = crew.stop() + books.violations()
    doubts = turns.struck["worker"] * THREADS
    return Told(stack, sum(turns.struck.values()), doubt_at_most=doubts, problems=problems + turns.problems)


class _Load:
    """Small jobs, some at a time, with all that makes the rarer steps happen. There is a temporary answer (retried), a
    server that goes away in mid-batch (released, copied), and a dead letter (buried)."""

    def __init__(self, stack: Stack, mail: Sink) -> None:
        self._stack = stack
        self._mail = mail
        self._jobs: list[int] = []

    @property
    def over(self) -> bool:
        """Whether every job is finished."""
        return self._stack.finished(*self._jobs)

    def roll(self) -> None:
        """A few more jobs, unless those before still keep all processes busy."""
        if self._stack.finished(*self._jobs[:-JOBS_AT_ONCE]):
            for _ in range(JOBS_AT_ONCE // 2):
                self._add(len(self._jobs) + 1)

    def _add(self, job_id: int) -> None:
        recipients = people(20, f"job{job_id}.example.com")
        self._mail.on("RCPT", Say("451 4.2.0 come back later"), recipient=recipients[3], times=1)
        self._mail.on("DATA", Close(), times=1)  # no connection: the breaker opens, and the rest of the batch goes back
        self._stack.add_job(recipients, job_id=job_id)
        self._jobs.append(job_id)
        for (email_id,) in self._stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'sent' LIMIT 1"):
            body = write(Ticket(email_id, 0, 0))
            self._stack.sqs.send_message(QueueUrl=self._stack.dead_letter_url, MessageBody=body)
