"""The archive with the whole service: each sent email has its copy, whatever died or was away meanwhile."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.runtime import failpoints
from tests.archived import ArchiveBooks
from tests.faults.crew import Crew, Member
from tests.faults.load import THREADS
from tests.integration.conftest import NewStack
from tests.servers.ministack import MiniStack
from tests.servers.smtp_server import Close, Say
from tests.stack import BRISK, Stack

MIB = 1024 * 1024


def people(count: int) -> list[str]:
    return [f"customer{n}@example.com" for n in range(1, count + 1)]


def settings_of(tmp_path: Path, **more: Any) -> dict[str, Any]:
    of_archive = {"url": str(tmp_path / "archive"), "spool": str(tmp_path / "spool"), **more}
    return {f"transport.archive.{name}": value for name, value in of_archive.items()}


def books_of(stack: Stack, tmp_path: Path) -> ArchiveBooks:
    return ArchiveBooks(stack, tmp_path / "archive", tmp_path / "spool" / "default")


def job_of(stack: Stack, key: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.command("job", key, "--json").output)["archive"]
    return found


@pytest.mark.both_databases
def test_each_sent_email_is_archived_with_the_bytes_that_arrived(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack(settings_of(tmp_path))
    books = books_of(stack, tmp_path)
    # a line that begins with a dot is doubled on the wire, and not in the copy
    ids = stack.add_job(people(20), text_template=".{{ name }}\n..\n.", html_template="")
    mail = stack.mail_up()
    mail.on("RCPT", Say("550 5.1.1 no such user"), recipient="customer3@example.com")
    mail.on("dot", Say("550 5.7.1 spam"), recipient="customer4@example.com")
    mail.on("dot", Say("451 4.2.1 later"), recipient="customer5@example.com", times=1)
    service = stack.start("run")
    stack.wait_finished(1)
    stack.wait_until(lambda: job_of(stack)["complete"], "the archive is complete")
    assert books.violations() == []
    assert books.waiting() == []
    assert set(books.copies()) == {(i, 0) for n, i in enumerate(ids, start=1) if n not in (3, 4)}
    shown = json.loads(stack.command("email", str(ids[0]), "--json").output)
    assert shown["archive_key"] == f"1/{ids[0]}.0.eml"
    assert shown["sha256"] == shown["history"][0]["sha256"] != None  # noqa: E711
    refused = json.loads(stack.command("email", str(ids[2]), "--json").output)
    spam = json.loads(stack.command("email", str(ids[3]), "--json").output)
    assert (refused["history"][0]["sha256"], refused["sha256"]) == (None, None), "it never came to the wire"
    assert (len(spam["history"][0]["sha256"]), spam["sha256"]) == (64, None), "it did, and was refused"
    assert "archive complete: copies of 18 sent emails" in stack.command("job", "1").output
    roles = {"publisher", "sweeper", "worker", "channels", "archive"}
    stack.wait_until(lambda: roles_of(stack) == roles, "each role says that it lives, by the side of its work")
    assert service.terminate() == 0


def roles_of(stack: Stack) -> set[str]:
    return {process["role"] for process in json.loads(stack.command("processes", "--json").output)}


def test_an_archive_that_is_away_for_the_whole_job_is_filled_when_it_is_back(
    new_stack: NewStack, ministack: MiniStack, tmp_path: Path
) -> None:
    """In S3, given as a bare string. Its bucket is made only when the job has finished."""
    s3 = ministack.client("s3")
    spool = tmp_path / "spool"
    of_archive = {"url": "s3://late-archive/emails", "endpoint_url": ministack.endpoint_url, "spool": str(spool)}
    stack = new_stack({f"transport.archive.{name}": value for name, value in of_archive.items()})
    stack.add_job(people(25))
    stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1)
    assert stack.counts() == {"sent": 25}
    stack.wait_until(lambda: bool(stack.log_events("archive_away")), "the archive is found away")
    found = job_of(stack)
    assert (found["archived"], found["waiting"], found["complete"]) == (0, 25, False)
    assert "archive not complete: copies of 0 of 25 sent emails, 25 still wait" in " ".join(
        stack.command("job", "1").output.split()
    )
    csv = tmp_path / "report.csv"
    stack.command("report", "1", "--output", str(csv))
    certificate = json.loads(Path(f"{csv}.certificate.json").read_text())
    assert (certificate["verdict"], certificate["archive"]) == (
        "BALANCED", {"archived": 0, "missing": 25, "complete": False}
    )  # fmt: skip
    s3.create_bucket(Bucket="late-archive")
    stack.wait_until(lambda: job_of(stack)["complete"], "the archive is complete")
    keys = {one["Key"] for one in s3.list_objects_v2(Bucket="late-archive")["Contents"]}
    assert keys == {f"emails/1/{100_000 + n}.0.eml" for n in range(1, 26)}
    # a copy is deleted after it is written down as archived
    stack.wait_until(lambda: not list((spool / "default").glob("*.eml")), "the spool is empty")
    assert stack.log_events("archive_back")
    assert service.terminate() == 0


def test_a_full_spool_stops_no_email_and_each_copy_that_is_not_kept_is_counted(
    new_stack: NewStack, tmp_path: Path
) -> None:
    (tmp_path / "archive").write_text("no directory: the archive is away")
    stack = new_stack(settings_of(tmp_path, spool_max_bytes=MIB, spool_sync=False))
    (stack.attachments / "large.pdf").write_bytes(b"%PDF" + bytes(200_000))
    stack.add_job(people(12), attachments=[{"location": "large.pdf"}])
    stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1)
    assert stack.counts() == {"sent": 12}
    found = job_of(stack)
    assert (found["archived"], found["waiting"] + found["not_kept"]) == (0, 12)
    assert found["waiting"] == len(books_of(stack, tmp_path).waiting()) == 3, "a fourth of 276 KB does not fit"
    (lost,) = stack.log_events("archive_copy_not_kept")
    assert "spool_max_bytes" in lost["reason"]
    (tmp_path / "archive").unlink()
    stack.wait_until(lambda: job_of(stack)["archived"] == 3, "what was kept is archived")
    assert job_of(stack) | {"waiting": 0, "not_kept": 9, "complete": False} == job_of(stack)
    assert books_of(stack, tmp_path).violations() == []
    assert service.terminate() == 0


def test_a_spool_that_cannot_be_used_stops_no_email(new_stack: NewStack, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no directory")
    stack = new_stack(settings_of(tmp_path))
    stack.add_job(people(5))
    stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1)
    assert stack.counts() == {"sent": 5}
    assert job_of(stack)["not_kept"] == 5
    assert service.terminate() == 0


def test_an_archive_can_be_emptied_into_by_itself(new_stack: NewStack, tmp_path: Path) -> None:
    """Workers that drain leave copies in the spool, and the role archive drains that."""
    stack = new_stack(settings_of(tmp_path))
    stack.add_job(people(10))
    stack.mail_up()
    others = [stack.start("publisher"), stack.start("sweeper")]
    stack.wait_until(lambda: stack.depth() == 10, "the messages are in the queue")
    assert stack.start("worker", "--drain").wait_for_end() == 0
    assert len(books_of(stack, tmp_path).waiting()) == 10
    assert stack.start("archive", "--drain").wait_for_end() == 0
    assert books_of(stack, tmp_path).violations() == []
    assert len(books_of(stack, tmp_path).copies()) == 10
    assert [one.terminate() for one in others] == [0, 0]


def test_a_check_says_whether_archive_and_spool_can_be_used(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack(settings_of(tmp_path))
    stack.mail_up()
    assert f"{tmp_path}/archive answers, and 0 bytes wait" in " ".join(stack.command("check").output.split())


def test_without_an_archive_nothing_is_said_of_one(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.add_job(people(2))
    stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1)
    assert job_of(stack) is None
    assert "archive" not in stack.command("job", "1").output
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE sha256 IS NOT NULL") == 2
    assert service.terminate() == 0


# --- kill -9 at each step ------------------------------------------------------------------------------------------

OF_WORKER = (
    "archive.drafted",
    "worker.before_wire",
    "worker.wired",
    "archive.marked",
    "worker.sent",
    "worker.recorded",
)


@pytest.mark.parametrize("place", [*OF_WORKER, *failpoints.ARCHIVE])
def test_kill_9_at_each_step_leaves_every_accepted_email_its_copy(
    new_stack: NewStack, tmp_path: Path, place: str
) -> None:
    """And none to an email that was not accepted. What is in doubt keeps its copy until it is settled."""
    stack = new_stack({**BRISK, **settings_of(tmp_path)})
    books = books_of(stack, tmp_path)
    stack.mail_up()
    crew = Crew(stack, ("publisher", "worker", "sweeper", "archive"))
    (victim,) = crew.of("archive" if place in failpoints.ARCHIVE else "worker")
    victim.armed = f"{place}=kill@3" if victim.role == "worker" else f"{place}=kill"
    with crew:
        stack.add_job(people(40))
        _await_death(stack, victim)
        victim.armed = ""
        crew.tend()
        stack.wait_finished(1)
        in_doubt = [i for (i,) in stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'in_doubt'")]
        _settle(stack, in_doubt)
        stack.wait_until(lambda: not books.waiting(), "the spool is empty")
        assert crew.stop() == []
    assert books.violations() == []
    sent = stack.counts()["sent"]
    copies = stack.world.scalar("SELECT COUNT(*) FROM eed_archive_copy WHERE archived_at IS NOT NULL")
    assert copies == len(books.copies()) == sent
    assert sent + stack.counts()["failed"] == 40
    assert len(in_doubt) <= THREADS


def _await_death(stack: Stack, victim: Member) -> None:
    stack.wait_until(lambda: not victim.alive, "it has died at its failpoint")
    assert victim.exit_code == -signal.SIGKILL


def _settle(stack: Stack, in_doubt: list[int]) -> None:
    """As an operator does, who looks into the mail server's log."""
    arrived = {taken.email_id for taken in stack.sink_ledger.read()}
    for email_id in in_doubt:
        word = "sent" if email_id in arrived else "failed"
        stack.command("settle", "--as", word, "--reason", "the mail server's log", str(email_id))


def test_an_email_in_doubt_keeps_its_copy_until_it_is_settled(new_stack: NewStack, tmp_path: Path) -> None:
    """The connection is lost after the dot, twice. One email has arrived, the other has not."""
    stack = new_stack(settings_of(tmp_path))
    books = books_of(stack, tmp_path)
    ids = stack.add_job(people(3))
    mail = stack.mail_up()
    mail.on("dot", Close(), recipient="customer1@example.com")
    mail.on("dot", Close(), recipient="customer2@example.com")
    service = stack.start("run")
    stack.wait_until(lambda: stack.counts() == {"sent": 1, "in_doubt": 2}, "two are in doubt")
    stack.wait_until(lambda: len(books.copies()) == 1, "the sent one is archived")
    assert {copy.email_id for copy, _ in books.waiting()} == set(ids[:2])
    stack.command("settle", "--as", "sent", "--reason", "it is in the log", str(ids[0]))
    stack.command("settle", "--as", "failed", "--reason", "it is not", str(ids[1]))
    stack.wait_until(lambda: not books.waiting(), "both are decided")
    assert set(books.copies()) == {(ids[0], 0), (ids[2], 0)}
    assert service.terminate() == 0
