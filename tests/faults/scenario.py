"""What a fault scenario is, how it is run, and how it is judged.

    @scenario("kill", quick=Amount(300, 3), short=Amount(10_000, 100), long=Amount(100_000, 1_000))
    def kill(site: Site, amount: Amount) -> Told:
        \"\"\"kill -9 of random processes at random moments.\"\"\"
        stack = site.stack(BRISK)
        ...
        return Told(stack, faults=crew.kills, doubt_at_most=crew.kills * THREADS)

The scenario makes the trouble and waits for its end. The judgement is the same for all. Ledger, source and mail server
must agree, and nothing may be lost or sent twice. No email may fail or be in doubt without a reason.
"""

import random
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.faults.judgement import Row, Told, judge
from tests.servers.database_server import DatabaseServer, NewDatabaseServer
from tests.servers.ministack import MiniStack
from tests.stack import Stack

Size = Literal["quick", "short", "long"]


class Skipped(Exception):
    """This machine cannot run the scenario; the text says what it lacks."""


@dataclass(frozen=True)
class Amount:
    """How much of it: emails, and faults to inject (0 where they are not counted beforehand)."""

    emails: int
    faults: int = 0


@dataclass(frozen=True)
class Verdict:
    """A scenario's row and everything that must not be, in words."""

    row: Row
    seed: int
    violations: list[str]


Run = Callable[["Site", Amount], Told]


@dataclass(frozen=True)
class Scenario:
    """A named way to break it. Not every one is in every size."""

    name: str
    run: Run
    amounts: Mapping[Size, Amount]

    @property
    def says(self) -> str:
        """Its first line of documentation."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str, *, quick: Amount | None = None, short: Amount | None = None, long: Amount | None = None
) -> Callable[[Run], Run]:
    """Register a scenario, with its amounts in each size."""

    def register(run: Run) -> Run:
        sizes: dict[Size, Amount | None] = {"quick": quick, "short": short, "long": long}
        SCENARIOS[name] = Scenario(name, run, {size: amount for size, amount in sizes.items() if amount})
        return run

    return register


class Site:
    """Where one run of a scenario takes place: its random numbers, and servers that end with it.

    `database` and `ministack` are shared with other runs: a scenario that hurts a server starts its own
    (`own_database`, `own_ministack`), of the same kind.
    """

    def __init__(self, seed: int, database: DatabaseServer, ministack: MiniStack, directory: Path) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.database = database
        self.ministack = ministack
        self.directory = directory
        self.at_the_end = ExitStack()
        self._databases = 0

    def stack(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        database: DatabaseServer | None = None,
        ministack: MiniStack | None = None,
        through: Callable[[str], str] | None = None,
        **options: Any,
    ) -> Stack:
        """An installation over an empty database and queue of its own; `options` go to `Stack`.

        `through` turns the database's URL into the one that the service gets, as `MySqlProxy.url` does.
        """
        self._databases += 1
        name = f"faults_{self.directory.name.replace('-', '_')}_{self._databases}"
        url = (database or self.database).create_database(name)
        stack = Stack(
            url,
            ministack or self.ministack,
            self.directory / f"stack{self._databases}",
            dict(settings or {}),
            **{"keep_mail": False, "service_url": through(url) if through else None, **options},
        )
        return self.at_the_end.enter_context(stack)

    def own_database(self, *options: str) -> DatabaseServer:
        """A database server that this scenario may kill."""
        new: NewDatabaseServer = type(self.database)
        return self.at_the_end.enter_context(new(options))

    def own_ministack(self) -> MiniStack:
        """An SQS that this scenario may kill."""
        return self.at_the_end.enter_context(MiniStack())


def run_one(chosen: Scenario, amount: Amount, seed: int, database: DatabaseServer, ministack: MiniStack) -> Verdict:
    """Run a scenario and judge it. An error in it is a violation too, with all that is known. Raises `Skipped`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eed-faults-") as directory:
        site = Site(seed, database, ministack, Path(directory))
        with site.at_the_end:
            try:
                told = chosen.run(site, amount)
                row, violations = judge(chosen.name, told, time.monotonic() - started)
            except Skipped:
                raise
            except Exception:
                row = Row(chosen.name, "?", amount.emails, 0, -1, -1, -1, -1, round(time.monotonic() - started, 1))
                return Verdict(row, seed, [traceback.format_exc()])
            story = [told.stack.story()] if violations and told.stack is not None else []
            return Verdict(row, seed, violations + story)
