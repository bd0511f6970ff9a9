"""Registers the demo's batch as a delivery server would, with files, rows in the source's tables and one job."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, insert

from eed_delivery.database.transactions import Database
from eed_delivery.demo.mail_server import Mishap
from eed_delivery.demo.people import Customer
from eed_delivery.demo.statements import BANK, statement
from eed_delivery.demo.workspace import Workspace
from eed_delivery.ledger.migrations import upgrade
from eed_delivery.source.reference import create_reference, delivery_attachment, delivery_email, delivery_job

JOB_ID = 1
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
    files = [_write_statement(workspace, customer) for customer in customers]
    emails = [_email(n, customer) for n, customer in enumerate(customers, start=1)]
    attachments = [
        _attachment(n, customer, sha256) for n, (customer, sha256) in enumerate(zip(customers, files, strict=True), 1)
    ]

    def work(c: Connection) -> None:
        create_reference(c)
        c.execute(insert(delivery_job).values(_job(len(customers))))
        c.execute(insert(delivery_email), emails)
        c.execute(insert(delivery_attachment), attachments)

    database.run(work)


def _write_statement(workspace: Workspace, customer: Customer) -> str:
    """Write one PDF. Returns its sha256, which the service will check before the email goes out."""
    content = statement(customer)
    (workspace.statements / _location(customer)).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _location(customer: Customer) -> str:
    return f"statement-{customer.number}.pdf"


def _job(count: int) -> dict[str, object]:
    return {
        "id": JOB_ID,
        "name": f"Statements of December, {count} customers",
        "status": "processing",
        "sender": f"{BANK} <statements@bank.example>",
        "reply_to": "service@bank.example",
        "subject": "{{ subject }}",
        "html_template": HTML,
    }


def _email(number: int, customer: Customer) -> dict[str, object]:
    return {
        "id": number,
        "job_id": JOB_ID,
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


def _attachment(email_id: int, customer: Customer, sha256: str) -> dict[str, object]:
    return {
        "job_id": JOB_ID,
        "email_id": email_id,
        "location": _location(customer),
        "filename": customer.file_name,
        "content_type": "application/pdf",
        "sha256": sha256,
    }
