"""Doubts that settle themselves from the log of a real postfix, while workers and the resolver are killed."""

import time
from collections.abc import Iterator

from tests.faults.crew import USUAL, Crew
from tests.faults.judgement import Told
from tests.faults.load import ended, people
from tests.faults.scenario import Amount, Site, Skipped, scenario
from tests.servers import postfix
from tests.servers.postfix import Postfix
from tests.stack import BRISK, Stack

DOMAIN = "resolver.example.com"
LONGEST_SECONDS = 60.0
"""From an email's becoming a doubt to its being settled, where the relay has taken it."""
PATIENCE_SECONDS = 3600


@scenario("resolver", quick=Amount(300, 6), short=Amount(5_000, 60), long=Amount(100_000, 1_000))
def resolver(site: Site, amount: Amount) -> Told:
    """kill -9 of workers after a real postfix's yes, and of what settles that from its log, which is rotated."""
    if not postfix.possible():
        raise Skipped("postfix needs root here, or cannot be had")
    stack = site.stack(BRISK)
    stack.mail_up()
    relay = site.at_the_end.enter_context(Postfix({DOMAIN: f"smtp:[127.0.0.1]:{stack.settings.smtp.port}"}))
    environ = {
        "EED_SMTP__PORT": str(relay.port),
        "EED_RESOLVER__LOG": str(relay.log),
        "EED_RESOLVER__INTERVAL_SECONDS": "1",
    }
    stack.add_job(people(amount.emails, DOMAIN))
    doubts = _Doubts(stack)
    crew = Crew(stack, (*USUAL, "resolver"), environ)
    kills = _kills(site, crew, amount)
    _arm(site, crew, amount)
    with crew:
        for number, kill in enumerate(kills, start=1):

            def struck(kill: Iterator[bool] = kill) -> bool:
                doubts.look()
                return next(kill)

            stack.wait_until(struck, f"kill {number}", PATIENCE_SECONDS)
            if number == amount.faults // 2:
                relay.rotate()
        stack.wait_until(lambda: doubts.look() and stack.finished(1), "the job is finished", PATIENCE_SECONDS)
        stack.wait_until(lambda: doubts.look() and not doubts.taken(), "what the relay took is settled", 120)
        problems = crew.stop()
    return Told(stack, faults=amount.faults, doubt_at_most=doubts.open, problems=problems + doubts.problems())


def _kills(site: Site, crew: Crew, amount: Amount) -> Iterator[Iterator[bool]]:
    """Every second one is of the resolver, at a random moment. The others are of workers, at their failpoint."""
    moments = sorted(site.random.randrange(amount.emails // 2) for _ in range(amount.faults // 2))
    for number in range(amount.faults):
        yield (
            _of_the_resolver(site, crew, amount, moments[number // 2])
            if number % 2
            else _of_a_worker(site, crew, amount)
        )
    for worker in crew.of("worker"):
        crew.kill(worker)  # what is armed goes with it
        worker.armed = ""
    crew.tend()


def _of_the_resolver(site: Site, crew: Crew, amount: Amount, moment: int) -> Iterator[bool]:
    while ended(crew.stack) < moment:
        _arm(site, crew, amount)
        crew.tend()
        yield False
    crew.kill(crew.of("resolver")[0])
    crew.tend()
    yield True


def _of_a_worker(site: Site, crew: Crew, amount: Amount) -> Iterator[bool]:
    while all(worker.alive for worker in crew.of("worker")):
        yield False
    _arm(site, crew, amount)
    crew.tend()
    yield True


def _arm(site: Site, crew: Crew, amount: Amount) -> None:
    """Each worker dies once the relay has said yes to some emails, before the last of them is recorded."""
    for worker in crew.of("worker"):
        if not worker.alive:
            worker.armed = f"worker.sent=kill@{site.random.randint(1, max(2, amount.emails // (2 * amount.faults)))}"


class _Doubts:
    """Which emails became doubts, and how long they were."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._since: dict[int, float] = {}
        self._settled: dict[int, float] = {}
        self._now: set[int] = set()

    @property
    def open(self) -> int:
        return len(self._now)

    def look(self) -> bool:
        """See which there are."""
        at = time.monotonic()
        self._now = {
            row[0] for row in self._stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'in_doubt'")
        }
        for email_id in self._now:
            self._since.setdefault(email_id, at)
        for email_id in self._since.keys() - self._now:
            self._settled.setdefault(email_id, at - self._since[email_id])
        return True

    def taken(self) -> set[int]:
        """Those in doubt that have arrived."""
        return self._now & {one.email_id for one in self._stack.sink_ledger.read()}

    def problems(self) -> list[str]:
        """In words. What the relay has not taken must stay in doubt: no log proves an absence so soon."""
        longest = max(self._settled.values(), default=0.0)
        print(f"{len(self._settled)} doubts settled, the slowest in {longest:.1f} s; {self.open} left")
        found = [] if self._settled else ["no doubt was settled: this has proved nothing"]
        if longest > LONGEST_SECONDS:
            found.append(f"a doubt was settled after {longest:.1f} s, later than {LONGEST_SECONDS:.0f}")
        if self.taken():
            found.append(f"arrived, and still in doubt: {sorted(self.taken())[:5]}")
        return found
