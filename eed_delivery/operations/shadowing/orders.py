"""Orders of comparisons with another server. One runs at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActOrder
from eed_delivery.ledger.shadowing import AlreadyFollowed, SendersAlive, ShadowLedger
from eed_delivery.operations.keys import unknown_job
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused, WrongState
from eed_delivery.source import Source
from eed_delivery.source.following import SourceFollowing

MOST_DAYS = 60.0
MOST_JOBS = 20
DAY_SECONDS = 86_400.0


class ShadowRuns(WrongState):
    """Another operation follows the old server."""


@dataclass(frozen=True, slots=True)
class ShadowRequest:
    """Follow the old server for `days`. With `jobs` only these are compared, as they are now. Raises
    `InvalidRequest`."""

    days: float = 7.0
    jobs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.days <= MOST_DAYS:
            raise InvalidRequest(f"it is more than 0 and at most {MOST_DAYS:.0f}", which="days")
        if len(self.jobs) > MOST_JOBS:
            raise InvalidRequest(f"at most {MOST_JOBS} jobs can be named", which="jobs")

    @classmethod
    def of(cls, act: LongAct) -> "ShadowRequest":
        """What was ordered."""
        return cls(float(act.parameters["days"]), tuple(act.selection["jobs"]))


class ShadowOrders:
    """Takes orders. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        ledger: LongActLedger,
        shadows: ShadowLedger,
        source: Source,
        following: SourceFollowing,
        settings: Settings,
        reading: Callable[[], Database],
        refuse_writer: Callable[[], None],
    ) -> None:
        """`reading` gives a database whose sessions cannot write. `refuse_writer` raises where its user could."""
        self._ledger = ledger
        self._shadows = shadows
        self._source = source
        self._following = following
        self._settings = settings
        self._reading = reading
        self._refuse_writer = refuse_writer

    def start(self, request: ShadowRequest) -> LongAct:
        """Have the old server followed. Raises `ShadowRuns`, `UnknownKey` and `OperationRefused`."""
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, LongActKind.SHADOW)
        self._refuse_settings()
        self._refuse_writer()
        beyond, opened = self._reading().run(lambda c: self._looked_up(c, request))
        parameters = {"days": request.days, "beyond": None if beyond is None else str(beyond)}
        order = LongActOrder(LongActKind.SHADOW, {"jobs": list(request.jobs)}, parameters, None, None)
        try:
            return self._ledger.start(order, name, lambda c: self._shadows.enter(c, name, {"open": opened}))
        except AlreadyFollowed as error:
            what = f"operation {error.operation} follows the old server already"
            do = "Wait for it, or stop it."
            raise ShadowRuns(what, which=f"operation {error.operation}", do=do) from error
        except SendersAlive as error:
            raise senders_alive(error.roles) from error

    def _refuse_settings(self) -> None:
        """Raises `OperationRefused` for what cannot be compared by these settings."""
        ours, source = self._settings.shadow, self._settings.source
        if source.single_table:
            what = "the source is a single table, whose rows are jobs of one email, and shadow mode follows jobs"
            raise OperationRefused(what, which="source.single_table")
        needs = [one.path for one in ours.copies if one.key == "message_id"]
        if needs and not source.email.message_id:
            what = f"copies in {needs[0]} are found by their Message-ID, and no column is mapped for it"
            raise OperationRefused(what, which="shadow.copies", do="Map source.email.message_id, or use another key.")
        if ours.relay_logs and not ours.copies and not source.email.message_id:
            what = "the relay's log is read by Message-IDs, and neither copies nor a column have them"
            raise OperationRefused(what, which="shadow.relay_logs", do="Map source.email.message_id, or set copies.")
        for one in ours.copies:
            if not one.path.exists():
                what = f"there is nothing at {one.path}, where the old server's copies are to be"
                raise OperationRefused(what, which="shadow.copies", do="Correct the path, or mount it.")

    def _looked_up(self, c: Connection, request: ShadowRequest) -> tuple[int | str | None, list[str]]:
        keys = [key for key in request.jobs if self._source.is_job_key(key)]
        there = self._following.are_ready(c, keys)
        for key in request.jobs:
            if key not in there:
                raise unknown_job(key)
        return self._following.last_job(c), self._following.open_jobs(c)


def senders_alive(roles: tuple[str, ...]) -> OperationRefused:
    """The refusal where our own service would send the old server's emails."""
    what = f"the role {', '.join(roles)} of this service runs, and would send the emails of the old server's jobs"
    return OperationRefused(what, which="processes", do="Stop it. Shadow mode needs the role operators alone.")
