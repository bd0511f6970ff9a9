"""Whether any process does long acts. A function takes orders for them, and does none itself."""

from eed_delivery.operations.processes import ProcessQueries
from eed_delivery.operations.refusals import OperationRefused

ROLES = frozenset({"operators"})
"""Those that do long acts."""
SEEN_SECONDS = 300.0
"""A tick without hosts works for a part of each minute only, and has no heartbeat in between."""


class NoTaker(OperationRefused):
    """No process is alive that would do it."""


class LongActTakers:
    """Those that do long acts. Raises `DatabaseGone`."""

    def __init__(self, others: ProcessQueries | None) -> None:
        """`others`: None where this process does them itself."""
        self._others = others

    def require(self) -> None:
        """Raises `NoTaker`."""
        if self._others is None:
            return
        if not any(one.process.role in ROLES and one.process.age < SEEN_SECONDS for one in self._others.all()):
            what = "no process was seen within five minutes that does operations, and nothing was begun"
            raise NoTaker(what, do="Start the role operators on a host, or ask again when it runs.")
