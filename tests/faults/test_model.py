"""A few dozen sequences of the model; `python -m tests.faults model` runs hundreds, and with `--size long` more."""

import random
from collections.abc import Iterator

import pytest

from tests.faults.model.house import CHEAP_COMMITS
from tests.faults.model.machine import run
from tests.servers.mariadb import MariaDb

SEQUENCES = 20


@pytest.fixture
def cheap_url() -> Iterator[str]:
    with MariaDb(CHEAP_COMMITS) as server:
        yield server.create_database("model")


@pytest.mark.timeout(600)
def test_no_order_of_steps_and_deaths_breaks_a_guarantee(cheap_url: str) -> None:
    seed = random.randrange(10**6)
    print(f"python -m tests.faults model --seed {seed}")
    counted = run(cheap_url, SEQUENCES, seed)
    assert counted["crashes"] and counted["emails"] and counted["sent"]
