"""`db check` against real databases: each mistake is seen, named by its setting, and comes with what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from eed_delivery.checks.findings import Finding
from eed_delivery.checks.mapping import check
from eed_delivery.checks.server import version_finding, writing_findings
from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.ledger import migrations
from eed_delivery.source.live import read_table
from eed_delivery.source.reference import create_reference
from tests.servers.database_server import DatabaseServer

pytestmark = pytest.mark.both_databases


@pytest.fixture
def c(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database_url, isolation_level="READ COMMITTED")
    with engine.connect() as connection:
        create_reference(connection)
        yield connection
    engine.dispose()


def troubles(c: sa.Connection, **settings: Any) -> list[Finding]:
    return [f for f in check(c, SourceSettings.model_validate(settings)) if f.level != "ok"]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_the_reference_schema_on_a_durable_server_is_all_well(c: sa.Connection) -> None:
    findings = check(c, SourceSettings())
    assert {finding.level for finding in findings} == {"ok"}
    assert [finding.where for finding in findings] == [
        "server version",
        "database TLS",
        "innodb_flush_log_at_trx_commit",
        "sync_binlog",
        "idle transactions",
        "ledger",
        "source.job.table",
        "source.email.table",
        "source.attachment.table",
    ]


def test_nothing_is_changed(c: sa.Connection) -> None:
    c.exec_driver_sql("INSERT INTO delivery_email (job_id, recipient) VALUES (1, 'b@example.com')")
    tables = [row[0] for row in c.exec_driver_sql("SHOW TABLES")]

    def state() -> list[Any]:
        # Tables are counted too: a probe that made or dropped one would show here.
        return [
            (name, c.exec_driver_sql(f"CHECKSUM TABLE `{name}`").one()[1])
            for name in [row[0] for row in c.exec_driver_sql("SHOW TABLES")]
        ]

    before = state()
    check(c, SourceSettings())
    assert state() == before
    assert len(before) == len(tables) == 3


def test_a_missing_table(c: sa.Connection) -> None:
    finding = only(troubles(c, email={"table": "no_such"}))
    assert (finding.level, finding.where) == ("error", "source.email.table")
    assert "no table or view no_such" in finding.what
    assert "GRANT SELECT" in finding.remedy


def test_a_missing_column_is_named_with_those_that_are_there(c: sa.Connection) -> None:
    finding = only(troubles(c, email={"recipient": "mail"}))
    assert (finding.level, finding.where) == ("error", "source.email.recipient")
    assert "delivery_email has no column mail" in finding.what
    assert "recipient_name" in finding.remedy


def test_several_mistakes_are_reported_together(c: sa.Connection) -> None:
    found = troubles(c, job={"table": "gone"}, email={"recipient": "mail", "sent_at": "nope"})
    assert [f.where for f in found] == ["source.job.table", "source.email.recipient", "source.email.sent_at"]


WRONG_TYPES = [
    ("delivery_job", "id VARCHAR(20) NOT NULL", {}, "source.job.id", 'key_type = "string"'),
    ("delivery_job", "status INT NOT NULL", {}, "source.job.status", "numbers without quotes"),
    ("delivery_job", "scheduled_for VARCHAR(30)", {}, "source.job.scheduled_for", "a view that converts it"),
    ("delivery_email", "variables BLOB", {}, "source.email.variables", "a view that converts it"),
    ("delivery_email", "attempts VARCHAR(9)", {}, "source.email.attempts", "map another column"),
    ("delivery_email", "job_id VARCHAR(20)", {}, "source.email.job_id", 'key_type = "string"'),
    ("delivery_email", "id BIGINT", {"email": {"key_type": "string"}}, "source.email.id", 'key_type = "integer"'),
    (
        "delivery_job",
        "status VARCHAR(20)",
        {"job": {"statuses": {"ready": 1, "finished": 2, "failed": 3, "cancelled": 4}}},
        "source.job.status",
        "numbers without quotes",
    ),
]


@pytest.mark.parametrize(("table", "column", "settings", "where", "remedy"), WRONG_TYPES)
def test_a_wrong_type(
    c: sa.Connection, table: str, column: str, settings: dict[str, Any], where: str, remedy: str
) -> None:
    if column.startswith("variables"):  # MariaDB's JSON is a text with a constraint
        c.exec_driver_sql("ALTER TABLE delivery_email DROP COLUMN variables, ADD COLUMN variables BLOB")
    c.exec_driver_sql(f"ALTER TABLE {table} MODIFY {column}")
    found = {f.where: f for f in troubles(c, **settings)}
    assert found[where].level == "error"
    assert "but must be" in found[where].what
    assert remedy in found[where].remedy


@pytest.mark.parametrize(
    ("column", "statuses", "refused"),
    [
        ("VARCHAR(6)", {}, ["processing", "finished", "cancelled"]),
        ("ENUM('new','Processing','finished','failed')", {"finished": "Finished"}, ["cancelled"]),
        ("TINYINT", {"ready": 1, "finished": 2, "failed": -3, "cancelled": 300}, [300]),
        ("TINYINT UNSIGNED", {"ready": 1, "finished": 255, "failed": -1, "cancelled": 256}, [-1, 256]),
        ("VARCHAR(20)", {"ready": 1}, [1]),
    ],
)
def test_a_status_that_the_column_cannot_hold(
    c: sa.Connection, column: str, statuses: dict[str, Any], refused: list[Any]
) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_job DROP COLUMN status")
    c.exec_driver_sql(f"ALTER TABLE delivery_job ADD COLUMN status {column}, ADD INDEX (status)")
    found = troubles(c, job={"statuses": statuses})
    assert {(f.level, f.where) for f in found} == {("error", "source.job.status")}
    assert len(found) == len(refused)
    assert all(f"cannot hold {word!r}" in finding.what for word, finding in zip(refused, found, strict=True))


@pytest.mark.parametrize(
    ("table", "old", "level", "where", "what"),
    [
        ("delivery_email", "recipient VARCHAR(100)", "warning", "source.email.recipient", "up to 254"),
        ("delivery_email", "message_id VARCHAR(40)", "warning", "source.email.message_id", "up to 100"),
        ("delivery_attachment", "sha256 CHAR(40)", "warning", "source.attachment.sha256", "up to 64"),
    ],
)
def test_a_column_that_is_too_short(c: sa.Connection, table: str, old: str, level: str, where: str, what: str) -> None:
    c.exec_driver_sql(f"ALTER TABLE {table} MODIFY {old}")
    finding = only(troubles(c))
    assert (finding.level, finding.where) == (level, where)
    assert what in finding.what


def test_a_string_key_that_the_ledger_cannot_keep(c: sa.Connection) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_job MODIFY id VARCHAR(200)")
    c.exec_driver_sql("ALTER TABLE delivery_email MODIFY job_id VARCHAR(200)")
    c.exec_driver_sql("ALTER TABLE delivery_attachment MODIFY job_id VARCHAR(40)")
    found = troubles(c, job={"key_type": "string"})
    assert [f.where for f in found] == ["source.job.id", "source.email.job_id"]
    assert "up to 191" in found[0].what


def test_missing_indexes_come_with_statements_that_make_them(c: sa.Connection) -> None:
    c.exec_driver_sql("DROP INDEX delivery_job_by_status ON delivery_job")
    c.exec_driver_sql("DROP INDEX delivery_email_by_job ON delivery_email")
    c.exec_driver_sql("DROP INDEX delivery_attachment_by_email ON delivery_attachment")
    c.exec_driver_sql("ALTER TABLE delivery_job MODIFY status TEXT")
    found = troubles(c)
    assert [(f.level, f.where) for f in found] == [
        ("warning", "source.job.status"),
        ("warning", "source.email.job_id"),
        ("warning", "source.attachment.email_id"),
    ]
    for finding in found:
        c.exec_driver_sql(finding.remedy.removeprefix("Run: ").replace("%", "%%"))
    assert troubles(c) == []


def test_a_key_that_is_not_unique(c: sa.Connection) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_email MODIFY id BIGINT NOT NULL, DROP PRIMARY KEY")
    finding = only(troubles(c))
    assert (finding.level, finding.where) == ("error", "source.email.id")


def test_an_engine_without_transactions(c: sa.Connection) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_email ENGINE=MyISAM")
    finding = only(troubles(c))
    assert (finding.level, finding.where) == ("error", "source.email.table")
    assert "MyISAM" in finding.what


def test_a_character_set_that_is_too_narrow(c: sa.Connection) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_email MODIFY recipient_name VARCHAR(255) CHARACTER SET latin1")
    finding = only(troubles(c))
    assert finding.level == "warning"
    assert "recipient_name (latin1)" in finding.what


def test_views_are_allowed(c: sa.Connection) -> None:
    c.exec_driver_sql("CREATE VIEW v_email AS SELECT *, recipient AS mail FROM delivery_email")
    assert troubles(c, email={"table": "v_email", "recipient": "mail"}) == []
    c.exec_driver_sql("CREATE VIEW v_fixed AS SELECT * FROM delivery_email GROUP BY id")
    finding = only(troubles(c, email={"table": "v_fixed"}))
    assert (finding.level, finding.where) == ("error", "source.email.table")
    assert "UPDATE is refused" in finding.what


def test_a_single_table_in_another_schema_with_a_reserved_name(
    c: sa.Connection, database_server: DatabaseServer
) -> None:
    database_server.create_database("old_site")
    c.exec_driver_sql(
        "CREATE TABLE old_site.`order` (`key` INT PRIMARY KEY, status TINYINT, sender TEXT, subject TEXT, body TEXT,"
        " recipient VARCHAR(254)) CHARACTER SET utf8mb4"
    )
    none = ("name", "reply_to", "text_template", "scheduled_for", "expires_at")
    gone = ("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at")
    words = {"sent": 2, "failed": 3, "in_doubt": 6, "suppressed": 7, "cancelled": 4}
    settings = {
        "single_table": True,
        "job": {"html_template": "body", "statuses": {"ready": 1, "finished": 2, "failed": 3, "cancelled": 4}}
        | dict.fromkeys(none, ""),
        "email": {"table": "old_site.order", "id": "key", "statuses": words} | dict.fromkeys(gone, ""),
    }
    finding = only(troubles(c, **settings))
    assert (finding.level, finding.where) == ("warning", "source.email.status")
    assert finding.remedy == "Run: CREATE INDEX `eed_order_status` ON `old_site`.`order` (`status`);"
    c.exec_driver_sql(finding.remedy.removeprefix("Run: "))
    assert troubles(c, **settings) == []
    c.rollback()  # an open transaction would make the DROP wait
    database_server.drop_database("old_site")


# --- rights


def as_user(database_server: DatabaseServer, url: str, *grants: str) -> sa.Engine:
    """An engine of a new user who has just these rights on the test's database."""
    database = sa.make_url(url).database
    database_server.execute("DROP USER IF EXISTS small", "CREATE USER small IDENTIFIED BY 'small'")
    database_server.execute(*(f"GRANT {grant.format(db=database)} TO small" for grant in grants))
    return sa.create_engine(sa.make_url(url).set(username="small", password="small"))


def seen_as(database_server: DatabaseServer, url: str, *grants: str) -> list[Finding]:
    engine = as_user(database_server, url, *grants)
    with engine.connect() as c:
        found = troubles(c)
    engine.dispose()
    return found


def test_a_user_who_may_only_read(c: sa.Connection, database_server: DatabaseServer, database_url: str) -> None:
    found = seen_as(database_server, database_url, "SELECT ON {db}.*")
    assert [(f.level, f.where) for f in found] == [
        ("warning", "ledger"),
        ("error", "source.job.table"),
        ("error", "source.email.table"),
    ]
    assert "UPDATE is refused" in found[1].what
    assert "GRANT UPDATE ON delivery_job" in found[1].remedy


def test_a_user_who_may_not_see_a_table(c: sa.Connection, database_server: DatabaseServer, database_url: str) -> None:
    grants = ("SELECT, UPDATE ON {db}.delivery_job", "SELECT, UPDATE ON {db}.delivery_email")
    found = seen_as(database_server, database_url, *grants)
    assert [(f.level, f.where) for f in found] == [("warning", "ledger"), ("error", "source.attachment.table")]


def test_rights_on_single_columns_are_enough(
    c: sa.Connection, database_server: DatabaseServer, database_url: str
) -> None:
    found = seen_as(
        database_server,
        database_url,
        "CREATE ON {db}.*",
        "SELECT, UPDATE (status) ON {db}.delivery_job",
        "SELECT, UPDATE (status, status_detail, attempts, message_id, sent_at) ON {db}.delivery_email",
        "SELECT ON {db}.delivery_attachment",
    )
    assert found == []


def test_rights_on_a_ledger_that_is_there(c: sa.Connection, database_server: DatabaseServer, database_url: str) -> None:
    engine = sa.create_engine(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    assert troubles(c) == []
    rights = ("SELECT, UPDATE ON {db}.*", "INSERT, DELETE ON {db}.eed_job", "DELETE ON {db}.eed_email")
    found = seen_as(database_server, database_url, *rights)
    assert {(f.level, f.where) for f in found} == {("error", "ledger")}
    assert [f.what for f in found if f.what.endswith(("eed_job", "eed_email", "eed_worker"))] == [
        "this user has no right to INSERT on eed_email",
        "this user has no right to INSERT, DELETE on eed_worker",
    ]


def test_a_ledger_of_which_a_table_is_missing(c: sa.Connection, database_url: str) -> None:
    engine = sa.create_engine(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    c.exec_driver_sql("DROP TABLE eed_alert")
    finding = only(troubles(c))
    assert (finding.level, finding.where, finding.remedy) == ("error", "ledger", "Run eed-delivery db init.")
    assert "eed_alert" in finding.what


# --- the server


def test_a_server_that_forgets_commits_in_a_power_cut(c: sa.Connection, database_server: DatabaseServer) -> None:
    database_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL sync_binlog = 0")
    try:
        found = troubles(c)
    finally:
        database_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL sync_binlog = 1")
    assert [(f.level, f.where) for f in found] == [
        ("warning", "innodb_flush_log_at_trx_commit"),
        ("warning", "sync_binlog"),
    ]
    assert found[0].remedy.startswith("Run SET GLOBAL innodb_flush_log_at_trx_commit = 1")


def test_a_replica(c: sa.Connection, database_server: DatabaseServer) -> None:
    database_server.execute("SET GLOBAL read_only = 1")
    try:
        finding = only(troubles(c))
    finally:
        database_server.execute("SET GLOBAL read_only = 0")
    assert (finding.level, finding.where) == ("error", "database.url")


@pytest.mark.parametrize("variable", ["offline_mode", "innodb_read_only"])
def test_a_server_that_takes_no_writes_is_told_by_mysqls_own_variables(variable: str) -> None:
    """An Aurora reader says so by `innodb_read_only` alone, which no server lets anybody set."""
    (finding,) = writing_findings({variable: "ON"}, has_binlog=True)
    assert (finding.level, finding.where) == ("error", "database.url")
    assert list(writing_findings({variable: "OFF", "read_only": "0"}, has_binlog=True)) == []


def test_a_binary_log_of_statements_is_an_error(
    c: sa.Connection, database_server: DatabaseServer, database_url: str
) -> None:
    usual = c.exec_driver_sql("SELECT @@GLOBAL.binlog_format").scalar_one()
    database_server.execute("SET GLOBAL binlog_format = STATEMENT")
    try:
        finding = only(troubles(c))
        engine = make_engine(sa.make_url(database_url), connections=1)
        with pytest.raises(sa.exc.DBAPIError, match="1665"), engine.begin() as anew:
            anew.exec_driver_sql("INSERT INTO delivery_email (job_id, recipient) VALUES (1, 'a@example.com')")
        engine.dispose()
    finally:
        database_server.execute(f"SET GLOBAL binlog_format = {usual}")
    assert (finding.level, finding.where) == ("error", "binlog_format")


def test_how_long_a_frozen_process_keeps_its_locks_is_said(c: sa.Connection, database_server: DatabaseServer) -> None:
    (finding,) = [one for one in check(c, SourceSettings()) if one.where == "idle transactions"]
    assert ("ends them after 10 s" in finding.what) == database_server.ends_idle_transactions
    assert ("no limit for them" in finding.what) != database_server.ends_idle_transactions


def test_aurora_is_named_with_its_own_version() -> None:
    assert version_finding("8.0.39", "3.10.0").what == "8.0.39, Aurora 3.10.0"


def test_the_words_of_an_enum_are_those_it_takes(c: sa.Connection) -> None:
    words = ["it's", "back\\slash", "comma,word", "ü", "two words"]
    listed = ", ".join("'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in words)
    c.exec_driver_sql(f"CREATE TABLE words (word ENUM({listed}))")
    live = read_table(c, "words")
    assert live is not None and list(live.columns["word"].members) == words
    for word in words:
        c.execute(sa.text("INSERT INTO words VALUES (:word)"), {"word": word})


def test_a_url_without_a_database(c: sa.Connection, database_server: DatabaseServer, database_url: str) -> None:
    name = sa.make_url(database_url).database
    tables = {part: {"table": f"{name}.delivery_{part}"} for part in ("job", "email", "attachment")}
    engine = sa.create_engine(database_server.url)
    with engine.connect() as nowhere:
        finding = only(troubles(nowhere, **tables))
    engine.dispose()
    assert "names no database" in finding.what


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("10.11.6-MariaDB-0+deb12u1-log", "ok"),
        ("5.5.5-10.6.12-MariaDB", "ok"),
        ("5.5.5-10.5.9-MariaDB", "error"),
        ("10.3.39-MariaDB", "error"),
        ("11.4.2-MariaDB-ubu2404", "ok"),
        ("8.0.35", "ok"),
        ("8.4.0-aurora", "ok"),
        ("5.7.44-log", "error"),
    ],
)
def test_a_server_that_is_too_old(version: str, level: str) -> None:
    assert version_finding(version).level == level


def test_sqlite_is_for_demonstrations(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'db'}")
    with engine.begin() as c:
        create_reference(c)
        finding = only(troubles(c))
        assert (finding.level, finding.where) == ("warning", "database.url")
        assert "demonstrations" in finding.what
        c.exec_driver_sql("DROP INDEX delivery_email_by_job")
        found = troubles(c, job={"table": "none"}, email={"recipient": "nope"})
        assert [f.where for f in found[1:]] == ["source.job.table", "source.email.recipient", "source.email.job_id"]
    engine.dispose()
