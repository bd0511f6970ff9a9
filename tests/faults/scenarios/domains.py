"""A destination domain with a pace, and most of the emails go there."""

from collections.abc import Sequence
from datetime import datetime

from eed_delivery.destinations import DomainPace
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import CREDIT_SECONDS
from eed_delivery.worker.destination_pacing import STALE_SECONDS
from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, attempts_beyond_one, people
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import BRISK, Stack

SLOW = "slow.example"
PER_SECOND = 15.0
SHARE = 10
"""One of so many emails goes elsewhere."""
SERVER_SECONDS = 0.02
"""What the mail server takes over a message, so that it is the bound of the others."""
TIMED = 500
"""Fewer others are over too soon for their rate to say anything."""
LEFT_OF_RATE = 0.9


@scenario("domains", quick=Amount(200, 2), short=Amount(5_000, 20), long=Amount(20_000, 200))
def domains(site: Site, amount: Amount) -> Told:
    """Of ten emails nine go to a domain with a pace, and processes are killed meanwhile."""
    stack = site.stack({**BRISK, "worker.heartbeat_seconds": 1})
    stack.mail_up(seconds=SERVER_SECONDS)
    paces = DomainPaceLedger(stack.world.database)
    paces.set(SLOW, DomainPace(PER_SECOND, concurrency=3), "they ask for it", None)
    others = amount.emails // SHARE
    with Crew(stack) as crew:
        stack.add_job(people(others, "alone.example"), job_id=1)
        stack.wait_finished(1, seconds=600)
        stack.add_job([*people(amount.emails - others, SLOW), *people(others, "beside.example")], job_id=2)
        stack.wait_until(lambda: _sent(stack, "beside.example") == others, "the others are sent", seconds=600)
        problems = _of_their_rate(stack, others)
        for _ in range(amount.faults):
            before = _sent(stack, SLOW)
            crew.kill(site.random.choice(crew.members))
            crew.tend()
            stack.wait_until(lambda: _sent(stack, SLOW) > before, "the slow ones go on", seconds=120)  # noqa: B023
        problems += _too_quick(_left_at(stack, SLOW))
        paces.set(SLOW, DomainPace(per_second=10_000), "they take it all", None)
        stack.wait_finished(2, seconds=1800)
        problems += [*crew.stop(), *_burnt(stack)]
    return Told(stack, faults=crew.kills, doubt_at_most=crew.kills * THREADS, problems=problems)


def _sent(stack: Stack, domain: str) -> int:
    """Of its emails, those that a worker has let go."""
    statement = "SELECT COUNT(*) FROM eed_email WHERE state IN ('sent', 'in_doubt') AND address LIKE :domain"
    return int(stack.world.scalar(statement, domain=f"%@{domain}"))


def _left_at(stack: Stack, domain: str) -> Sequence[datetime]:
    statement = "SELECT wire_at FROM eed_email WHERE wire_at IS NOT NULL AND address LIKE :domain ORDER BY wire_at"
    return [row[0] for row in stack.world.execute(statement, domain=f"%@{domain}")]


def _of_their_rate(stack: Stack, others: int) -> list[str]:
    """Whether they were held up: by the times at which the first and the last of them were let go."""
    if others < TIMED:
        return []
    took = {}
    for domain in ("alone.example", "beside.example"):
        moments = _left_at(stack, domain)
        took[domain] = (moments[-1] - moments[0]).total_seconds()
    slow = took["beside.example"] * PER_SECOND / others  # the slow domain's part of what the server can take
    allowed = took["alone.example"] / (LEFT_OF_RATE - slow)
    if took["beside.example"] <= allowed:
        return []
    return [
        f"beside a slow domain {others} emails took {took['beside.example']:.1f} s, alone {took['alone.example']:.1f} s"
    ]


def _too_quick(moments: Sequence[datetime]) -> list[str]:
    """Spans in which more were let go than the pace allows, by the database's clock."""
    slack = CREDIT_SECONDS + STALE_SECONDS
    most = PER_SECOND * slack + 1
    problems = []
    for first in range(0, len(moments), 10):
        for last in range(first + 100, len(moments), 100):
            seconds = (moments[last] - moments[first]).total_seconds()
            if last - first + 1 > PER_SECOND * seconds + most:
                problems.append(f"{last - first + 1} emails to {SLOW} were let go in {seconds:.1f} s")
    return problems


def _burnt(stack: Stack) -> list[str]:
    """Tries that a pace has cost, and emails whose messages died."""
    dead = stack.world.execute("SELECT email_id, detail FROM eed_email WHERE state = 'failed'")
    tries = [f"email {email_id} has {n} attempts" for email_id, n in attempts_beyond_one(stack)]
    return [*tries, *(f"email {email_id} failed: {detail}" for email_id, detail in dead)]
