"""A long run with outages in between: what a process holds after it must be what it held at the beginning."""

from dataclasses import dataclass

from tests.faults.crew import Crew, Member
from tests.faults.judgement import Told
from tests.faults.load import THREADS, add_jobs, attempts_beyond_one, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import Stack

OUTAGES = 4
WARM_SHARE = 0.2
"""After so many of the emails a process has opened its connections and filled its caches."""
GROWTH_SHARE = 0.1
GROWTH_KIB = 4 * 1024
MORE_DESCRIPTORS = 4
"""Connections come and go; a leak in a run with outages is one a time, or one an email."""


@dataclass(frozen=True)
class Held:
    """What a process holds: resident memory in KiB, and open file descriptors."""

    resident_kib: int
    descriptors: int


@scenario("endurance", short=Amount(2_000), long=Amount(100_000))
def endurance(site: Site, amount: Amount) -> Told:
    """Many emails and some outages: memory and file descriptors stay flat, attempts untouched."""
    stack = site.stack()
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=10)
    warm = int(amount.emails * WARM_SHARE)
    with Crew(stack) as crew:
        _wait_ended(stack, warm)
        before = {member: _held(member) for member in crew.members}
        for n in range(OUTAGES):
            _wait_ended(stack, warm + n * (amount.emails - warm) // OUTAGES)
            _outage(stack)
        stack.wait_finished(*jobs, seconds=7200)
        after = {member: _held(member) for member in crew.members}
        problems = [p for member in crew.members if (p := _grown(member, before[member], after[member]))]
        problems += crew.stop()
    many = attempts_beyond_one(stack)
    problems += [f"attempts burnt by an outage: {len(many)}"] if many else []
    cut_after_the_dot = OUTAGES * len(crew.of("worker")) * THREADS  # one email a thread, each time
    return Told(stack, faults=OUTAGES, doubt_at_most=cut_after_the_dot, problems=problems)


def _wait_ended(stack: Stack, emails: int) -> None:
    stack.wait_until(lambda: ended(stack) >= emails, f"{emails} emails have ended", seconds=7200)


def _outage(stack: Stack) -> None:
    """The mail server goes in the middle of the work, is missed, and comes back."""
    stack.mail_down()
    sending = "SELECT COUNT(*) FROM eed_worker WHERE sending"
    stack.wait_until(lambda: stack.world.scalar(sending) == 0, "every worker knows of the outage")
    stack.mail_up()


def _held(member: Member) -> Held:
    return Held(member.resident_kib(), member.descriptors())


def _grown(member: Member, before: Held, after: Held) -> str | None:
    memory = after.resident_kib - before.resident_kib
    if memory > before.resident_kib * GROWTH_SHARE + GROWTH_KIB:
        return f"{member.name} has grown from {before.resident_kib} KiB to {after.resident_kib} KiB"
    if after.descriptors > before.descriptors + MORE_DESCRIPTORS:
        return f"{member.name} had {before.descriptors} descriptors and has {after.descriptors}"
    return None
