"""The whole service as real processes: MariaDB, SQS (ministack) and a mail server that keeps books of its own."""

import hashlib
from typing import Any

import pytest

from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Accept, Close, Say
from tests.stack import Stack


def people(count: int, domain: str = "example.com") -> list[str]:
    return [f"customer{n}@{domain}" for n in range(1, count + 1)]


def replies(stack: Stack, state: str) -> dict[str, str]:
    """Why, by recipient, for all emails in a state."""
    return dict(stack.world.execute("SELECT recipient, detail FROM eed_email WHERE state = :s", s=state))


def test_a_thousand_emails_over_two_hosts_balance(new_stack: NewStack) -> None:
    stack = new_stack()
    files: list[dict[str, Any]] = [{"location": "terms.pdf", "filename": "Terms.pdf"}]
    (stack.attachments / "terms.pdf").write_bytes(b"%PDF-1.4 terms")
    for n in range(1, 601):
        content = f"%PDF-1.4 statement {n}".encode()
        (stack.attachments / f"{n}.pdf").write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        files.append({"location": f"{n}.pdf", "email_id": 100_000 + n, "filename": "Überblick.pdf", "sha256": checksum})
    stack.add_job(people(600), attachments=files)
    stack.add_job(people(400, "example.org"), job_id=2)
    mail = stack.mail_up()
    for n in (3, 77, 300):
        mail.on("RCPT", Say("451 4.2.0 come back later"), recipient=f"customer{n}@example.com", times=1)
        mail.on("dot", Say("451 4.3.0 come back later"), recipient=f"customer{n}@example.org", times=2)
    gone = {"customer5@example.com", "customer5@example.org", "customer399@example.org"}
    for recipient in gone:
        mail.on("RCPT", Say("550 5.1.1 no such user"), recipient=recipient)
    mail.on("dot", Accept(then=Close()), recipient="customer200@example.com")
    hosts = [stack.start("run"), stack.start("run")]
    stack.wait_finished(1, 2, seconds=90)
    books = stack.balance()
    assert books.counts == {"sent": 996, "failed": 3, "in_doubt": 1}
    assert set(replies(stack, "failed")) == gone
    assert all("no such user" in reply for reply in replies(stack, "failed").values())
    assert set(replies(stack, "in_doubt")) == {"customer200@example.com"}
    assert set(books.jobs_in_source.values()) == {"finished"}
    tries = stack.world.execute("SELECT attempts, COUNT(*) FROM delivery_email GROUP BY attempts ORDER BY attempts")
    assert tries == [(1, 994), (2, 3), (3, 3)]
    mails = mail.mails()
    parts = {p.get_filename(): p.get_content() for p in mails["customer42@example.com"].iter_attachments()}
    assert parts == {"Terms.pdf": b"%PDF-1.4 terms", "Überblick.pdf": b"%PDF-1.4 statement 42"}
    assert not list(mails["customer42@example.org"].iter_attachments())
    assert mails["customer42@example.com"]["Subject"] == "Statement for Zoë 42"
    workers = stack.world.execute("SELECT DISTINCT worker FROM eed_attempt")
    assert len(workers) == 2, "both hosts have had their part"
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 2
    assert [host.terminate() for host in hosts] == [0, 0]
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 0
    assert stack.depth() == stack.depth(dead=True) == 0
