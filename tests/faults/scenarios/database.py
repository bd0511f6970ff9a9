"""The database: killed under load, its answers lost, its locks contended, its writes forbidden."""

import re
import secrets
from collections.abc import Sequence
from threading import Event

from sqlalchemy import make_url

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import add_jobs, attempts_beyond_one, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import DEADLOCK, LOCK_TIMEOUT, MySqlProxy
from tests.stack import Stack

SHOWN = 5
BRIEF_SECONDS = 0.5
EACH_KIND = 1
"""So many commits of every kind are cut for certain, however rare the kind is."""
CONTENDED_SHARE = 0.05

# The transactions of the service by a statement that only they have; what changes other rows is named by its tables.
_KINDS = {
    "register": r"INSERT IGNORE INTO eed_job",
    "lease": r"UPDATE eed_job SET token=\d+, lease_until=\(",
    "let go": r"UPDATE eed_job SET lease_until=NULL",
    "enlist": r"INSERT INTO eed_email",
    "enlisted": r"UPDATE eed_job SET enlisted_at=",
    "mark queued": r"UPDATE eed_email SET state='queued', queued_at=",
    "claim": r"UPDATE eed_email SET state='sending'",
    "wire": r"UPDATE eed_email SET lease_until=.*wire_at=UTC_TIMESTAMP",
    "wire again": r"UPDATE eed_email SET lease_until=.* wire_at IS NOT NULL",
    "renew": r"UPDATE eed_email SET lease_until=\S+ \+ INTERVAL \S+ \* 1000000 MICROSECOND\) WHERE .* wire_at IS NULL",
    "record": r"INSERT INTO eed_attempt",
    "release": r"UPDATE eed_email SET state='queued', lease_until=NULL, not_before=NULL, changed_at=\S+ WHERE",
    "finish": r"UPDATE eed_job SET state='finished'",
    "heartbeat": r"eed_worker",
}

ALWAYS = {"register", "lease", "enlist", "enlisted", "mark queued", "claim", "wire", "wire, record", "finish"}
"""What no run can do without. Kinds as `kind_of` names them."""


def kind_of(changes: Sequence[str]) -> str:
    """Which of the service's transactions it is: `wire`, or `record, wire` where one commit is both."""
    found = [
        kind for kind, pattern in _KINDS.items() if any(re.search(pattern, change, re.DOTALL) for change in changes)
    ]
    return ", ".join(found) or f"other: {changes[0][:60]}"


@scenario("database-kill", short=Amount(500, 2), long=Amount(30_000, 20))
def database_kill(site: Site, amount: Amount) -> Told:
    """kill -9 of the database server under load, back after a while; the processes live on and know their answers."""
    server = site.own_database()
    stack = site.stack(database=server)
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=3)
    kills = 0
    with Crew(stack) as crew:
        for moment in _moments(site, amount):
            _await_ended(stack, moment)
            server.kill()
            kills += 1
            _away(site, crew, "2003")
            server.restart()
        stack.wait_finished(*jobs, seconds=600)
        problems = [*_died(crew), *crew.stop()]
    return Told(stack, faults=kills, problems=[*problems, *_attempts(stack)])


@scenario("cut-after-commit", quick=Amount(60, 12), short=Amount(500, 100), long=Amount(6_000, 1_000))
def cut_after_commit(site: Site, amount: Amount) -> Told:
    """The connection dies after COMMIT went through and before its answer: the work runs again, and knows itself."""
    with MySqlProxy(site.database.port, site.seed, kind_of) as proxy:
        stack = site.stack(through=proxy.url)
        stack.mail_up()
        jobs = add_jobs(stack, amount.emails, jobs=3)
        proxy.cut_after_commit(amount.faults, amount.faults / amount.emails, each_first=EACH_KIND)
        with Crew(stack) as crew:
            stack.wait_finished(*jobs, seconds=600)
            problems = [*_died(crew), *crew.stop()]
        cuts = proxy.counts["cut after commit"]
        if cuts < amount.faults:
            problems.append(f"only {cuts} of {amount.faults} commits were cut: {dict(proxy.cuts)}")
        unseen = ALWAYS - set(proxy.cuts)
        if unseen:
            problems.append(f"never cut: {sorted(unseen)}")
    return Told(stack, faults=cuts, problems=[*problems, *_attempts(stack)])


@scenario("contention", short=Amount(300), long=Amount(20_000))
def contention(site: Site, amount: Amount) -> Told:
    """A deadlock or a lock timeout for one statement in twenty, from the first to the last."""
    with MySqlProxy(site.database.port, site.seed) as proxy:
        stack = site.stack(through=proxy.url)
        stack.mail_up()
        proxy.contend(CONTENDED_SHARE)
        jobs = add_jobs(stack, amount.emails, jobs=3)
        with Crew(stack) as crew:
            stack.wait_finished(*jobs, seconds=600)
            problems = [*_died(crew), *crew.stop()]
        injected = {code: proxy.counts[f"error {code}"] for code in (DEADLOCK, LOCK_TIMEOUT)}
    if min(injected.values()) < amount.emails / 100:
        problems.append(f"too few errors: {injected}")
    return Told(stack, faults=sum(injected.values()), problems=[*problems, *_attempts(stack)])


@scenario("read-only", short=Amount(400, 2), long=Amount(15_000, 20))
def read_only(site: Site, amount: Amount) -> Told:
    """SET GLOBAL read_only = ON and OFF under load, as in a failover, for a user without special rights."""
    server = site.own_database()
    stack = site.stack(database=server, through=lambda url: _plain_user(server, url))
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=3)
    flips = 0
    with Crew(stack) as crew:
        for moment in _moments(site, amount):
            _await_ended(stack, moment)
            server.execute("SET GLOBAL read_only = ON")
            flips += 1
            _away(site, crew, "1290")
            server.execute("SET GLOBAL read_only = OFF")
        stack.wait_finished(*jobs, seconds=600)
        problems = [*_died(crew), *crew.stop()]
    return Told(stack, faults=flips, problems=[*problems, *_attempts(stack)])


def _moments(site: Site, amount: Amount) -> list[int]:
    """After how many emails each fault comes: at random, and well before the last email."""
    return sorted(site.random.randrange(amount.emails * 9 // 10) for _ in range(amount.faults))


def _await_ended(stack: Stack, emails: int) -> None:
    stack.wait_until(lambda: ended(stack) >= emails, f"{emails} emails have ended", seconds=600)


def _away(site: Site, crew: Crew, code: str) -> None:
    """Let an outage last.

    Half of them last for a moment only, the others until a process has given up and logged why.
    """
    if site.random.random() < 0.5:
        Event().wait(BRIEF_SECONDS)
        return
    before = _complaints(crew, code)
    crew.stack.wait_until(lambda: _complaints(crew, code) > before, f"somebody complains of {code}")


def _complaints(crew: Crew, code: str) -> int:
    return sum(f"does not answer ({code}):" in str(event.get("reason")) for event in crew.log_events())


def _attempts(stack: Stack) -> list[str]:
    """None of this is a recipient's fault (G4)."""
    wrong = attempts_beyond_one(stack)
    rows = stack.world.execute(
        "SELECT email_id, COUNT(*) FROM eed_attempt WHERE verdict = 'sent' GROUP BY email_id HAVING COUNT(*) > 1"
    )
    problems = [f"attempts are not 1: {len(wrong)}, as {list(wrong)[:SHOWN]}"] if wrong else []
    return problems + ([f"sent more than once on record: {len(rows)}, as {list(rows)[:SHOWN]}"] if rows else [])


def _died(crew: Crew) -> list[str]:
    return [f"{member.name} died of it" for member in crew.members if not member.alive]


def _plain_user(server: DatabaseServer, url: str) -> str:
    """A user with the rights that docs/installation names and no others: `read_only` binds it."""
    address, password = make_url(url), secrets.token_urlsafe(16)
    server.execute(
        f"CREATE USER 'eed_plain'@'%' IDENTIFIED BY '{password}'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{address.database}`.* TO 'eed_plain'@'%'",
    )
    return address.set(username="eed_plain", password=password).render_as_string(hide_password=False)
