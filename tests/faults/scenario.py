"""What a fault scenario is, how it is run, and how it is judged.

    @scenario("kill", quick=Amount(300, 3), short=Amount(10_000, 100), long=Amount(100_000, 1_000))
    def kill(site: Site, amount: Amount) -> Told:
        \"\"\"kill -9 of random processes at random moments.\"\"\"
        stack = site.stack(BRISK)
        ...
        return Told(stack, faults=crew.kills, doubt_at_most=crew.kills * THREADS)

The scenario makes the trouble and waits for its end; the judgement is the same for all: the books of ledger, source and
mail server must agree, nothing may be lost or sent twice, nobody may fail or be in doubt without a reason.
"""

import random
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.oracle import Books
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.stack import Stack

Size = Literal["quick", "short", "long"]
SHOWN = 5


class Skipped(Exception):
    """This machine cannot run the scenario; the text says what it lacks."""


@dataclass(frozen=True)
class Amount:
    """How much of it: emails, and faults to inject (0 where they are not counted beforehand)."""

    emails: int
    faults: int = 0


@dataclass(frozen=True)
class Figures:
    """What a scenario of many small runs has counted over all of them, each judged by the scenario itself."""

    emails: int
    in_doubt: int
    policy: str


@dataclass
class Told:
    """What a scenario tells of its run.

    `faults`: how many were injected; `doubt_at_most`: so many emails may be in doubt; `may_fail`: ids of the emails
    whose failing is right; `may_be_twice`: ids of those whom an operator has sent again at his own risk; `problems`:
    what else went wrong, in words.
    """

    stack: Stack | None
    faults: int
    doubt_at_most: int = 0
    may_fail: Collection[int] = ()
    may_be_twice: Collection[int] = ()
    problems: list[str] = field(default_factory=list)
    policy: Literal["hold", "resend"] = "hold"
    books: Books | None = None
    """The books as they were to be judged; without it they are opened after the scenario."""
    figures: Figures | None = None
    """In place of a stack and its books."""


@dataclass(frozen=True)
class Row:
    """One line of the table, and of build/faults.json."""

    scenario: str
    policy: str
    emails: int
    faults: int
    lost: int
    sent_twice: int
    in_doubt: int
    failed_wrongly: int
    seconds: float


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

    `mariadb` and `ministack` are shared with other runs: a scenario that hurts a server starts its own
    (`own_mariadb`, `own_ministack`).
    """

    def __init__(self, seed: int, mariadb: MariaDb, ministack: MiniStack, directory: Path) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.mariadb = mariadb
        self.ministack = ministack
        self.directory = directory
        self.at_the_end = ExitStack()
        self._databases = 0

    def stack(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        mariadb: MariaDb | None = None,
        ministack: MiniStack | None = None,
        through: Callable[[str], str] | None = None,
        **options: Any,
    ) -> Stack:
        """An installation over an empty database and queue of its own; `options` go to `Stack`.

        `through` turns the database's URL into the one that the service gets, as `MySqlProxy.url` does.
        """
        self._databases += 1
        name = f"faults_{self.directory.name.replace('-', '_')}_{self._databases}"
        url = (mariadb or self.mariadb).create_database(name)
        stack = Stack(
            url,
            ministack or self.ministack,
            self.directory / f"stack{self._databases}",
            dict(settings or {}),
            **{"keep_mail": False, "service_url": through(url) if through else None, **options},
        )
        return self.at_the_end.enter_context(stack)

    def own_mariadb(self, *options: str) -> MariaDb:
        """A MariaDB that this scenario may kill."""
        return self.at_the_end.enter_context(MariaDb(options))

    def own_ministack(self) -> MiniStack:
        """An SQS that this scenario may kill."""
        return self.at_the_end.enter_context(MiniStack())


def run_one(chosen: Scenario, amount: Amount, seed: int, mariadb: MariaDb, ministack: MiniStack) -> Verdict:
    """Run a scenario and judge it. An error in it is a violation too, with all that is known. Raises `Skipped`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eed-faults-") as directory:
        site = Site(seed, mariadb, ministack, Path(directory))
        with site.at_the_end:
            try:
                told = chosen.run(site, amount)
                return _judge(chosen.name, told, seed, time.monotonic() - started)
            except Skipped:
                raise
            except Exception:
                row = Row(chosen.name, "?", amount.emails, 0, -1, -1, -1, -1, round(time.monotonic() - started, 1))
                return Verdict(row, seed, [traceback.format_exc()])


def _judge(name: str, told: Told, seed: int, seconds: float) -> Verdict:
    if told.figures is not None:
        counted = told.figures
        row = Row(name, counted.policy, counted.emails, told.faults, 0, 0, counted.in_doubt, 0, round(seconds, 1))
        return Verdict(row, seed, told.problems)
    assert told.stack is not None
    books = told.books or told.stack.books()
    twice = [i for i in wrongly_twice(books, told.policy) if i not in told.may_be_twice]
    failed = [e.email_id for e in books.entries if e.state == "failed" and e.email_id not in told.may_fail]
    violations = [*books.violations(twice_is_possible=True), *told.problems]
    if twice:
        violations.append(f"sent twice: {len(twice)}, as {twice[:SHOWN]}")
    if failed:
        violations.append(f"failed, and should not have: {len(failed)}, as {failed[:SHOWN]}")
    doubts = books.counts["in_doubt"]
    if doubts > told.doubt_at_most:
        violations.append(f"in doubt: {doubts}, and {told.doubt_at_most} at most can be explained")
    if violations:
        violations.append(told.stack.story())
    row = Row(
        scenario=name,
        policy=told.policy,
        emails=len(books.entries),
        faults=told.faults,
        lost=len(books.lost),
        sent_twice=len(twice),
        in_doubt=doubts,
        failed_wrongly=len(failed),
        seconds=round(seconds, 1),
    )
    return Verdict(row, seed, violations)


def wrongly_twice(books: Books, policy: str) -> list[int]:
    """Emails that arrived twice and had no right to: under `resend` one whose doubt is on record may."""
    return [i for i in books.sent_twice if policy == "hold" or i not in books.doubted]
