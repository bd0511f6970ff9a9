"""Registers the demo's jobs as a delivery server would, with files and rows in the source's tables."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from eed_delivery.database.transactions import Database
from eed_delivery.demo.mail_server import Mishap
from eed_delivery.demo.people import Customer
from eed_delivery.demo.statements import BANK, statement
from eed_delivery.demo.workspace import Workspace
from eed_delivery.ledger.migrations import upgrade
from eed_delivery.source.reference import create_reference, delivery_attachment, delivery_email, delivery_job

JOB_ID = 1
SENDER = "statements@bank.example"
EVERY_DEFERRED = 20
HTML = """\
<!doctype html>
<html lang="{{ lang }}" dir="{{ dir }}">
<body>
<p>{{ greeting }}</p>
<p>{{ sentence }}</p>
<p><b>{{ customer_number }}</b></p>
<p>Example Savings Bank</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class DemoJob:
    """One job. `first_email`: the id of its first email; the others follow. `channel` None: the job names none."""

    job_id: int
    name: str
    first_email: int
    channel: str | None = None
    sender: str = SENDER


def mishaps(customers: Sequence[Customer]) -> dict[str, Mishap]:
    """What is to go wrong, by recipient. Every twentieth is put off, one is unknown, one falls silent."""
    late = customers[3::EVERY_DEFERRED]
    script = {c.address: (Mishap.BUSY, Mishap.FULL_DISK)[n % 2] for n, c in enumerate(late)}
    script[customers[len(customers) // 2].address] = Mishap.MAILBOX_FULL
    script[customers[len(customers) * 4 // 5].address] = Mishap.SILENCE
    return script


def register(database: Database, workspace: Workspace, customers: Sequence[Customer]) -> None:
    """Make the tables, write a PDF for each customer, and enter the job, ready to go."""
    upgrade(database.engine)
    for customer in customers:
        (workspace.statements / _location(customer)).write_bytes(statement(customer))
    database.run(create_reference)
    enter(database, workspace, customers, [DemoJob(JOB_ID, f"Statements of December, {len(customers)} customers", 1)])


def enter(database: Database, workspace: Workspace, customers: Sequence[Customer], jobs: Sequence[DemoJob]) -> None:
    """Enter jobs, ready to go, each with an email to every customer, and the customer's PDF."""
    digests = list(statement_digests(workspace, customers))

    def work(c: Connection) -> None:
        for job in jobs:
            numbered = list(enumerate(zip(customers, digests, strict=True), start=job.first_email))
            c.execute(insert(delivery_job).values(_job(job)))
            c.execute(insert(delivery_email), [_email(n, job, customer) for n, (customer, _) in numbered])
            attachments = [_attachment(n, job, customer, digest) for n, (customer, digest) in numbered]
            c.execute(insert(delivery_attachment), attachments)

    database.run(work)


def statement_digests(workspace: Workspace, customers: Sequence[Customer]) -> Iterator[str]:
    """The SHA-256 of each customer's PDF. The service checks it before the PDF leaves."""
    for customer in customers:
        yield hashlib.sha256((workspace.statements / _location(customer)).read_bytes()).hexdigest()


def _location(customer: Customer) -> str:
    return f"statement-{customer.number}.pdf"


def _job(job: DemoJob) -> dict[str, object]:
    return {
        "id": job.job_id,
        "name": job.name,
        "status": "processing",
        "channel": job.channel,
        "sender": f"{BANK} <{job.sender}>",
        "reply_to": "service@bank.example",
        "subject": "{{ subject }}",
        "html_template": HTML,
    }


def _email(number: int, job: DemoJob, customer: Customer) -> dict[str, object]:
    return {
        "id": number,
        "job_id": job.job_id,
        "recipient": customer.address,
        "recipient_name": customer.name,
        "variables": {
            "subject": customer.subject,
            "greeting": customer.greeting,
            "sentence": customer.language.sentence,
            "customer_number": customer.number,
            "lang": customer.language.code,
            "dir": customer.language.direction,
        },
    }


def _attachment(email_id: int, job: DemoJob, customer: Customer, sha256: str) -> dict[str, object]:
    return {
        "job_id": job.job_id,
        "email_id": email_id,
        "location": _location(customer),
        "filename": customer.file_name,
        "content_type": "application/pdf",
        "sha256": sha256,
    }
