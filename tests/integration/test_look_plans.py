"""What people look at reads no more of the ledger than it shows: by the entries that the database's handlers read.

There are three jobs, and the emails of the last one lie behind all others. The audit has ten thousand acts. Only the
last entry of the suppression list is of another domain.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from eed_delivery.database.engine import make_engine
from eed_delivery.ledger.acts import ActKind, ActLedger
from eed_delivery.ledger.auditing import AuditFilter, AuditLedger
from eed_delivery.ledger.job_lists import JobFilter, JobListLedger
from eed_delivery.ledger.suppression.listing import LOOKED_AT_ONCE, SuppressionFilter, SuppressionList
from eed_delivery.model import EmailState
from tests.integration.test_plans import looked_at
from tests.servers.database_server import DatabaseServer
from tests.world import World

pytestmark = pytest.mark.both_databases

EMAILS = 12_000
EARLY, ENDED, LATE = 1, 2, 3
LATE_EMAILS = 200
ACTS = 10_000
SUPPRESSED = 25_000


@pytest.fixture(scope="module")
def ledger(database_server: DatabaseServer) -> Iterator[World]:
    """By one connection, whose handlers are counted."""
    url = database_server.create_database("look_plans")
    world = World(url, engine=make_engine(sa.make_url(url), connections=1))
    numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT"
    limit = "max_recursive_iterations" if database_server.kind == "mariadb" else "cte_max_recursion_depth"
    for statement in (
        f"SET {limit} = 1000000",
        "INSERT INTO eed_email (email_id, job_id, recipient, address, state, outcome)"
        f" {numbers.format(EMAILS)} i, IF(i > {EMAILS - LATE_EMAILS}, {LATE}, 1 + i MOD 2), 'a@example.com',"
        " CONCAT('a', i, '@example.com'), CASE WHEN i MOD 100 IN (6, 7) THEN 'failed' WHEN i MOD 100 = 8 THEN"
        " 'in_doubt' ELSE 'sent' END, IF(i MOD 2, 'delivered', NULL) FROM n",
        "INSERT INTO eed_job (job_id, source_key, state, total, enlisted_at, created_at, finished_at, final_counts)"
        " SELECT job_id, job_id, IF(job_id = 2, 'finished', 'active'), COUNT(*), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),"
        " IF(job_id = 2, UTC_TIMESTAMP(6), NULL), IF(job_id = 2, '{\"in_doubt\": 1}', NULL) FROM eed_email"
        " GROUP BY job_id",
        "INSERT INTO eed_audit (job_id, act, who, sudo_user, at, object_kind, object_key, operation)"
        f" {numbers.format(ACTS)} 1 + i MOD 3, 'pause', IF(i = 7, 'anna as eed', 'bert'), IF(i = 8, 'anna', NULL),"
        " UTC_TIMESTAMP(6), 'job', 1 + i MOD 3, i FROM n",
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        f" {numbers.format(SUPPRESSED)} CONCAT(LPAD(i, 6, '0'), IF(i = {SUPPRESSED}, '@example.org', '@example.com')),"
        " '', 'x', 'bounce', UTC_TIMESTAMP(6) FROM n",
        "ANALYZE TABLE eed_email, eed_job, eed_audit, eed_suppression",
    ):
        world.execute(statement)
    yield world
    world.close()


def entries(world: World, ask: Callable[[], Any]) -> int:
    """How many the handlers read for it."""
    before = world.database.run(looked_at)
    ask()
    return world.database.run(looked_at) - before


@pytest.mark.parametrize(("job", "after"), [(EARLY, 0), (EARLY, EMAILS // 2), (LATE, 0)])
@pytest.mark.parametrize("state", [None, EmailState.SENT, EmailState.FAILED])
def test_a_page_of_a_jobs_emails_reads_that_page(ledger: World, job: int, after: int, state: EmailState | None) -> None:
    page = 20

    def ask() -> None:
        assert next(emails).job_id == job

    emails = ledger.reporting.emails(job, state, page=page, after=after)
    # Of three states as many index entries as the page has, each copied twice, and the rows of the page.
    assert entries(ledger, ask) < 20 * page


def test_a_whole_job_is_read_in_order_whatever_the_states(ledger: World) -> None:
    found = [email.email_id for email in ledger.reporting.emails(LATE, page=30)]
    assert found == list(range(EMAILS - LATE_EMAILS + 1, EMAILS + 1))


def test_an_emails_job_is_named_without_counting_its_emails(ledger: World) -> None:
    assert entries(ledger, lambda: ledger.reporting.key_and_channel(EARLY)) < 10
    assert ledger.reporting.key_and_channel(EARLY) == ("1", "default")
    assert ledger.reporting.key_and_channel(999) is None


def test_a_finished_job_with_doubts_is_counted_without_what_was_sent(ledger: World) -> None:
    lists = JobListLedger(ledger.database)
    (job,) = lists.jobs(JobFilter(job_ids=(ENDED,)), 1)
    assert not job.is_counted
    assert entries(ledger, lambda: lists.counts([job])) < EMAILS // 2 // 20
    counted = dict(
        ledger.execute("SELECT state, COUNT(*) FROM eed_email WHERE job_id = :job GROUP BY state", job=ENDED)
    )
    assert lists.counts([job])[ENDED] == counted


@pytest.mark.parametrize(
    ("wanted", "acts"),
    [
        (AuditFilter(person="anna"), 2),
        (AuditFilter(person="nobody"), 0),
        (AuditFilter(kind=ActKind.CANCEL), 0),
        (AuditFilter(job="none", job_id=None), 0),
        (AuditFilter(job="1", job_id=1), 21),
        (AuditFilter(), 21),
    ],
)
def test_acts_are_found_by_an_index(ledger: World, wanted: AuditFilter, acts: int) -> None:
    def ask() -> None:
        found = AuditLedger(ledger.database).entries(wanted, page=21)
        ids = [entry.act_id for entry, _ in zip(found, range(21), strict=False)]
        assert ids == sorted(ids, reverse=True)
        assert len(set(ids)) == len(ids) == acts

    assert entries(ledger, ask) < 500


def test_the_last_acts_on_a_job_are_read_from_the_end(ledger: World) -> None:
    acts = ActLedger(ledger.database)
    assert entries(ledger, lambda: acts.last_of_job(EARLY, 5)) < 500
    last, more = acts.last_of_job(EARLY, 5)
    assert more
    assert last == list(acts.of_job(EARLY))[-5:]
    assert acts.last_of_job(999, 5) == ([], False)


@pytest.mark.parametrize("domain", ["example.net", "example.org"])
def test_a_filter_of_the_suppression_list_reads_a_bounded_part_at_a_time(ledger: World, domain: str) -> None:
    entries_of, wanted = SuppressionList(ledger.database), SuppressionFilter(domain=domain)
    found, after, parts = [], "", 0

    def ask() -> None:
        part, end = entries_of.part(wanted, after, 100)
        found.append((part, end))

    while True:
        assert entries(ledger, ask) < 2.1 * LOOKED_AT_ONCE
        parts += 1
        if found[-1][1] is None:
            break
        after = found[-1][1]
    assert parts == 1 + SUPPRESSED // LOOKED_AT_ONCE
    assert sum(len(part) for part, _ in found) == (domain == "example.org")


def test_a_page_of_the_suppression_list_reads_that_page(ledger: World) -> None:
    entries_of = SuppressionList(ledger.database)
    assert entries(ledger, lambda: entries_of.part(SuppressionFilter(), "012345@example.com", 100)) < 500
    page, after = entries_of.part(SuppressionFilter(), "012345@example.com", 100)
    assert (len(page), after) == (100, "012445@example.com")
