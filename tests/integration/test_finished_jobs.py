"""Recipients of jobs that have been finished for long enough are replaced, and everything else stays."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import TrackingSettings
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.persons.finished_jobs import CHUNK, FIRST_JOB, FinishedJobsLedger, JobPosition
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.pseudonyms import Pseudonyms
from eed_delivery.sweeper.recipients import PAUSE_SECONDS, RecipientRetention
from tests.command_line import CommandLine
from tests.integration.test_persons import SECRET, delivering, names_anna, settle
from tests.integration.test_tracking import hard
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

DAYS = 30
PSEUDONYMS = Pseudonyms([SECRET])
ANNA = "sigrid.meyer@example.com"
HASH = PSEUDONYMS.of(ANNA)


def ledger(world: World) -> FinishedJobsLedger:
    return FinishedJobsLedger(world.database, PSEUDONYMS, DAYS)


def job(world: World, recipients: list[str], job_id: int = 1, days: float = DAYS + 1, state: str = "sent") -> list[int]:
    """A job that has been finished for so many days."""
    ids = world.add_job(recipients, job_id=job_id)
    world.enlist(job_id)
    settle(world, state)
    finish(world, job_id, days)
    return ids


def finish(world: World, job_id: int = 1, days: float = DAYS + 1) -> None:
    at = world.reporting.now() - timedelta(days=days)
    world.execute("UPDATE eed_job SET finished_at = :at, state = 'finished' WHERE job_id = :j", at=at, j=job_id)


def walk(ledger: FinishedJobsLedger, position: JobPosition = FIRST_JOB) -> int:
    """To the end; returns of how many emails."""
    done, next_one = ledger.replace(position)
    while next_one is not None:
        count, next_one = ledger.replace(next_one)
        done += count
    return done


def addresses(world: World) -> list[Any]:
    return [address for (address,) in world.execute("SELECT address FROM eed_email ORDER BY email_id")]


def test_of_an_old_job_no_recipient_stays(world: World) -> None:
    one, *_ = job(world, [ANNA, "sigrid.meyer@@x", " Sigrid.Meyer@EXAMPLE.com"])
    TrackingLedger(world.database, world.source, TrackingSettings(suppress_hard_bounces=0)).take([hard(one)])
    world.execute("UPDATE eed_event SET detail = 'no sigrid.meyer here'")
    states = world.execute("SELECT email_id, state, gen, outcome, message_id FROM eed_email")
    assert walk(ledger(world)) == 3
    assert names_anna(world) == []
    assert addresses(world) == [HASH, None, HASH]
    assert world.execute("SELECT email_id, state, gen, outcome, message_id FROM eed_email") == states
    assert world.scalar("SELECT COUNT(*) FROM eed_audit") == 0  # no person did it


def test_what_is_young_or_not_finished_stays(world: World) -> None:
    job(world, [ANNA], 1, days=DAYS - 0.1)
    job(world, [ANNA], 2)
    world.execute("UPDATE eed_job SET finished_at = NULL WHERE job_id = 2")
    assert walk(ledger(world)) == 0
    assert addresses(world) == [ANNA, ANNA]


def test_many_emails_go_in_small_steps_and_each_once(world: World) -> None:
    ids = job(world, [ANNA] * (2 * CHUNK + 5))
    world.execute("UPDATE eed_email SET state = 'failed' WHERE email_id > :i", i=ids[-20])
    steps = ledger(world)
    counts, position = [], FIRST_JOB
    while True:
        count, after = steps.replace(position)
        counts.append(count)
        if after is None:
            break
        position = after
    assert max(counts) == CHUNK
    assert sum(counts) == len(ids)
    assert set(addresses(world)) == {HASH}
    assert walk(steps) == 0
    assert steps.replace(FIRST_JOB) == (0, None)  # done jobs are not read again


def test_a_walk_that_breaks_off_begins_again(world: World) -> None:
    job(world, [ANNA] * (CHUNK + 5))
    steps = ledger(world)
    _, position = steps.replace(FIRST_JOB)
    while position is not None and set(addresses(world)) == {ANNA}:
        _, position = steps.replace(position)
    assert set(addresses(world)) == {ANNA, HASH}
    assert walk(ledger(world)) == 5
    assert set(addresses(world)) == {HASH}


def test_a_job_that_was_open_again_gets_its_time_anew(world: World) -> None:
    (one,) = job(world, [ANNA])
    walk(ledger(world))
    world.execute("UPDATE eed_email SET address = :a, recipient = :a", a=ANNA)  # the source made it ready again
    finish(world, days=-1)  # it ends after it was replaced
    assert walk(ledger(world)) == 0
    finish(world)
    world.execute("UPDATE eed_job SET pseudonymised_at = '2001-01-01'")
    assert walk(ledger(world)) == 1
    assert addresses(world) == [HASH]
    assert one


def test_a_job_that_is_opened_in_between_is_left(world: World) -> None:
    job(world, [ANNA], state="failed")
    steps = ledger(world)
    _, position = steps.replace(FIRST_JOB)
    assert position is not None
    world.operating.requeue(Selection(jobs=(1,)))
    assert walk(steps, position) == 0
    assert addresses(world) == [ANNA]


def test_whoever_unsubscribes_by_an_old_email_is_suppressed(world: World) -> None:
    (one,) = job(world, [ANNA])
    walk(ledger(world))
    UnsubscribeLedger(world.database).store(one, 0, "", "one click", world.reporting.now())
    (later,) = world.add_job([ANNA.upper()], job_id=2)
    world.enlist(2)
    delivering(world, SECRET)
    world.claim(later)
    assert world.state(later) == "suppressed"


def test_the_sweeper_does_it_in_no_hurry(world: World) -> None:
    job(world, [ANNA])
    retention = RecipientRetention(ledger(world), 7.0)
    with capture_logs() as said:
        while retention.step() == PAUSE_SECONDS:
            pass
    assert addresses(world) == [HASH]
    assert [(line["event"], line["count"]) for line in said if line["event"] == "recipients_replaced"] == [
        ("recipients_replaced", 1)
    ]
    job(world, [ANNA], 2)
    assert retention.step() == 7.0  # the next walk is later


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[privacy]\nfinished_job_days = 30", "privacy.secret"),
        ("[privacy]\nfinished_job_days = -1", "privacy.finished_job_days: -1 is too small"),
        ("[privacy]\nstore_replies = 'both'", "'masked' or 'verbatim'"),
        ("[privacy]\nfinished_job_days = 30\n[tracking]\nsuppress_soft_bounces = 3", "suppress_within_days"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, more: str, words: str) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/x.sqlite3", more=more)
    refused = eed.refused("jobs", code=78)
    assert words in refused
