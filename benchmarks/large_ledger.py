"""A ledger with millions of emails, made by the database itself within minutes.

There are twenty jobs of one size. Those that the pages of the browser's tests are about run or stand still, the others
have ended. One late job has a few emails behind all others.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from eed_delivery.ledger.schema import eed_job
from tests.browser.night import EMPTY, ENDED, HOSTILE, HUGE, PAUSED, RUNS, fill_surroundings
from tests.world import World

JOBS = 20
OPEN_JOBS = (PAUSED, HOSTILE, HUGE, RUNS)
LATE = 5000
LATE_EMAILS = 20
TRIED_JOBS = 6
"""The newest jobs, whose emails have tries and events. Those of the others are forgotten."""
FIRST_EMAIL = 2_000_000
FINISHED_JOB = 1000
CHUNK = 500_000
CONNECTIONS = 2
AUDIT_ROWS = 200_000
OPERATIONS = 1000
INDEX = "eed_email_by_address"
OPERATION = f"{17:016X}"
"""The id of a long act."""
_ENDED_SHARE = 600
"""Of a thousand emails of a job that is not finished, so many have ended."""

# Of 10,000 emails. What is left is sent.
_STATE = """CASE WHEN n MOD 5000 = 7 THEN 'in_doubt' WHEN n MOD 100 < 2 THEN 'failed'
 WHEN n MOD 200 = 5 THEN 'suppressed' WHEN n MOD 250 = 6 THEN 'cancelled' ELSE 'sent' END"""
_OPEN_STATE = f"""CASE WHEN n MOD 1000 >= {_ENDED_SHARE} THEN CASE WHEN n MOD 100 < 95 THEN 'pending'
 WHEN n MOD 100000 = 99999 THEN 'sending' ELSE 'queued' END ELSE {_STATE} END"""
_DETAIL = """CASE state WHEN 'failed' THEN ELT(1 + (n DIV 100) MOD 6,
 '550 5.1.1 no such user', '550 5.7.1 refused by policy', '552 5.2.2 mailbox full', 'not an address',
 CONCAT('550 5.4.1 [queue ', n, '] access denied'), 'expired: its job had to end') WHEN 'in_doubt' THEN
 'no answer to the final dot' WHEN 'suppressed' THEN 'hard bounce: 550 5.1.1 no such mailbox here' END"""
_DOMAIN = """CASE WHEN n MOD 10 < 6 THEN ELT(1 + n MOD 10, 'gmail.example', 'gmx.example', 'web.example', 't.example',
 'outlook.example', 'yahoo.example') ELSE CONCAT('d', (n * 7919) MOD 20000, '.example') END"""


@dataclass(frozen=True, slots=True)
class LargeLedger:
    """`of_job` are the first email and the number of emails of each of the twenty jobs."""

    of_job: dict[int, range]

    def email(self, share: float) -> int:
        """An email that lies behind this share of all."""
        emails = list(self.of_job.values())
        return emails[0].start + int(share * (emails[-1].stop - emails[0].start))


def fill(world: World, emails: int) -> LargeLedger:
    """Put all of it into an empty world, on MariaDB."""
    size = emails // JOBS
    ended = [ENDED, *(1000 + n for n in range(JOBS - len(OPEN_JOBS) - 1))]
    jobs = [*ended, *OPEN_JOBS]
    of_job = {job: range(FIRST_EMAIL + n * size, FIRST_EMAIL + (n + 1) * size) for n, job in enumerate(jobs)}
    world.add_job(("customer0@example.com",), RUNS, html_template="<p>Dear {{ name }}</p>")
    for job in (*ended, PAUSED, HOSTILE, HUGE):
        world.add_job((), job)
    world.add_job(("scheduled@example.com",), 7000, scheduled_for=datetime.now(UTC) + timedelta(days=1))
    world.execute(f"ALTER TABLE eed_email DROP INDEX {INDEX}")

    def put(job: int) -> None:
        _put_emails(world, job, of_job[job], _STATE if job in ended else _OPEN_STATE)
        if job in jobs[-TRIED_JOBS:]:
            _put_tries(world, of_job[job])
        print(f"job {job}: {size:,} emails", flush=True)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(put, jobs))
    last = FIRST_EMAIL + JOBS * size
    late = range(last, last + LATE_EMAILS)
    _put_emails(world, LATE, late, _STATE)
    _put_tries(world, late)
    world.execute(f"ALTER TABLE eed_email ADD INDEX {INDEX} (address), ALGORITHM=INPLACE, LOCK=NONE")
    for job in (RUNS, HOSTILE):  # the emails that the pages are about
        _put_emails(world, job, range(1000 * job, 1000 * job + 1), "'sent'")
        _put_tries(world, range(1000 * job, 1000 * job + 1))
    now = datetime.now(UTC).replace(tzinfo=None)
    for n, job in enumerate([*ended, LATE, *OPEN_JOBS]):
        _put_job(world, job, now - timedelta(days=JOBS - n), is_finished=job not in OPEN_JOBS)
    _put_job(world, EMPTY, now, is_finished=False)
    _put_beside(world, emails)
    fill_surroundings(world)
    world.execute("ANALYZE TABLE eed_email, eed_attempt, eed_event, eed_job, eed_suppression, eed_audit")
    return LargeLedger(of_job)


def fill_finished(world: World, emails: int) -> None:
    """Put jobs that have ended into an empty ledger, with their emails, tries and events, on MariaDB. The source knows
    nothing of them."""
    size = emails // JOBS
    now = datetime.now(UTC).replace(tzinfo=None)
    for n in range(JOBS):
        job, ids = FINISHED_JOB + n, range(FIRST_EMAIL + n * size, FIRST_EMAIL + (n + 1) * size)
        _put_emails(world, job, ids, _STATE)
        _put_tries(world, ids)
        _put_job(world, job, now - timedelta(days=JOBS - n), is_finished=True)
    world.execute("ANALYZE TABLE eed_email, eed_attempt, eed_event, eed_job")


def _put_emails(world: World, job: int, ids: range, state: str) -> None:
    """Emails of one job."""
    for first in range(ids.start, ids.stop, CHUNK):
        last = min(first + CHUNK, ids.stop) - 1
        world.execute(
            "INSERT INTO eed_email (email_id, job_id, recipient, address, state, attempts, changed_at, queued_at,"
            " wire_at, lease_until, message_id, outcome, outcome_at, detail)"
            " SELECT n, :job, address, address, state, state NOT IN ('pending', 'queued'), at, at,"
            " IF(state IN ('sent', 'in_doubt', 'sending'), at, NULL), IF(state = 'sending', at + INTERVAL 1 DAY, NULL),"
            " IF(state = 'sent', CONCAT('4CXn', n), NULL),"
            " IF(state = 'sent' AND n MOD 2, IF(n MOD 67 = 0, 'hard_bounced', 'delivered'), NULL),"
            f" IF(state = 'sent' AND n MOD 2, at, NULL), {_DETAIL}"
            f" FROM (SELECT n, CONCAT('c', LEFT(MD5(n), 12), '@', {_DOMAIN}) AS address, {state} AS state,"
            f" UTC_TIMESTAMP(6) - INTERVAL ({last + 60} - n) DIV 200 SECOND AS at"
            f" FROM (SELECT seq AS n FROM seq_{first}_to_{last}) AS numbers) AS made",
            job=job,
        )  # fmt: skip


def _put_tries(world: World, ids: range) -> None:
    """Tries and events of emails."""
    for first in range(ids.start, ids.stop, CHUNK):
        within = f"email_id BETWEEN {first} AND {min(first + CHUNK, ids.stop) - 1}"
        tried = f"FROM eed_email WHERE {within} AND state IN ('sent', 'failed', 'in_doubt')"
        columns = (
            "email_id, gen, attempt, verdict, counted, code, reply, message_id, worker, took_ms, ended_at, recipient"
        )
        world.execute(
            f"INSERT INTO eed_attempt ({columns}) SELECT email_id, 0, 1, 'temporary', 1, 451, '451 4.7.1 greylisted',"
            " NULL, 'mail-1.example.com/17', 41, changed_at - INTERVAL 5 MINUTE, recipient"
            f" {tried} AND email_id MOD 20 = 3"
        )
        world.execute(
            f"INSERT INTO eed_attempt ({columns}) SELECT email_id, 0, 1, CASE state WHEN 'failed' THEN 'permanent'"
            " ELSE state END, 1, IF(state = 'failed', 550, 250), detail, message_id, 'mail-1.example.com/17', 41,"
            f" changed_at, recipient {tried}"
        )
        world.execute(
            "INSERT INTO eed_event (event_id, email_id, gen, kind, outcome, automatic, address, occurred_at,"
            " received_at) SELECT CONCAT('e', email_id), email_id, 0, IF(outcome = 'delivered', 'delivery', 'bounce'),"
            " outcome, 0, IF(outcome = 'delivered', NULL, address), changed_at, changed_at FROM eed_email"
            f" WHERE {within} AND outcome IS NOT NULL"
        )


def _put_job(world: World, job: int, at: datetime, *, is_finished: bool) -> None:
    counts = dict(world.execute("SELECT state, COUNT(*) FROM eed_email WHERE job_id = :job GROUP BY state", job=job))
    total = sum(counts.values())
    ended = {"finished_at": at, "final_counts": json.dumps(counts)} if is_finished else {}
    row = {"job_id": job, "source_key": str(job), "name": f"Statements {job}", "total": total, "found": total, **ended}
    row |= {"state": "finished" if is_finished else "paused" if job in (PAUSED, HOSTILE) else "active"}
    row |= {"created_at": at, "enlisted_at": at}
    world.database.run(lambda c: c.execute(insert(eed_job).values(**row)))


def _put_beside(world: World, emails: int) -> None:
    """Entries of the list, rows of the audit, and long acts that have ended."""
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        " SELECT CONCAT('s', LEFT(MD5(seq), 12), '@d', seq MOD 5000, '.example'), '', '550 5.1.1 no such user',"
        " ELT(1 + seq MOD 4, 'bounce', 'bounce', 'complaint', 'unsubscribe'), UTC_TIMESTAMP(6)"
        f" FROM seq_1_to_{emails // 10}"
    )
    world.execute(
        "INSERT INTO eed_audit (job_id, email_id, act, who, at, surface, object_kind, object_key, operation)"
        f" SELECT ELT(1 + seq MOD 3, {RUNS}, {HUGE}, NULL), IF(seq MOD 3 = 2, {FIRST_EMAIL} + seq, NULL),"
        " ELT(1 + seq MOD 4, 'email', 'emails', 'pause', 'resume'), ELT(1 + seq MOD 3, 'anna', 'bert', 'service'),"
        f" UTC_TIMESTAMP(6) - INTERVAL {AUDIT_ROWS} - seq MINUTE, 'page', ELT(1 + seq MOD 3, 'job', 'job', 'email'),"
        f" ELT(1 + seq MOD 3, '{RUNS}', '{HUGE}', {FIRST_EMAIL} + seq),"
        f" LPAD(HEX(seq), 16, '0') FROM seq_1_to_{AUDIT_ROWS}"
    )
    world.execute(
        "INSERT INTO eed_operation (operation_id, kind, state, selection, parameters, errors, who, host, surface,"
        " total, done, made_at, moved_at, ended_at) SELECT LPAD(HEX(seq), 16, '0'), 'requeue', 'done',"
        f" '{{\"jobs\": [\"{RUNS}\"]}}', '{{}}', '[]', 'anna', 'ops', 'page', 10, 10, UTC_TIMESTAMP(6),"
        f" UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) FROM seq_1_to_{OPERATIONS}"
    )
