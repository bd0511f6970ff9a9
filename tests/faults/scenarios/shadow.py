"""Shadow mode beside an old server that makes mistakes, on two hosts that are killed at any moment."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError

from eed_delivery.database.engine import make_engine
from eed_delivery.operations.shadowing.results import ShadowEmailView
from tests.faults.judgement import Figures, Told
from tests.faults.scenario import Amount, Site, scenario
from tests.old_server import FAULTS
from tests.servers.database_server import DatabaseServer
from tests.shadowing import PAST, SOURCE, ShadowStage
from tests.waiting import until
from tests.world import World

JOB = 1
HOSTS = 2
LONGEST_SECONDS = 3.0
"""Until the next kill."""
PASSWORD = "a_reader"


@scenario("shadow", quick=Amount(300, 3), short=Amount(3_000, 20), long=Amount(10_000, 60))
def shadow(site: Site, amount: Amount) -> Told:
    """kill -9 of two hosts that follow an old server with twenty mistakes, where no write and no mail can pass."""
    name = f"shadow_{site.directory.name.replace('-', '_')}"[:40]
    url = site.database.create_database(name)
    world = site.at_the_end.enter_context(_world(url))
    old = site.at_the_end.enter_context(_world(url, exempt=True))
    reader = site.at_the_end.enter_context(_reader(site.database, url))
    sink = site.at_the_end.enter_context(socket.create_server(("127.0.0.1", 0)))
    environ = {
        "EED_REHEARSAL__DATABASE_URL": reader,
        "EED_TRANSPORT__KIND": "smtp",
        "EED_SMTP__HOST": "127.0.0.1",
        "EED_SMTP__PORT": str(sink.getsockname()[1]),
        "EED_SMTP__TLS": "none",
    }
    stage = ShadowStage(world, site.directory, old=old, environ=environ)
    keys = stage.old.prepare(amount.emails, JOB)
    _guard(world)
    _make_mistakes(stage, site, keys)
    operation = stage.start()
    stage.old.begin(JOB)
    hosts = _Hosts(stage)
    kills = _kill_until_compared(hosts, stage, site, operation, amount.faults)
    stage.old.end()
    rows = _rows(world)
    stage.site.operations.long_acts.stop(operation, "the job is compared")
    hosts.close()
    quiet = stage.start(str(JOB))
    stage.steps.shadows()
    problems = _differs(stage, operation, quiet)
    if _rows(world) != rows:
        problems.append("the source has changed")
    sink.setblocking(False)
    try:
        sink.accept()
        problems.append("there was a connection to the mail server")
    except BlockingIOError:
        pass
    return Told(None, faults=kills + len(FAULTS), problems=problems, figures=Figures(amount.emails, 0, "hold"))


@contextmanager
def _world(url: str, *, exempt: bool = False) -> Iterator[World]:
    """The tables as one server sees them. The old one's sessions may write to the source."""
    engine = make_engine(make_url(url), connections=5, multi_statements=True)
    if exempt:

        @event.listens_for(engine, "connect")
        def mark(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET @old_server = 1")

    world = World(url, engine=engine, prepared=exempt)
    try:
        yield world
    finally:
        world.close()


@contextmanager
def _reader(server: DatabaseServer, url: str) -> Iterator[str]:
    """The URL of a user that can only read the source."""
    parts = make_url(url)
    user = f"{(parts.database or '')[-20:]}_r"
    server.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'")
    for table in SOURCE:
        server.execute(f"GRANT SELECT ON `{parts.database}`.{table} TO '{user}'@'%'")
    try:
        yield parts.set(username=user, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        server.execute(f"DROP USER '{user}'@'%'")


def _guard(world: World) -> None:
    """Any write to the source that is not the old server's is an error."""
    for table in SOURCE:
        for act in ("INSERT", "UPDATE", "DELETE"):
            world.execute(
                f"CREATE TRIGGER guard_{table}_{act} BEFORE {act} ON {table} FOR EACH ROW"
                " BEGIN IF @old_server IS NULL THEN"
                " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a write to the source'; END IF; END"
            )
    try:
        world.execute("UPDATE delivery_job SET name = 'x'")
    except DBAPIError:
        return
    raise AssertionError("the triggers let a write pass")


def _make_mistakes(stage: ShadowStage, site: Site, keys: list[int]) -> None:
    """Each mistake once. The email behind one is right, so that attachments can be swapped with it."""
    places = sorted(site.random.sample(range(len(keys) // 2), len(FAULTS)))
    stage.old.faults = {keys[2 * place]: fault for place, fault in zip(places, FAULTS, strict=True)}
    suppressed = next(key for key, fault in stage.old.faults.items() if fault.name == "missing suppression")
    stage.site.cli.good("suppression", "add", f"c{suppressed}@example.com", "--reason", "asked for it")


def _kill_until_compared(hosts: "_Hosts", stage: ShadowStage, site: Site, operation: str, wanted: int) -> int:
    pause, kills = threading.Event(), 0
    while not hosts.has_compared(operation):
        hosts.fill_up()
        if kills < wanted:
            pause.wait(site.random.uniform(0.2, LONGEST_SECONDS))
            hosts.kill(site.random.randrange(HOSTS))
            kills += 1
        else:
            until(lambda: hosts.has_compared(operation), lambda: "the job is not compared", seconds=3600)
    return kills


def _differs(stage: ShadowStage, operation: str, quiet: str) -> list[str]:
    """What was not found, what was found wrongly, and whether kills made a difference."""
    found, undisturbed = stage.view(operation), stage.view(quiet)
    problems = [f"the comparison says: {error}" for error in found.errors]
    if (found.digest, found.counts) != (undisturbed.digest, undisturbed.counts):
        problems.append(f"kills made a difference: {found.counts}, and undisturbed {undisturbed.counts}")
    emails = {int(one.key): one for one in stage.site.operations.shadow_results.emails(operation, limit=1000)}
    for key, fault in stage.old.faults.items():
        if not _is_found(emails.get(key), fault.field, fault.verdict):
            problems.append(f"not found: {fault.name}, but {emails.get(key)}")
    wrongly = [one for key, one in emails.items() if key not in stage.old.faults]
    return problems + [f"a false difference: {one}" for one in wrongly[:5]]


def _is_found(email: ShadowEmailView | None, field: str, verdict: str) -> bool:
    return email is not None and email.verdict == verdict and field in {one for one, _ in email.differences}


def _rows(world: World) -> list[object]:
    return [world.execute(f"SELECT * FROM {table} ORDER BY id") for table in SOURCE]


class _Hosts:
    """A process on each of two hosts that follows."""

    def __init__(self, stage: ShadowStage) -> None:
        self._stage = stage
        self._processes: list[subprocess.Popen[bytes]] = []

    def has_compared(self, operation: str) -> bool:
        """Whether the job is compared to its end."""
        view = self._stage.view(operation)
        if view.errors:
            raise AssertionError(f"the comparison is {view.state}: {view.errors}")
        return [job.state for job in view.jobs] == ["done"]

    def fill_up(self) -> None:
        """Start what was killed again."""
        self._processes = [one for one in self._processes if one.poll() is None]
        while len(self._processes) < HOSTS:
            command = [sys.executable, "-m", "tests.shadowing", str(self._stage.site.cli.config)]
            environ = {**os.environ, **self._stage.site.cli.environ}
            self._processes.append(subprocess.Popen(command, env=environ, start_new_session=True, cwd=_ROOT))

    def kill(self, number: int) -> None:
        """kill -9 of one, whose lease ends at once, as that of the other one may."""
        self._processes[number].kill()
        self._processes[number].wait()
        past = f"UPDATE eed_operation SET lease_until = '{PAST}' WHERE lease_until IS NOT NULL"
        self._stage.world.execute(past)

    def close(self) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            process.wait()


_ROOT = Path(__file__).parents[3]
