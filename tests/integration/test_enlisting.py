"""What the source has is in the ledger, or refused by name: found = total + moved + regenerated + refused."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from eed_delivery.config import SourceSettings
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.publishing.enlisting import BLANK_AT_END, TOO_LARGE, TOO_LONG
from eed_delivery.ledger.publishing.ledger import EXPIRED_BEFORE, PublishingLedger
from eed_delivery.ledger.schema import eed_email, eed_refusal
from eed_delivery.model import LARGEST_KEY, EmailState, Outcome, Verdict
from eed_delivery.source import Known, Source
from tests.examples import examples
from tests.world import World

pytestmark = pytest.mark.both_databases

AGAIN = SourceSettings.model_validate({"job": {"known_rows": "new_generation"}})
VERDICTS = {
    EmailState.SENT: Verdict.SENT,
    EmailState.FAILED: Verdict.PERMANENT,
    EmailState.IN_DOUBT: Verdict.IN_DOUBT,
}


def end(world: World, email_id: int, state: EmailState = EmailState.FAILED, gen: int = 0) -> None:
    """Bring an email to an end, as a worker does."""
    email = world.claimed(email_id, gen)
    assert world.delivering.wire(email, 60) is None
    world.delivering.record(email, Decision(state, Outcome(VERDICTS[state], "said so"), True), 1)


def publish(world: World, chunk: int = 2) -> None:
    """What a publisher does until there is nothing left to enlist."""
    world.registry.register(world.registry.new_jobs(100))
    for job in world.registry.lease(new_token(), 60, 100, 0):
        while not job.enlisted and world.registry.enlist(job, chunk, 60):
            pass
        world.registry.let_go([job])


def finish(world: World) -> None:
    for job_id in world.sweeping.finishable():
        world.sweeping.finish(job_id)


def sums(world: World, job_id: int = 1) -> dict[str, int]:
    names = ("found", "total", "moved", "regenerated", "refused", "rounds")
    (row,) = world.execute(f"SELECT {', '.join(names)} FROM eed_job WHERE job_id = :id", id=job_id)
    return dict(zip(names, row, strict=True))


def refusals(world: World) -> list[tuple[Any, ...]]:
    return list(world.execute("SELECT job_key, source_key, reason FROM eed_refusal ORDER BY refusal_id"))


def assert_equation(world: World) -> None:
    """Of every job: the sums come out even, and each part is what the tables have."""
    for job_id, found, total, moved, regenerated, refused in world.execute(
        "SELECT job_id, found, total, moved, regenerated, refused FROM eed_job"
    ):
        assert found == total + moved + regenerated + refused, f"job {job_id}"
        assert total == world.scalar("SELECT COUNT(*) FROM eed_email WHERE job_id = :id", id=job_id)
        assert refused == world.scalar("SELECT COUNT(*) FROM eed_refusal WHERE job_id = :id", id=job_id)


def move(world: World, email_id: int, to_job: int) -> None:
    """What the old server's operators do to run something again: into a new job, and "not sent yet"."""
    world.execute("UPDATE delivery_email SET job_id = :job, status = 'pending' WHERE id = :id", job=to_job, id=email_id)


def sends_known_rows_again(world: World) -> World:
    world.source = Source(AGAIN)
    world.registry = PublishingLedger(world.database, world.source)
    return world


@pytest.fixture
def again(world: World) -> World:
    """The world, with known rows sent again."""
    return sends_known_rows_again(world)


def test_failed_rows_in_a_new_job_are_refused_by_name(world: World) -> None:
    first, _ = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    end(world, first)
    world.add_job(["c@example.com"], job_id=2)
    move(world, first, 2)
    publish(world)
    assert sums(world, 2) == {"found": 2, "total": 1, "moved": 0, "regenerated": 0, "refused": 1, "rounds": 0}
    ((job_key, key, reason),) = refusals(world)
    assert (job_key, key) == ("2", "1000")
    assert reason.startswith("known already: job 1 ended it as failed at 20")
    assert reason.endswith('UTC; source.job.known_rows is "refuse"')
    assert world.execute("SELECT status, status_detail FROM delivery_email WHERE id = 1000") == [
        ("failed", f"refused: {reason}")
    ]
    assert (world.state(first), world.row(first)["gen"]) == ("failed", 0)
    assert_equation(world)


@pytest.mark.parametrize("state", [EmailState.FAILED, EmailState.SENT])
def test_they_are_sent_again_where_the_policy_says_so(again: World, state: EmailState) -> None:
    first, second = again.add_job(["a@example.com", "b@example.com"])
    again.enlist()
    end(again, first, state)
    end(again, second, EmailState.SENT)
    finish(again)
    again.add_job([], job_id=2)
    move(again, first, 2)
    again.execute("UPDATE delivery_email SET recipient = 'new@example.com' WHERE id = :id", id=first)
    publish(again)
    assert sums(again, 1) == {"found": 2, "total": 1, "moved": 1, "regenerated": 0, "refused": 0, "rounds": 0}
    assert sums(again, 2) == {"found": 1, "total": 1, "moved": 0, "regenerated": 0, "refused": 0, "rounds": 0}
    email = again.claimed(first, gen=1)
    assert (email.job_id, email.recipient, email.attempts) == (2, "new@example.com", 0)
    assert_equation(again)


def test_a_doubt_and_what_is_still_being_sent_are_refused_under_either_policy(again: World) -> None:
    doubt, waiting = again.add_job(["a@example.com", "b@example.com"])
    again.enlist()
    end(again, doubt, EmailState.IN_DOUBT)
    again.add_job([], job_id=2)
    move(again, doubt, 2)
    move(again, waiting, 2)
    publish(again)
    assert [reason for _, _, reason in refusals(again)] == [
        "known already: it is in doubt in job 1. Settle it first",
        "known already: job 1 is still sending it",
    ]
    assert again.source_status(waiting) == "pending"  # job 1 sends it: its status is not ours to spoil
    assert again.claimed(waiting).job_id == 1
    assert_equation(again)


@pytest.mark.parametrize("policy", ["refuse", "new_generation"])
def test_a_finished_job_that_is_ready_again_has_a_next_round(policy: str, world: World) -> None:
    if policy == "new_generation":
        sends_known_rows_again(world)
    (first,) = world.add_job(["a@example.com"])
    world.enlist()
    end(world, first)
    finish(world)
    assert world.scalar("SELECT status FROM delivery_job") == "finished"
    world.execute("INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (1009, 1, 'late@x.example', NULL)")
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = 1000")
    world.execute("UPDATE delivery_job SET status = 'processing'")
    publish(world)
    refused = int(policy == "refuse")
    assert sums(world) == {
        "found": 3, "total": 2, "moved": 0, "regenerated": 1 - refused, "refused": refused, "rounds": 1
    }  # fmt: skip
    assert (world.state(1009), world.state(first)) == ("pending", "failed" if refused else "pending")
    assert_equation(world)
    end(world, 1009)
    if not refused:
        end(world, first, EmailState.SENT, gen=1)
    finish(world)
    assert world.scalar("SELECT status FROM delivery_job") == "finished"
    publish(world)
    assert sums(world)["rounds"] == 1


def test_a_cancelled_job_that_is_ready_again_stays_cancelled_and_so_do_its_new_rows(world: World) -> None:
    world.add_job(["a@example.com"])
    world.enlist()
    world.operating.cancel(1, "a mistake")
    world.sweeping.end_leftovers()
    finish(world)
    world.execute("INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (1009, 1, 'late@x.example', NULL)")
    world.execute("UPDATE delivery_job SET status = 'processing'")
    publish(world)
    world.sweeping.end_leftovers()
    finish(world)
    assert (world.source_status(1009), world.row(1009)["detail"]) == ("cancelled", "a mistake")
    assert world.scalar("SELECT status FROM delivery_job") == "cancelled"
    assert_equation(world)


def test_a_job_that_failed_is_tried_again_when_it_is_ready_again(world: World) -> None:
    world.add_job(["a@example.com"])
    job = world.enlist()
    world.execute("UPDATE eed_job SET state = 'failed', reason = 'no such template'")
    world.sweeping.end_leftovers()
    finish(world)
    assert world.scalar("SELECT status FROM delivery_job") == "failed"
    world.execute("INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (1009, 1, 'late@x.example', NULL)")
    world.execute("UPDATE delivery_job SET status = 'processing'")
    publish(world)
    assert world.execute("SELECT state, reason FROM eed_job") == [("active", None)]
    assert world.claimed(1009).job_id == job.job_id


def test_a_job_that_is_ready_again_too_late_is_cancelled_with_that_reason(world: World) -> None:
    (first,) = world.add_job(["a@example.com"])
    world.enlist()
    end(world, first)
    finish(world)
    world.execute("UPDATE delivery_job SET status = 'processing', expires_at = '2001-01-01 00:00:00.000000'")
    publish(world)
    assert world.execute("SELECT state, reason FROM eed_job") == [("cancelled", EXPIRED_BEFORE)]


def test_rows_that_come_behind_the_cursor_are_taken_before_the_job_is_enlisted(world: World) -> None:
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    assert world.registry.enlist(job, 2, 60) == 2
    world.execute(
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'd@example.com', 'pending')"
    )
    while world.registry.enlist(job, 2, 60):
        pass
    assert world.state(7) == "pending"
    assert sums(world)["total"] == 4
    assert_equation(world)


def test_rows_that_come_after_it_was_enlisted_are_taken_before_it_finishes(world: World) -> None:
    (first,) = world.add_job(["a@example.com"])
    world.enlist()
    world.execute(
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'd@example.com', 'pending')"
    )
    end(world, first, EmailState.SENT)
    finish(world)
    assert world.scalar("SELECT finished_at FROM eed_job") is None
    publish(world)
    end(world, 7, EmailState.SENT)
    finish(world)
    assert world.scalar("SELECT finished_at FROM eed_job") is not None
    assert sums(world)["total"] == 2
    assert_equation(world)


def test_the_lease_of_another_publisher_changes_nothing(world: World) -> None:
    world.add_job(["a@example.com"])
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    world.execute("UPDATE eed_job SET token = token + 2")
    assert world.registry.enlist(job, 2, 60) == 0
    assert sums(world)["found"] == world.scalar("SELECT COUNT(*) FROM eed_email") == 0


def test_a_single_table_row_that_is_ready_again_is_refused_by_name(tmp_path: Path) -> None:
    single = SourceSettings.model_validate(
        {
            "single_table": True,
            "job": {"name": "", "sender": "sender", "reply_to": "", "html_template": "", "text_template": "body",
                    "scheduled_for": "", "expires_at": "", "statuses": {"ready": 1}},
            "email": {"table": "mq", "recipient": "rcpt", "recipient_name": "", "variables": "", "status": "state",
                      "status_detail": "err", "attempts": "", "message_id": "", "sent_at": "",
                      "statuses": {"sent": 3, "failed": 9, "in_doubt": 8, "suppressed": 7, "cancelled": 6}},
        }
    )  # fmt: skip
    world = World(f"sqlite:///{tmp_path}/db.sqlite3", single)
    world.execute("CREATE TABLE mq (id INTEGER PRIMARY KEY, sender, rcpt, subject, body, state, err)")
    world.execute("INSERT INTO mq VALUES (1, 's@bank.example', 'a@example.com', 'S', 'T', 1, '')")
    publish(world)
    assert sums(world)["found"] == 1
    end(world, 1, EmailState.SENT)
    finish(world)
    world.execute("UPDATE mq SET state = 1")
    publish(world)
    finish(world)
    ((state, error),) = world.execute("SELECT state, err FROM mq")
    assert (state, error.partition(" at ")[0]) == (9, "refused: known already: job 1 sent it")
    assert world.execute("SELECT state, finished_at IS NOT NULL FROM eed_job") == [("finished", 1)]
    assert_equation(world)
    world.close()


# --- what only a real server has -----------------------------------------------------------------------------------


@pytest.fixture
def on_server(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


def legacy(world: World, *statements: str, **mapping: Any) -> World:
    """The world over tables `jobs` and `mails` of another make."""
    for statement in statements:
        world.execute(statement)
    job = dict.fromkeys(("name", "reply_to", "html_template", "scheduled_for", "expires_at"), "")
    email = dict.fromkeys(("recipient_name", "variables", "attempts", "message_id", "sent_at"), "")
    world.source = Source(
        SourceSettings.model_validate(
            {
                "job": {"table": "jobs", **job, "key_type": mapping.get("job_key", "integer")},
                "email": {"table": "mails", **email, "key_type": mapping.get("email_key", "integer")},
                "attachment": {"table": ""},
            }
        )
    )
    world.registry = PublishingLedger(world.database, world.source)
    world.sweeping._source = world.source
    return world


JOBS = (
    "CREATE TABLE jobs (id {} PRIMARY KEY, status VARCHAR(20), sender VARCHAR(90), subject VARCHAR(90),"
    " text_template TEXT)"
)
MAILS = (
    "CREATE TABLE mails (id {} PRIMARY KEY, job_id {}, recipient VARCHAR(254), status VARCHAR(20),"
    " status_detail VARCHAR(300), KEY (job_id))"
)


def exact_text(world: World) -> str:
    """A type of text in which a blank at the end counts: MySQL and MariaDB have different names for it."""
    is_mariadb = "mariadb" in str(world.scalar("SELECT VERSION()")).lower()
    return f"VARCHAR(40) CHARACTER SET utf8mb4 COLLATE {'utf8mb4_nopad_bin' if is_mariadb else 'utf8mb4_0900_bin'}"


def add(world: World, job: Any, *emails: Any) -> None:
    world.execute("INSERT INTO jobs VALUES (:id, 'processing', 's@bank.example', 'S', 'T')", id=job)
    for n, key in enumerate(emails):
        recipient = f"c{n}@example.com"
        world.execute("INSERT INTO mails VALUES (:id, :job, :to, 'pending', '')", id=key, job=job, to=recipient)


def mails(world: World) -> dict[Any, tuple[str, str]]:
    return {
        key: (status, detail) for key, status, detail in world.execute("SELECT id, status, status_detail FROM mails")
    }


@pytest.mark.parametrize("chunk", [2, 100])
def test_unsigned_numbers_that_the_ledger_cannot_keep_are_refused_one_by_one(on_server: World, chunk: int) -> None:
    world = legacy(on_server, JOBS.format("BIGINT UNSIGNED"), MAILS.format("BIGINT UNSIGNED", "BIGINT UNSIGNED"))
    add(world, 1, 5, LARGEST_KEY, LARGEST_KEY + 1, 2**64 - 1)
    add(world, 2**63 + 7, 6, 8)
    publish(world, chunk)
    assert sums(world) == {"found": 4, "total": 2, "moved": 0, "regenerated": 0, "refused": 2, "rounds": 0}
    assert {key for key, (status, _) in mails(world).items() if status == "pending"} == {5, LARGEST_KEY}
    assert mails(world)[LARGEST_KEY + 1] == ("failed", f"refused: {TOO_LARGE}")
    assert mails(world)[6] == ("failed", f"refused: its job's key: {TOO_LARGE}")
    assert world.execute("SELECT status FROM jobs ORDER BY id") == [("processing",), ("failed",)]
    jobs_refused = [(job, key, reason) for job, key, reason in refusals(world) if job != "1"]
    assert jobs_refused[-1] == (str(2**63 + 7), None, TOO_LARGE)
    assert [key for _, key, _ in jobs_refused] == ["6", "8", None]
    assert_equation(world)
    publish(world)
    assert len(refusals(world)) == 5
    told = world.reporting.refused_job(str(2**63 + 7))
    assert told is not None
    assert (told.reason, told.emails) == (TOO_LARGE, 2)
    assert world.reporting.refused_job("1") is None


def test_a_server_that_is_not_strict_clamps_nothing_either(on_server: World) -> None:
    world = legacy(on_server, JOBS.format("BIGINT UNSIGNED"), MAILS.format("BIGINT UNSIGNED", "BIGINT UNSIGNED"))
    add(world, 1, 5, 6, LARGEST_KEY + 1, LARGEST_KEY + 2)
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    world.registry.enlist(job, 1, 60)

    def loosely(c: Connection) -> None:
        c.exec_driver_sql("SET SESSION sql_mode = ''")
        while world.registry._enlisting.chunk(c, job, 10, 60).rows:
            pass

    world.database.run(loosely)
    assert sums(world)["refused"] == 2
    assert_equation(world)


def test_keys_with_a_blank_at_the_end_are_refused_and_spoil_no_other(on_server: World) -> None:
    text = exact_text(on_server)
    world = legacy(
        on_server,
        JOBS.format(text),
        MAILS.format(text.replace("40", "300"), text),
        job_key="string",
        email_key="string",
    )
    add(world, "J1", "K1", "K1 ", "k1", "x" * 192)
    add(world, "J1 ", "K2", "K3")
    publish(world)
    assert sums(world) | {"rounds": 0} == {
        "found": 4, "total": 2, "moved": 0, "regenerated": 0, "refused": 2, "rounds": 0
    }  # fmt: skip
    assert {key: status for key, (status, _) in mails(world).items()} == {
        "K1": "pending", "k1": "pending", "K1 ": "failed", "x" * 192: "failed", "K2": "failed", "K3": "failed"
    }  # fmt: skip
    assert mails(world)["K1 "][1] == f"refused: {BLANK_AT_END}"
    assert mails(world)["x" * 192][1] == f"refused: {TOO_LONG}"
    assert dict(world.execute("SELECT id, status FROM jobs")) == {"J1": "processing", "J1 ": "failed"}
    assert_equation(world)


def test_another_jobs_recipients_are_not_taken_for_ours_and_a_misspelt_job_is_said(on_server: World) -> None:
    exact = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    loose = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    world = legacy(on_server, JOBS.format(exact), MAILS.format("INT", loose), job_key="string")
    add(world, "x7Qa", 1)
    add(world, "X7qA", 2)
    world.execute("INSERT INTO mails VALUES (3, 'X7QA', 'c@example.com', 'pending', '')")
    publish(world)
    jobs = dict(world.execute("SELECT source_key, job_id FROM eed_job"))
    assert dict(world.execute("SELECT email_id, job_id FROM eed_email")) == {1: jobs["x7Qa"], 2: jobs["X7qA"]}
    ((_, key, reason),) = refusals(world)
    assert (key, reason.partition(",")[0]) == ("3", "its job_id is 'X7QA'")
    assert mails(world)[3][0] == "failed"
    assert_equation(world)


SLOW = (
    "CREATE VIEW mails AS SELECT id, job_id, recipient, status, status_detail FROM real_mails"
    " WHERE SLEEP(0.2) = 0 OR id > 0"
)


def test_a_chunk_that_takes_longer_than_its_lease_keeps_rows_and_counts_together(on_server: World) -> None:
    world = legacy(on_server, JOBS.format("INT"), MAILS.format("INT", "INT").replace("mails", "real_mails"), SLOW)
    add(world, 1, *range(1, 6))
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 0.4, 10, 0)
    others: list[Sequence[Any]] = []
    started, ended = threading.Event(), threading.Event()

    def rival() -> None:
        """Another publisher, while the first one's lease has run out and its chunk has not ended."""
        started.wait(30)
        while not ended.is_set():
            others.append(world.registry.lease(new_token(), 0.01, 10, 0))

    thread = threading.Thread(target=rival)
    thread.start()

    def chunk(c: Connection) -> int:
        rows = world.registry._enlisting.chunk(c, job, 10, 0.4).rows
        started.set()
        return rows

    try:
        assert world.database.run(chunk) == 5
    finally:
        started.set()
        ended.set()
        thread.join()
    assert sums(world)["found"] == sums(world)["total"] == world.scalar("SELECT COUNT(*) FROM eed_email") == 5
    assert_equation(world)


def test_what_is_left_out_of_the_closing_look_is_the_job_alone(on_server: World) -> None:
    """The look at what is unknown is of one job, and of its refusals."""
    world = legacy(on_server, JOBS.format("INT"), MAILS.format("INT", "INT"))
    add(world, 1, 1, 2, 3)
    add(world, 2, 4)
    world.execute("INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES (1, 1, 'a', 'pending')")
    world.execute("INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES (2, 9, 'a', 'pending')")
    world.execute(
        "INSERT INTO eed_refusal (job_id, job_key, source_key, reason, refused_at) VALUES (1, '1', '3', 'x', NOW())"
    )
    world.execute(
        "INSERT INTO eed_refusal (job_id, job_key, source_key, reason, refused_at) VALUES (1, '1', '4', 'x', NOW())"
    )

    def unknown(job: int) -> list[Any]:
        known = Known(eed_email, eed_refusal, job)
        return [row.key for row in world.database.run(lambda c: world.source.unknown(c, job, known, 10))]

    assert (unknown(1), unknown(2)) == ([2], [4])


# --- whatever happens to the source ---------------------------------------------------------------------------------

_row = st.integers(0, 11)
_job = st.integers(1, 3)
_step = st.one_of(
    st.tuples(st.just("add"), _row, _job),
    st.tuples(st.just("move"), _row, _job),
    st.tuples(st.just("reset"), _row, _job),
    st.tuples(st.just("delete"), _row, _job),
    st.tuples(st.just("ready"), _row, _job),
    st.tuples(st.just("drop the job"), _row, _job),
    st.tuples(st.just("publish"), _row, _job),
    st.tuples(st.just("end"), _row, _job),
    st.tuples(st.just("cancel"), _row, _job),
    st.tuples(st.just("finish"), _row, _job),
)


def play(world: World, step: tuple[str, int, int]) -> None:
    what, row, job = step
    at = {"id": row + 1}
    match what:
        case "add":
            world.execute(
                "INSERT INTO delivery_email (id, job_id, recipient, status)"
                " SELECT :id, :job, 'a@example.com', 'pending'"
                " WHERE NOT EXISTS (SELECT 1 FROM delivery_email WHERE id = :id)",
                job=job,
                **at,
            )
        case "move":
            world.execute("UPDATE delivery_email SET job_id = :job WHERE id = :id", job=job, **at)
        case "reset":
            world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = :id", **at)
        case "delete":
            world.execute("DELETE FROM delivery_email WHERE id = :id", **at)
        case "ready":
            world.execute("UPDATE delivery_job SET status = 'processing' WHERE id = :job", job=job)
        case "drop the job":
            world.execute("DELETE FROM delivery_job WHERE id = :job", job=job)
        case "publish":
            publish(world, chunk=2)
        case "end":
            gens = world.execute("SELECT gen FROM eed_email WHERE email_id = :id", **at)
            claim = world.claim(at["id"], gen=gens[0][0]) if gens else None
            for email in claim.emails if claim else ():
                state = (EmailState.SENT, EmailState.FAILED, EmailState.IN_DOUBT)[job - 1]
                world.delivering.wire(email, 60)
                world.delivering.record(email, Decision(state, Outcome(VERDICTS[state], "x"), True), 1)
        case "cancel":
            world.operating.cancel(job, "a test")
            world.sweeping.end_leftovers()
        case "finish":
            finish(world)


@pytest.mark.parametrize("policy", [SourceSettings(), AGAIN], ids=["refuse", "new_generation"])
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, max_size=40))
def test_whatever_happens_to_the_source_the_sums_come_out_even(
    tmp_path: Path, policy: SourceSettings, steps: list[tuple[str, int, int]]
) -> None:
    (tmp_path / "db.sqlite3").unlink(missing_ok=True)
    world = World(f"sqlite:///{tmp_path}/db.sqlite3", policy)
    try:
        for job in (1, 2, 3):
            world.add_job([], job_id=job)
        for step in steps:
            play(world, step)
            assert_equation(world)
        world.execute("UPDATE delivery_job SET status = 'processing'")
        for _ in range(3):  # what is open ends, what is late is taken, what is known is judged
            publish(world)
            for row in range(12):
                play(world, ("end", row, 1))
            world.sweeping.end_leftovers()
            finish(world)
            assert_equation(world)
        asked_for = "status = 'pending' AND job_id IN (SELECT id FROM delivery_job)"
        assert world.execute(f"SELECT id, job_id FROM delivery_email WHERE {asked_for}") == []
    finally:
        world.close()
