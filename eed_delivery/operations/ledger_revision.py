"""Whether the ledger's tables are those of this release."""

from eed_delivery.database.transactions import Database
from eed_delivery.errors import Problem
from eed_delivery.ledger.revision import current, head
from eed_delivery.ledger.schema import VERSION_TABLE


def ledger_problem(database: Database) -> Problem | None:
    """What is wrong with the ledger's revision. None when it is this release's. Raises `DatabaseGone`."""
    found, wanted = database.run(current), head()
    if found == wanted:
        return None
    where = "the ledger (eed_ tables)"
    if found is None:
        what = f"it is not in this database, or this user has no right to read {VERSION_TABLE}"
        return Problem(where, what, "Run eed-delivery db init.")
    return Problem(where, f"its revision is {found}, this release wants {wanted}", "Run eed-delivery db init.")
