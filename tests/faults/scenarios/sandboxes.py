"""The function of AWS Lambda: sandboxes killed, throttled and frozen, and beside hosts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.faults.crew import Crew
from tests.faults.fleet import FUNCTION, Fleet
from tests.faults.judgement import Told
from tests.faults.load import add_jobs, attempts_beyond_one, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.cutting_proxy import CuttingProxy
from tests.stack import Stack

SIZE = 3
OTHERS = ("publisher", "sweeper")
RATE = 60.0
WITHIN = 1.02


@contextmanager
def running(stack: Stack, ways: Sequence[CuttingProxy] = ()) -> Iterator[tuple[Fleet, Crew]]:
    """The function beside a publisher and a sweeper."""
    with Crew(stack, OTHERS) as crew, Fleet(stack, SIZE, ways=ways) as fleet:
        yield fleet, crew


def until(stack: Stack, moments: list[int], strike: Callable[[], bool]) -> None:
    """Strike whenever so many emails have ended."""
    for moment in moments:
        stack.wait_until(lambda: ended(stack) >= moment, f"{moment} emails have ended", seconds=600)  # noqa: B023
        stack.wait_until(strike, "there is one to strike", seconds=120)


@scenario("lambda-kill", short=Amount(10_000, 100))
def kill(site: Site, amount: Amount) -> Told:
    """kill -9 of sandboxes in the middle of invocations."""
    stack = site.stack(FUNCTION)
    stack.mail_up(seconds=0.01)
    jobs = add_jobs(stack, amount.emails, jobs=3)
    moments = sorted(site.random.randrange(amount.emails // 2) for _ in range(amount.faults))
    with running(stack) as (fleet, crew):
        until(stack, moments, fleet.kill_one)
        stack.wait_finished(*jobs, seconds=3600)
        problems = crew.stop()
    return Told(stack, faults=fleet.kills, doubt_at_most=fleet.kills, problems=[*problems, *fleet.died])


@scenario("lambda-throttled", short=Amount(5_000))
def throttled(site: Site, amount: Amount) -> Told:
    """Half of all polls burn receives, batches come twice, and results are lost."""
    stack = site.stack(FUNCTION)
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=2)
    with running(stack) as (fleet, crew):
        fleet.throttle, fleet.twice, fleet.lose_results = 0.5, 0.1, 0.1
        stack.wait_finished(*jobs, seconds=3600)
        problems = crew.stop()
    problems += [f"tries were counted wrongly: {attempts_beyond_one(stack)[:5]}"] if attempts_beyond_one(stack) else []
    return Told(stack, faults=fleet.throttled + fleet.doubled + fleet.lost, problems=[*problems, *fleet.died])


@scenario("lambda-freeze", short=Amount(300))
def freeze(site: Site, amount: Amount) -> Told:
    """Sandboxes are frozen after each invocation, and a gateway forgets their connections meanwhile."""
    stack = site.stack(FUNCTION)
    sink = stack.mail_up()
    ways = [site.at_the_end.enter_context(CuttingProxy(sink.port)) for _ in range(SIZE)]
    jobs = add_jobs(stack, amount.emails)
    with running(stack, ways) as (fleet, crew):
        fleet.rest_seconds = 4.0
        stack.wait_finished(*jobs, seconds=3600)
        problems = crew.stop()
    return Told(stack, faults=fleet.freezes, problems=[*problems, *fleet.died])


@scenario("lambda-and-hosts", short=Amount(10_000, 20))
def and_hosts(site: Site, amount: Amount) -> Told:
    """Workers and sandboxes send from one queue under one rate, while sandboxes are killed."""
    stack = site.stack({**FUNCTION, "transport.rate_per_second": RATE})
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=2)
    moments = sorted(site.random.randrange(amount.emails // 2) for _ in range(amount.faults))
    with running(stack) as (fleet, crew):
        stack.wait_until(lambda: ended(stack) > 0, "sandboxes send", seconds=600)  # their INIT phase takes longest
        crew.add("worker")
        crew.add("worker")
        crew.tend()
        until(stack, moments, fleet.kill_one)
        stack.wait_finished(*jobs, seconds=3600)
        problems = crew.stop()
    problems += too_fast(stack)
    workers = {who.partition(":")[0] for (who,) in stack.world.execute("SELECT DISTINCT worker FROM eed_attempt")}
    problems += [] if "lambda" in workers and len(workers) > 1 else [f"only {workers} have sent"]
    return Told(stack, faults=fleet.kills, doubt_at_most=fleet.kills, problems=[*problems, *fleet.died])


def too_fast(stack: Stack) -> list[str]:
    """The rate over all that was sent, if it was above the limit. A second's worth may have come together."""
    moments = sorted(taken.at for taken in stack.sink_ledger.read())
    span = moments[-1] - moments[0]
    rate = (len(moments) - RATE) / span
    return [f"{rate:.1f} emails a second, and the limit is {RATE:g}"] if rate > RATE * WITHIN else []
