"""A few dozen sequences of the model; `python -m tests.faults model` runs hundreds, and with `--size long` more."""

import random
from collections.abc import Iterator

import pytest

from tests.faults.model.machine import run
from tests.servers.database_server import CHEAP_COMMITS, NewDatabaseServer

SEQUENCES = 20


@pytest.fixture
def cheap_url(new_database_server: NewDatabaseServer) -> Iterator[str]:
    with new_database_server(CHEAP_COMMITS, in_memory=True) as server:
        yield server.create_database("model")


@pytest.mark.timeout(600)
def test_no_order_of_steps_and_deaths_breaks_a_guarantee(cheap_url: str) -> None:
    seed = random.randrange(10**6)
    print(f"python -m tests.faults model --seed {seed}")
    counted = run(cheap_url, SEQUENCES, seed)
    assert counted["crashes"] and counted["emails"] and counted["sent"]
