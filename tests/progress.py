"""Writes what the sweeper would have counted of a job, so that no test has to wait for it."""

from datetime import timedelta

from sqlalchemy import insert

from eed_delivery.ledger.schema import eed_job_progress
from tests.world import World

SECONDS, EVERY = 300, 5


def counted(world: World, job_id: int, total: int, done: int, per_second: float, still: int = 0) -> None:
    """As if the job had been sending for five minutes until now. Nothing has ended within the last `still` seconds."""
    last = world.reporting.now()
    rows = [
        {
            "job_id": job_id,
            "at": last - timedelta(seconds=SECONDS - second),
            "total": total,
            "done": round(done - per_second * max(0, SECONDS - still - second)),
            "may_leave": True,
            "allowed_seconds": float(second),
            "kept": second % SECONDS == 0,
        }
        for second in range(0, SECONDS + 1, EVERY)
    ]
    world.database.run(lambda c: c.execute(insert(eed_job_progress), rows))
