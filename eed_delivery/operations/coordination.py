"""Whether hosts and functions share the send rate in the same way (`worker.coordination`)."""

from eed_delivery.errors import Problem
from eed_delivery.ledger.workers import WorkerLedger

SETTING = "worker.coordination"


def differing(workers: WorkerLedger, ours: str) -> Problem | None:
    """What is wrong if a process or function that is alive does it otherwise. Raises `DatabaseGone`."""
    others = workers.coordinated_otherwise(ours)
    if not others:
        return None
    named = ", ".join(
        sorted({f"the {one.role} on {one.host} ({one.channel}) has {one.coordination}" for one in others})
    )
    what = f"this host has {ours}, and {named}. Together they would exceed the rate, and share no breaker"
    remedy = f'Set {SETTING} alike on all hosts, and to "ledger" beside functions. Workers wait until all agree.'
    return Problem(SETTING, what, remedy)
