"""Whole hosts: restarted one after the other, ended by Auto Scaling, and with clocks that are wrong."""

import re
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from tests.drained_host import DrainedHost
from tests.faults.feed import Feed
from tests.faults.judgement import Told
from tests.faults.load import attempts_beyond_one, ended, people
from tests.faults.scenario import Amount, Site, Skipped, scenario
from tests.servers.fake_clock import FakeClock, library
from tests.service_process import ServiceProcess
from tests.stack import Stack

SLOWLY = 0.02
"""Seconds that the mail server takes over a message, so that something is always on the wire."""
WRONG_BY = 600
SCHEDULED_IN = 8
TIMES = (("delivery_email", "sent_at"), ("eed_attempt", "ended_at"), ("eed_email", "changed_at"))
"""Times that the service writes: all of them by the database's clock."""


@scenario("rolling-restarts", short=Amount(40, 20), long=Amount(400, 200))
def rolling_restarts(site: Site, amount: Amount) -> Told:
    """SIGTERM of one whole host after the other, under load; each is started again at once."""
    stack = site.stack()
    stack.mail_up(seconds=SLOWLY)
    feed = Feed(stack, amount.emails)
    hosts = [stack.start("run"), stack.start("run")]
    for n in range(amount.faults):
        _wait_ready(stack, hosts)
        _wait_busy(stack, feed, site.random.randint(1, amount.emails // 2))
        hosts[n % 2].stop_seconds()
        hosts[n % 2] = stack.start("run")
    feed.wait_finished()
    for host in hosts:
        host.stop_seconds()
    return Told(stack, faults=amount.faults, problems=_burnt(stack))


@scenario("drain", quick=Amount(60, 1), short=Amount(200, 10), long=Amount(400, 100))
def drain(site: Site, amount: Amount) -> Told:
    """One or two of three hosts are ended by Auto Scaling under load, as its lifecycle hook and drain.sh do it."""
    stack = site.stack()
    stack.mail_up(seconds=SLOWLY)
    feed = Feed(stack, amount.emails)
    hosts = [stack.start("run") for _ in range(min(3, 1 + amount.faults))]
    slow: list[str] = []
    for n in range(amount.faults):
        _wait_ready(stack, hosts)
        _wait_busy(stack, feed, site.random.randint(1, amount.emails // 2))
        ending = range(2 if len(hosts) > 2 and n % 2 == 0 else 1)
        with ExitStack() as opened:
            drained = [opened.enter_context(DrainedHost(site.directory / f"drain{n}-{m}")) for m in ending]
            for one in drained:
                one.is_to_end()
            for m, one in enumerate(drained):
                one.wait_stop_asked()
                feed.top_up()
                hosts[m].stop_seconds()
                one.stopped()
            codes = [one.wait_completed() for one in drained]
        slow += [f"drain.sh ended with {code}" for code in codes if code]
        if n + 1 < amount.faults:
            hosts[: len(ending)] = [stack.start("run") for _ in ending]
        else:
            del hosts[: len(ending)]
    feed.wait_finished()
    for host in hosts:
        host.stop_seconds()
    return Told(stack, faults=amount.faults, problems=[*slow, *_burnt(stack)])


def _wait_ready(stack: Stack, hosts: list[ServiceProcess]) -> None:
    stack.wait_until(lambda: all(host.log_events("ready") for host in hosts), "all hosts are ready")


def _wait_busy(stack: Stack, feed: Feed, emails: int) -> None:
    """Until this many more emails have ended, while there is always more to do."""
    before = ended(stack)

    def busy() -> bool:
        feed.top_up()
        return ended(stack) >= before + emails

    stack.wait_until(busy, f"{emails} more emails have ended")


def _burnt(stack: Stack) -> list[str]:
    """Attempts that a shutdown has cost, in words."""
    counted = stack.world.execute("SELECT email_id, verdict FROM eed_attempt WHERE counted AND verdict <> 'sent'")
    problems = [f"email {email_id} was counted a try that ended as {verdict}" for email_id, verdict in counted]
    return problems + [f"email {email_id} has {n} attempts" for email_id, n in attempts_beyond_one(stack)]


@scenario("clocks", short=Amount(100, 6), long=Amount(400, 60))
def clocks(site: Site, amount: Amount) -> Told:
    """Two hosts whose clocks are ten minutes off, one ahead and one behind, and change sides again and again."""
    preload = library()
    if preload is None:
        raise Skipped("libfaketime is not here and cannot be installed; as root: apt-get install libfaketime")
    stack = site.stack()
    stack.mail_up(seconds=SLOWLY)
    wrong = [FakeClock(preload, site.directory / f"clock{n}") for n in (1, 2)]
    for clock, offset in zip(wrong, (WRONG_BY, -WRONG_BY), strict=True):
        clock.jump(offset)
    feed = Feed(stack, amount.emails)
    hosts = [stack.start("run", environ=clock.environ) for clock in wrong]
    dated = _DatedJobs(stack)
    for _ in range(amount.faults):
        _wait_wrong(stack, feed, hosts, wrong)
        _wait_busy(stack, feed, site.random.randint(1, amount.emails // 2))
        for clock in wrong:
            clock.jump(-clock.offset)
    _wait_wrong(stack, feed, hosts, wrong)
    feed.wait_finished()
    dated.wait_finished()
    for host in hosts:
        host.stop_seconds()
    return Told(stack, faults=amount.faults * len(wrong), problems=[*_burnt(stack), *dated.problems()])


def _wait_wrong(stack: Stack, feed: Feed, hosts: list[ServiceProcess], clocks: list[FakeClock]) -> None:
    """Until each host has logged something under its wrong clock."""

    def wrong() -> bool:
        feed.top_up()
        return all(_is_wrong(host, clock.offset) for host, clock in zip(hosts, clocks, strict=True))

    stack.wait_until(wrong, "both hosts log the wrong time")


def _is_wrong(host: ServiceProcess, offset: int) -> bool:
    times = re.findall(r'"time": "([^"]+)"', host.tail())
    if not times:
        return False
    now = datetime.now(UTC)
    return abs(datetime.fromisoformat(times[-1]) - now - timedelta(seconds=offset)) < timedelta(seconds=WRONG_BY / 2)


class _DatedJobs:
    """One job whose time comes in a few seconds, and one that expires before any of the wrong clocks would be right."""

    SCHEDULED, EXPIRING = 9_001, 9_002

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._started = self._now()
        self._due_at = time.monotonic() + SCHEDULED_IN
        due, late = (self._started + timedelta(seconds=seconds) for seconds in (SCHEDULED_IN, WRONG_BY / 2))
        stack.add_job(people(20, "due.example.com"), job_id=self.SCHEDULED, scheduled_for=due)
        stack.add_job(people(20, "expiring.example.com"), job_id=self.EXPIRING, expires_at=late)

    def wait_finished(self) -> None:
        self._stack.wait_finished(self.SCHEDULED, self.EXPIRING)

    def problems(self) -> list[str]:
        """What was done too early, not at all, or entered under a time that was not."""
        first = min(
            (t.at for t in self._stack.sink_ledger.read() if t.recipient.endswith("@due.example.com")), default=0
        )
        early = [f"a job was sent {self._due_at - first:.1f} s before its time"] if first < self._due_at else []
        lost = [f"{n} emails are {state}" for state, n in self._stack.counts().items() if state != "sent"]
        window = {"first": self._started, "last": self._now()}
        return [*early, *lost, *(p for table in TIMES for p in self._out_of_time(*table, **window))]

    def _out_of_time(self, table: str, column: str, first: datetime, last: datetime) -> list[str]:
        statement = f"SELECT COUNT(*) FROM {table} WHERE {column} NOT BETWEEN :first AND :last"
        count = self._stack.world.scalar(statement, first=first.replace(microsecond=0), last=last)
        return [f"{count} rows of {table} have a {column} that was not during this run"] if count else []

    def _now(self) -> datetime:
        now = self._stack.world.scalar("SELECT UTC_TIMESTAMP(6)")
        assert isinstance(now, datetime)
        return now
