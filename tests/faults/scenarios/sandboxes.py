"""The function of AWS Lambda: sandboxes killed, throttled and frozen, and beside hosts."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from eed_delivery.aws_lambda.sandbox import LONGEST_DELAY_SECONDS
from tests.faults.crew import Crew
from tests.faults.fleet import FUNCTION, Fleet
from tests.faults.judgement import Told
from tests.faults.load import add_jobs, attempts_beyond_one, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.sqs_proxy import SqsProxy
from tests.stack import Stack

SIZE = 3
OTHERS = ("publisher", "sweeper")
RATE = 60.0
HOUR, SCALE = 3600.0, 30.0
LOOP_ROUNDS = 16
"""After so many Lambda ends what it takes for a loop.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html"""
WITHOUT_DELAY = 15
"""Rounds of each message beside those of the longest delay: while the first pauses are short, and while one tries."""
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


@scenario("lambda-outage", short=Amount(60))
def outage(site: Site, amount: Amount) -> Told:
    """No mail server for an hour of 30-fold speed, in which each message is put off again and again."""
    proxy = site.at_the_end.enter_context(SqsProxy(site.ministack.endpoint_url, site.random))
    proxy.scale = SCALE
    stack = site.stack({**FUNCTION, "queue.endpoint_url": proxy.url})
    jobs = add_jobs(stack, amount.emails)
    with Crew(stack, OTHERS) as crew:
        stack.wait_until(lambda: stack.counts()["queued"] == amount.emails, "all are published", seconds=600)
        with Fleet(stack, SIZE) as fleet:
            stack.wait_until(lambda: fleet.rounds.total() > 0, "sandboxes are invoked", seconds=600)
            began = time.monotonic()
            hurry = Hurry(stack)
            stack.wait_until(
                lambda: hurry() and time.monotonic() - began >= HOUR / SCALE, "the hour is over", seconds=900
            )
            rounds, seconds = Counter(fleet.rounds), (time.monotonic() - began) * SCALE
            stack.mail_up()
            stack.wait_until(lambda: hurry() and stack.finished(*jobs), "the jobs have finished", seconds=900)
            problems = crew.stop()
    most = amount.emails * (seconds / LONGEST_DELAY_SECONDS + WITHOUT_DELAY)
    if min(rounds.values()) <= LOOP_ROUNDS:
        problems.append(f"a message was put off {min(rounds.values())} times, and not more than {LOOP_ROUNDS}")
    if rounds.total() > most:
        problems.append(f"messages came {rounds.total()} times within {seconds:.0f} s, and not at most {most:.0f}")
    problems += [f"{proxy.traced} requests had a trace header"] if proxy.traced else []
    problems += [f"{stack.depth(dead=True)} dead letters"] if stack.depth(dead=True) else []
    problems += [f"tries were counted wrongly: {attempts_beyond_one(stack)[:5]}"] if attempts_beyond_one(stack) else []
    return Told(stack, faults=rounds.total(), problems=[*problems, *fleet.died])


class Hurry:
    """Lets the time of the gate pass as much faster as that of the queue, whenever it is called."""

    def __init__(self, stack: Stack) -> None:
        self._world = stack.world
        self._at = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        passed, self._at = (now - self._at) * (SCALE - 1), now
        times = ", ".join(
            f"{name} = {self._world.earlier(name, passed)}" for name in ("shut_at", "shut_until", "trial_until")
        )
        self._world.execute(f"UPDATE eed_gate SET {times} WHERE reason IS NOT NULL")
        return True


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
