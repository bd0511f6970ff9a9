"""The processes of one installation, whose loops take turns in one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import make_url, text

from eed_delivery.config import (
    PublisherSettings,
    RenderingSettings,
    SourceSettings,
    SweeperSettings,
    TrackingSettings,
    WorkerSettings,
)
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.model import DEFAULT_CHANNEL
from eed_delivery.publisher import Publisher, Registrar
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.runtime.loop import Pulse
from eed_delivery.source import Source
from eed_delivery.source.reference import create_reference
from eed_delivery.sweeper.answers_alike import AnswersAlike
from eed_delivery.sweeper.sweeper import Sweeper, SweepRules
from eed_delivery.worker import Worker, WorkerParts
from tests.faults.model.actors import Life
from tests.faults.model.queue import DEAD_LETTER_URL, URL, Client, MemoryQueue
from tests.faults.replay.clock import VirtualClock, VirtualStop, tell_time
from tests.faults.replay.relay import Relay, factory

PROCESSES = 2
THREADS = 2
VISIBILITY_SECONDS = 120
WORKER = WorkerSettings(threads=THREADS)
# What looks for work looks less often than it would: nobody waits for it in these runs.
PUBLISHER = PublisherSettings(poll_seconds=30, connections=1)
SWEEPER = SweeperSettings(interval_seconds=60)
HEARTBEAT_SECONDS = 30
LOOK_SECONDS = 15
IDLE_SECONDS = 5.0
OPERATOR_SECONDS = 60.0
LONGEST_LOOK_SECONDS = 1.0
JOB = 1


_A_JOB = (
    "INSERT INTO delivery_job (id, name, status, sender, subject, text_template)"
    f" VALUES ({JOB}, 'replay', 'processing', 'Bank <statements@bank.example>', 'Statement', 'Dear customer')"
)
_AN_EMAIL = (
    "INSERT INTO delivery_email (id, job_id, recipient, variables, status)"
    " VALUES (:id, :job, :recipient, '{}', 'pending')"
)


class ClockedQueue(MemoryQueue):
    """SQS in memory, on the replay's clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        super().__init__(max_receives=100)

    @property  # type: ignore[override]
    def now(self) -> float:
        return self._clock.now

    @now.setter
    def now(self, _: float) -> None: ...

    def next_at(self) -> float:
        """When the next message can be received."""
        return min((message.visible_at for message in self.waiting[URL]), default=float("inf"))


class SteppedWorker(Worker):
    """A worker process that is asked for each step."""

    def lanes(self) -> list[Callable[[], float]]:
        """One step of each thread."""
        return [self._lane(n) for n in range(THREADS)]

    def _lane(self, n: int) -> Callable[[], float]:
        hands = self._hands(n, f"worker-{n}", self._parts.make_transport())
        return lambda: self._step(hands) and LONGEST_LOOK_SECONDS

    def probe(self) -> float:
        """One step of the breaker's loop; while it is open, seldom enough."""
        wait = self._breaker.step()
        return LONGEST_LOOK_SECONDS if self._breaker.open else max(wait, IDLE_SECONDS)

    def beat(self) -> float:
        self._heartbeat()
        return HEARTBEAT_SECONDS


@dataclass
class Turn:
    """A loop, and when it is due."""

    step: Callable[[], float]
    at: float = 0.0
    receives: bool = False
    """It is due only when there is something to receive."""


@cache
def _empty() -> bytes:
    """A database with all tables and no rows: made once for all runs of a process."""
    with TemporaryDirectory(prefix="eed-replay-") as directory:
        file = Path(directory) / "ledger.sqlite3"
        engine = make_engine(make_url(f"sqlite:///{file}"), connections=1)
        tell_time(engine, VirtualClock())
        migrations.upgrade(engine)
        database = Database(engine)
        database.run(create_reference)
        database.close()
        return file.read_bytes()


class House:
    """One installation over a database of its own."""

    def __init__(self, directory: Path, clock: VirtualClock, relay: Relay) -> None:
        self.clock = clock
        self.finished = False
        """Whether the job is, as of the sweeper's last round."""
        self.queue = ClockedQueue(clock)
        file = directory / "ledger.sqlite3"
        file.write_bytes(_empty())
        engine = make_engine(make_url(f"sqlite:///{file}"), connections=4)
        tell_time(engine, clock)
        self.database = Database(engine)
        self._source = Source(SourceSettings())
        self.operating = OperatingLedger(self.database, self._source)
        self._renderer = Renderer(
            RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000)
        )
        self._publisher = self._make_publisher()
        self._turns = [Turn(self._publisher.step), *self._sweeper_turns()]
        for n in range(PROCESSES):
            self._turns += self._worker_turns(n, relay)

    def close(self) -> None:
        self._publisher.close()
        self.database.close()

    # --- the processes -------------------------------------------------------------------------------------------

    def _make_queue(self) -> Queue:
        return Queue(Client(self.queue, Life("replay")), URL, DEAD_LETTER_URL, tries=1)  # type: ignore[arg-type]

    def _make_publisher(self) -> Publisher:
        ledger = PublishingLedger(self.database, self._source)
        registrar = Registrar(ledger, PUBLISHER, self.clock)
        return Publisher(ledger, self._make_queue(), self._renderer, PUBLISHER, self.clock, registrar=registrar)

    def _sweeper_turns(self) -> list[Turn]:
        holds = partial(DomainHolds, self.database)
        alike = AnswersAlike(AnswersLedger(self.database), self.operating, holds, self.clock)
        ledger = SweepLedger(self.database, self._source)
        rules = SweepRules(resend_below=0, drop_patience_seconds=VISIBILITY_SECONDS + 30)
        workers = WorkerLedger(self.database)
        queues = {DEFAULT_CHANNEL: self._make_queue()}
        sweeper = Sweeper(ledger, workers, lambda: queues, SWEEPER, rules, alike.look_if_failed)

        def look() -> float:
            alike.step()
            return LOOK_SECONDS

        def sweep() -> float:
            wait = sweeper.step()
            self.finished = bool(self.read("SELECT 1 FROM eed_job WHERE finished_at IS NOT NULL"))
            return wait

        return [Turn(sweep), Turn(look)]

    def _worker_turns(self, n: int, relay: Relay) -> list[Turn]:
        process = Process(f"replay-{n}", "replay", "worker", THREADS)
        parts = WorkerParts(
            ledger=DeliveryLedger(self.database, self._source, process.worker_id),
            operating=self.operating,
            workers=WorkerLedger(self.database),
            paces=PaceLedger(self.database),
            holds=DomainHolds(self.database),
            dead=RefusedAddresses(self.database, TrackingSettings(suppress_hard_bounces=0)),
            answers=AnswersLedger(self.database),
            queue=self._make_queue(),
            renderer=self._renderer,
            sends_emails=True,
            make_transport=factory(relay),
            rate=lambda: None,
            process=process,
            send_lease_seconds=3600,
            wait_seconds=0,
            visibility_seconds=VISIBILITY_SECONDS,
        )
        worker = SteppedWorker(parts, WORKER, VirtualStop(self.clock), Pulse(), self.clock)
        lanes = [Turn(lane, receives=True) for lane in worker.lanes()]
        return [Turn(worker.beat), Turn(worker.probe), *lanes]

    # --- time ----------------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Every process whose turn it is takes it. Then time passes until the next turn."""
        for turn in self._turns:
            if self.clock.now >= turn.at and (not turn.receives or self.queue.next_at() <= self.clock.now):
                wait = turn.step()
                turn.at = self.clock.now + wait
        message_at = self.queue.next_at()
        nexts = [max(turn.at, message_at) if turn.receives else turn.at for turn in self._turns]
        self.clock.now = max(self.clock.now, min(nexts))

    # --- the source, and the operator ----------------------------------------------------------------------------

    def add_job(self, people: list[str]) -> None:
        """A job that is ready, with an email to each."""
        rows = [{"id": n, "job": JOB, "recipient": recipient} for n, recipient in enumerate(people, start=1)]

        def work(c: Any) -> None:
            c.execute(text(_A_JOB))
            c.execute(text(_AN_EMAIL), rows)

        self.database.run(work)

    def read(self, statement: str) -> list[tuple[Any, ...]]:
        return self.database.run(lambda c: [tuple(row) for row in c.execute(text(statement))])

    @property
    def paused(self) -> str | None:
        """Why the job is paused; None when it is not."""
        found = self.read("SELECT reason FROM eed_job WHERE state = 'paused'")
        return str(found[0][0]) if found else None
