"""The database of the model, and the product's own parts over it, one set for each life of a process."""

import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Literal

import pymysql
from pymysql.constants.CLIENT import MULTI_STATEMENTS
from pymysql.constants.CR import CR_CONN_HOST_ERROR, CR_SERVER_LOST
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import OperationalError

from eed_delivery.config import PublisherSettings, RenderingSettings, SourceSettings, SweeperSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.mysql_connection import MySqlConnection
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone, Stopping
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import DEFAULT_CHANNEL, Email, Outcome, Verdict
from eed_delivery.publisher import Publisher, Registrar
from eed_delivery.queue import MAX_BATCH
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.source import Source
from eed_delivery.sweeper.sweeper import Sweeper, SweepRules
from eed_delivery.worker.batch import Batch, Hands
from eed_delivery.worker.delivery import Delivery, RetryRules
from eed_delivery.worker.journal import Journal
from eed_delivery.worker.keeper import Keeper
from eed_delivery.worker.process import CompiledJobs
from tests.faults.model.actors import Life, life_here
from tests.faults.model.mail import MailServer, ModelTransport
from tests.faults.model.queue import MemoryQueue, queue_for
from tests.world import World

Policy = Literal["hold", "resend"]

# Seconds of the model's own clock. Times pass in other steps than these, so that none ends just when another does.
LEASE = 30.0
SEND_LEASE = 100.0
VISIBILITY = 60.0
JOB_LEASE = 60.0
MAX_ATTEMPTS = 3
AT_ONCE = 1e-9
"""For what the product measures with the host's clock: it is over at the next look."""
RULES = {"max_attempts": MAX_ATTEMPTS, "delay": 13.0, "growth": 1.0, "max_delay": 100.0}  # jittered by a quarter

_TABLES = ("eed_attempt", "eed_email", "eed_job", "delivery_email", "delivery_job")
_EMAIL_TIMES = ("lease_until", "wire_at", "not_before", "queued_at", "changed_at")


class Connections(MySqlConnection):
    """The product's connection; the answer to a commit may be lost on its way to the process that lives here."""

    def commit(self) -> None:
        super().commit()
        life = life_here()
        if life is not None and life.trouble.take_commit_answer():
            raise pymysql.err.OperationalError(CR_SERVER_LOST, "Lost connection to MySQL server during query")


def _connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Connections:
    return Connections(*arguments, **options)


class LifeEngine:
    """What a process reaches the database through: it ends with its life, and every transaction begins at a place."""

    def __init__(self, engine: Engine, life: Life) -> None:
        self.dialect = engine.dialect
        self._engine = engine
        self._life = life

    def connect(self) -> Connection:
        self._life.reach("database")
        if self._life.trouble.take_connection():
            refused = pymysql.err.OperationalError(CR_CONN_HOST_ERROR, "Can't connect to MySQL server")
            raise OperationalError("connect", {}, refused)
        return self._engine.connect()


class Place:
    """The database that all sequences take place in, one after the other."""

    def __init__(self, url: str) -> None:
        self.world = World(url)
        self.engine = make_engine(make_url(url), connections=6, multi_statements=True)
        event.listen(self.engine, "do_connect", _connect, insert=True)
        self.source = Source(SourceSettings())
        self.operating = OperatingLedger(Database(self.engine), self.source)
        settings = RenderingSettings(message_id_domain="bank.example")
        self.renderer = Renderer(settings, AttachmentStore(None, None, (), 1000))
        at = make_url(url)
        self._plain = pymysql.connect(
            host=at.host,
            port=at.port or 3306,
            user=at.username,
            password=at.password or "",
            database=at.database,
            autocommit=True,
            ssl_disabled=True,
            client_flag=MULTI_STATEMENTS,
        )

    def close(self) -> None:
        self._plain.close()
        self.engine.dispose()
        self.world.close()

    def database(self, life: Life) -> Database:
        """The database, for one life; what would wait between two tries goes on at once."""
        in_a_hurry = threading.Event()
        in_a_hurry.set()
        return Database(LifeEngine(self.engine, life), in_a_hurry)  # type: ignore[arg-type]

    def empty(self) -> None:
        """No job, no email."""
        self.run(*(f"DELETE FROM {table}" for table in _TABLES))

    def add_job(self, job_id: int, emails: int, expires_in: int | None) -> None:
        """A job that is ready, and its emails."""
        ids = [job_id * 100 + n for n in range(1, emails + 1)]
        expiry = "NULL" if expires_in is None else f"NOW(6) + INTERVAL {expires_in} SECOND"
        rows = ", ".join(f"({i}, {job_id}, 'customer{i}@example.com', '{{}}')" for i in ids)
        self.run(
            "INSERT INTO delivery_job (id, name, status, sender, subject, text_template, expires_at)"
            f" VALUES ({job_id}, 'job', 'processing', 'bank@bank.example', 'Statement', 'Dear customer', {expiry})",
            f"INSERT INTO delivery_email (id, job_id, recipient, variables) VALUES {rows}",
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass for all processes, by moving all times back."""
        back = [f"{column} = {column} - INTERVAL {seconds} SECOND" for column in (*_EMAIL_TIMES, "expires_at")]
        self.run(
            f"UPDATE eed_email SET {', '.join(back[:-1])}",
            f"UPDATE eed_job SET {back[0]}, {back[-1]}",
            f"UPDATE delivery_job SET {back[-1]} WHERE expires_at IS NOT NULL",
        )

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """What this query finds, now."""
        with self._plain.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def run(self, *statements: str) -> None:
        """These statements, in one request."""
        with self._plain.cursor() as cursor:
            cursor.execute(";".join(statements))
            while cursor.nextset():
                pass


class Patience(threading.Event):
    """What a worker's journal waits with while the database is away: a place instead of a second."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    def wait(self, timeout: float | None = None) -> bool:
        self._life.reach("journal.waits")
        return self.is_set()


class WorkerPart:
    """A worker process of one thread: what `eed_delivery.worker.process.Worker` does in one step, without its loop."""

    def __init__(self, place: Place, queue: MemoryQueue, mail: MailServer, policy: Policy, life: Life) -> None:
        self._life = life
        self._ledger = DeliveryLedger(place.database(life), place.source, life.name)
        self._queue = queue_for(queue, life)
        self._give_up = Patience(life)
        self._stop = False
        self._shut = False
        self._away = False
        self.keeper = Keeper(self._queue, self._ledger, VISIBILITY, LEASE)
        journal = Journal(self._ledger, SEND_LEASE, self._give_up)
        rules = RetryRules(**RULES, doubt=policy)  # type: ignore[arg-type]
        transport = ModelTransport(mail, life)
        self._hands = Hands(
            ledger=self._ledger,
            queue=self._queue,
            delivery=Delivery(place.renderer, transport, journal, rules, self._pace),
            journal=journal,
            compiled=CompiledJobs(self._ledger, place.renderer).get,
            lease_seconds=LEASE,
            visibility_seconds=VISIBILITY,
            may_go_on=lambda: not (self._stop or self._shut),
            react=self._react,
        )

    @property
    def ends(self) -> bool:
        return self._stop

    def step(self) -> None:
        """One receive, and what came of it."""
        self._shut = False
        try:
            if self._away:
                self._ledger.rehearse()
                self._away = False
            messages = self._queue.receive(MAX_BATCH, 0, VISIBILITY)
            if messages:
                self._life.reach("worker.received")
                with self.keeper.holding(messages) as hold:
                    Batch(messages, self._hands, hold).work()
        except DatabaseGone:
            self._away = True
            raise

    def stop(self, *, give_up: bool) -> None:
        """SIGTERM; with `give_up` its time is over, too."""
        self._stop = True
        if give_up:
            self._give_up.set()

    def close(self) -> None: ...

    def _pace(self) -> None:
        if self._stop:
            raise Stopping("the service is stopping")

    def _react(self, email: Email, outcome: Outcome) -> None:
        self._shut = self._shut or outcome.verdict is Verdict.INFRASTRUCTURE


class PublisherPart:
    """A publisher process."""

    ends = False

    def __init__(self, place: Place, queue: MemoryQueue, life: Life) -> None:
        settings = PublisherSettings(poll_seconds=AT_ONCE, connections=1, job_lease_seconds=JOB_LEASE)
        ledger = PublishingLedger(place.database(life), place.source)
        always_due = count(0, 1000).__next__  # the same steps whenever they are taken again
        registrar = Registrar(ledger, settings, always_due)
        self._publisher = Publisher(
            ledger, queue_for(queue, life), place.renderer, settings, always_due, registrar=registrar
        )
        self.step: Callable[[], float] = self._publisher.step

    def close(self) -> None:
        self._publisher.close()


class SweeperPart:
    """A sweeper process."""

    ends = False

    def __init__(self, place: Place, queue: MemoryQueue, policy: Policy, life: Life) -> None:
        database = place.database(life)
        rules = SweepRules(
            resend_below=MAX_ATTEMPTS if policy == "resend" else 0, drop_patience_seconds=VISIBILITY + 30
        )
        settings = SweeperSettings(queued_patience_seconds=AT_ONCE)
        ledger = SweepLedger(database, place.source)
        queues = {DEFAULT_CHANNEL: queue_for(queue, life)}
        sweeper = Sweeper(ledger, WorkerLedger(database), lambda: queues, settings, rules)
        self.step: Callable[[], float] = sweeper.step

    def close(self) -> None: ...
