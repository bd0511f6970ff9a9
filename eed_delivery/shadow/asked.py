"""What the processes of shadow mode are asked for, and what they say."""

from dataclasses import dataclass, replace

from eed_delivery.model import Job
from eed_delivery.shadow.differences import EmailDifference

READ_AND_UNREAD = ("cur", "new")
"""The folders of a Maildir. A mail program moves what was read (https://cr.yp.to/proto/maildir.html)."""


@dataclass(frozen=True, slots=True)
class CopyPlace:
    """Where a copy is: a file, or `length` bytes of it from `begin` on. 0: to its end."""

    path: str
    begin: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class RowToCompare:
    """An email to compare. `copies` are those that were found. `email_id` is a number for its rendering alone."""

    email_id: int
    key: str
    recipient: str
    copies: tuple[CopyPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class PageToCompare:
    """Rows of one job, to be compared together."""

    job: Job
    rows: tuple[RowToCompare, ...]

    def with_rows(self, rows: tuple[RowToCompare, ...]) -> "PageToCompare":
        """The same, with these rows alone."""
        return replace(self, rows=rows)


@dataclass(frozen=True, slots=True)
class BothSides:
    """A row of which both messages are wanted, for a person."""

    job: Job
    row: RowToCompare


@dataclass(frozen=True, slots=True)
class ComparedEmail:
    """What a process says of an email. `failed`: why it cannot be rendered. `gone`: its row went away.

    `copies` are those that were there. None: none are kept. `copy_problem`: why the first one cannot be read.
    """

    key: str
    failed: str = ""
    gone: bool = False
    copies: int | None = None
    copy_problem: str = ""
    differences: tuple[EmailDifference, ...] = ()


def broken(page: PageToCompare, why: str) -> ComparedEmail:
    """What is said of a row whose rendering ended its process."""
    (row,) = page.rows
    return ComparedEmail(row.key, failed=why)
