"""A whole installation for one test, with the session's MariaDB and ministack beneath it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.servers.mysql_proxy import MySqlProxy
from tests.stack import Stack
from tests.world import World

NewStack = Callable[..., Stack]


@pytest.fixture
def new_stack(database_url: str, ministack: MiniStack, tmp_path: Path) -> Iterator[NewStack]:
    """Makes the test's installation: `new_stack({"worker.threads": 2}, max_receive_count=3)`."""
    with ExitStack() as at_the_end:

        def make(settings: dict[str, Any] | None = None, **options: Any) -> Stack:
            return at_the_end.enter_context(Stack(database_url, ministack, tmp_path / "stack", settings, **options))

        yield make


@pytest.fixture
def proxy(mariadb: MariaDb) -> Iterator[MySqlProxy]:
    """A way to MariaDB that the test can hold, cut and listen to."""
    with MySqlProxy(mariadb.port) as proxy:
        yield proxy


@pytest.fixture(params=["mariadb", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Source and ledger, empty, over each database in turn; a module may fill it, or have its own."""
    if request.param == "mariadb":
        url = request.getfixturevalue("database_url")
    else:
        url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    world = World(url)
    yield world
    world.close()


@pytest.fixture
def one(world: World) -> int:
    """An email that is enlisted and pending, in the world of the module that asks."""
    (email_id,) = world.add_job()
    world.enlist()
    return email_id
