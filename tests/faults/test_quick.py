"""The quick slice of the fault scenarios: small amounts of the most telling ones. The whole set is `make faults`."""

import random

import pytest

import tests.faults.scenarios  # noqa: F401 - importing them registers them
from tests.faults.scenario import SCENARIOS, Skipped, run_one
from tests.servers.database_server import DatabaseServer
from tests.servers.ministack import MiniStack

QUICK = [one for one in SCENARIOS.values() if "quick" in one.amounts]


@pytest.mark.timeout(1200)  # each has limits of its own, which say what is missing
@pytest.mark.parametrize("name", [one.name for one in QUICK])
def test_scenario(name: str, database_server: DatabaseServer, ministack: MiniStack) -> None:
    chosen = SCENARIOS[name]
    seed = random.randrange(10**6)
    print(f"python -m tests.faults {name} --size quick --seed {seed}")
    try:
        verdict = run_one(chosen, chosen.amounts["quick"], seed, database_server, ministack)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert not verdict.violations, "\n".join(verdict.violations)
