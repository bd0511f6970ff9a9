"""The whole service as real processes: MariaDB, SQS (ministack) and a mail server that keeps books of its own."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NewStack
from tests.servers.database_server import NewDatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.ses_stub import Refuse, SesStub
from tests.servers.smtp_server import Accept, Close, Hang, Say
from tests.service_process import ServiceProcess
from tests.stack import BRISK, Stack


def people(count: int, domain: str = "example.com") -> list[str]:
    return [f"customer{n}@{domain}" for n in range(1, count + 1)]


def replies(stack: Stack, state: str) -> dict[str, str]:
    """Why, by recipient, for all emails in a state."""
    return dict(stack.world.execute("SELECT recipient, detail FROM eed_email WHERE state = :s", s=state))


def taken(stack: Stack, job_id: int) -> int:
    """How many emails of a job the mail server has taken."""
    return sum(t.email_id // 100_000 == job_id for t in stack.sink_ledger.read())


@pytest.mark.both_databases
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
    hosts = [stack.start("run", anew=True), stack.start("run")]
    stack.wait_finished(1, 2)
    books = stack.balance()
    assert books.counts == {"sent": 996, "failed": 3, "in_doubt": 1}
    assert set(replies(stack, "failed")) == gone
    assert all("no such user" in reply for reply in replies(stack, "failed").values())
    assert set(replies(stack, "in_doubt")) == {"customer200@example.com"}
    assert set(books.jobs_in_source.values()) == {"finished"}
    tries = stack.world.execute("SELECT attempts, COUNT(*) FROM delivery_email GROUP BY attempts ORDER BY attempts")
    assert tries == [(1, 997), (2, 3)], "4.2.0 is the recipient's, 4.3.0 after the dot the server's"
    statement = mail.mail("customer42@example.com")
    parts = {p.get_filename(): p.get_content() for p in statement.iter_attachments()}
    assert parts == {"Terms.pdf": b"%PDF-1.4 terms", "Überblick.pdf": b"%PDF-1.4 statement 42"}
    assert not list(mail.mail("customer42@example.org").iter_attachments())
    assert statement["Subject"] == "Statement for Zoë 42"
    workers = stack.world.execute("SELECT DISTINCT worker FROM eed_attempt")
    assert len(workers) == 2, "both hosts have had their part"
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker WHERE role = 'worker'") == 2
    assert [host.terminate() for host in hosts] == [0, 0]
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 0
    assert stack.depth() == stack.depth(dead=True) == 0


# --- the source --------------------------------------------------------------------------------------------------

LEGACY = {
    "source.job": {
        "table": "ORDER", "id": "key", "key_type": "string", "name": "", "status": "group", "sender": "",
        "sender_value": "Old Bank <old@bank.example>", "reply_to": "", "subject": "desc", "html_template": "",
        "text_template": "select", "scheduled_for": "", "expires_at": "",
        "statuses": {"ready": 1, "finished": 2, "failed": 3, "cancelled": 4},
    },
    "source.email": {
        "table": "to", "id": "from", "key_type": "string", "job_id": "order", "recipient": "where",
        "recipient_name": "", "variables": "", "variable_columns": {"amount": "limit"}, "status": "rank",
        "status_detail": "", "attempts": "", "message_id": "", "sent_at": "",
        "statuses": {"pending": [0, 10], "sent": 20, "failed": 30, "in_doubt": 40, "suppressed": 50, "cancelled": 60},
    },
    "source.attachment": {"table": ""},
}  # fmt: skip
LEGACY_TABLES = (
    "CREATE TABLE `ORDER` (`key` CHAR(36) PRIMARY KEY, `group` TINYINT NOT NULL, `desc` TEXT, `select` TEXT)",
    "CREATE TABLE `to` (`from` VARCHAR(40) PRIMARY KEY, `order` CHAR(36) NOT NULL, `where` VARCHAR(100),"
    " `limit` DECIMAL(10, 2), `rank` SMALLINT)",
)


@pytest.mark.both_databases
def test_a_legacy_schema_with_a_half_sent_job(new_stack: NewStack) -> None:
    stack = new_stack(LEGACY)
    for statement in LEGACY_TABLES:
        stack.world.execute(statement)
    letters = [
        {"from": f"L-{n:03}", "order": "8f0c-ä", "where": f"c{n}@example.com", "limit": n + 0.5, "rank": rank}
        for n, rank in enumerate([20] * 40 + [0] * 20 + [10] * 20 + [None] * 20)  # the first forty have gone out
    ]
    order = {"key": "8f0c-ä", "group": 1, "desc": "Beleg für Nr. {{ amount }}", "select": "Betrag: {{ amount }}"}
    stack.insert({"to": letters, "ORDER": [order]})
    mail = stack.mail_up()
    mail.on("RCPT", Say("550 5.1.1 no such user"), recipient="c70@example.com")
    service = stack.start("run")
    stack.wait_until(lambda: stack.world.scalar("SELECT `group` FROM `ORDER`") == 2, "the order is finished")
    books = stack.balance()
    assert books.counts == {"sent": 59, "failed": 1}
    assert [job["not_enlisted"] for job in books.jobs.values()] == [40]
    assert stack.world.execute("SELECT `rank`, COUNT(*) FROM `to` GROUP BY `rank` ORDER BY `rank`") == [
        (20, 99),
        (30, 1),
    ]
    assert mail.mail("c45@example.com")["Subject"] == "Beleg für Nr. 45.50"
    assert service.terminate() == 0
    assert_log_names_keys(service, "8f0c-ä", {f"L-{n:03}" for n in range(40, 100)})


def assert_log_names_keys(service: ServiceProcess, job: str, emails: set[str]) -> None:
    """Each line about a job or an email has the source's key and the ledger's number, and never takes one for the
    other."""
    of_jobs = [line for line in service.log_events() if "job_id" in line]
    of_emails = [line for line in service.log_events() if "email_id" in line]
    assert {line["event"] for line in of_jobs} >= {"job_registered", "sent", "not_sent", "job_finished"}
    assert {line["job"] for line in of_jobs} == {job}
    assert len({line["job_id"] for line in of_jobs}) == 1
    assert {line["email"] for line in of_emails} == emails
    assert all(isinstance(number, int) for line in of_emails for number in (line["job_id"], line["email_id"]))


SINGLE_TABLE = {
    "source.single_table": True,
    "source.job": {
        "name": "", "sender": "sent_by", "reply_to": "", "subject": "title", "html_template": "body",
        "text_template": "", "scheduled_for": "", "expires_at": "", "statuses": {"ready": "NEW"},
    },
    "source.email": {
        "table": "outgoing", "id": "no", "recipient": "address", "recipient_name": "", "variables": "",
        "status": "state", "status_detail": "remark", "attempts": "", "message_id": "", "sent_at": "",
        "attachment_location": "file", "statuses": {"sent": "DONE", "failed": "ERROR"},
    },
}  # fmt: skip


@pytest.mark.both_databases
def test_a_single_table_where_each_row_is_a_job(new_stack: NewStack) -> None:
    stack = new_stack(SINGLE_TABLE)
    stack.world.execute(
        "CREATE TABLE outgoing (no INT PRIMARY KEY, state VARCHAR(10), sent_by VARCHAR(99), title VARCHAR(99),"
        " body TEXT, address VARCHAR(99), file VARCHAR(99), remark VARCHAR(40))"
    )
    (stack.attachments / "a.txt").write_text("attached")
    rows = [
        {"no": n, "state": "DONE" if n > 40 else "NEW", "sent_by": f"s{n}@bank.example", "title": f"Letter {n}",
         "body": "<p>Hello</p>" if n != 7 else "<p>{{ oops </p>", "address": f"c{n}@example.com",
         "file": "a.txt" if n != 8 else "../../etc/passwd"}
        for n in range(1, 51)
    ]  # fmt: skip
    stack.insert({"outgoing": rows})
    mail = stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(*range(1, 41))
    books = stack.balance()
    assert books.counts == {"sent": 38, "failed": 2}
    assert set(replies(stack, "failed")) == {"c7@example.com", "c8@example.com"}
    remarks = dict(stack.world.execute("SELECT no, remark FROM outgoing WHERE state = 'ERROR'"))
    assert "template" in remarks[7]
    assert len(remarks[8]) <= 40, "what does not fit the legacy column is cut, not an error"
    letter = mail.mail("c9@example.com")
    assert (letter["Subject"], letter["From"]) == ("Letter 9", "s9@bank.example")
    assert [part.get_content() for part in letter.iter_attachments()] == ["attached"]
    assert service.terminate() == 0


BAD_VARIABLES = "{'name': }"


def test_bad_input_fails_alone_and_says_why(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack({"rendering.max_attachment_bytes": 1000})
    stack.world.execute("ALTER TABLE delivery_email MODIFY variables LONGTEXT")  # MariaDB's JSON refuses what isn't
    (tmp_path / "secret.txt").write_text("secret")
    (stack.attachments / "big.pdf").write_bytes(b"x" * 1001)
    (stack.attachments / "other.pdf").write_bytes(b"somebody else's statement")
    (stack.attachments / "link.pdf").symlink_to(tmp_path / "secret.txt")
    (stack.attachments / "folder").mkdir()
    kinds = {  # recipient: (variables, attachment, words that the reason must have)
        "not an address": (None, None, "address"),
        "two@example.com,three@example.com": (None, None, "address"),
        "undefined@example.com": ("{}", None, "name"),
        "not-json@example.com": (BAD_VARIABLES, None, "JSON"),
        "a-list@example.com": ("[1]", None, "variables"),
        "missing@example.com": (None, {"location": "nowhere.pdf"}, "nowhere.pdf"),
        "large@example.com": (None, {"location": "big.pdf"}, "too large"),
        "wrong@example.com": (None, {"location": "other.pdf", "sha256": "0" * 64}, "sha256"),
        "above@example.com": (None, {"location": "../../secret.txt"}, "not a path below"),
        "link@example.com": (None, {"location": "link.pdf"}, "link.pdf"),
        "injection@example.com": ('{"name": "x\\r\\nBcc: y@example.com"}', None, "line break"),
        "folder@example.com": (None, {"location": "folder"}, "folder"),
    }
    good = people(20)
    recipients = [*good, *kinds]
    given = {len(good) + n: kind for n, kind in enumerate(kinds.values(), start=1)}
    stack.add_job(
        recipients,
        variables=lambda n: given.get(n, (None,))[0] or json.dumps({"name": f"<b>{n}</b>"}),
        attachments=[
            {"sha256": None, **file, "email_id": 100_000 + n} for n, (_, file, _) in given.items() if file
        ],
        text_template="Dear {{ name }}",
    )  # fmt: skip
    stack.add_job(people(30, "example.org"), job_id=2, html_template="{% if %}")
    mail = stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1, 2)
    books = stack.balance()
    reasons = replies(stack, "failed")
    assert set(kinds) < set(reasons)
    said = {recipient: reasons[recipient] for recipient, (_, _, words) in kinds.items()}
    wrong = {recipient: said[recipient] for recipient, (_, _, words) in kinds.items() if words not in said[recipient]}
    assert not wrong
    assert {m.recipient for m in mail.received} == set(good)
    assert books.jobs[2]["state"] == "failed"
    in_vain = {reasons[r] for r in people(30, "example.org")}
    assert len(in_vain) == 1
    assert "line 1" in in_vain.pop()
    assert not stack.world.execute("SELECT 1 FROM eed_email WHERE job_id = 2 AND queued_at IS NOT NULL")
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE email_id > 200000") == 0
    assert service.terminate() == 0
    for reason in said.values():
        print(reason)


# --- the operator ------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_requeue_while_the_service_runs(new_stack: NewStack) -> None:
    stack = new_stack()
    ids = stack.add_job(people(300))
    mail = stack.mail_up()
    refused = people(60)
    for recipient in refused:
        mail.on("RCPT", Say("550 5.2.1 mailbox disabled"), recipient=recipient)
    service = stack.start("run")
    stack.wait_until(lambda: stack.counts()["failed"] >= 30, "half of the refusals are in")
    mail.forget()  # the mail server is mended, in the middle of the job
    told = stack.command("requeue", "--job", "1", "--yes").output
    assert "will be sent again" in told
    stack.wait_finished(1)
    stack.command("requeue", "--all", "--error-like", "mailbox disabled", "--yes")  # who failed after the first one
    stack.wait_until(lambda: stack.counts()["sent"] == 300 and stack.finished(1), "all are sent")
    books = stack.balance()
    again = [t for t in books.taken if t.gen == 1]
    assert 30 <= len(again) <= 60
    assert {t.recipient for t in again} <= set(refused)
    assert mail.mail(again[0].recipient)["Message-ID"] == f"<{again[0].email_id}.1@mail.example.com>"
    assert {t.email_id for t in books.taken} == set(ids)
    assert service.terminate() == 0


@pytest.mark.both_databases
def test_pause_resume_cancel_and_expiry_while_the_service_runs(new_stack: NewStack) -> None:
    stack = new_stack({"publisher.chunk": 50})
    stack.mail_up(seconds=0.05)
    service = stack.start("run")
    stack.wait_until(lambda: bool(service.log_events("ready")), "the service is up")
    expires_at = stack.world.scalar("SELECT NOW(6) + INTERVAL 8 SECOND")
    for job_id in (1, 2):
        stack.add_job(people(250), job_id=job_id)
    stack.add_job(people(1000), job_id=3, expires_at=expires_at)
    taken_at = {}
    for job_id, word in ((1, "pause"), (2, "cancel")):
        stack.wait_until(lambda: stack.counts(job_id)["sent"] >= 10, f"job {job_id} is under way")  # noqa: B023
        stack.command(word, str(job_id), "--reason", "wrong interest rate")
        taken_at[job_id] = taken(stack, job_id)
    stack.wait_until(lambda: set(stack.counts(1)) == {"sent", "pending"}, "job 1 has come to rest")
    at_rest = stack.counts(1)
    stack.wait_finished(2, 3)
    for job_id in (1, 2):
        more = taken(stack, job_id) - taken_at[job_id]
        assert more <= 4, "what had the wire goes out, one email a thread; nothing else does"
    assert stack.counts(1) == at_rest
    assert stack.counts(2).keys() == {"sent", "cancelled"}
    assert "cancelled" in stack.counts(3) and stack.counts(3).keys() <= {"sent", "cancelled"}
    reasons = stack.world.execute("SELECT job_id, detail FROM eed_email WHERE state = 'cancelled' GROUP BY 1, 2")
    assert {job_id for job_id, _ in reasons} == {2, 3}
    assert all(("expire" if job_id == 3 else "wrong interest rate") in detail for job_id, detail in reasons), reasons
    stack.command("resume", "1")
    stack.wait_finished(1)
    books = stack.balance()
    assert stack.counts(1) == {"sent": 250}
    assert books.jobs_in_source == {"1": "finished", "2": "cancelled", "3": "cancelled"}
    assert service.terminate() == 0


# --- stops and deaths --------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_sigterm_under_load_leaves_nothing_in_doubt(new_stack: NewStack) -> None:
    stack = new_stack({"queue.wait_seconds": 5, "service.stop_seconds": 12})
    stack.mail_up(seconds=0.05)
    stack.add_job(people(500))
    first = stack.start("run", anew=True)
    stack.wait_until(lambda: stack.counts()["sent"] >= 30, "it is under way")
    assert first.stop_seconds() < 10
    at_stop = stack.counts()
    assert at_stop["sent"] < 500, "it was not stopped under load"
    assert at_stop["sending"] == at_stop["in_doubt"] == 0
    assert sum(at_stop.values()) == 500
    second = stack.start("run")
    stack.wait_finished(1)
    assert stack.balance().counts == {"sent": 500}
    retried = stack.world.scalar("SELECT COUNT(*) FROM delivery_email WHERE attempts <> 1")
    assert retried == 0, "a shutdown costs no attempt"
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker WHERE role = 'worker'") == 1
    assert second.stop_seconds() < 10  # nothing is queued: every thread waits in a long poll
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 0


def test_sigterm_does_not_wait_for_a_mail_server_that_never_answers(new_stack: NewStack) -> None:
    stack = new_stack({"service.stop_seconds": 10, "smtp.data_timeout_seconds": 60})
    (hung,) = stack.add_job(people(1))
    stack.mail_up().on("dot", Accept(then=Hang()), recipient="customer1@example.com")
    service = stack.start("run")
    stack.wait_until(lambda: taken(stack, 1) == 1, "it hangs on the wire")
    assert service.stop_seconds() < 15
    assert not service.log_events("role_killed"), "the worker gives up by itself, before its supervisor must kill it"
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 0
    # Still with its lease: once that has run out, the sweeper of the next start shows it as in doubt.
    assert stack.world.scalar("SELECT email_id FROM eed_email WHERE wire_at IS NOT NULL AND state = 'sending'") == hung


def test_sigterm_while_the_breaker_probes_a_silent_mail_server_ends_the_worker_well(new_stack: NewStack) -> None:
    stack = new_stack({"service.stop_seconds": 12, "smtp.command_timeout_seconds": 60})
    stack.add_job(people(1))
    service = stack.start("run")
    stack.wait_until(lambda: bool(service.log_events("breaker_open")), "the connection is refused")
    silent = stack.mail_up().on("connect", Hang())
    stack.wait_until(lambda: bool(silent.struck), "the probe waits for the greeting")
    assert service.stop_seconds() < 15
    assert not service.log_events("role_killed")
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_worker") == 0, service.tail()


@pytest.mark.both_databases
def test_kill_9_of_the_whole_service_loses_nothing(new_stack: NewStack) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    moments = random.Random(seed)
    stack = new_stack(BRISK)
    stack.mail_up(seconds=0.02)
    stack.add_job(people(600))
    kills, threads = 3, 4
    for n in range(kills):
        service = stack.start("run")
        so_many = stack.counts()["sent"] + moments.randint(1, 150)
        stack.wait_until(lambda: stack.counts()["sent"] >= so_many, f"kill {n + 1} of seed {seed}")  # noqa: B023
        service.kill()
    service = stack.start("run", anew=True)
    stack.wait_finished(1)
    books = stack.balance()
    assert books.counts["in_doubt"] <= kills * threads
    assert books.counts["sent"] + books.counts["in_doubt"] == 600
    assert service.terminate() == 0


# --- outages -----------------------------------------------------------------------------------------------------


def test_a_mail_server_that_is_down_costs_nobody_an_attempt(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.add_job(people(200))
    service = stack.start("run")
    stack.wait_until(lambda: len(service.log_events("still_broken")) >= 3, "it has noticed")
    stack.wait_until(lambda: stack.counts()["queued"] == 200, "the backlog waits")
    assert stack.world.scalar("SELECT MAX(attempts) FROM eed_email") == 0
    stack.mail_up()
    stack.wait_finished(1)
    assert stack.balance().counts == {"sent": 200}
    assert stack.world.execute("SELECT DISTINCT attempts FROM delivery_email") == [(1,)]
    counted = "SELECT COUNT(*) FROM eed_attempt WHERE verdict <> 'sent' AND counted"
    assert stack.world.scalar(counted) == 0
    assert service.terminate() == 0


@pytest.mark.both_databases
def test_a_database_that_dies_under_load(
    new_database_server: NewDatabaseServer, ministack: MiniStack, tmp_path: Path
) -> None:
    with (
        new_database_server() as database,
        Stack(database.create_database("own"), ministack, tmp_path / "stack") as stack,
    ):
        stack.mail_up(seconds=0.02)
        stack.add_job(people(600))
        service = stack.start("run")
        for so_many in (50, 250):
            stack.wait_until(lambda: stack.counts()["sent"] >= so_many, "it is under way")  # noqa: B023
            so_far = len(service.log_events("outcome_waits_for_database"))
            database.kill()
            # Long enough that somebody holds the mail server's answer and cannot write it down.
            stack.wait_until(lambda: len(service.log_events("outcome_waits_for_database")) > so_far, "it waits")  # noqa: B023
            database.restart()
        stack.wait_finished(1)
        books = stack.balance()
        assert books.counts == {"sent": 600}, "who lives through the outage knows what the mail server said"
        assert service.terminate() == 0


def test_a_purged_queue_is_filled_again(new_stack: NewStack) -> None:
    stack = new_stack({"sweeper.queued_patience_seconds": 3})
    stack.mail_up()
    stack.add_job(people(100))
    publisher = stack.start("publisher")
    stack.wait_until(lambda: stack.counts()["queued"] == 100, "all are published")
    assert publisher.terminate() == 0
    stack.sqs.purge_queue(QueueUrl=stack.queue_url)
    stack.wait_until(lambda: stack.depth() == 0, "the queue is empty")
    service = stack.start("run")
    stack.wait_finished(1)
    assert stack.balance().counts == {"sent": 100}
    assert service.log_events("put_back")
    assert service.terminate() == 0


def test_messages_that_are_not_ours_are_left_for_a_person(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.mail_up()
    ids = stack.add_job(people(50))
    foreign = [
        "not JSON",
        json.dumps({"v": 2, "email_id": ids[0], "gen": 0, "base": 0}),
        json.dumps({"v": 1, "email_id": 999_999, "gen": 0, "base": 0}),
        json.dumps({"v": 1, "email_id": ids[0], "gen": 7, "base": 0}),
    ]
    for url in (stack.queue_url, stack.dead_letter_url):
        for body in foreign:
            stack.sqs.send_message(QueueUrl=url, MessageBody=body)
    service = stack.start("run")
    stack.wait_finished(1)

    def all_seen() -> bool:
        return (
            len({e["sqs_message_id"] for e in service.log_events("not_our_message")}) == 2
            and len({e["sqs_message_id"] for e in service.log_events("unknown_email")}) == 2
            and len(service.log_events("foreign_dead_letter")) == 4
        )

    stack.wait_until(all_seen, "each is named in the log")
    stack.add_job(people(50), job_id=2)
    stack.wait_finished(2)
    assert stack.balance().counts == {"sent": 100}
    stack.wait_until(lambda: stack.depth() == 4, "ours are deleted")
    assert stack.depth(dead=True) == 4
    assert service.terminate() == 0
    assert not stack.log_events("role_died")


# --- the pace ----------------------------------------------------------------------------------------------------


def test_two_hosts_share_one_rate(new_stack: NewStack) -> None:
    rate, window = 30, 3.0
    stack = new_stack({"transport.rate_per_second": rate})
    stack.mail_up()
    stack.add_job(people(300))
    services = [stack.start("run"), stack.start("worker")]
    stack.wait_finished(1)
    books = stack.balance()
    at = sorted(t.at for t in books.taken)
    busiest = max(sum(start <= t < start + window for t in at) for start in at)
    assert busiest <= rate * (window + 1), "one heartbeat's worth may go out before the second host is known"
    assert len(stack.world.execute("SELECT DISTINCT worker FROM eed_attempt")) == 2
    assert [service.terminate() for service in services] == [0, 0]


def test_ses_takes_all_and_throttling_costs_no_attempt(new_stack: NewStack) -> None:
    with SesStub() as ses:
        ses.account["SendQuota"]["MaxSendRate"] = 40.0
        ses.on_send(Refuse(429, "TooManyRequestsException", "Maximum sending rate exceeded."), times=3)
        stack = new_stack(
            {
                "transport.kind": "ses",
                "transport.rate_per_second": "ses",
                "ses.endpoint_url": ses.endpoint_url,
                "ses.configuration_set": "statements",
            }
        )
        ids = stack.add_job(people(120))
        service = stack.start("run")
        stack.wait_finished(1)
        assert stack.counts() == {"sent": 120}
        assert service.terminate() == 0
    assert ses.posts == 123
    tags = {t.tags["eed_email"]: t for t in ses.taken}
    assert set(tags) == {str(i) for i in ids}
    assert {t.tags["eed_gen"] for t in ses.taken} == {"0"}
    assert {t.configuration_set for t in ses.taken} == {"statements"}
    stored = dict(stack.world.execute("SELECT id, message_id FROM delivery_email"))
    assert {i: t.message_id for i, t in ((int(k), t) for k, t in tags.items())} == stored
    assert stack.world.execute("SELECT DISTINCT attempts FROM delivery_email") == [(1,)]
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE verdict = 'throttled' AND NOT counted") == 3
