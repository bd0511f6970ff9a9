"""What only a real server can show of the source: character sets, time zones, indexes, strict mode."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.config import SourceSettings
from eed_delivery.errors import RenderError
from eed_delivery.ledger.schema import eed_job
from eed_delivery.model import Email, EmailState
from eed_delivery.source import Source
from eed_delivery.source.live import Kind, LiveColumn
from eed_delivery.source.reference import create_reference, reference_sql
from tests.servers.database_server import DatabaseServer, NewDatabaseServer

pytestmark = pytest.mark.both_databases

NO_PADDING = "in which a blank at the end counts"
SCHEMA_FILE = Path(__file__).parents[2] / "config" / "source-schema.sql"


@pytest.fixture
def c(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database_url, isolation_level="READ COMMITTED")
    with engine.connect() as connection:
        eed_job.create(connection)
        yield connection
    engine.dispose()


def run(c: sa.Connection, *statements: str) -> None:
    for statement in statements:
        c.exec_driver_sql(statement)


# --- character sets and collations


def string_keys() -> SourceSettings:
    none = dict.fromkeys(("name", "reply_to", "html_template", "scheduled_for", "expires_at"), "")
    return SourceSettings.model_validate(
        {
            "job": {"table": "jobs", "key_type": "string"} | none,
            "email": {"table": "recipients", "key_type": "string", "recipient_name": "", "variables": ""},
            "attachment": {"table": "files", "filename": "", "content_type": "", "sha256": ""},
        }
    )


def make_string_keys(c: sa.Connection, charset: str, files_charset: str) -> None:
    run(
        c,
        "CREATE TABLE jobs (id VARCHAR(40) PRIMARY KEY, status VARCHAR(20), sender VARCHAR(90), subject VARCHAR(90),"
        f" text_template TEXT, KEY (status)) CHARACTER SET {charset}",
        "CREATE TABLE recipients (id VARCHAR(40) PRIMARY KEY, job_id VARCHAR(40), recipient VARCHAR(254),"
        " status VARCHAR(12), status_detail VARCHAR(20), attempts INT, message_id VARCHAR(90), sent_at DATETIME,"
        f" KEY (job_id)) CHARACTER SET {charset}",
        "CREATE TABLE files (job_id VARCHAR(40), email_id VARCHAR(40), location VARCHAR(200), KEY (email_id))"
        f" CHARACTER SET {files_charset}",
    )


@pytest.mark.parametrize(
    ("charset", "files_charset"),
    [
        ("latin1 COLLATE latin1_swedish_ci", "utf8mb4 COLLATE utf8mb4_unicode_ci"),
        ("utf8mb3 COLLATE utf8mb3_general_ci", "latin1"),
        ("utf8mb4 COLLATE utf8mb4_unicode_ci", "utf8mb4 COLLATE utf8mb4_general_ci"),
        ("utf8mb4 COLLATE utf8mb4_bin", "utf8mb3"),
        ("utf8mb4", "utf8mb4"),  # whatever the server sorts by: utf8mb4_0900_ai_ci on MySQL
        (NO_PADDING, "utf8mb4"),  # cannot be compared with our utf8mb4_bin as it is
    ],
)
def test_string_keys_of_any_character_set(c: sa.Connection, charset: str, files_charset: str) -> None:
    if charset == NO_PADDING:
        charset = f"utf8mb4 COLLATE {'utf8mb4_nopad_bin' if c.dialect.is_mariadb else 'utf8mb4_0900_bin'}"  # type: ignore[attr-defined]
    make_string_keys(c, charset, files_charset)
    source = Source(string_keys())
    for number in range(300):
        run(c, f"INSERT INTO jobs VALUES ('J-{number:03}', 'processing', 'a@example.com', 'S', 'T')")
    run(
        c,
        "INSERT INTO jobs VALUES ('Jäger', 'processing', 'a@example.com', 'S', 'T'),"
        " ('Über', 'processing', 'a@example.com', 'S', 'T')",
        "INSERT INTO recipients (id, job_id, recipient, status) VALUES ('Ré-1', 'Über', 'b@example.com', 'pending'),"
        " ('re-2', 'Über', 'b@example.com', 'sent'), ('re-3', 'Über', 'b@example.com', 'pending'),"
        " ('re-4', 'über', 'b@example.com', 'pending')",  # for most collations the same job
        "INSERT INTO files VALUES ('Über', 'RÉ-1', '1.pdf'), ('Über', NULL, 'all.pdf')",
        "INSERT INTO eed_job (source_key, state, created_at)"
        " SELECT CONVERT(id USING utf8mb4), 'active', NOW() FROM jobs WHERE id <> 'Über'",
        "ANALYZE TABLE eed_job, jobs",
    )
    assert [job.key for job in source.ready_jobs(c, eed_job, 10)] == ["Über"]
    assert source.job(c, 1, "Über", 0).attachments[0].location == "all.pdf"
    assert [row.key for row in source.unsent(c, "Über", None, 10)] == ["Ré-1", "re-3"]
    assert [row.key for row in source.unsent(c, "Über", "Ré-1", 10)] == ["re-3"]
    (loaded,) = source.emails(c, [Email(1, 1, "Ré-1", 0, 1, 0, "b@example.com")])
    # The file's owner is spelt differently, which is the same key to most collations, and no email's letter for letter.
    assert loaded.attachments == ()
    assert "'RÉ-1', and the key here is 'Ré-1'. Keys are compared letter for letter" in loaded.problem
    source.write_email(c, "Ré-1", EmailState.SENT, "ok", 1, "<m>")
    assert c.exec_driver_sql("SELECT status FROM recipients WHERE id = 'Ré-1'").scalar_one() == "sent"


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3 COLLATE utf8mb3_general_ci", "utf8mb4"])
def test_new_jobs_and_emails_are_found_by_index(c: sa.Connection, charset: str) -> None:
    make_string_keys(c, charset, charset)
    for number in range(400):
        run(c, f"INSERT INTO jobs VALUES ('J-{number:03}', 'processing', 'a@example.com', 'S', 'T')")
        run(c, f"INSERT INTO recipients (id, job_id, status) VALUES ('é-{number}', 'J-{number // 20:03}', 'pending')")
    run(
        c,
        "INSERT INTO eed_job (source_key, state, created_at) SELECT id, 'active', NOW() FROM jobs",
        "ANALYZE TABLE eed_job, jobs, recipients",
    )
    source = Source(string_keys())
    plans = explained(
        c,
        lambda: (
            source.ready_jobs(c, eed_job, 10),
            source.unsent(c, "J-003", "é-0", 5),
            source.emails(c, [Email(1, 1, "é-3", 0, 1, 0, "")]),
            source.write_email(c, "é-3", EmailState.SENT, "ok", 1, None),
        ),
    )
    by_table = {(table, kind): key for table, kind, key in plans}
    assert ("eed_job", "ALL") not in by_table, plans
    assert ("recipients", "ALL") not in by_table, plans
    assert ("recipients", "index") not in by_table, plans
    assert "source_key" in {key for table, _, key in plans if table == "eed_job"}, plans


def explained(c: sa.Connection, work: Any) -> list[tuple[str, str, str]]:
    """(table, access type, index) of every statement that `work` runs on the source's tables."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    sa.event.listen(c.engine, "before_cursor_execute", note)
    work()
    sa.event.remove(c.engine, "before_cursor_execute", note)
    rows = []
    for statement, parameters in statements:
        if "information_schema" not in statement:
            rows += c.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters).mappings().all()
    return [(str(row["table"]), str(row["type"]), str(row["key"])) for row in rows]


def test_columns_may_be_named_by_any_word_that_the_server_keeps_to_itself(c: sa.Connection) -> None:
    """Each server and version has other reserved words (MySQL 9: MANUAL, QUALIFY, LIBRARY …): every name is quoted."""
    ours = {"key": "INT PRIMARY KEY", "group": "INT", "to": "VARCHAR(254)", "status": "VARCHAR(20)"}
    keywords = c.exec_driver_sql("SELECT word FROM information_schema.keywords").scalars()
    words = [word for word in dict.fromkeys(map(str.lower, keywords)) if word.isidentifier() and word not in ours]
    columns = ", ".join(f"`{name}` {kind}" for name, kind in {**ours, **dict.fromkeys(words, "INT")}.items())
    numbered = ", ".join(map(str, range(len(words))))
    run(
        c,
        f"CREATE TABLE `order` ({columns}, KEY (`group`))",
        f"INSERT INTO `order` VALUES (1, 7, 'a@example.com', 'pending', {numbered})",
    )
    none = dict.fromkeys(("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at"), "")
    email = {"table": "order", "id": "key", "job_id": "group", "recipient": "to", **none}
    email["variable_columns"] = {word: word for word in words}
    source = Source(SourceSettings.model_validate({"email": email, "attachment": {"table": ""}}))
    assert [row.recipient for row in source.unsent(c, 7, None, 10)] == ["a@example.com"]
    assert [row.key for row in source.unsent(c, 7, 0, 10)] == [1]
    (loaded,) = source.emails(c, [Email(1, 1, "1", 0, 1, 0, "a@example.com")])
    assert len(words) > 500
    assert loaded.columns == {word: n for n, word in enumerate(words)}


# --- what is written must never be refused


@pytest.mark.parametrize(
    "column",
    [
        "VARCHAR(20) CHARACTER SET latin1",
        "VARCHAR(20) CHARACTER SET utf8mb3",
        "VARCHAR(20) CHARACTER SET cp1251",
        "VARCHAR(20) CHARACTER SET ascii",
        "TINYTEXT CHARACTER SET utf8mb4",
        "VARBINARY(20)",
        "TEXT",
        "CHAR(5)",
    ],
)
def test_a_reply_that_the_column_cannot_hold_is_cut_to_what_it_can(c: sa.Connection, column: str) -> None:
    run(
        c,
        "SET sql_mode = 'STRICT_ALL_TABLES'",
        "CREATE TABLE recipients (id VARCHAR(40) PRIMARY KEY, job_id VARCHAR(40), recipient VARCHAR(254),"
        f" status VARCHAR(12), status_detail {column} NOT NULL, attempts INT, message_id {column}, sent_at DATETIME)",
        "INSERT INTO recipients (id, status_detail) VALUES ('1', '')",
    )
    source = Source(string_keys())
    reply = "550 Ünknown 収件人 😀 " * 40
    source.write_email(c, "1", EmailState.FAILED, reply, 1, reply)
    source.write_emails(c, ["1"], EmailState.IN_DOUBT, reply)
    row = c.exec_driver_sql("SELECT status, status_detail, message_id FROM recipients").one()
    kept = row.status_detail.decode() if isinstance(row.status_detail, bytes) else row.status_detail
    assert row.status == "in_doubt"
    assert kept.startswith("550 ")
    assert row.message_id == row.status_detail


COLUMNS = st.builds(
    LiveColumn,
    name=st.just("c"),
    kind=st.just(Kind.TEXT),
    type_name=st.just("text"),
    characters=st.one_of(st.none(), st.integers(1, 30)),
    octets=st.one_of(st.none(), st.integers(4, 60)),
    charset=st.sampled_from(["utf8mb4", "utf8mb3", "latin1", "latin2", "cp1251", "ascii", "sjis", None]),
)


@given(COLUMNS, st.text(max_size=60))
def test_what_fits_is_the_beginning_and_within_the_limits(column: LiveColumn, words: str) -> None:
    kept = column.fit(words)
    codec = {"latin1": "cp1252", "latin2": "iso8859-2", "cp1251": "cp1251"}.get(column.charset or "", "utf-8")
    assert len(kept.encode(codec)) <= (column.octets or 1000)
    assert len(kept) <= (column.characters or 1000)
    assert all(mine in (theirs, "?") for mine, theirs in zip(kept, words, strict=False))
    if column.charset == "utf8mb3":
        assert all(ord(letter) <= 0xFFFF for letter in kept)


def test_a_template_in_a_blob_is_read_as_utf8_or_refused_with_a_reason(c: sa.Connection) -> None:
    create_reference(c)
    run(
        c,
        "ALTER TABLE delivery_job MODIFY html_template LONGBLOB",
        "INSERT INTO delivery_job (id, name, sender, subject, html_template) VALUES"
        " (1, 'n', 'a@example.com', 's', _binary 'Grüße'), (2, 'n', 'a@example.com', 's', x'47fc')",
    )
    source = Source(SourceSettings())
    assert source.job(c, 1, 1, 0).html_template == "Grüße"
    with pytest.raises(RenderError, match="html_template: the source's bytes are not UTF-8"):
        source.job(c, 2, 2, 0)


# --- times


@pytest.fixture(scope="module")
def berlin(new_database_server: NewDatabaseServer) -> Iterator[DatabaseServer]:
    """A server whose host keeps Central European Time, summer time included."""
    with new_database_server(time_zone="CET-1CEST,M3.5.0,M10.5.0/3") as server:
        yield server


@pytest.fixture
def c_berlin(berlin: DatabaseServer) -> Iterator[sa.Connection]:
    engine = sa.create_engine(berlin.create_database("berlin"), isolation_level="READ COMMITTED")
    with engine.connect() as connection:
        eed_job.create(connection)
        create_reference(connection)
        yield connection
    engine.dispose()


def ready(c: sa.Connection) -> dict[Any, float | None]:
    return {job.key: job.expires_in_seconds for job in Source(SourceSettings()).ready_jobs(c, eed_job, 10)}


def test_times_are_the_wall_clock_of_the_database_s_host(c_berlin: sa.Connection) -> None:
    insert = (
        "INSERT INTO delivery_job (id, name, status, sender, subject, {}) VALUES ({}, 'n', 'processing', 'a', 's', {})"
    )
    run(
        c_berlin,
        insert.format("scheduled_for", 1, "LOCALTIMESTAMP - INTERVAL 10 MINUTE"),
        insert.format("scheduled_for", 2, "LOCALTIMESTAMP + INTERVAL 10 MINUTE"),  # past already, were it UTC
        insert.format("expires_at", 3, "LOCALTIMESTAMP + INTERVAL 10 MINUTE"),
        insert.format("expires_at", 4, "LOCALTIMESTAMP - INTERVAL 10 MINUTE"),  # not yet past, were it UTC
    )
    found = ready(c_berlin)
    assert found.keys() == {1, 3, 4}
    assert found[3] == pytest.approx(600, abs=5)
    assert found[4] == pytest.approx(-600, abs=5)


def test_an_expiry_beyond_the_change_to_summer_time_is_an_hour_nearer(c_berlin: sa.Connection) -> None:
    run(
        c_berlin,
        "SET timestamp = UNIX_TIMESTAMP('2026-03-28 12:00:00')",
        "INSERT INTO delivery_job (id, name, status, sender, subject, expires_at) VALUES"
        " (1, 'n', 'processing', 'a', 's', '2026-03-29 12:00:00'),"
        " (2, 'n', 'processing', 'a', 's', '2026-03-28 18:00:00'),"
        " (3, 'n', 'processing', 'a', 's', '9999-12-31 23:59:59'),"
        " (4, 'n', 'processing', 'a', 's', '2031-03-28 12:00:00'),"
        " (5, 'n', 'processing', 'a', 's', '1901-01-01 00:00:00')",
    )
    found = ready(c_berlin)
    assert (found[1], found[2], found[3]) == (23 * 3600, 6 * 3600, None)
    assert found[4] == pytest.approx(5 * 365.25 * 86_400, rel=0.01)
    assert found[5] is not None
    assert found[5] < 0


def test_a_zero_date_means_no_date(c: sa.Connection) -> None:
    create_reference(c)
    run(
        c,
        "SET sql_mode = ''",
        "INSERT INTO delivery_job (id, name, status, sender, subject, scheduled_for, expires_at)"
        " VALUES (1, 'n', 'processing', 'a', 's', '0000-00-00', '0000-00-00')",
    )
    assert ready(c) == {1: None}


# --- the reference schema


def test_the_schema_file_is_the_reference_schema() -> None:
    assert SCHEMA_FILE.read_text() == reference_sql(), (
        "write eed_delivery.source.reference.reference_sql() into config/source-schema.sql"
    )


def test_the_schema_file_makes_what_db_init_makes(database_server: DatabaseServer) -> None:
    made = []
    for name in ("by_file", "by_init"):
        engine = sa.create_engine(database_server.create_database(name))
        with engine.begin() as c:
            if name == "by_init":
                create_reference(c)
                create_reference(c)  # a second time is no error
            else:
                for statement in SCHEMA_FILE.read_text().split(";\n"):
                    if statement.strip():
                        c.exec_driver_sql(statement)
            tables = ("delivery_job", "delivery_email", "delivery_attachment")
            shown = [c.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()[1] for table in tables]
            # Sorted, for the indexes of a table are made in no particular order.
            made.append([sorted(line.rstrip(",") for line in table.splitlines()) for table in shown])
        engine.dispose()
        database_server.drop_database(name)
    assert made[0] == made[1]
