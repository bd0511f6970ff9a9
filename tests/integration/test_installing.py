"""docs/installing.md, followed as written. Its SQL and its shell lines run on a real MariaDB, and then the service as
the user that they make."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.mapping import check
from eed_delivery.config import SourceSettings, TrackingSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.revision import TABLE_ACCESS_DENIED
from eed_delivery.ledger.schema import RIGHTS, VERSION_TABLE, metadata
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.source import Source
from eed_delivery.source.reference import create_reference
from tests.integration.test_tracking import hard
from tests.servers.alert_receiver import AlertReceiver
from tests.servers.database_server import DatabaseServer
from tests.servers.ministack import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, MiniStack
from tests.servers.smtp_server import Say
from tests.servers.webhook_receiver import SECRET, Receiver
from tests.stack import Stack

DOCUMENT = (Path(__file__).parents[2] / "docs" / "installing.md").read_text()
OWNERS, SERVICES = "the owner's: @/%", "the service's"
HOST = "db.example.com:3306"
OLD_EVENT = (
    "INSERT INTO eed_event (event_id, kind, automatic, occurred_at, received_at)"
    " VALUES ('old', 'open', 0, '2001-01-01', '2001-01-01')"
)


def blocks(kind: str, of: str = DOCUMENT) -> list[str]:
    """The document's blocks of one language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", of, re.MULTILINE | re.DOTALL)


class Installation:
    """What the document says, with this test's names, passwords and places in it."""

    def __init__(self, database_server: DatabaseServer, database_url: str, directory: Path) -> None:
        self.database = make_url(database_url).database or ""
        self.user = f"{self.database}_user"
        self._server = database_server
        self._directory = directory
        self.config = directory / "eed-delivery.toml"
        self.environ: dict[str, str] = {}

    def close(self) -> None:
        self._server.execute(f"DROP USER IF EXISTS '{self.user}'@'%', '{self.user}_owner'@'%'")

    @property
    def url(self) -> str:
        """The database as the service's user."""
        url = make_url(self._server.database(self.database)).set(username=self.user, password=SERVICES)
        return url.render_as_string(hide_password=False)

    def _ours(self, text: str) -> str:
        text = re.sub(r"'eed(_owner)?'@", rf"'{self.user}\1'@", text)
        text = text.replace("ON delivery.", f"ON {self.database}.").replace("/delivery'", f"/{self.database}'")
        return text.replace("//eed_owner@", f"//{self.user}_owner@").replace(HOST, f"127.0.0.1:{self._server.port}")

    def sql(self, block: str) -> None:
        """Run a block of SQL as a user who may do everything."""
        for statement in self._ours(block).split(";\n"):
            if statement.strip():
                password = OWNERS if "_owner" in statement else SERVICES
                quoted = password.replace("'", "''")
                self._server.execute(statement.replace("'…'", f"'{quoted}'"), database=self.database)

    def _typing(self) -> Path:
        """A folder of programs in which systemd-ask-password(1) finds a person at the terminal."""
        programs = self._directory / "programs"
        programs.mkdir(exist_ok=True)
        quoted = OWNERS.replace("'", "'\\''")
        (programs / "systemd-ask-password").write_text(f"#!/bin/sh\nprintf '%s\\n' '{quoted}'\n")
        (programs / "systemd-ask-password").chmod(0o755)
        return programs

    def shell(self, *lines: str) -> "subprocess.CompletedProcess[str]":
        """Run blocks of shell lines, one after the other in one new shell that knows nothing but the program. The owner
        types the password that is asked for."""
        text = self._ours("\n".join(lines)).replace("/etc/eed-delivery", str(self._directory))
        text = text.replace("/etc/credstore", str(self._directory))
        path = f"{self._typing()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-c", text],
            env={"PATH": path, **self.environ},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def installation(database_server: DatabaseServer, database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """As far as the document's first two blocks of SQL: both users are there, and the delivery server's tables."""
    engine = create_engine(database_url)
    with engine.begin() as c:
        create_reference(c)
    engine.dispose()
    installation = Installation(database_server, database_url, tmp_path)
    installation.close()
    owner, service, _ = blocks("sql")
    installation.sql(owner)
    installation.sql(service)
    (tmp_path / "eed-delivery.database_password").write_text(SERVICES + "\n")
    yield installation
    installation.close()


@pytest.fixture
def installed(installation: Installation, database_url: str) -> Installation:
    """All of it, the tables made as the owner would, and the service's rights on them."""
    engine = create_engine(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    installation.sql(blocks("sql")[-1])
    return installation


def db_init() -> str:
    (found,) = [block for block in blocks("sh") if "eed-delivery db init" in block]
    return found


def profile() -> str:
    """The lines that the document wants in root's shell profile, with what they need and the check behind them."""
    (found,) = [block for block in blocks("sh") if "export EED_CONFIG" in block]
    return found


def write_config(installation: Installation, ministack: MiniStack, queue_urls: tuple[str, str]) -> None:
    host = f"{HOST}/delivery"
    here = make_url(installation.url)
    text = (Path(__file__).parents[2] / "config" / "eed-delivery.toml").read_text()
    installation.config.write_text(
        text.replace(f"eed@{host}", f"{installation.user}@127.0.0.1:{here.port}/{here.database}")
    )
    installation.environ = {
        "EED_AWS__REGION": REGION,
        "EED_AWS__CREDENTIALS": "environment",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "EED_QUEUE__URL": queue_urls[0],
        "EED_QUEUE__DEAD_LETTER_URL": queue_urls[1],
        "EED_QUEUE__ENDPOINT_URL": ministack.endpoint_url,
        "EED_TRANSPORT__KIND": "eml_folder",
        "EED_EML_FOLDER__DIRECTORY": str(installation.config.parent / "emails"),
        "EED_RENDERING__ATTACHMENTS_ROOT": str(installation.config.parent),
    }


@pytest.mark.parametrize("shell", ["fresh", "with root's profile"])
def test_the_shell_lines_work_in_their_order(
    installation: Installation, ministack: MiniStack, queue_urls: tuple[str, str], shell: str
) -> None:
    write_config(installation, ministack, queue_urls)
    before = [] if shell == "fresh" else [line for line in profile().splitlines() if line.startswith("export")]
    made = installation.shell(*before, db_init())
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("the ledger is at revision")
    assert (installation.config.parent / "owner" / "database_password").stat().st_mode & 0o777 == 0o600
    installation.sql(blocks("sql")[-1])
    checked = installation.shell(profile(), "eed-delivery db check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "error  " not in checked.stdout


def test_a_password_in_the_url_that_is_not_used_is_named(
    installation: Installation, ministack: MiniStack, queue_urls: tuple[str, str]
) -> None:
    write_config(installation, ministack, queue_urls)
    url = make_url(installation.url).set(username=f"{installation.user}_owner", password=OWNERS)
    installation.environ["EED_DATABASE__URL"] = url.render_as_string(hide_password=False)
    refused = installation.shell(profile().replace("eed-delivery check", "eed-delivery db init"))
    assert refused.returncode == 69
    assert "because database.password is set" in refused.stderr
    assert SERVICES not in refused.stderr and OWNERS not in refused.stderr


def test_the_grants_are_those_of_the_schema() -> None:
    granted = re.findall(r"^GRANT (.+) ON delivery\.(eed_\w+) TO 'eed'@'%';$", blocks("sql")[-1], re.MULTILINE)
    assert {table: tuple(rights.split(", ")) for rights, table in granted} == dict(RIGHTS)
    assert len(granted) == len(RIGHTS)
    assert RIGHTS.keys() == {*metadata.tables, VERSION_TABLE}


@pytest.mark.parametrize(("table", "right"), [(table, right) for table, rights in RIGHTS.items() for right in rights])
def test_db_check_names_each_right_that_is_missing(
    one_for_all: Installation, database_server: DatabaseServer, table: str, right: str
) -> None:
    on = f"{right} ON {one_for_all.database}.{table}"
    database_server.execute(f"REVOKE {on} FROM '{one_for_all.user}'@'%'")
    try:
        found = ledger_findings(one_for_all)
        assert found == [
            ("error", f"this user has no right to {right} on {table}", f"GRANT {on} TO '{one_for_all.user}'@'%';")
        ]
        database_server.execute(found[0][2])
        assert [level for level, _, _ in ledger_findings(one_for_all)] == ["ok"]
    finally:
        database_server.execute(f"GRANT {on} TO '{one_for_all.user}'@'%'")


@pytest.fixture(scope="module")
def one_for_all(database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for every case: each gives back what it took."""
    url = database_server.create_database("eed_rights")
    engine = create_engine(url)
    with engine.begin() as c:
        create_reference(c)
    migrations.upgrade(engine)
    engine.dispose()
    installation = Installation(database_server, url, tmp_path_factory.mktemp("rights"))
    for block in blocks("sql"):
        installation.sql(block)
    yield installation
    installation.close()
    database_server.drop_database("eed_rights")


def ledger_findings(installation: Installation) -> list[tuple[str, str, str]]:
    engine = create_engine(installation.url)
    with engine.connect() as c:
        found = [(f.level, f.what, f.remedy) for f in check(c, SourceSettings()) if f.where == "ledger"]
    engine.dispose()
    return found


@pytest.mark.parametrize(
    "statement",
    ["UPDATE eed_audit SET reason = 'another'", "DELETE FROM eed_audit", "TRUNCATE eed_audit", "DROP TABLE eed_audit"],
)
def test_the_services_user_cannot_change_the_audit(one_for_all: Installation, statement: str) -> None:
    engine = create_engine(one_for_all.url)
    AuditLedger(Database(engine)).record(Act(ActKind.AUDIT, object=ActObject.AUDIT))
    with engine.connect() as c, pytest.raises(DBAPIError) as refused:
        c.execute(text(statement))
    assert refused.value.orig is not None
    assert refused.value.orig.args[0] == TABLE_ACCESS_DENIED
    engine.dispose()


# --- the service as that user ------------------------------------------------------------------------------------


def test_the_service_does_all_its_work_with_the_documents_rights(
    installed: Installation, database_url: str, ministack: MiniStack, tmp_path: Path
) -> None:
    """A job through, an alert, webhooks, suppression, a requeue, events, forgetting, and the commands that look."""
    with (
        Receiver() as hooks,
        AlertReceiver() as alerts,
        Stack(
            database_url,
            ministack,
            tmp_path / "stack",
            {
                "webhooks.url": hooks.url,
                "alerts.audience": {"dev": {"webhook": [alerts.url]}},
                "alerts.rule": [{"name": "refused", "word": "not_sent", "audience": "dev", "level": "info"}],
                "alerts.fact": [{"name": "silence", "fact": "silence_seconds", "at_least": 86_400, "audience": "dev"}],
                "tracking.event_retention_days": 15,
            },
            service_url=installed.url,
            environ={"EED_WEBHOOKS__SECRET": SECRET},
        ) as stack,
    ):
        sink = stack.mail_up()
        sink.on("RCPT", Say("550 5.1.1 no such mailbox"), recipient="gone@example.com")
        stack.command("suppression", "add", "asked@example.com", "--reason", "ticket 4711")
        ids = stack.add_job(["a@example.com", "gone@example.com", "asked@example.com"])
        stack.world.execute(OLD_EVENT)
        service = stack.start("run")
        stack.wait_finished(1)
        alerts.wait_for(1)
        stack.command("requeue", "--job", "1", "--yes")
        stack.wait_finished(1)
        stack.add_job(["b@example.com"] * 3, job_id=2, scheduled_for="2001-01-01")
        stack.wait_finished(2)
        database = Database(make_engine(make_url(installed.url), connections=1))
        bounced = TrackingLedger(database, Source(SourceSettings()), TrackingSettings())
        assert bounced.take([hard(ids[0])]).suppressed == 1
        database.close()
        stack.command("suppression", "remove", "asked@example.com")
        stack.wait_until(lambda: not stack.world.execute("SELECT 1 FROM eed_event WHERE event_id = 'old'"), "forgotten")
        stack.wait_until(lambda: {"email.failed", "job.finished"} <= kinds(hooks), "it is told")
        for words in (
            ("jobs",),
            ("job", "1"),
            ("emails", "1"),
            ("processes",),
            ("webhooks", "list"),
            ("alerts", "list"),
        ):
            stack.command(*words)
        stack.command("db", "check")
        assert service.terminate() == 0
        log = service.log.read_text()
    assert "denied" not in log
    assert not [line for line in log.splitlines() if '"step_failed"' in line or '"sweep_failed"' in line]


def kinds(receiver: Receiver) -> set[str]:
    return {told.type for told in receiver.told}
