"""The demo's parts: each of its checks can fail, and it keeps its hands off what is not its own."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import URL, update

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.demo.batch import JOB_ID, mishaps, register
from eed_delivery.demo.checks import all_checks
from eed_delivery.demo.mail_server import Mishap
from eed_delivery.demo.people import Customer, customers
from eed_delivery.demo.statements import statement
from eed_delivery.demo.workspace import MARKER, UnusableWorkspace, Workspace
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import EmailState, JobState
from eed_delivery.source.reference import delivery_email, delivery_job

COUNT = 10


@dataclass
class Run:
    """A run that went as it should, to be spoilt."""

    workspace: Workspace
    database: Database
    people: list[Customer]
    script: dict[str, Mishap]
    report: JobReport

    def failed_checks(self) -> list[str]:
        checks = all_checks(self.report, self.database, self.workspace.mail, self.people, self.script)
        return [check.question for check in checks if not check.passed]

    def file_of(self, customer: Customer) -> Path:
        return self.workspace.mail / f"{customer.number}.eml"

    def store(self, customer: Customer, pdf: bytes | None = None, name: str | None = None) -> None:
        message = EmailMessage()
        message["Delivered-To"] = customer.address
        message["To"] = Address(name or customer.name, addr_spec=customer.address)
        message["Subject"] = customer.subject
        message.set_content(f"<p>{customer.greeting}</p><p>{customer.number}</p>", subtype="html")
        message.add_attachment(
            pdf or statement(customer), maintype="application", subtype="pdf", filename=customer.file_name
        )
        self.file_of(customer).write_bytes(message.as_bytes())

    def write_status(self, customer: Customer, status: str, attempts: int = 1) -> None:
        row = delivery_email.c.recipient == customer.address
        self.database.run(
            lambda c: c.execute(update(delivery_email).where(row).values(status=status, attempts=attempts))
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    workspace = Workspace(tmp_path / "demo")
    with workspace.claimed():
        pass
    database = Database(make_engine(URL.create("sqlite", database=str(workspace.database)), connections=1))
    people = customers(COUNT)
    script = mishaps(people)
    register(database, workspace, people)
    counts = dict.fromkeys(EmailState, 0)
    counts |= {EmailState.SENT: COUNT - 2, EmailState.FAILED: 1, EmailState.IN_DOUBT: 1}
    now = datetime.now(UTC)
    report = JobReport(JOB_ID, "1", "", JobState.FINISHED, None, COUNT, 0, True, counts, now, now, 1.0, watched=True)
    one = Run(workspace, database, people, script, report)
    database.run(lambda c: c.execute(update(delivery_job).values(status="finished")))
    for customer in people:
        match script.get(customer.address):
            case Mishap.MAILBOX_FULL:
                one.write_status(customer, "failed")
                continue
            case Mishap.SILENCE:
                one.write_status(customer, "in_doubt")
            case Mishap.BUSY | Mishap.FULL_DISK:
                one.write_status(customer, "sent", attempts=2)
            case None:
                one.write_status(customer, "sent")
        one.store(customer)
    return one


def _plain(run: Run) -> list[Customer]:
    return [customer for customer in run.people if customer.address not in run.script]


def test_a_good_run_passes(run: Run) -> None:
    assert run.failed_checks() == []


def test_a_lost_email_is_seen(run: Run) -> None:
    run.file_of(_plain(run)[0]).unlink()
    assert run.failed_checks() == ["No recipient got two, and only those who should got one"]


def test_a_doubled_email_is_seen(run: Run) -> None:
    original = run.file_of(_plain(run)[0])
    original.with_name("again.eml").write_bytes(original.read_bytes())
    assert run.failed_checks() == ["No recipient got two, and only those who should got one"]


def test_another_customers_pdf_is_seen(run: Run) -> None:
    one, other = _plain(run)[:2]
    run.store(one, pdf=statement(other))
    assert run.failed_checks() == ["Each email has its own customer's name, subject and PDF"]


def test_another_customers_name_is_seen(run: Run) -> None:
    one, other = _plain(run)[:2]
    run.store(one, name=other.name)
    assert run.failed_checks() == ["Each email has its own customer's name, subject and PDF"]


def test_an_email_that_was_never_put_off_is_seen(run: Run) -> None:
    late = next(c for c in run.people if run.script.get(c.address) is Mishap.BUSY)
    run.write_status(late, "sent", attempts=1)
    assert run.failed_checks() == ["Everyone came to the end the mail server's answers lead to"]


def test_a_status_that_was_not_written_back_is_seen(run: Run) -> None:
    run.write_status(_plain(run)[0], "pending")
    assert "The source's tables say the same as the ledger" in run.failed_checks()


def test_a_job_that_does_not_balance_is_seen(run: Run) -> None:
    run.report.counts[EmailState.SENT] -= 1
    assert "The job has finished, and its counts add up to its total" in run.failed_checks()


def test_every_customer_is_different_and_every_statement_too() -> None:
    people = customers(200)
    assert len({c.address for c in people}) == len({c.subject for c in people}) == 200
    assert len({hashlib.sha256(statement(c)).digest() for c in people[:30]}) == 30
    assert statement(people[0]) == statement(people[0])
    assert statement(people[0]).startswith(b"%PDF-")


@pytest.mark.parametrize("count", [10, 11, 40, 200, 1000])
def test_each_kind_of_mishap_happens(count: int) -> None:
    script = list(mishaps(customers(count)).values())
    assert script.count(Mishap.MAILBOX_FULL) == script.count(Mishap.SILENCE) == 1
    assert script.count(Mishap.BUSY) >= 1


def test_a_directory_of_its_own_is_emptied(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "demo")
    with workspace.claimed():
        (workspace.mail / "1.eml").touch()
    with workspace.claimed():
        assert {path.name for path in workspace.directory.iterdir()} == {
            *(MARKER, "mail", "mail-of-second-act", "partner", "statements", "scratch"),
        }
        assert list(workspace.mail.iterdir()) == []


def test_a_link_inside_is_removed_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").touch()
    workspace = Workspace(tmp_path / "demo")
    with workspace.claimed():
        (workspace.directory / "link").symlink_to(elsewhere)
    with workspace.claimed():
        assert not (workspace.directory / "link").exists()
    assert (elsewhere / "precious.txt").exists()


def test_somebody_elses_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    with pytest.raises(UnusableWorkspace, match="Nothing in it was changed"), Workspace(tmp_path).claimed():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_two_demos_do_not_share_a_directory(tmp_path: Path) -> None:
    one, other = Workspace(tmp_path / "demo"), Workspace(tmp_path / "demo")
    with one.claimed(), pytest.raises(UnusableWorkspace, match="another demo"), other.claimed():
        pass
