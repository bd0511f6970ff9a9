"""SQS that doubles, reorders, forgets, refuses, and answers into the void, as its documentation allows."""

import random
import time
from collections.abc import Mapping
from typing import Any

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, add_jobs, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.smtp_server import Say
from tests.servers.sqs_proxy import Faults, SqsProxy
from tests.stack import BRISK

# What was not deleted comes again soon; nobody is killed, so the mail server's timeouts stay long.
HASTY: dict[str, Any] = {
    "queue.visibility_timeout_seconds": 5,
    "worker.lease_seconds": 4,
    "sweeper.queued_patience_seconds": 600,
}
JOBS = 5
RETRIED = 20
"""So many emails are refused once as full, so that visibility is changed too."""
FULL_EVERY = 12
"""The first job has 240 emails in the short set."""
FOREIGN_DEAD = ("not ours", '{"v":1,"email_id":4611686018427387904,"gen":0,"base":0}')
PATIENCE_SECONDS = 120.0
FIRST_MAIL_SECONDS = 10.0
"""A loop that found the queue gone asks again after 2 s, and polls for 1 s; the rest is for a busy machine."""


class Post:
    """An installation whose way to SQS leads through a proxy with faults."""

    def __init__(
        self, site: Site, faults: Faults, settings: Mapping[str, Any] = HASTY, *, seconds: float = 0.002
    ) -> None:
        """`seconds` is how long the mail server takes for an email."""
        chance = random.Random(site.random.random())
        self.proxy = site.at_the_end.enter_context(SqsProxy(site.ministack.endpoint_url, chance, faults))
        self.stack = site.stack({**settings, "queue.endpoint_url": self.proxy.url})
        self.sink = self.stack.mail_up(seconds=seconds)
        self.problems: list[str] = []
        self.retried = 0

    def retry_some(self) -> None:
        """A few mailboxes of the first job are full at their first try. Each is a neighbour of many that are not: a
        domain that says so to several in a row is held, and then such an answer is no try."""
        self.retried = RETRIED
        for n in range(1, RETRIED + 1):
            recipient = f"customer{n * FULL_EVERY}@job1.example.com"
            self.sink.on("RCPT", Say("452 4.2.2 mailbox full"), recipient=recipient, times=1)

    def wait_ended(self, emails: int) -> None:
        self.stack.wait_until(lambda: ended(self.stack) >= emails, f"{emails} emails have ended", seconds=600)

    def finish(self, jobs: list[int], crew: Crew, *, left: int = 0, dead: int = 0) -> None:
        """Wait for the end of the jobs and then, without faults, until at most this many messages are `left`.

        Then stop.
        """
        self.stack.wait_finished(*jobs, seconds=1800)
        self.proxy.faults = Faults()
        try:
            self.stack.wait_until(lambda: self._depth() == left + dead, "the queues are empty", PATIENCE_SECONDS)
        except AssertionError:
            self.problems.append(f"{self._depth()} messages are left, and {left + dead} should be")
        self.problems += crew.stop()
        if self.stack.depth(dead=True) < dead:
            self.problems.append("a dead letter that is not ours was deleted")

    def _depth(self) -> int:
        return self.stack.depth() + self.stack.depth(dead=True)

    def told(self, *wanted: str, doubt_at_most: int = 0) -> Told:
        """The verdict, when each of the `wanted` faults has really come."""
        missing = [name for name in wanted if not self.proxy.injected[name]]
        if missing:
            self.problems.append(f"never injected: {', '.join(missing)}")
        if self.proxy.ungrouped:
            self.problems.append(f"{self.proxy.ungrouped} messages were sent without a MessageGroupId")
        if not doubt_at_most:
            self._check_attempts()
        return Told(self.stack, self.proxy.total, doubt_at_most=doubt_at_most, problems=self.problems)

    def _check_attempts(self) -> None:
        """One try an email; one more where the mail server wanted one."""
        found = dict(self.stack.world.execute("SELECT attempts, COUNT(*) FROM eed_email GROUP BY attempts"))
        twice = found.pop(2, 0)
        once = found.pop(1, 0)
        if found or twice != self.retried:
            self.problems.append(f"attempts: {once} of one, {twice} of two ({self.retried} expected), others: {found}")


def _run(post: Post, amount: Amount) -> None:
    """This many emails, from beginning to end, under one kind of fault."""
    jobs = add_jobs(post.stack, amount.emails, JOBS)
    with Crew(post.stack) as crew:
        post.finish(jobs, crew)


@scenario("sqs-duplicates", short=Amount(500), long=Amount(50_000))
def duplicates(site: Site, amount: Amount) -> Told:
    """SQS delivers 10 % of the messages twice, and all in random order."""
    post = Post(site, Faults(duplicates=0.1, held_back=0.2))
    post.retry_some()
    _run(post, amount)
    return post.told("duplicate", "held_back")


@scenario("sqs-partial-failures", short=Amount(500), long=Amount(50_000))
def partial_failures(site: Site, amount: Amount) -> Told:
    """5 % of the entries of every batch request fail, or are named in neither list."""
    post = Post(site, Faults(partial=0.05))
    post.retry_some()
    _run(post, amount)
    return post.told("failed", "silent", "silent_done")


@scenario("sqs-lost-answers", short=Amount(400), long=Amount(50_000))
def lost_answers(site: Site, amount: Amount) -> Told:
    """Sends, receives and deletes are done, and their answers never come."""
    post = Post(site, Faults(lost_sends=0.1, lost_receives=0.1, lost_deletes=0.1))
    _run(post, amount)
    return post.told("lost_send", "lost_receive", "lost_delete")


@scenario("sqs-expired-receipts", short=Amount(500), long=Amount(50_000))
def expired_receipts(site: Site, amount: Amount) -> Told:
    """A receipt in ten has expired when it is used."""
    post = Post(site, Faults(expired=0.1, expired_calls=0.03), seconds=0.01)
    post.retry_some()
    _run(post, amount)
    return post.told("expired", "expired_call")


@scenario("sqs-outage", short=Amount(500, 5), long=Amount(50_000, 300))
def outage(site: Site, amount: Amount) -> Told:
    """SQS says 503 to everything for this many seconds (`faults`). No attempt is lost on it."""
    post = Post(site, Faults(), seconds=0.005)
    jobs = add_jobs(post.stack, amount.emails, JOBS)
    with Crew(post.stack) as crew:
        post.wait_ended(amount.emails // 3)
        post.proxy.faults = Faults(down=True)
        still = _Clock(float(amount.faults))
        post.stack.wait_until(still.over, "the outage is over", seconds=2 * amount.faults + 60)
        taken = len(post.stack.sink_ledger.read())
        post.proxy.faults = Faults()
        back = _Clock(FIRST_MAIL_SECONDS)
        post.stack.wait_until(lambda: len(post.stack.sink_ledger.read()) > taken, "the first mail after it")
        if back.over():
            post.problems.append(f"no mail for {FIRST_MAIL_SECONDS} s after the end of the outage")
        post.finish(jobs, crew)
    return post.told("unavailable")


@scenario("sqs-in-flight-limit", short=Amount(500, 15), long=Amount(20_000, 50))
def in_flight_limit(site: Site, amount: Amount) -> Told:
    """At most `faults` messages may be in flight, and waiting retries count among them."""
    post = Post(site, Faults(in_flight_limit=amount.faults), seconds=0.01)
    post.retry_some()
    _run(post, amount)
    return post.told("over_limit")


@scenario("sqs-vanish", short=Amount(500), long=Amount(50_000))
def vanish(site: Site, amount: Amount) -> Told:
    """5 % of the messages vanish though SQS took them, and in mid-run the whole queue is purged."""
    post = Post(site, Faults(swallowed=0.05), {**HASTY, "sweeper.queued_patience_seconds": 1}, seconds=0.005)
    jobs = add_jobs(post.stack, amount.emails, JOBS)
    with Crew(post.stack) as crew:
        post.wait_ended(amount.emails // 3)
        if not _purge(post):
            post.problems.append("there was nothing to purge")
        post.finish(jobs, crew)
        if not crew.log_events("put_back"):
            post.problems.append("nothing was ever put back")
    return post.told("swallowed")


@scenario("sqs-foreign-bodies", short=Amount(400), long=Amount(20_000))
def foreign_bodies(site: Site, amount: Amount) -> Told:
    """Messages that are none of ours come in between; not one of them is deleted."""
    post = Post(site, Faults(foreign=0.1))
    jobs = add_jobs(post.stack, amount.emails, JOBS)
    for body in FOREIGN_DEAD:
        post.stack.sqs.send_message(QueueUrl=post.stack.dead_letter_url, MessageBody=body)
    with Crew(post.stack) as crew:
        post.stack.wait_finished(*jobs, seconds=1800)
        post.finish(jobs, crew, left=post.proxy.injected["foreign"], dead=len(FOREIGN_DEAD))
        if len(crew.log_events("foreign_dead_letter")) < len(FOREIGN_DEAD):
            post.problems.append("the sweeper did not speak of the foreign dead letters")
    return post.told("foreign")


@scenario("sqs-everything", quick=Amount(100, 2), short=Amount(300, 3), long=Amount(50_000, 60))
def everything(site: Site, amount: Amount) -> Told:
    """All of it at once, an outage and a purge in mid-run, and a few kill -9."""
    weather = {
        "duplicates": 0.1,
        "held_back": 0.1,
        "partial": 0.05,
        "expired": 0.03,
        "expired_calls": 0.01,
        "lost_sends": 0.03,
        "lost_receives": 0.03,
        "lost_deletes": 0.03,
        "swallowed": 0.02,
    }
    before = Faults(**weather, foreign=0.05, in_flight_limit=60)
    after = Faults(**weather, in_flight_limit=60)  # while there is a foreign message, no queue looks empty
    post = Post(site, before, {**BRISK, "sweeper.queued_patience_seconds": 1}, seconds=0.005)
    jobs = add_jobs(post.stack, amount.emails, JOBS)
    third, rest = amount.emails // 3, amount.emails // 2
    moments = sorted(third + site.random.randrange(rest) for _ in range(amount.faults))
    with Crew(post.stack) as crew:
        post.wait_ended(amount.emails // 6)
        post.proxy.faults = Faults(down=True)
        post.stack.wait_until(_Clock(1.0).over, "a second of outage")
        post.proxy.faults = after
        _purge(post)
        post.wait_ended(third)
        _purge(post)  # and what was sent by the first one's side
        for moment in moments:
            post.wait_ended(moment)
            crew.kill(site.random.choice(crew.members))
            crew.tend()
        post.finish(jobs, crew)
    told = post.told("duplicate", "unavailable", doubt_at_most=crew.kills * THREADS)
    told.faults += crew.kills
    return told


class _Clock:
    """This many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def over(self) -> bool:
        return time.monotonic() >= self._until


def _purge(post: Post) -> int:
    """Empty the queue, as an operator may by mistake; how much there was."""
    depth = post.stack.depth()
    post.stack.sqs.purge_queue(QueueUrl=post.stack.queue_url)
    return depth
