"""Heartbeats say which processes live, and how many of them share the rate."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_worker
from eed_delivery.model import DEFAULT_CHANNEL

FORGET_AFTER_SECONDS = 86_400
FUNCTIONS = "lambda"
"""The host of what is no process, and is invoked."""
FUNCTION = "function"
"""The role of a function that sends."""
INVOKED_SECONDS = 150.0
"""Functions beat while they are invoked. The tick is invoked once a minute, and may miss one."""
HEARTBEATS = 3
"""A process that has missed this many heartbeats does not count as alive: not in the rate, and not for people."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the service as its own heartbeat describes it. `mark` changes with its channel's settings,
    `version` with the release, and `config` with the configuration. `coordination` is how one that sends shares the
    rate."""

    worker_id: str
    host: str
    role: str
    threads: int = 0
    channel: str = DEFAULT_CHANNEL
    mark: str | None = None
    version: str | None = None
    config: str | None = None
    coordination: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadCount:
    """The threads of a process that finds their number itself: `now`, between `least` and `most`.

    `why` is the reason of the last change, which was `changed_ago` seconds before. None: there was none yet.
    """

    now: int
    least: int
    most: int
    why: str | None = None
    changed_ago: float | None = None


@dataclass(frozen=True, slots=True)
class SeenProcess:
    """A row of eed_worker for people. `age` is seconds since the last heartbeat, which came at `last_seen` (UTC).

    `sending` is what the process said then.
    """

    worker_id: str
    host: str
    role: str
    channel: str
    threads: int
    sending: bool
    detail: str | None
    last_seen: datetime
    age: float
    mark: str | None
    version: str | None
    config: str | None
    per_second: float | None = None
    """Its share of the send rate. None: it has no limit."""
    coordination: str | None = None
    """How one that sends shares the rate. None: it sends nothing, or is of an older release."""
    threads_least: int | None = None
    threads_most: int | None = None
    """Between which numbers the process looks for its number of threads. None: it is fixed."""
    threads_why: str | None = None
    threads_changed_at: datetime | None = None
    """Why and when (UTC) the number last changed. None: it has not."""

    @property
    def threads_changed_ago(self) -> float:
        """Seconds since the number of threads last changed. 0: it has not."""
        changed = self.threads_changed_at
        return 0.0 if changed is None else self.age + (self.last_seen - changed).total_seconds()

    def is_alive(self, heartbeat_seconds: float) -> bool:
        """Whether its heartbeats still arrive, with that many seconds between them."""
        patience = HEARTBEATS * heartbeat_seconds
        return self.age <= (max(patience, INVOKED_SECONDS) if self.host == FUNCTIONS else patience)


_THREAD_COLUMNS = ("threads_least", "threads_most", "threads_why", "threads_changed_at")


def _thread_news(threads: ThreadCount | None) -> dict[str, Any]:
    if threads is None:
        return {}
    ago = threads.changed_ago
    changed = None if ago is None else utc_in(-ago)
    values = (threads.least, threads.most, threads.why, changed)
    return {"threads": threads.now, **dict(zip(_THREAD_COLUMNS, values, strict=True))}


class WorkerLedger:
    """Heartbeats in eed_worker. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(
        self,
        process: Process,
        *,
        sending: bool,
        detail: str | None,
        alive_seconds: float,
        threads: ThreadCount | None = None,
    ) -> int:
        """Say that `process` lives. Returns how many processes share its channel's rate now, this one included if it
        sends. `threads` is for a process that finds their number itself.

        A process counts while its last heartbeat is younger than `alive_seconds`, by the database's clock.
        """
        return self._database.run(lambda c: self._beat(c, process, sending, detail, alive_seconds, threads))

    def _beat(
        self,
        c: Connection,
        process: Process,
        sending: bool,
        detail: str | None,
        alive: float,
        threads: ThreadCount | None,
    ) -> int:
        news = {"sending": sending, "detail": detail and detail[:DETAIL_LENGTH], "heartbeat_at": utc_now()}
        news |= _thread_news(threads)
        mine = eed_worker.c.worker_id == process.worker_id
        if c.execute(update(eed_worker).where(mine).values(news)).rowcount == 0:
            facts = {
                "worker_id": process.worker_id,
                "host": process.host,
                "role": process.role,
                "channel": process.channel,
                "threads": process.threads,
                "mark": process.mark,
                "version": process.version,
                "config": process.config,
                "coordination": process.coordination,
                "started_at": utc_now(),
            }
            c.execute(insert(eed_worker).values({**facts, **news}))
        sharing = (
            select(func.count())
            .where(eed_worker.c.role == "worker", eed_worker.c.channel == process.channel, eed_worker.c.sending)
            .where(eed_worker.c.heartbeat_at > utc_in(-alive))
        )
        return c.execute(sharing).scalar_one()

    def coordinated_otherwise(self, coordination: str | None, channel: str | None = None) -> list[SeenProcess]:
        """Those that send by a channel, or by any, and share the rate in another way. A process of an older release
        does not say how."""
        patience = INVOKED_SECONDS
        return [
            one
            for one in self.all()
            if one.coordination not in (None, coordination) and channel in (None, one.channel) and one.age <= patience
        ]

    def uses(self, process: Process, per_second: float | None) -> None:
        """Say how many emails a second `process` may send. None: it has no limit."""
        mine = eed_worker.c.worker_id == process.worker_id
        self._database.run(lambda c: c.execute(update(eed_worker).where(mine).values(per_second=per_second)))

    def leave(self, process: Process) -> None:
        """Take `process` off the list at once, so that the others need not wait for its heartbeat to grow old."""
        gone = delete(eed_worker).where(eed_worker.c.worker_id == process.worker_id)
        self._database.run(lambda c: c.execute(gone))

    def forget_the_dead(self) -> None:
        """Delete rows of processes that have been silent for a day.

        By their keys. A DELETE by age would lock the rows of the living one after the other. It would wait for the
        heartbeat of a process that was frozen in the middle of it.
        """
        old = eed_worker.c.heartbeat_at < utc_in(-FORGET_AFTER_SECONDS)

        def work(c: Connection) -> None:
            for worker_id in c.execute(select(eed_worker.c.worker_id).where(old)).scalars().all():
                c.execute(delete(eed_worker).where(eed_worker.c.worker_id == worker_id, old))

        self._database.run(work)

    def all(self) -> list[SeenProcess]:
        """Every process known, the latest heartbeat first."""
        facts = ("worker_id", "host", "role", "channel", "threads", "sending", "detail")
        columns = (*facts, "mark", "version", "config", "per_second", "coordination", *_THREAD_COLUMNS)
        age = (-seconds_until(eed_worker.c.heartbeat_at)).label("age")
        seen = eed_worker.c.heartbeat_at.label("last_seen")
        statement = select(*(eed_worker.c[name] for name in columns), seen, age).order_by(age)

        def read(c: Connection) -> list[SeenProcess]:
            return [SeenProcess(**{**row._mapping, "age": float(row.age)}) for row in c.execute(statement).all()]

        return self._database.run(read)
