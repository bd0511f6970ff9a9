"""Orders of rehearsals. One job is rehearsed by one operation at a time."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from eed_delivery.checks.read_only import writable
from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import RenderError
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActOrder
from eed_delivery.ledger.rehearsing import AlreadyRehearsed, RehearsalLedger
from eed_delivery.model import Job
from eed_delivery.operations.keys import unknown_job
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.refusals import InvalidRequest, NothingMatches, OperationRefused, WrongState
from eed_delivery.rehearsal.digest import template_digest
from eed_delivery.source import Source

MOST_SAMPLES = 1000
MOST_PROCESSES = 64


class RehearsalRuns(WrongState):
    """Another operation rehearses this job."""


@dataclass(frozen=True, slots=True)
class RehearsalRequest:
    """Which emails of a job: the `first` ones (None: all), and of these each `every`th. Raises `InvalidRequest`.

    `samples` are chosen at random, beside those that stand out. `beside_live`: it does not wait until the emails of
    active jobs have left. `processes`: None is what the configuration says.
    """

    job: str
    first: int | None = None
    every: int = 1
    samples: int = 20
    beside_live: bool = False
    processes: int | None = None

    def __post_init__(self) -> None:
        _check("first", self.first, 1, 2**31)
        _check("every", self.every, 1, 2**31)
        _check("samples", self.samples, 0, MOST_SAMPLES)
        _check("processes", self.processes, 1, MOST_PROCESSES)

    @property
    def whole(self) -> bool:
        """Whether it is about every email of the job."""
        return self.first is None and self.every == 1

    @classmethod
    def of(cls, act: LongAct) -> "RehearsalRequest":
        """What was ordered."""
        given: dict[str, Any] = {name: act.parameters[name] for name in ("first", "every", "samples", "beside_live")}
        return cls(job=str(act.selection["job"]), processes=act.parameters["processes"], **given)


def _check(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidRequest(f"it is {least} to {most:,}", which=name)


class RehearsalOrders:
    """Takes orders. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        ledger: LongActLedger,
        rehearsals: RehearsalLedger,
        source: Source,
        settings: SourceSettings,
        reading: Callable[[], Database],
        own_user: Database | None,
        file_channels: Callable[[], Collection[str]],
        *,
        by_service: bool = False,
    ) -> None:
        """`reading` gives a database whose sessions cannot write. `own_user`: its user, with sessions that could if the
        user has the rights, which are checked. None: it may have them. `by_service`: it is the service's own.
        """
        self._by_service = by_service
        self._ledger = ledger
        self._rehearsals = rehearsals
        self._source = source
        self._settings = settings
        self._reading = reading
        self._own_user = own_user
        self._file_channels = file_channels

    def start(self, request: RehearsalRequest) -> LongAct:
        """Have a job rehearsed. Raises `RehearsalRuns`, `UnknownKey` and `OperationRefused`."""
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, LongActKind.REHEARSE)
        self.refuse_writer()
        job, rows = self._reading().run(lambda c: self._looked_up(c, request.job))
        total = _chosen(rows, request)
        if not total:
            raise NothingMatches(f"job {job.key} has no email that is not sent yet", which=f"job {job.key}")
        ordered = {name: value for name, value in asdict(request).items() if name != "job"}
        parameters = {**ordered, "template": template_digest(job)}
        order = LongActOrder(LongActKind.REHEARSE, {"job": job.key}, parameters, None, total)
        try:
            return self._ledger.start(order, name, lambda c: self._rehearsals.lock(c, job.key, name))
        except AlreadyRehearsed as error:
            raise RehearsalRuns(
                f"job {job.key} is being rehearsed already, by operation {error.operation}",
                which=f"job {job.key}",
                do="Wait for it, or stop it.",
            ) from error

    def refuse_writer(self) -> None:
        """Raises `OperationRefused` where the database user of rehearsals could write to the source."""
        if self._own_user is None:
            return
        if rights := self._own_user.run(lambda c: writable(c, self._settings)):
            whose, todo = "the user of rehearsal.database_url", "Take these rights from it. It needs SELECT alone."
            if self._by_service:
                whose = "rehearsal.database_url is not set, and the service's own user"
                todo = "Set it to a user with SELECT alone. Or let the service's user read: rehearsal.read_as_service."
            what = f"{whose} can write to the source: {', '.join(rights[:5])}"
            raise OperationRefused(what, which="rehearsal.database_url", do=todo)

    def _looked_up(self, c: Connection, key: str) -> tuple[Job, int]:
        if not self._source.is_job_key(key):
            raise unknown_job(key)
        try:
            job = self._source.job(c, 0, key, 0)
        except RenderError as error:
            raise OperationRefused(f"job {key} cannot be rehearsed: {error.reply}", which=f"job {key}") from error
        if self._source.channel_of(c, job.key) in self._file_channels():
            what = f"the channel of job {key} puts files, and a rehearsal renders emails"
            raise OperationRefused(what, which=f"job {key}")
        return job, self._source.unsent_count(c, job.key)


def _chosen(rows: int, request: RehearsalRequest) -> int:
    first = rows if request.first is None else min(rows, request.first)
    return -(-first // request.every)
