"""A load that does not end by itself: one small job after the other, as long as the scenario wants some."""

from tests.faults.load import people
from tests.stack import Stack

OPEN = ("pending", "queued", "sending")


class Feed:
    """Adds a job of `size` emails whenever less than that is waiting to be sent."""

    def __init__(self, stack: Stack, size: int) -> None:
        self.jobs: list[int] = []
        self._stack = stack
        self._size = size

    def top_up(self) -> None:
        """To be called again and again."""
        counts = self._stack.counts()
        not_enlisted = len(self.jobs) * self._size - counts.total()
        if not_enlisted + sum(counts[state] for state in OPEN) < self._size:
            self.add()

    def add(self) -> list[int]:
        """One more job; returns the ids of its emails."""
        job_id = len(self.jobs) + 1
        self.jobs.append(job_id)
        return self._stack.add_job(people(self._size, f"job{job_id}.example.com"), job_id=job_id)

    def wait_finished(self, seconds: float = 600) -> None:
        self._stack.wait_finished(*self.jobs, seconds=seconds)
