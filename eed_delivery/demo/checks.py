"""Checks the batch's results from the outside, by the rows of the source and the files the mail server stored.

Each check compares two things that were made independently of each other, and can fail.
"""

import hashlib
import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from sqlalchemy import Connection, select

from eed_delivery.database.transactions import Database
from eed_delivery.demo.batch import JOB_ID
from eed_delivery.demo.mail_server import Mishap
from eed_delivery.demo.people import Customer
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import EmailState, JobState
from eed_delivery.rendering.header_reading import decoded, fields, mailboxes
from eed_delivery.source.reference import delivery_attachment, delivery_email, delivery_job

SHOWN = 5
_END = {
    Mishap.BUSY: EmailState.SENT,
    Mishap.FULL_DISK: EmailState.SENT,
    Mishap.MAILBOX_FULL: EmailState.FAILED,
    Mishap.SILENCE: EmailState.IN_DOUBT,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. `problems` is empty when all is well."""

    question: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class EmailRow:
    """An email as the source's tables hold it after the run."""

    email_id: int
    recipient: str
    status: str
    attempts: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that the mail server took, with its envelope's recipient, its octets and its parts."""

    path: Path
    recipient: str
    content: bytes
    message: Message


def all_checks(
    report: JobReport,
    database: Database,
    mail: Path,
    customers: Sequence[Customer],
    script: Mapping[str, Mishap],
) -> list[Check]:
    """Every check of the run. Reads the database and the files in `mail`."""
    job_status, rows = database.run(_read_source)
    stored = [_read(path) for path in sorted(mail.glob("*.eml"))]
    return [
        Check("The job has finished, and its counts add up to its total", tuple(_balance(report, len(customers)))),
        Check("The source's tables say the same as the ledger", tuple(_written_back(report, job_status, rows))),
        Check("Everyone came to the end the mail server's answers lead to", tuple(_ends(rows, script))),
        Check("No recipient got two, and only those who should got one", tuple(_once_each(rows, stored))),
        Check("Each email has its own customer's name, subject and PDF", tuple(_contents(rows, stored, customers))),
    ]


def _read_source(c: Connection) -> tuple[str, list[EmailRow]]:
    job_status = c.execute(select(delivery_job.c.status).where(delivery_job.c.id == JOB_ID)).scalar_one()
    email_row, attachment = delivery_email.c, delivery_attachment.c
    statement = (
        select(email_row.id, email_row.recipient, email_row.status, email_row.attempts, attachment.sha256)
        .join(delivery_attachment, attachment.email_id == email_row.id)
        .where(email_row.job_id == JOB_ID)
        .order_by(email_row.id)
    )
    return job_status, [EmailRow(*row) for row in c.execute(statement)]


def _read(path: Path) -> Stored:
    content = path.read_bytes()
    return Stored(path, "".join(fields(content, "Delivered-To")), content, message_from_bytes(content))


def _balance(report: JobReport, count: int) -> Iterator[str]:
    if report.state is not JobState.FINISHED:
        yield f"the job is {report.state}, not finished"
    if not report.balanced:
        yield f"{report.done} of {report.total} have come to an end"
    if report.total != count:
        yield f"{count} emails were registered, and the ledger has {report.total}"


def _written_back(report: JobReport, job_status: str, rows: Sequence[EmailRow]) -> Iterator[str]:
    if job_status != "finished":
        yield f"delivery_job says {job_status}"
    written = Counter(row.status for row in rows)
    for state in EmailState:
        if written[state] != report.counts[state]:
            yield f"{state}: delivery_email has {written[state]}, the ledger {report.counts[state]}"


def _ends(rows: Sequence[EmailRow], script: Mapping[str, Mishap]) -> Iterator[str]:
    for row in rows:
        mishap = script.get(row.recipient)
        expected = _END[mishap] if mishap else EmailState.SENT
        tries = 2 if mishap is Mishap.BUSY else 1  # a full disk is the server's: it costs the email no try
        if row.status != expected:
            yield f"email {row.email_id} is {row.status}, not {expected}"
        elif row.attempts < tries:
            yield f"email {row.email_id} was tried {row.attempts} times, not {tries}"


def _once_each(rows: Sequence[EmailRow], stored: Sequence[Stored]) -> Iterator[str]:
    got = Counter(one.recipient for one in stored)
    arrived = (EmailState.SENT, EmailState.IN_DOUBT)  # the mail server took the one in doubt, and did not say so
    due = Counter(row.recipient for row in rows if row.status in arrived)
    for address in sorted(got.keys() | due.keys()):
        if got[address] != due[address]:
            yield f"{address} got {got[address]}, and {due[address]} was due"


def _contents(rows: Sequence[EmailRow], stored: Sequence[Stored], customers: Sequence[Customer]) -> Iterator[str]:
    hashes = {row.recipient: row.sha256 for row in rows}
    by_address = {customer.address: customer for customer in customers}
    for one in stored:
        customer = by_address.get(one.recipient)
        if customer is None:
            yield f"{one.path.name}: there is no such customer"
            continue
        for what, found, right in _compared(one, customer, hashes[one.recipient]):
            if found != right:
                yield f"{one.path.name}: {what} is {found!r}, not {right!r}"


def _compared(one: Stored, customer: Customer, sha256: str) -> Iterator[tuple[str, object, object]]:
    """What, as found in the message, as it should be."""
    to = [mailbox for field in fields(one.content, "To") for mailbox in mailboxes(field)]
    yield "To", to, [(customer.name, customer.address)]
    yield "Subject", [decoded(field) for field in fields(one.content, "Subject")], [customer.subject]
    files = [part for part in one.message.walk() if part.get_content_disposition() == "attachment"]
    yield "the attachments' names", [file.get_filename() for file in files], [customer.file_name]
    yield "the attachments' type", [file.get_content_type() for file in files], ["application/pdf"]
    found = [hashlib.sha256(_bytes(file)).hexdigest() for file in files]
    yield "the PDF's sha256", found, [sha256]
    bodies = b"".join(_bytes(part) for part in one.message.walk() if part.get_content_type() == "text/html")
    text = html.unescape(bodies.decode(errors="replace"))
    yield "whether the text has the greeting", customer.greeting in text, True
    yield "whether the text has the customer's number", str(customer.number) in text, True


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
