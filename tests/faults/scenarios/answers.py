"""Answers that are not the recipient's: a full relay, a blocked address, a used up quota, a domain that is down."""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.mail_faults import attempts_other_than, differences, in_state
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.smtp_server import Action, Close, Rule, Say, SayEach, SmtpServer
from tests.stack import Stack

PATIENCE_SECONDS = 3600
DOMAINS = 7
TROUBLED = "troubled.example.com"
DEAD_EVERY = 20
NO_SUCH_USER = "550 5.1.1 no such user"
# Whoever is blocked, refused or slowed down waits for seconds here, and not for minutes.
SHORT_WAITS = {"worker.probe_seconds": 0.5, "queue.wait_seconds": 1}


def crowd(count: int) -> list[str]:
    """Addresses over several domains, one of which the trouble may be at; every twentieth is dead."""
    names = ("dead" if n % DEAD_EVERY == 3 else "customer" for n in range(count))
    domains = itertools.cycle([TROUBLED, *(f"d{n}.example.com" for n in range(1, DOMAINS))])
    return [f"{name}{n}@{domain}" for n, (name, domain) in enumerate(zip(names, domains, strict=False), start=1)]


def is_dead(recipient: str) -> bool:
    return recipient.startswith("dead")


@dataclass(frozen=True)
class Refusal:
    """What is said at a phase, and to whom ("" is a recipient not named yet)."""

    phase: str
    action: Action
    to: Callable[[str], bool] = lambda _: True


class Trouble:
    """The refusals of one mail server, one after the other: each until it has struck so often, and the next one."""

    def __init__(self, mail: SmtpServer, refusals: Sequence[Refusal]) -> None:
        self._now: Refusal | None = None
        self._refusals = refusals
        mail.on("RCPT", Say(NO_SUCH_USER), when=is_dead)
        self.rules: list[Rule] = [self._rule(mail, refusal) for refusal in refusals]

    def _rule(self, mail: SmtpServer, refusal: Refusal) -> Rule:
        def strikes(recipient: str) -> bool:
            return self._now is refusal and refusal.to(recipient)

        return mail.on(refusal.phase, refusal.action, when=strikes)

    @property
    def count(self) -> int:
        """How many refusals there were."""
        return sum(len(rule.struck) for rule in self.rules)

    def run_through(self, stack: Stack, times: int, also: Callable[[], bool] = lambda: True) -> None:
        """Each of them for this many times, and until `also` is true."""
        for refusal, rule in zip(self._refusals, self.rules, strict=True):
            self._now = refusal

            def enough(rule: Rule = rule) -> bool:
                return len(rule.struck) >= times and also()

            what = f"{refusal.phase} is refused {times} times: {refusal.action}"
            stack.wait_until(enough, what, seconds=PATIENCE_SECONDS)

    def begin(self) -> None:
        """From now on the first of them is said."""
        self._now = self._refusals[0]

    def end(self) -> None:
        """The mail server is well again."""
        self._now = None


def _judge(stack: Stack, trouble: Trouble, people: Sequence[str], problems: list[str]) -> Told:
    """Failed: the dead, each at its first try. All other emails were sent, with one try that was counted."""
    dead = [recipient for recipient in people if is_dead(recipient)]
    problems += differences("failed", in_state(stack, "failed"), dead)
    problems += attempts_other_than(stack, {})
    ids = stack.world.execute("SELECT email_id, recipient FROM eed_email")
    may_fail = [email_id for email_id, recipient in ids if is_dead(recipient)]
    late = stack.world.scalar(
        "SELECT COUNT(*) FROM (SELECT a.email_id FROM eed_attempt a JOIN eed_email e ON e.email_id = a.email_id"
        f" WHERE e.state = 'failed' AND a.reply LIKE '{NO_SUCH_USER[:9]}%' GROUP BY a.email_id HAVING COUNT(*) > 1) x"
    )
    if late:
        problems.append(f"{late} dead addresses were asked for more than once")
    return Told(stack, faults=trouble.count, may_fail=may_fail, problems=problems)


def _refuse_everybody(site: Site, amount: Amount, refusals: Sequence[Refusal]) -> Told:
    """Trouble for all, in turn, then none. A job that paused itself is resumed, as an operator would."""
    stack = site.stack(SHORT_WAITS)
    trouble = Trouble(stack.mail_up(), refusals)
    people = crowd(amount.emails)
    with Crew(stack) as crew:
        trouble.begin()
        stack.add_job(people)
        trouble.run_through(stack, max(1, amount.faults // len(refusals)))
        failed = in_state(stack, "failed")
        trouble.end()
        _wait_finished(stack)
        problems = crew.stop()
    problems += differences("failed while it lasted", failed, {r for r in failed if is_dead(r)})
    return _judge(stack, trouble, people, problems)


def _wait_finished(stack: Stack, job_id: int = 1) -> None:
    """To the job's end. Whenever it is paused, an operator resumes it; no hold of a domain lasts here."""

    def finished() -> bool:
        _pass_holds(stack)
        paused = stack.world.scalar(f"SELECT COUNT(*) FROM eed_job WHERE job_id = {job_id} AND state = 'paused'")
        if paused:
            stack.command("resume", str(job_id))
        return stack.finished(job_id)

    stack.wait_until(finished, f"job {job_id} is finished", seconds=PATIENCE_SECONDS)


# --- everybody's -------------------------------------------------------------------------------------------------


@scenario("relay-full", quick=Amount(120, 12), short=Amount(1_000, 60), long=Amount(50_000, 600))
def relay_full(site: Site, amount: Amount) -> Told:
    """The relay's disk is full: 452 at MAIL, then 451 4.3.0 at RCPT and at the dot."""
    refusals = [
        Refusal("MAIL", Say("452 4.3.1 Insufficient system storage")),
        Refusal("RCPT", Say("451 4.3.0 Temporary lookup failure")),
        Refusal("dot", Say("451 4.3.0 Error: queue file write error")),
    ]
    return _refuse_everybody(site, amount, refusals)


@scenario("ip-blocked", short=Amount(1_000, 60), long=Amount(50_000, 600))
def ip_blocked(site: Site, amount: Amount) -> Told:
    """Our address is on a blocklist: 550 5.7.1 for every recipient, then for every message."""
    words = "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org"
    return _refuse_everybody(site, amount, [Refusal("RCPT", Say(words)), Refusal("dot", Say(words))])


@scenario("daily-limit", short=Amount(1_000, 60), long=Amount(50_000, 600))
def daily_limit(site: Site, amount: Amount) -> Told:
    """The relay's quota is used up: 550 5.4.5 with an id that looks like a word, another one each time."""
    moments, lock = site.random, threading.Lock()

    def words(_: str) -> str:
        with lock:
            tag = "".join(moments.choices("abcdefghijklmnop", k=12))
        return f"550 5.4.5 Daily SMTP relay sending limit exceeded for customer. {tag[:5]}-{tag[5:]} - gsmtp"

    refusals = [Refusal("dot", SayEach(words)), Refusal("MAIL", SayEach(words))]
    return _refuse_everybody(site, amount, refusals)


@scenario("deferred-all", short=Amount(1_000, 60), long=Amount(50_000, 600))
def deferred_all(site: Site, amount: Amount) -> Told:
    """All get "not now" in words about their mailbox, longer than their tries last."""
    stack = site.stack(SHORT_WAITS)
    refusals = [
        Refusal("RCPT", Say("450 4.2.1 Mailbox busy")),
        Refusal("RCPT", SayEach(_ticketed(site, "451 Could not complete recipient verify callout"))),
    ]
    trouble = Trouble(stack.mail_up(), refusals)
    people = crowd(amount.emails)
    with Crew(stack) as crew:
        trouble.begin()
        stack.add_job(people)
        trouble.run_through(
            stack, max(1, amount.faults // len(refusals)), lambda: bool(crew.log_events("breaker_open"))
        )
        trouble.end()
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
        paused = crew.log_events("job_paused")
    if paused:
        problems.append(f"the job was paused: {paused[0]['reason']}")
    return _judge_deferred(stack, trouble, people, problems)


def _ticketed(site: Site, words: str) -> Callable[[str], str]:
    """The words, with another id each time."""
    moments, lock = site.random, threading.Lock()

    def say(_: str) -> str:
        with lock:
            return f"{words} [{moments.getrandbits(60):x}.mx.example.net]"

    return say


def _judge_deferred(stack: Stack, trouble: Trouble, people: Sequence[str], problems: list[str]) -> Told:
    """Failed: the dead. What was counted before it was clear whose the answer is, is less than all tries."""
    dead = [recipient for recipient in people if is_dead(recipient)]
    problems += differences("failed", in_state(stack, "failed"), dead)
    ids = stack.world.execute("SELECT email_id, recipient FROM eed_email")
    may_fail = [email_id for email_id, recipient in ids if is_dead(recipient)]
    return Told(stack, faults=trouble.count, may_fail=may_fail, problems=problems)


# --- some recipients', or one domain's ---------------------------------------------------------------------------


def _refuse_some(site: Site, amount: Amount, refusals: Sequence[Refusal]) -> tuple[Told, Crew]:
    """Trouble for some. It ends when all the others are sent: were they held up by it, that would not come."""
    stack = site.stack(SHORT_WAITS)
    trouble = Trouble(stack.mail_up(), refusals)
    people = crowd(amount.emails)
    others = [r for r in people if not is_dead(r) and not any(refusal.to(r) for refusal in refusals)]

    def others_are_sent() -> bool:
        return in_state(stack, "sent").issuperset(others)

    with Crew(stack) as crew:
        trouble.begin()
        stack.add_job(people)
        trouble.run_through(stack, max(1, amount.faults // len(refusals)), others_are_sent)
        stopped = len(crew.log_events("breaker_open"))
        failed = in_state(stack, "failed")
        trouble.end()
        _wait_finished(stack)
        problems = crew.stop()
    problems += differences("failed while it lasted", failed, {r for r in failed if is_dead(r)})
    if stopped:
        problems.append(f"the breaker was opened {stopped} times, for what is not everybody's")
    return _judge(stack, trouble, people, problems), crew


def _pass_holds(stack: Stack) -> None:
    """A quarter of an hour passes for the domains that are held, and for the emails that wait for them."""
    later = "{0} = {0} - INTERVAL 900 SECOND"
    stack.world.execute(f"UPDATE eed_domain_hold SET {later.format('until_at')} WHERE until_at > UTC_TIMESTAMP(6)")
    waits = "state = 'pending' AND not_before > UTC_TIMESTAMP(6) + INTERVAL 10 SECOND"
    stack.world.execute(f"UPDATE eed_email SET {later.format('not_before')} WHERE {waits}")


def one_in_ten(recipient: str) -> bool:
    return recipient.partition("@")[0].endswith("7")


@scenario("mixed-421", quick=Amount(150, 10), short=Amount(1_000, 100), long=Amount(50_000, 2_000))
def mixed_421(site: Site, amount: Amount) -> Told:
    """A relay that passes answers on says 421 to one recipient in ten, and hangs up."""

    action = Say("421 4.3.2 mx.example.net Service not available, closing transmission channel", then=Close())
    told, _ = _refuse_some(site, amount, [Refusal("RCPT", action, one_in_ten)])
    return told


@scenario("deferred-some", quick=Amount(150, 90), short=Amount(1_000, 900), long=Amount(50_000, 40_000))
def deferred_some(site: Site, amount: Amount) -> Told:
    """One recipient in ten gets "not now", then is greylisted, each longer than the tries last."""
    stack = site.stack(SHORT_WAITS)
    refusals = [
        Refusal("RCPT", Say("450 4.2.0 Mailbox temporarily unavailable"), one_in_ten),
        Refusal("RCPT", Say("451 4.7.1 Greylisted, please try again in 300 seconds"), one_in_ten),
    ]
    trouble = Trouble(stack.mail_up(), refusals)
    people = crowd(amount.emails)
    others = [r for r in people if not is_dead(r) and not one_in_ten(r)]
    with Crew(stack) as crew:
        trouble.begin()
        stack.add_job(people)
        trouble.run_through(stack, amount.faults // len(refusals), lambda: in_state(stack, "sent").issuperset(others))
        stopped = crew.log_events("breaker_open")
        trouble.end()
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    if stopped:
        problems.append(f"the breaker was opened {len(stopped)} times, for what is not everybody's")
    return _judge_deferred(stack, trouble, people, problems)


@scenario("one-domain-down", quick=Amount(150, 15), short=Amount(1_000, 60), long=Amount(50_000, 600))
def one_domain_down(site: Site, amount: Amount) -> Told:
    """One of several domains refuses everything about itself, with 451, 421 and 550: it is held, and no other."""

    def at_the_domain(recipient: str) -> bool:
        return recipient.endswith(f"@{TROUBLED}")

    words = (
        "451 4.4.1 No answer from any of its hosts",
        "421 4.3.2 Service not available",
        "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org",
    )
    said = itertools.cycle(words)
    told, crew = _refuse_some(site, amount, [Refusal("RCPT", SayEach(lambda _: next(said)), at_the_domain)])
    held = {event["domain"] for event in crew.log_events("domain_held")}
    if held != {TROUBLED}:
        told.problems.append(f"held: {sorted(held)}, and not {TROUBLED} alone")
    if not crew.log_events("domain_released"):
        told.problems.append("the domain was not released")
    return told
