"""The operator's commands: what they show, what they do, and what they refuse."""

import contextlib
import csv
import io
import json
import os
import pty
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from eed_delivery.cli.output import Screen
from eed_delivery.cli.watching import watch_job
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.workers import Process
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.operations.watching import Watching
from eed_delivery.reports.moments import when
from tests.command_line import CommandLine
from tests.world import World

YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 5.1.1 no such user", 550, "5.1.1"), counted=True)
FULL = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "552 100% full", 552, "5.2.2"), counted=True)
DOUBT = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, "lost after the dot"), counted=True)
SENT, FAILED, BOUNCED, DOUBTFUL = 1000, 1001, 1002, 1003


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file to copy from: its schema takes longer than most tests."""
    path = tmp_path_factory.mktemp("filled") / "ledger.sqlite3"
    world = World(f"sqlite:///{path}")
    send(world)
    world.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def world(filled: Path, tmp_path: Path) -> Iterator[World]:
    """Job 1 with an email sent, two failed and one in doubt; it balances and is finished."""
    path = shutil.copy(filled, tmp_path / "ledger.sqlite3")
    world = World(f"sqlite:///{path}")
    yield world
    world.close()


def send(world: World) -> None:
    world.add_job(["a@example.com", "b@example.com", "+c@example.com", "d@example.com"])
    world.enlist()
    for email_id, decision in zip(range(SENT, DOUBTFUL + 1), (YES, NO, FULL, DOUBT), strict=True):
        email = world.claimed(email_id)
        assert world.delivering.wire(email, 60) is None
        assert world.delivering.record(email, decision, 12)
    assert world.sweeping.finish(1) is True


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


def test_the_whole_way_of_an_operator_on_mariadb(database_url: str, tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, database_url)
    assert "eed-delivery db init" in eed.refused("jobs")
    assert "revision" in eed.good("db", "init", "--with-source")
    world = World(database_url)
    send(world)
    assert eed.json("jobs")[0]["counts"]["sent"] == 1
    report = eed.json("job", "1")
    assert report["created_at"].endswith("Z")
    assert {r["detail"] for r in report["reasons"]} == {"550 5.1.1 no such user", "552 …% full", "lost after the dot"}
    assert eed.json("requeue", "--all", "--error-like", "0% F", "--yes")["requeued"] == 1
    assert world.state(BOUNCED) == "pending" == world.source_status(BOUNCED)
    assert eed.json("requeue", "--all", "--since", "1h", "--dry-run")["count"] == 1
    since = eed.json("email", str(DOUBTFUL))["changed_at"]
    assert eed.json("requeue", "--all", "--since", since, "--dry-run")["count"] in (0, 1)
    eed.good("settle", str(DOUBTFUL), "--as", "failed")
    eed.good("pause", "1", "--reason", "a look first")
    assert "a look first" in eed.good("job", "1")
    assert len(list(csv.reader(io.StringIO(eed.good("emails", "1", "--format", "csv"))))) == 5
    world.close()


# --- looking -----------------------------------------------------------------------------------------------------


def test_jobs_are_listed_with_their_counts(world: World, eed: CommandLine) -> None:
    world.add_job(job_id=2, name="second")
    world.enlist(2)
    header, second, first = eed.good("jobs").splitlines()
    words = ["JOB", "NAME", "STATE", "TOTAL", "SENT", "FAILED", "IN", "DOUBT", "OPEN", "CREATED", "REASON"]
    assert header.split() == words
    assert second.split()[:7] == ["2", "second", "active", "1", "0", "0", "0"]
    assert first.split()[:9] == ["1", "job", "1", "finished", "4", "1", "2", "1", "0"]
    assert first.endswith("Z")
    assert [job["job"] for job in eed.json("jobs", "--unfinished")] == ["2"]
    assert len(eed.json("jobs", "--all")) == 2


def test_only_the_newest_jobs_are_listed_unless_all_are_asked_for(world: World, eed: CommandLine) -> None:
    for job_id in range(2, 23):
        world.add_job([], job_id=job_id)
    world.registry.register(world.registry.new_jobs(100))
    assert len(eed.json("jobs")) == 20
    assert "--all" in eed.good("jobs").splitlines()[-1]
    assert len(eed.json("jobs", "--all")) == 22


def test_a_job_says_what_to_do_about_its_troubles(eed: CommandLine) -> None:
    text = eed.good("job", "1")
    assert "balanced: 4 = 1 sent + 2 failed + 1 in_doubt" in text
    assert f"eed-delivery --config {eed.config} settle --as sent {DOUBTFUL}" in text
    assert f"eed-delivery --config {eed.config} requeue --job 1" in text
    assert "1  failed    550 5.1.1 no such user" in text
    assert "lost after the dot" in text


def test_reasons_are_grouped_and_add_up(world: World, eed: CommandLine) -> None:
    """One kind of refusal in 40 spellings, eleven others, one email without a reason."""
    ids = world.add_job([f"c{n}@example.com" for n in range(52)], job_id=2)
    world.enlist(2)
    words = ["busy", "full", "gone", "shut", "slow", "late", "lost", "lame", "sick", "mad", "old"]
    said = [*(f"550 can't find c{n}@example.com's box, id {n}f" for n in range(40)), *words, None]
    for email_id, detail in zip(ids, said, strict=True):
        state = "failed" if email_id % 2 else "in_doubt"
        world.execute("UPDATE eed_email SET state = :s, detail = :d WHERE email_id = :i", s=state, d=detail, i=email_id)
    report = eed.json("job", "2")
    assert [(r["state"], r["detail"], r["count"]) for r in report["reasons"][:2]] == [
        ("failed", "550 can't find … box, id …", 20), ("in_doubt", "550 can't find … box, id …", 20)
    ]  # fmt: skip
    assert (len(report["reasons"]), report["other_reasons"]) == (10, 4)
    assert sum(r["count"] for r in report["reasons"]) + report["other_reasons"] == 52
    assert "     4            others" in eed.good("job", "2").splitlines()
    everything = sorted((state, detail or "") for state, detail in world.reporting.reasons(2))
    assert sorted((state, detail or "") for state, detail in world.reporting.reasons(2, page=3)) == everything
    assert len(everything) == 52


def test_a_job_as_json(eed: CommandLine) -> None:
    report = eed.json("job", "1")
    assert (report["job"], report["state"], report["total"], report["done"], report["balanced"]) == (
        "1", "finished", 4, 4, True,
    )  # fmt: skip
    assert report["counts"] == dict.fromkeys(EmailState, 0) | {"sent": 1, "failed": 2, "in_doubt": 1}
    assert report["finished_at"].endswith("Z")
    assert [doubt["email"] for doubt in report["in_doubt"]] == [str(DOUBTFUL)]


def test_only_ten_doubts_are_shown(world: World, eed: CommandLine) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(12)], job_id=2)
    world.enlist(2)
    world.execute("UPDATE eed_email SET state = 'in_doubt', detail = NULL WHERE job_id = 2")
    text = eed.good("job", "2")
    assert text.count("--as sent") == 10
    assert f"{ids[0]}: no reason is known" in text
    assert "emails 2 --state in_doubt" in text


def test_watching_a_finished_job_ends_at_once(eed: CommandLine) -> None:
    text = eed.good("job", "1", "--watch")
    assert text.splitlines()[0] == "finished  4/4  0.0/s  1 sent, 2 failed, 1 in_doubt"
    (line,) = eed.good("job", "1", "--watch", "--json").splitlines()
    assert json.loads(line)["done"] == 4


def test_watching_at_a_terminal_draws_a_bar(world: World) -> None:
    file = io.StringIO()
    screen = Screen(file, terminal=True, width=100)
    report = watch_job(screen, Watching(world.reporting).follow(1, lambda: None), None)
    assert report is not None
    assert report.finished_at is not None
    text = file.getvalue()
    assert "job 1 finished" in text
    assert "4/4" in text
    assert "2 failed, 1 in_doubt" in text


def test_watching_goes_on_until_the_job_has_finished(world: World, eed: CommandLine) -> None:
    world.add_job(job_id=2)
    world.enlist(2)
    process = eed.process("job", "2", "--watch", "--json", stdout=-1)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["counts"]["pending"] == 1
    email = world.claimed(2000)
    world.delivering.wire(email, 60)
    world.delivering.record(email, YES, 1)
    world.sweeping.finish(2)
    *_, last = process.stdout.read().splitlines()
    assert process.wait(60) == 0
    assert json.loads(last)["state"] == "finished"
    process.stdout.close()


def test_a_job_that_is_being_taken_up_or_sent(world: World, eed: CommandLine) -> None:
    world.add_job(job_id=2)
    world.registry.register(world.registry.new_jobs(10))
    assert "still being picked up" in eed.good("job", "2")
    world.enlist(2)
    assert "0 of 1 emails have ended" in eed.good("job", "2")
    world.operating.pause(2, "why not")
    text = eed.good("job", "2")
    assert "paused: why not" in text
    assert "resume 2" in text


def test_a_job_that_nobody_knows(world: World, eed: CommandLine) -> None:
    assert "there is no job 99" in eed.refused("job", "99")
    assert "there is no job x'y" in eed.refused("job", "x'y")
    assert "there is no job 99999999999999999999999" in eed.refused("job", "9" * 23)
    world.add_job(job_id=2)
    assert "the publisher has not picked it up yet" in eed.refused("job", "2")
    assert "printable" in eed.refused("job", "a\x1bb", code=2)


def test_emails_as_a_table(eed: CommandLine) -> None:
    lines = eed.good("emails", "1").splitlines()
    assert lines[0].split() == ["EMAIL", "RECIPIENT", "STATE", "OUTCOME", "ATTEMPTS", "CHANGED", "DETAIL"]
    assert lines[2].split()[:4] == ["1001", "b@example.com", "failed", "1"]
    assert "550 5.1.1 no such user" in lines[2]
    assert "only the first 2 are shown" in eed.good("emails", "1", "--limit", "2")
    assert "there are none" in eed.good("emails", "1", "--state", "suppressed")


def test_emails_as_csv_run_nothing_in_a_spreadsheet(eed: CommandLine) -> None:
    header, *rows = csv.reader(io.StringIO(eed.good("emails", "1", "--state", "failed", "--format", "csv")))
    assert header[:3] == ["email", "recipient", "state"]
    assert [row[:3] for row in rows] == [["1001", "b@example.com", "failed"], ["1002", "'+c@example.com", "failed"]]


def test_emails_as_json(eed: CommandLine) -> None:
    found = eed.json("emails", "1")
    assert [email["email"] for email in found] == ["1000", "1001", "1002", "1003"]
    assert found[2]["recipient"] == "+c@example.com"
    assert eed.json("emails", "1", "--format", "json", "--state", "cancelled") == []
    assert len(eed.json("emails", "1", "--json", "--limit", "3")) == 3


def test_an_email_with_everything_that_was_tried(world: World, eed: CommandLine) -> None:
    text = eed.good("email", str(FAILED))
    assert "email 1001 of job 1" in text
    assert "b@example.com" in text
    assert "550 5.1.1" in text
    facts = eed.json("email", str(FAILED))
    assert (facts["email"], facts["job"], facts["state"]) == ("1001", "1", "failed")
    (attempt,) = facts["history"]
    assert (attempt["verdict"], attempt["code"], attempt["counted"], attempt["took_ms"]) == ("permanent", 550, True, 12)
    world.add_job(job_id=2)
    world.enlist(2)
    assert "nothing has been tried yet" in eed.good("email", "2000")


def test_a_doubt_is_shown_with_its_hand_over_and_not_with_the_sweepers_time(world: World, eed: CommandLine) -> None:
    (swept, held) = world.add_job(["e@example.com", "f@example.com"], job_id=2)
    world.enlist(2)
    for email_id in (swept, held):
        assert world.delivering.wire(world.claimed(email_id), 60) is None
    world.lapse(swept)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    handed_over, lease_ends = world.row(swept)["wire_at"], world.row(held)["lease_until"]
    for email_id, command in ((DOUBTFUL, "1"), (swept, "2")):
        at = shown(world.row(email_id)["wire_at"])
        assert f"{email_id}: handed over {at}: " in eed.good("job", command)
        assert f"handed over: {at}" in eed.good("email", str(email_id))
        header, row = eed.good("emails", command, "--state", "in_doubt").splitlines()
        assert "HANDED OVER" in header
        assert at in row
        (record,) = eed.json("emails", command, "--state", "in_doubt")
        assert record["wire_at"].startswith(at[:-1])
        assert eed.json("job", command)["in_doubt"][0]["wire_at"] == record["wire_at"]
    assert shown(handed_over) != eed.json("email", str(swept))["changed_at"][:19] + "Z"
    row = eed.good("emails", "2", "--state", "sending").splitlines()[1]
    assert row.split()[4:6] == [shown(world.row(held)["wire_at"]), shown(lease_ends)]
    assert f"lease ends:  {shown(lease_ends)}" in eed.good("email", str(held))
    assert "lease ends" not in eed.good("email", str(swept))
    eed.good("settle", str(swept), "--as", "failed")
    assert f"handed over: {shown(handed_over)}" in eed.good("email", str(swept))
    eed.good("requeue", "--email", str(swept), "--yes")
    assert "handed over" not in eed.good("email", str(swept))


def shown(moment: object) -> str:
    """A time of the ledger as a person sees it."""
    return str(moment)[:19].replace(" ", "T") + "Z"


@pytest.mark.parametrize("key", ["7", "abc", "99999999999999999999"])
def test_an_email_that_nobody_knows(eed: CommandLine, key: str) -> None:
    assert f"there is no email {key}" in eed.refused("email", key)


def test_replies_cannot_move_the_cursor(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_email SET detail = :d", d="550 \x1b[2Jgone\u202e")
    text = eed.good("emails", "1")
    assert "\x1b" not in text
    assert "550 \\x1b[2Jgone\\x202e" in text


def test_live_processes(world: World, eed: CommandLine) -> None:
    assert "no process has sent a heartbeat" in eed.good("processes")
    world.workers.beat(Process("h:1:ab", "h", "worker", 16), sending=False, detail="breaker open", alive_seconds=15)
    assert "breaker open" in eed.good("processes")
    (process,) = eed.json("processes")
    assert (process["worker_id"], process["sending"], process["threads"]) == ("h:1:ab", False, 16)
    assert process["alive"] and process["last_seen"].endswith("Z")


def test_a_process_that_is_not_heard_of_is_gone_and_not_sending(world: World, eed: CommandLine) -> None:
    for name in ("here", "dead"):
        world.workers.beat(Process(name, "h", "worker", 16), sending=True, detail=None, alive_seconds=15)
    back = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-10900 seconds')"
    world.execute(f"UPDATE eed_worker SET heartbeat_at = {back} WHERE worker_id = 'dead'")
    _, here, dead, last = eed.good("processes").splitlines()
    assert here.split()[:5] == ["here", "worker", "default", "16", "yes"]
    assert dead.split() == ["dead", "worker", "default", "16", "gone", "3", "h", "ago"]
    assert last == "1 of 2 are alive, the others are gone"
    assert [(p["worker_id"], p["alive"], p["sending"]) for p in eed.json("processes")] == [
        ("here", True, True),
        ("dead", False, False),
    ]
    world.execute("UPDATE eed_worker SET heartbeat_at = strftime('%Y-%m-%d %H:%M:%f000', 'now', '-14 seconds')")
    assert "gone" not in eed.good("processes")


# --- requeue -----------------------------------------------------------------------------------------------------


def test_requeue_needs_to_be_told_which(eed: CommandLine) -> None:
    assert "--job JOB, --email EMAIL, or --all" in eed.refused("requeue", "--yes", code=2)
    assert "Leave it out" in eed.refused("requeue", "--all", "--job", "1", code=2)


def test_requeue_sends_failed_emails_again(world: World, eed: CommandLine) -> None:
    assert eed.good("requeue", "--job", "1", "--yes") == "2 emails will be sent again\n"
    assert [world.row(i)["gen"] for i in (SENT, FAILED, BOUNCED, DOUBTFUL)] == [0, 1, 1, 0]
    assert eed.good("requeue", "--job", "1", "--yes") == "nothing to requeue: no failed email matches\n"


def test_a_requeue_says_how_many_addresses_the_source_has_changed(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE delivery_email SET recipient = ' B@EXAMPLE.com' WHERE id = :i", i=FAILED)  # the same one
    world.execute("UPDATE delivery_email SET recipient = 'moved@example.com' WHERE id = :i", i=BOUNCED)
    world.execute("UPDATE delivery_email SET recipient = 'moved@example.com' WHERE id = :i", i=DOUBTFUL)
    told = "2 emails failed would be sent again (1 to an address that the source has changed). "
    assert eed.good("requeue", "--job", "1", "--dry-run") == f"{told}Nothing was changed\n"
    assert "(1 to an address that the source has changed)" in eed.refused("requeue", "--job", "1")
    said = eed.json("requeue", "--job", "1", "--yes")
    assert (said["requeued"], said["addresses_changed"]) == (2, 1)


def test_emails_are_found_by_their_address_over_all_jobs(world: World, eed: CommandLine) -> None:
    world.add_job(["A@EXAMPLE.com\r", "aa@example.com"], job_id=2)
    world.enlist(2)
    header, *rows = eed.good("emails", "--to", " a@Example.COM").splitlines()
    assert header.split()[:3] == ["JOB", "EMAIL", "RECIPIENT"]
    assert [row.split()[:2] for row in rows] == [["1", "1000"], ["2", "2000"]]
    assert [email["email"] for email in eed.json("emails", "--to", "a@example.com")] == ["1000", "2000"]
    assert eed.json("emails", "--to", "nobody@example.com") == []
    assert "is not an address" in eed.refused("emails", "--to", "nobody")
    for words in ((), ("1", "--to", "a@example.com"), ("--to", "a@example.com", "--state", "sent")):
        eed.refused("emails", *words, code=2)


def test_a_sent_email_is_sent_once_more(world: World, eed: CommandLine) -> None:
    said = eed.json("resend", str(SENT), "--reason", "ticket 4711")
    assert said == {"email": "1000~1", "resend_of": "1000", "recipient": "a@example.com"}
    assert eed.good("resend", str(SENT), "--to", "Moved@Example.com", "--reason", "ticket 4712") == "1000~2\n"
    original = eed.good("email", str(SENT))
    assert "resent as:   1000~1, 1000~2" in original
    assert "as 1000~2 to Moved@example.com: ticket 4712" in original
    assert "resend of:   1000" in eed.good("email", "1000~2")
    assert eed.json("email", "1000~2")["recipient"] == "Moved@example.com"
    assert eed.json("email", str(SENT))["resends"] == ["1000~1", "1000~2"]
    assert eed.json("job", "1")["total"] == 6
    assert "is failed" in eed.refused("resend", str(FAILED), "--reason", "r")
    assert "is not an address" in eed.refused("resend", str(SENT), "--to", "nobody", "--reason", "r", code=2)
    assert "Missing option '--reason'" in eed.refused("resend", str(SENT), code=2)
    eed.good("suppression", "add", "*@example.com", "--reason", "asked")
    assert "--despite-suppression" in eed.refused("resend", str(SENT), "--reason", "r")
    assert eed.good("resend", str(SENT), "--reason", "r", "--despite-suppression") == "1000~3\n"


def test_an_email_shows_where_each_try_went(world: World, eed: CommandLine) -> None:
    rows = eed.good("email", str(SENT)).splitlines()
    header = next(row for row in rows if row.startswith("ENDED"))
    assert header.split()[-5:] == ["REPLY", "TO", "TOOK", "MS", "BY"]
    assert "a@example.com" in rows[-1]
    assert eed.json("email", str(SENT))["history"][0]["recipient"] == "a@example.com"


def test_requeue_by_reason_takes_percent_literally(world: World, eed: CommandLine) -> None:
    assert eed.json("requeue", "--all", "--error-like", "100% FULL", "--yes") == {
        "state": "failed", "count": 1, "addresses_changed": 0, "dry_run": False, "requeued": 1,
    }  # fmt: skip
    assert world.state(BOUNCED) == "pending"
    assert eed.json("requeue", "--all", "--error-like", "5%0", "--dry-run")["count"] == 0
    assert eed.json("requeue", "--all", "--error-like", "n_ such", "--dry-run")["count"] == 0
    assert eed.json("requeue", "--all", "--error-like", "", "--dry-run")["count"] == 1


def test_requeue_by_time(world: World, eed: CommandLine) -> None:
    world.lapse(FAILED, 7200)
    moment = eed.json("email", str(FAILED))["changed_at"]
    assert eed.json("requeue", "--all", "--since", "1h", "--dry-run")["count"] == 1
    assert eed.json("requeue", "--all", "--since", "1d", "--dry-run")["count"] == 2
    hour_later = moment[:-1] + "-01:00"
    assert eed.json("requeue", "--all", "--since", hour_later, "--dry-run")["count"] == 1
    assert "no time zone" in eed.refused("requeue", "--all", "--since", "2026-12-31T18:00", code=2)
    assert "not a time" in eed.refused("requeue", "--all", "--since", "yesterday", code=2)


def test_a_dry_run_changes_nothing(world: World, eed: CommandLine) -> None:
    assert eed.good("requeue", "--job", "1", "--dry-run").startswith("2 emails failed would be sent again")
    assert world.state(FAILED) == "failed"


def test_requeue_of_named_emails(world: World, eed: CommandLine) -> None:
    assert "1000 is sent" in eed.refused("requeue", "--email", str(SENT), "--yes")
    eed.good("requeue", "--email", str(FAILED), "--email", str(SENT), "--yes")
    assert (world.state(FAILED), world.state(BOUNCED)) == ("pending", "failed")
    refused = eed.refused("requeue", "--email", str(BOUNCED), "--error-like", "xyz", "--yes")
    assert "don't match the other options" in refused
    assert "there is no email 5" in eed.refused("requeue", "--email", "5", "--yes")


def test_doubtful_emails_are_sent_again_only_by_an_explicit_word(world: World, eed: CommandLine) -> None:
    refused = eed.refused("requeue", "--job", "1", "--state", "in_doubt", "--yes", code=2)
    assert "--accept-duplicates" in refused
    assert world.state(DOUBTFUL) == "in_doubt"
    eed.good("requeue", "--job", "1", "--state", "in_doubt", "--accept-duplicates", "--yes")
    assert (world.state(DOUBTFUL), world.state(FAILED)) == ("pending", "failed")


def test_requeue_never_waits_where_nobody_can_answer(world: World, eed: CommandLine) -> None:
    result = eed("requeue", "--job", "1", stdin="y\n")
    assert result.exit_code == 1
    assert "Add --yes" in result.stderr
    assert world.state(FAILED) == "failed"


@pytest.mark.parametrize(("answer", "code", "state"), [(b"n\n", 1, "failed"), (b"y\n", 0, "pending")])
def test_requeue_asks_at_a_terminal(world: World, eed: CommandLine, answer: bytes, code: int, state: str) -> None:
    ours, theirs = pty.openpty()
    process = eed.process("requeue", "--job", "1", stdin=theirs, stdout=-1, stderr=-1)
    os.close(theirs)
    os.write(ours, answer)
    _, told = process.communicate(timeout=30)
    os.close(ours)
    assert process.returncode == code
    assert b"2 emails failed will be sent again. Go on?" in told
    assert world.state(FAILED) == state


# --- tables at a terminal ----------------------------------------------------------------------------------------

LONG_KEY = "statement/2026-11/" + "0123456789abcdef" * 10 + "/0000000000042"


def at_a_terminal(eed: CommandLine, columns: int, *words: str) -> list[str]:
    """What a person sees in a terminal of so many columns, line by line."""
    ours, theirs = pty.openpty()
    eed.environ |= {"COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    process = eed.process(*words, stdout=theirs, stderr=theirs)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # EIO: the process has ended
        while part := os.read(ours, 4096):
            told += part
    os.close(ours)
    assert process.wait(30) == 0, told
    return click.unstyle(told.decode()).splitlines()


def test_keys_and_times_are_whole_at_a_terminal(world: World, eed: CommandLine) -> None:
    columns = 80
    process = Process("build-host-17.internal.example:12294:1543df62", "h", "worker", 4)
    world.workers.beat(process, sending=False, detail="a reason " * 9, alive_seconds=15)
    world.execute("UPDATE eed_job SET source_key = 'jk', name = 'Statements of the year', reason = 'why'")
    long_reason = "451 4.3.0 the server at the other end says that it is too busy to take anything from us, try again"
    world.execute("UPDATE eed_email SET detail = :d", d=long_reason)
    job = at_a_terminal(eed, columns, "job", "jk")
    for words, wanted in (
        (("jobs",), ["jk", "finished"]),
        (("emails", "jk"), [str(SENT), "a@example.com", "sent"]),
        (("email", str(FAILED)), [str(FAILED), when(world.reporting.attempts(FAILED)[0].ended_at)]),
        (("processes",), ["build-host-17.internal.example:12294:1543df62"]),
        (("db", "check"), ["ledger"]),
        (("suppression", "list"), []),
        (("alerts", "list"), []),
        (("webhooks", "list"), []),
    ):
        lines = at_a_terminal(eed, columns, *words)
        pieces = [piece for line in lines for piece in line.split()]
        assert set(wanted) <= set(pieces), (words, lines)
        assert all(len(line) <= columns for line in lines), (words, lines)
    assert len(job) > 10
    world.execute("UPDATE eed_email SET source_key = :k WHERE email_id = :i", k=LONG_KEY, i=FAILED)
    lines = at_a_terminal(eed, columns, "emails", "jk")
    assert LONG_KEY in [piece for line in lines for piece in line.split()]


# --- settle, pause, resume, cancel -------------------------------------------------------------------------------


def test_settling_doubts(world: World, eed: CommandLine) -> None:
    told = eed.good("settle", str(DOUBTFUL), "--as", "sent", "--reason", "seen in  the log")
    assert told == "email 1003 is settled as sent\n"
    assert world.state(DOUBTFUL) == "sent" == world.source_status(DOUBTFUL)
    *_, last = eed.json("email", str(DOUBTFUL))["history"]
    assert (last["worker"], last["reply"]) == ("operator", "settled as sent by an operator: seen in the log")


def test_only_doubts_can_be_settled(world: World, eed: CommandLine) -> None:
    refused = eed.refused("settle", str(DOUBTFUL), str(FAILED), "--as", "failed")
    assert "email 1001 is failed" in refused
    assert world.row(DOUBTFUL)["detail"] == "settled as failed by an operator"
    assert "Missing option '--as'" in eed.refused("settle", str(DOUBTFUL), code=2)


def test_pause_resume_cancel(world: World, eed: CommandLine) -> None:
    world.add_job(job_id=2)
    world.enlist(2)
    assert "Missing option '--reason'" in eed.refused("pause", "2", code=2)
    assert "give a reason" in eed.refused("pause", "2", "--reason", " ", code=2)
    assert "resume 2" in eed.good("pause", "2", "--reason", "wrong rate")
    assert "only an active or held job" in (refused := eed.refused("pause", "2", "--reason", "again"))
    assert "job 2 is paused (wrong rate)" in refused
    assert eed.good("resume", "2", "--reason", "mended") == "job 2 is resumed: mended\n"
    assert "only a paused job can be resumed: job 2 is active" in eed.refused("resume", "2")
    assert "unwatched" not in eed.good("job", "2")
    eed.good("pause", "2", "--reason", "134 of 1,204 emails sent bounced hard")
    assert eed.good("jobs").splitlines()[1].endswith("134 of 1,204 emails sent bounced hard")
    assert eed.good("resume", "2", "--unwatched") == "job 2 is resumed, unwatched\n"
    assert "unwatched" in eed.good("job", "2")
    assert eed.json("job", "2")["watched"] is False
    eed.good("cancel", "2", "--reason", "closed")
    assert "job 2 is cancelled (closed)" in eed.refused("cancel", "2", "--reason", "closed")
    assert "job 1 is finished" in eed.refused("cancel", "1", "--reason", "late")
    assert "there is no job 9" in eed.refused("cancel", "9", "--reason", "none")


def test_a_cancelled_job_takes_nothing_back(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_job SET state = 'cancelled'")
    assert "nothing to requeue" in eed.good("requeue", "--job", "1", "--yes")


# --- trouble -----------------------------------------------------------------------------------------------------


def test_every_mistake_in_the_configuration_has_its_line(eed: CommandLine) -> None:
    eed.config.write_text(eed.config.read_text() + "\nlist_unsubscribe = 'no'\n[worker2]\nx = 1\n[smtp]\nport = 0\n")
    lines = eed.refused("jobs", code=78).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


def test_a_file_that_is_not_there(eed: CommandLine) -> None:
    eed.config.unlink()
    assert "cannot be read" in eed.refused("jobs", code=78)


def test_a_database_that_is_away(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, "mysql+pymysql://eed@127.0.0.1:1/delivery")
    assert "the database does not answer" in eed.refused("jobs", code=69)
    assert eed.refused("db", "init", code=69)


def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/empty.sqlite3")
    assert "Run eed-delivery db init" in eed.refused("jobs")


def test_help_names_every_command_and_gives_an_example(eed: CommandLine) -> None:
    text = eed.good("--help")
    for code in ("0 ", "1 ", "2 ", "69", "78"):
        assert f"\n    {code}" in text
    for name in ("run", "publisher", "worker", "sweeper", "check", "submit", "jobs", "job", "emails", "email"):
        assert f"\n  {name} " in text
        assert "Example:\n    eed-delivery " in eed.good(name, "--help")
    for name in ("requeue", "settle", "pause", "resume", "cancel", "processes", "events"):
        assert "Example:\n    eed-delivery " in eed.good(name, "--help")
    for group, name in (("db", "init"), ("db", "check"), ("queue", "init")):
        assert "Example:\n    eed-delivery " in eed.good(group, name, "--help")
