"""Whether the service can do its work: its database, its tables, and its publishers and sweepers. Never a reason to
restart a process, because a restart mends none of them."""

from collections.abc import Callable
from dataclasses import dataclass

from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.workers import HEARTBEATS, SeenProcess, WorkerLedger
from eed_delivery.operations.ledger_revision import ledger_problem

SEEN_WITHIN_SECONDS = 30.0
NEEDED_ROLES = ("publisher", "sweeper")


@dataclass(frozen=True, slots=True)
class ReadinessFinding:
    """One thing that the service needs. `what` is for people."""

    name: str
    good: bool
    what: str


class Readiness:
    """Looks whether the service is ready. It raises nothing."""

    def __init__(self, database: Callable[[], Database]) -> None:
        """`database` opens one whose answers are waited for a second only."""
        self._open = database

    def look(self) -> tuple[ReadinessFinding, ...]:
        """Each thing in turn. Without a database there is nothing more to say."""
        database = self._open()
        try:
            problem = ledger_problem(database)
            seen = WorkerLedger(database).all() if problem is None else []
        except DatabaseGone as gone:
            return (ReadinessFinding("database", False, str(gone)),)
        finally:
            database.close()
        tables = "they are of this release" if problem is None else f"{problem.what}. {problem.remedy}"
        return (
            ReadinessFinding("database", True, "it answers"),
            ReadinessFinding("tables", problem is None, tables),
            *(_of_role(role, seen) for role in NEEDED_ROLES),
        )


def _of_role(role: str, seen: list[SeenProcess]) -> ReadinessFinding:
    found = [process for process in seen if process.role == role]
    if not found:
        return ReadinessFinding(role, False, "none was seen within a day")
    alive = any(one.is_alive(SEEN_WITHIN_SECONDS / HEARTBEATS) for one in found)
    return ReadinessFinding(role, alive, f"seen {min(one.age for one in found):.0f} s ago")
