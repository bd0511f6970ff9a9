"""One process of the pool that runs scenarios, with a database and a queue of its own."""

from multiprocessing.util import Finalize

import tests.faults.scenarios  # noqa: F401 - importing them registers them
from tests.faults.scenario import SCENARIOS, Size, Verdict, run_one
from tests.servers import die_with_parent
from tests.servers.database_server import DatabaseServer
from tests.servers.databases import new_database
from tests.servers.ministack import MiniStack

_servers: list[tuple[DatabaseServer, MiniStack]] = []


def open_servers(kind: str) -> None:
    """Called once in each process, before its first scenario. `kind`: of the database server."""
    die_with_parent()
    database, ministack = new_database(kind), MiniStack("tests.servers.deep_ministack")
    for server in (database, ministack):
        Finalize(server, server.stop, exitpriority=10)  # atexit is not run in such a process
        server.start()
    _servers.append((database, ministack))


def run(name: str, size: Size, seed: int) -> Verdict:
    """One scenario, from its beginning to its judgement."""
    chosen = SCENARIOS[name]
    amount = chosen.amounts.get(size) or next(iter(chosen.amounts.values()))
    return run_one(chosen, amount, seed, *_servers[0])
