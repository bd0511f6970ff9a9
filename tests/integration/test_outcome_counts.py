"""A job's outcomes, counted by the indexes: exact whatever state an email is in, and without its row as a rule."""

from collections.abc import Sequence

import pytest
from sqlalchemy import event

from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger, OutcomeReport
from eed_delivery.model import EmailState
from tests.numbers import numbers
from tests.world import World

OUTCOMES = [None, "delivered", "soft_bounced", "hard_bounced", "complained"]


def put(world: World, email_id: int, state: str, outcome: str | None) -> None:
    world.execute("UPDATE eed_email SET state = :s, outcome = :o WHERE email_id = :i", s=state, o=outcome, i=email_id)


def report(world: World, job_id: int = 1) -> OutcomeReport:
    return OutcomeLedger(world.database).of_job(job_id)


def test_every_state_may_have_any_outcome_and_only_what_was_sent_counts(world: World) -> None:
    """Such as an email that was refused by its operator's word, or that the policy `resend` sends again."""
    wanted = [(state, outcome) for state in EmailState for outcome in OUTCOMES]
    wanted += [(EmailState.SENT, outcome) for n, outcome in enumerate(OUTCOMES) for _ in range(n)]
    for job_id in (1, 2):
        ids = world.add_job([f"c{n}@example.com" for n in range(len(wanted))], job_id=job_id)
        world.enlist(job_id)
        for email_id, (state, outcome) in zip(ids, wanted, strict=True):
            put(world, email_id, state, outcome)
    assert report(world) == OutcomeReport(no_word_yet=1, delivered=2, soft_bounced=3, hard_bounced=4, complained=5)


def test_a_requeued_email_has_no_outcome_until_its_new_generation_is_sent(world: World) -> None:
    (failed, sent) = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put(world, failed, "failed", "hard_bounced")
    put(world, sent, "sent", "delivered")
    assert world.operating.requeue(Selection(jobs=(1,))) == 1
    assert report(world) == OutcomeReport(no_word_yet=0, delivered=1, soft_bounced=0, hard_bounced=0, complained=0)
    put(world, failed, "sent", None)
    assert report(world) == OutcomeReport(no_word_yet=1, delivered=1, soft_bounced=0, hard_bounced=0, complained=0)


def test_a_job_without_emails_has_no_outcomes(world: World) -> None:
    assert report(world) == OutcomeReport(0, 0, 0, 0, 0)


def plan(world: World) -> Sequence[dict[str, object]]:
    """How MariaDB would do it: a row for each table that is read."""
    seen: list[tuple[str, object]] = []

    def before(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(world.database.engine, "before_cursor_execute", before)
    report(world)
    event.remove(world.database.engine, "before_cursor_execute", before)
    (statement, parameters) = seen[-1]

    def work(c: object) -> Sequence[dict[str, object]]:
        rows = c.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters)  # type: ignore[attr-defined]
        return [dict(row) for row in rows.mappings()]

    return world.database.run(work)


@pytest.fixture
def large(database_url: str) -> World:
    """Two jobs, of which one has been sent for the most part; too many rows to be read all."""
    world = World(database_url)
    for job_id in (1, 2):
        world.execute(
            "INSERT INTO eed_email (email_id, job_id, recipient, state, outcome) SELECT seq + :first, :job,"
            " 'a@example.com', IF(seq % 100, 'sent', 'failed'), IF(seq % 10, 'delivered', NULL)"
            f" FROM {numbers(20_000)}",
            first=job_id * 100_000, job=job_id,
        )  # fmt: skip
    world.execute("ANALYZE TABLE eed_email")
    return world


def test_what_was_sent_is_counted_by_the_indexes_alone(large: World) -> None:
    sent, by_outcome, not_sent = plan(large)[:3]
    assert (sent["key"], by_outcome["key"]) == ("eed_email_by_job_state", "eed_email_by_job_outcome")
    assert all("Using index" in str(step["Extra"]).split("; ") for step in (sent, by_outcome))
    assert not_sent["key"] == "eed_email_by_job_state"
    assert int(str(not_sent["rows"])) < 2000, "rows are read of the few that were not sent"
    assert report(large) == OutcomeReport(
        delivered=18_000, no_word_yet=1800, soft_bounced=0, hard_bounced=0, complained=0
    )
    large.close()
