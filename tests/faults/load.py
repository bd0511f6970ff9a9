"""What the scenarios send: jobs of many emails, and words that several of them need."""

from collections.abc import Sequence

from tests.stack import Stack

THREADS = 4
"""Sending threads of one worker process, as in `tests.stack.DEFAULTS`."""


def people(count: int, domain: str = "example.com") -> list[str]:
    """This many addresses."""
    return [f"customer{n}@{domain}" for n in range(1, count + 1)]


def add_jobs(stack: Stack, emails: int, jobs: int = 1) -> list[int]:
    """This many emails over this many jobs, the first of them the largest. Returns the jobs' ids."""
    small = emails // (2 * jobs)
    sizes = [emails - small * (jobs - 1), *[small] * (jobs - 1)]
    for job_id, size in enumerate(sizes, start=1):
        stack.add_job(people(size, f"job{job_id}.example.com"), job_id=job_id)
    return list(range(1, jobs + 1))


def ended(stack: Stack) -> int:
    """How many emails have come to an end."""
    counts = stack.counts()
    return sum(counts[state] for state in ("sent", "failed", "in_doubt", "suppressed", "cancelled"))


def attempts_beyond_one(stack: Stack) -> Sequence[tuple[int, int]]:
    """(email, attempts) of those that were counted more than one try, or none although they were sent."""
    found: Sequence[tuple[int, int]] = stack.world.execute(
        "SELECT email_id, attempts FROM eed_email WHERE state = 'sent' AND attempts <> 1"
    )
    return found
