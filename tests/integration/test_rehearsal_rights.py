"""A rehearsal on real servers: which user it refuses, what the server's log has of it, and what it connects to."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from eed_delivery.app.child_programs import start_looking
from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.checks.read_only import writable
from eed_delivery.config import SourceSettings
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.rehearsal.asked import PageToLookAt, RowToLookAt
from tests.operators_site import Site
from tests.servers.database_server import DatabaseServer
from tests.world import World

pytestmark = pytest.mark.both_databases

PASSWORD = "a_reader"
READS = "SELECT ON {db}.delivery_job", "SELECT ON {db}.delivery_email", "SELECT ON {db}.delivery_attachment"
WRITE = re.compile(
    r"\b(INSERT INTO|UPDATE|DELETE FROM|REPLACE INTO|TRUNCATE|TABLE)"
    r"\s+(`?\w+`?\.)?`?delivery_",
    re.IGNORECASE,
)


@pytest.fixture
def reader(database_server: DatabaseServer, world: World) -> Iterator[Callable[..., str]]:
    """Makes a user with these grants. Gives its URL."""
    url = make_url(world.url)
    name = url.database or ""
    user, role = f"{name[:20]}_r", f"{name[:20]}_role"

    def make(*grants: str, by_role: str = "") -> str:
        database_server.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'")
        for grant in grants:
            database_server.execute(f"GRANT {grant.format(db=f'`{name}`')} TO '{user}'@'%'")
        if by_role:
            database_server.execute(f"CREATE ROLE '{role}'")
            database_server.execute(f"GRANT {by_role.format(db=f'`{name}`')} TO '{role}'")
            database_server.execute(f"GRANT '{role}' TO '{user}'@'%'")
            mariadb = "mariadb" in str(world.scalar("SELECT VERSION()")).lower()
            to = (
                f"SET DEFAULT ROLE '{role}' FOR '{user}'@'%'"
                if mariadb
                else f"SET DEFAULT ROLE '{role}' TO '{user}'@'%'"
            )
            database_server.execute(to)
        return url.set(username=user, password=PASSWORD).render_as_string(hide_password=False)

    def drop() -> None:
        database_server.execute(f"DROP USER IF EXISTS '{user}'@'%'")
        database_server.execute(f"DROP ROLE IF EXISTS '{role}'")

    drop()
    yield make
    drop()


@pytest.mark.parametrize(
    ("grants", "by_role", "found"),
    [
        (READS, "", ""),
        ((*READS, "SHOW VIEW ON {db}.*"), "", ""),
        ((*READS, "UPDATE (status) ON {db}.delivery_email"), "", "UPDATE on delivery_email"),
        ((*READS, "INSERT ON {db}.delivery_attachment"), "", "INSERT on delivery_attachment"),
        ((*READS, "DROP ON {db}.delivery_job"), "", "DROP on "),
        ((*READS, "ALL ON {db}.*"), "", "DELETE on delivery_email"),
        ((*READS, "DELETE ON *.*"), "", "DELETE on *.*"),
        (READS, "UPDATE ON {db}.delivery_email", "UPDATE on delivery_email"),
    ],
)
def test_a_user_that_can_write_to_the_source_is_seen(
    reader: Callable[..., str], grants: tuple[str, ...], by_role: str, found: str
) -> None:
    engine = create_engine(make_url(reader(*grants, by_role=by_role)))
    with engine.connect() as c:
        rights = writable(c, SourceSettings())
    engine.dispose()
    assert bool(rights) == bool(found), rights
    assert found in " ".join(rights)


def test_it_refuses_a_writer_and_leaves_no_write_in_the_servers_log(
    database_server: DatabaseServer, world: World, reader: Callable[..., str], tmp_path: Path
) -> None:
    world.add_job(["a@example.com", "b@example.com"], status="preparing")
    environ = {"EED_REHEARSAL__DATABASE_URL": world.url}
    site = Site(world, tmp_path, environ=environ)
    (tmp_path / "third").mkdir()
    unset = Site(world, tmp_path / "third")
    for refusing, why in ((site, "the user of"), (unset, "is not set, and the service's own user")):
        with pytest.raises(OperationRefused, match=f"{why}.* can write to the source"):
            refusing.operations.rehearsal_orders.start(RehearsalRequest("1", processes=1))
    assert world.scalar("SELECT COUNT(*) FROM eed_operation") == 0
    (tmp_path / "second").mkdir()
    site = Site(world, tmp_path / "second", environ={"EED_REHEARSAL__DATABASE_URL": reader(*READS)})
    log = tmp_path / "general.log"
    database_server.execute(f"SET GLOBAL general_log_file = '{log}'")
    database_server.execute("SET GLOBAL general_log = 1")
    try:
        act = site.operations.rehearsal_orders.start(RehearsalRequest("1", processes=1)).id
        long_act_steps(site.settings, world.database).rehearsals()
    finally:
        database_server.execute("SET GLOBAL general_log = 0")
    assert site.operations.rehearsal_results.view(act).verdict == "clean"
    lines = log.read_text(errors="replace").splitlines()
    assert any("delivery_email" in line for line in lines)
    assert [line for line in lines if WRITE.search(line) and "EXPLAIN" not in line] == []


def test_a_process_that_renders_connects_to_the_database_alone(world: World, tmp_path: Path) -> None:
    world.add_job(["a@example.com"], status="preparing")
    with socket.create_server(("127.0.0.1", 0)) as mail_server:
        smtp = {
            "EED_TRANSPORT__KIND": "smtp",
            "EED_SMTP__HOST": "127.0.0.1",
            "EED_SMTP__PORT": str(mail_server.getsockname()[1]),
            "EED_SMTP__TLS": "none",
        }
        site = Site(world, tmp_path, environ=smtp)
        process = start_looking(site.settings)
        try:
            job = world.database.run(lambda c: world.source.job(c, 0, 1, 0))
            process.begin(PageToLookAt(job, (RowToLookAt(1000, "1000", "a@example.com"),)))
            (looked,) = process.pipe.recv()
            ports = remote_ports(process.pid)
        finally:
            process.close()
        mail_server.setblocking(False)
        with pytest.raises(BlockingIOError):
            mail_server.accept()
    assert looked.digest
    assert ports <= {make_url(world.url).port}


def remote_ports(pid: int) -> set[int]:
    """Ports that a process has TCP connections to, by proc_pid_fd(5) and proc_pid_net(5)."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    ours = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in ours:
                found.add(int(fields[2].rpartition(":")[2], 16))
    return found
