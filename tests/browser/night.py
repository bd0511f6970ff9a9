"""A night in a ledger: jobs that run, stand still and have ended, emails of each state, and processes of two hosts."""

from tests.world import World


def fill(world: World) -> None:
    """Put all of it into an empty world."""
    world.add_job(("anna@example.com", "bert@example.org"), 42, name="Quarterly statements")
    world.enlist(42)
