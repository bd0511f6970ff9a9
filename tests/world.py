"""A database with the reference schema and the ledger in it, and short ways to fill it and look at it."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, make_url, text

from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.delivering.claims import Claim, new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.publishing.ledger import LeasedJob, PublishingLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import Email, Ticket
from eed_delivery.source import Source
from tests.schemas import prepare


class World:
    """The ledger's rooms over one database, as a host of the service has them."""

    def __init__(
        self, url: str, settings: SourceSettings | None = None, engine: Engine | None = None, *, prepared: bool = False
    ) -> None:
        """`prepared`: the database has the schema."""
        self.url = url
        self.database = Database(engine or make_engine(make_url(url), connections=20, multi_statements=True))
        if not prepared:
            prepare(self.database)
        self.source = Source(settings or SourceSettings())
        self.registry = PublishingLedger(self.database, self.source)
        self.delivering = DeliveryLedger(self.database, self.source, "test")
        self.sweeping = SweepLedger(self.database, self.source)
        self.operating = OperatingLedger(self.database, self.source)
        self.reporting = ReportingLedger(self.database)
        self.workers = WorkerLedger(self.database)

    def close(self) -> None:
        self.database.close()

    def execute(self, statement: str, **values: Any) -> Any:
        """Run one statement in a transaction of its own; returns the number of rows, or the rows.

        The values are bound by their types: SQLite compares times as text, and a whole second has its six zeros too.
        """

        def work(c: Any) -> Any:
            result = c.execute(text(statement).bindparams(**values))
            return [tuple(row) for row in result] if result.returns_rows else result.rowcount

        return self.database.run(work)

    def scalar(self, statement: str, **values: Any) -> Any:
        return self.execute(statement, **values)[0][0]

    def add_job(self, recipients: Sequence[str] = ("a@example.com",), job_id: int = 1, **columns: Any) -> list[int]:
        """A job that is ready, with an email to each recipient; returns the emails' ids."""
        job = {
            "id": job_id,
            "name": f"job {job_id}",
            "status": "processing",
            "sender": "Bank <statements@bank.example>",
            "subject": "Statement for {{ name }}",
            "text_template": "Dear {{ name }}",
            **columns,
        }
        names = ", ".join(job)
        self.execute(f"INSERT INTO delivery_job ({names}) VALUES ({', '.join(':' + n for n in job)})", **job)
        first = 1000 * job_id
        for n, recipient in enumerate(recipients, start=first):
            self.execute(
                "INSERT INTO delivery_email (id, job_id, recipient, recipient_name, variables, status)"
                " VALUES (:id, :job, :recipient, :name, :variables, 'pending')",
                id=n, job=job_id, recipient=recipient, name=f"Customer {n}", variables=json.dumps({"name": f"C{n}"}),
            )  # fmt: skip
        return list(range(first, first + len(recipients)))

    def enlist(self, job_id: int = 1) -> LeasedJob:
        """Register what is ready and enlist it to its end, as a publisher would."""
        self.registry.register(self.registry.new_jobs(100))
        job = next(j for j in self.registry.lease(new_token(), 60, 50, 0) if j.job_id == job_id)
        while self.registry.enlist(job, 100, 60):
            pass
        self.registry.let_go([job])
        return job

    def claim(self, *email_ids: int, gen: int = 0, lease: float = 60) -> Claim:
        return self.delivering.claim([Ticket(i, gen, 0) for i in email_ids], new_token(), lease)

    def claimed(self, email_id: int, gen: int = 0, lease: float = 60) -> Email:
        """One email, claimed; fails when it could not be."""
        (email,) = self.claim(email_id, gen=gen, lease=lease).emails
        return email

    def row(self, email_id: int) -> dict[str, Any]:
        """One row of the ledger."""
        columns = "state, gen, token, attempts, detail, message_id, wire_at, lease_until, not_before"
        (found,) = self.execute(f"SELECT {columns} FROM eed_email WHERE email_id = :id", id=email_id)
        return dict(zip(columns.split(", "), found, strict=True))

    def state(self, email_id: int) -> str:
        return str(self.row(email_id)["state"])

    def source_status(self, email_id: int) -> str:
        return str(self.scalar("SELECT status FROM delivery_email WHERE id = :id", id=email_id))

    @property
    def now(self) -> str:
        """The database's time, in SQL, for `earlier`."""
        return "'now'" if self.database.dialect == "sqlite" else "UTC_TIMESTAMP(6)"

    def earlier(self, moment: str, seconds: float) -> str:
        """SQL for so many seconds before a moment, which is a column or `now`."""
        if self.database.dialect == "sqlite":
            return f"strftime('%Y-%m-%d %H:%M:%f000', {moment}, '{-seconds:+} seconds')"
        return f"{moment} - INTERVAL {seconds} SECOND"

    def lapse(self, email_id: int, seconds: float = 3600) -> None:
        """Let so much time pass for one email, by moving its times back."""
        times = ("lease_until", "wire_at", "not_before", "changed_at")
        moved = ", ".join(f"{column} = {self.earlier(column, seconds)}" for column in times)
        self.execute(f"UPDATE eed_email SET {moved} WHERE email_id = :id", id=email_id)
