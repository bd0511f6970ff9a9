"""SIGSTOP for longer than the leases, then SIGCONT: what a paused virtual machine or a swapping host does to a worker.

Its work is taken over meanwhile, and it must find that out by itself: it has no clock of its own that could tell.
"""

import time

from tests.faults.crew import USUAL, Crew, Member
from tests.faults.feed import Feed
from tests.faults.judgement import Told
from tests.faults.load import THREADS, attempts_beyond_one
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import BRISK, Stack

STEPS = (
    "worker.claimed",
    "worker.rendered",
    "worker.before_wire",
    "worker.wired",
    "worker.sent",
    "worker.recorded",
)
SURELY_DOUBTED = 2
"""`worker.wired` and `worker.sent`: the email in hand is on the wire."""
PERHAPS_DOUBTED = 2
"""`worker.rendered` and `worker.before_wire`: the email before it may not be recorded yet."""
LONGEST_SECONDS = 1.5 * BRISK["worker.send_lease_seconds"]
FROZEN_AT_ONCE = 3


@scenario("freeze-steps", short=Amount(100, len(STEPS)), long=Amount(200, 10 * len(STEPS)))
def freeze_at_each_step(site: Site, amount: Amount) -> Told:
    """SIGSTOP of a worker at each step of an email until others have done its work; then it goes on."""
    stack = site.stack({**BRISK, "worker.threads": 1})  # so that nothing but the email at that step is in hand
    stack.mail_up()
    feed = Feed(stack, amount.emails)
    problems: list[str] = []
    rounds = amount.faults // len(STEPS)
    for _ in range(rounds):
        problems += _one_round(site, stack, feed)
    late = [f"{email_id} has {n} attempts" for email_id, n in attempts_beyond_one(stack)]
    return Told(stack, faults=rounds * len(STEPS), problems=problems + late)


def _one_round(site: Site, stack: Stack, feed: Feed) -> list[str]:
    """All steps at once, each in a worker of its own; returns what was wrong, in words."""
    crew = Crew(stack, ("publisher", "sweeper", *["worker"] * len(STEPS)))
    victims = crew.of("worker")
    for member, step in zip(victims, STEPS, strict=True):
        member.armed = f"{step}=stop@{site.random.randint(1, 2 if step.endswith(('claimed', 'recorded')) else 15)}"
    with crew:

        def all_frozen() -> bool:
            feed.top_up()
            return all(member.frozen for member in victims)

        stack.wait_until(all_frozen, "a worker is frozen at each step")
        crew.add("worker")
        crew.tend()
        feed.wait_finished()
        problems = _doubts_while_frozen(stack)
        for member in victims:
            crew.thaw(member)
        stack.wait_until(lambda: not stack.counts()["in_doubt"], "late truth has settled every doubt")
        problems += crew.stop()
        stale = len(crew.log_events("stale_outcome"))
    return problems + ([f"{stale} outcomes came to nothing"] if stale else [])


def _doubts_while_frozen(stack: Stack) -> list[str]:
    doubts = stack.counts()["in_doubt"]
    if SURELY_DOUBTED <= doubts <= SURELY_DOUBTED + PERHAPS_DOUBTED:
        return []
    return [f"{doubts} emails were in doubt while their workers were frozen: {SURELY_DOUBTED} surely are"]


@scenario("freeze", short=Amount(200, 6), long=Amount(1_000, 200))
def freeze(site: Site, amount: Amount) -> Told:
    """SIGSTOP of random processes at random moments, for up to one and a half times their longest lease."""
    stack = site.stack(BRISK)
    stack.mail_up()
    feed = Feed(stack, amount.emails)
    with Crew(stack, (*USUAL, "worker")) as crew:
        weather = _Frost(site, crew, amount.faults)

        def over() -> bool:
            feed.top_up()
            return weather.go_on()

        stack.wait_until(over, "all have been frozen and thawed", seconds=LONGEST_SECONDS * amount.faults)
        feed.wait_finished()
        problems = crew.stop()
    doubts = THREADS * weather.workers_frozen
    return Told(stack, faults=amount.faults, doubt_at_most=doubts, problems=problems)


class _Frost:
    """Freezes and thaws, never all of them at once."""

    def __init__(self, site: Site, crew: Crew, times: int) -> None:
        self._random = site.random
        self._crew = crew
        self._left = times
        self._until: dict[Member, float] = {}
        self.workers_frozen = 0

    def go_on(self) -> bool:
        """Thaw whose time has come, and freeze another one perhaps; True when all is over."""
        for member in [member for member, until in self._until.items() if time.monotonic() > until]:
            self._crew.thaw(member)
            del self._until[member]
        if self._left and len(self._until) < FROZEN_AT_ONCE and self._random.random() < 0.2:
            self._freeze(self._random.choice([m for m in self._crew.members if m not in self._until]))
        return not self._left and not self._until

    def _freeze(self, member: Member) -> None:
        self._crew.freeze(member)
        self._until[member] = time.monotonic() + self._random.uniform(0.5, LONGEST_SECONDS)
        self._left -= 1
        self.workers_frozen += member.role == "worker"
