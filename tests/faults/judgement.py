"""What a scenario reports of its run, and the judgement on it, which is the same for all of them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from tests.oracle import Books
from tests.stack import Stack

SHOWN = 5


@dataclass(frozen=True)
class Figures:
    """What a scenario of many small runs has counted over all of them, each judged by the scenario itself."""

    emails: int
    in_doubt: int
    policy: str


@dataclass
class Told:
    """What a scenario reports of its run.

    `faults` is how many were injected. At most `doubt_at_most` emails may be in doubt. `may_fail` are ids of the emails
    whose failing is right. `may_be_twice` are ids of those that an operator has sent again at his own risk. `problems`
    is what else went wrong, in words.
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


def judge(name: str, told: Told, seconds: float) -> tuple[Row, list[str]]:
    """The scenario's row, and everything that must not be, in words."""
    problems = [*told.problems, *([] if told.faults else ["no fault was injected: this has proved nothing"])]
    if told.figures is not None:
        counted = told.figures
        row = Row(name, counted.policy, counted.emails, told.faults, 0, 0, counted.in_doubt, 0, round(seconds, 1))
        return row, problems
    books = told.books or _books_of(told)
    twice = [i for i in wrongly_twice(books, told.policy) if i not in told.may_be_twice]
    failed = [e.email_id for e in books.entries if e.state == "failed" and e.email_id not in told.may_fail]
    row = Row(
        scenario=name,
        policy=told.policy,
        emails=len(books.entries),
        faults=told.faults,
        lost=len(books.lost),
        sent_twice=len(twice),
        in_doubt=books.counts["in_doubt"],
        failed_wrongly=len(failed),
        seconds=round(seconds, 1),
    )
    return row, [*books.violations(twice_is_possible=True), *_too_many(told, row, twice, failed), *problems]


def wrongly_twice(books: Books, policy: str) -> list[int]:
    """Emails that arrived twice and had no right to: under `resend` one whose doubt is on record may."""
    return [i for i in books.sent_twice if policy == "hold" or i not in books.doubted]


def _books_of(told: Told) -> Books:
    if told.stack is None:
        raise ValueError("a scenario without figures needs a stack")
    return told.stack.books()


def _too_many(told: Told, row: Row, twice: list[int], failed: list[int]) -> list[str]:
    found = []
    if twice:
        found.append(f"sent twice: {len(twice)}, as {twice[:SHOWN]}")
    if failed:
        found.append(f"failed, and should not have: {len(failed)}, as {failed[:SHOWN]}")
    if row.in_doubt > told.doubt_at_most:
        found.append(f"in doubt: {row.in_doubt}, and {told.doubt_at_most} at most can be explained")
    return found
