"""The migrations and `schema.py` say the same, on every database."""

import contextlib
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text

from eed_delivery.ledger import migrations, revision
from eed_delivery.ledger.schema import VERSION_TABLE, metadata

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]  # each has DDL of its own


def its_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def upgraded(url: str, version: str) -> Engine:
    """A database as an earlier release has left it."""
    engine, config = create_engine(url), its_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    return engine


def test_the_migrations_build_what_the_schema_says(any_database_url: str) -> None:
    engine = create_engine(any_database_url)
    migrations.upgrade(engine)
    migrations.upgrade(engine)  # a second time is no error
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert revision.current(connection) == revision.head()
    engine.dispose()


@pytest.mark.parametrize(
    "version", sorted(Path(migrations.__file__).parent.glob("versions/[0-9]*.py")), ids=lambda path: path.stem
)
def test_a_migration_has_the_number_of_its_file(version: Path) -> None:
    """By these numbers the service knows which revision it wants, without Alembic."""
    assert f'revision = "{version.stem.partition("_")[0]}"' in version.read_text().splitlines()


def test_the_wanted_revision_is_the_one_that_alembic_ends_at() -> None:
    config = its_config()
    assert ScriptDirectory.from_config(config).get_current_head() == revision.head()


def test_what_was_suppressed_counts_for_every_category(any_database_url: str) -> None:
    engine = upgraded(any_database_url, "0002")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO eed_suppression VALUES ('a@example.com', 'gone', 'bounce', '2026-01-01', '2026-02-01')"
        )
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
            " VALUES ('a@example.com', 'news', 'asked', 'operator', '2026-01-01')"
        )
        rows = connection.exec_driver_sql(
            "SELECT address, category, reason, expires_at IS NULL FROM eed_suppression ORDER BY category"
        ).all()
    assert rows == [("a@example.com", "", "gone", 0), ("a@example.com", "news", "asked", 1)]
    keys = inspect(engine).get_pk_constraint("eed_suppression")["constrained_columns"]
    assert keys == ["address", "category"]
    engine.dispose()


ENTRIES_BEFORE = [
    # address, category, reason, source, expires_at
    ("anna@example.com", "", "asked", "operator", "2027-01-01 00:00:00"),
    ("anna@example.com\r", "", "bounced", "bounce", "2028-01-01 00:00:00"),
    ("\u00a0anna@example.com", "", "short", "bounce", "2026-01-01 00:00:00"),
    ("anna@example.com\r", "news", "unsubscribed", "unsubscribe", None),
    ("bob@bücher.example", "", "first", "import", None),
    ("bob@xn--bcher-kva.example", "", "second", "import", "2028-01-01 00:00:00"),
    ("*@domain.example", "", "theirs", "operator", None),
    ("*@other.example", "", "star", "bounce", None),
    ("no address", "", "typed", "operator", None),
]
ENTRIES_AFTER = {
    ("anna@example.com", "", "bounced", "bounce", "2028-01-01 00:00:00"),
    ("anna@example.com", "news", "unsubscribed", "unsubscribe", None),
    ("bob@xn--bcher-kva.example", "", "first", "import", None),
    ("@domain.example", "", "theirs", "operator", None),
    ("*@other.example", "", "star", "bounce", None),
    ("no address", "", "typed", "operator", None),
}
RECIPIENTS = {1: "Anna@Example.com", 2: "bob@bücher.example", 3: "dora@example.com\r", 4: "", 5: "no address"}
MANY = 5100
"""More than one chunk of emails, and several of entries."""
FORMS = {1: "anna@example.com", 2: "bob@xn--bcher-kva.example", 3: "dora@example.com", 4: None, 5: None}


def fill(connection: Connection) -> None:
    for row in ENTRIES_BEFORE:
        names = ("address", "category", "reason", "source", "expires_at")
        connection.execute(
            text(
                "INSERT INTO eed_suppression (address, category, reason, source, expires_at, created_at)"
                " VALUES (:address, :category, :reason, :source, :expires_at, '2026-01-01 00:00:00')"
            ),
            dict(zip(names, row, strict=True)),
        )
    for number, recipient in RECIPIENTS.items():
        connection.execute(
            text("INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES (:n, 1, :r, 'pending')"),
            {"n": number, "r": recipient},
        )
    for number, address in enumerate(("dora@example.com\r", "dora@example.com", "Erna@BÜCHER.example"), start=1):
        connection.execute(
            text(
                "INSERT INTO eed_event (event_id, kind, automatic, address, occurred_at, received_at)"
                " VALUES (:n, 'bounce', 0, :a, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
            ),
            {"n": f"e{number}", "a": address},
        )

    connection.execute(
        text("INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES (:n, 2, :r, 'sent')"),
        [{"n": 100 + n, "r": f"Many{n}@Bücher.example" if n % 7 == 0 else f"Many{n}@example.com"} for n in range(MANY)],
    )
    connection.execute(
        text(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
            " VALUES (:a, 'many', 'r', 's', '2026-01-01 00:00:00')"
        ),
        [{"a": f"many{n}@example.com\r"} for n in range(MANY)],
    )


def has_been_brought_to_one_form(connection: Connection) -> None:
    some = "SELECT address, category, reason, source, expires_at FROM eed_suppression WHERE category <> 'many'"
    entries = connection.execute(text(some))
    assert {(*row[:4], str(row[4]) if row[4] else None) for row in entries} == ENTRIES_AFTER
    many = connection.execute(text("SELECT address FROM eed_suppression WHERE category = 'many'")).scalars()
    assert set(many) == {f"many{n}@example.com" for n in range(MANY)}
    many = connection.execute(text("SELECT address FROM eed_email WHERE job_id = 2 ORDER BY email_id")).scalars()
    domains = ("example.com", "xn--bcher-kva.example")
    assert list(many) == [f"many{n}@{domains[n % 7 == 0]}" for n in range(MANY)]
    emails = connection.execute(text("SELECT email_id, address FROM eed_email WHERE job_id = 1"))
    assert {row.email_id: row.address for row in emails} == FORMS
    events = connection.execute(text("SELECT address FROM eed_event ORDER BY event_id")).scalars().all()
    assert events == ["dora@example.com", "dora@example.com", "erna@xn--bcher-kva.example"]


def test_addresses_are_brought_to_one_form(any_database_url: str) -> None:
    engine = upgraded(any_database_url, "0009")
    with engine.begin() as connection:
        fill(connection)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        has_been_brought_to_one_form(connection)
    engine.dispose()


def go_back_before_addresses(connection: Connection) -> None:
    """The version before, and nothing of those that came after this one."""
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0009'"))
    connection.execute(text("DROP TABLE eed_domain_hold"))


def test_a_migration_of_addresses_that_was_broken_off_is_taken_up_where_it_ended(database_url: str) -> None:
    """MySQL and MariaDB commit each ALTER by itself: the columns are there, and the version is still the one before."""
    engine = create_engine(database_url)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        fill(connection)
        go_back_before_addresses(connection)
        connection.execute(text("DROP INDEX eed_email_by_address ON eed_email"))
        connection.execute(text("ALTER TABLE eed_job DROP COLUMN resent"))
    for _ in range(2):
        migrations.upgrade(engine)
        with engine.begin() as connection:
            has_been_brought_to_one_form(connection)
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            assert compare_metadata(context, metadata) == []
            go_back_before_addresses(connection)
    engine.dispose()


class BrokenOff(Exception):
    """The connection was lost, right after a statement that the server commits by itself."""


def test_migrations_that_are_broken_off_at_each_statement_end_at_the_same_schema(any_database_url: str) -> None:
    """Each run makes one change of the schema, and is lost. The next has to go on from there."""
    engine = upgraded(any_database_url, "0009")
    made: list[str] = []

    @event.listens_for(engine, "after_cursor_execute")
    def breaks(_connection: Connection, _cursor: object, statement: str, *_others: object) -> None:
        if engine.dialect.name != "sqlite" and statement.split()[0] in {"CREATE", "ALTER", "DROP"}:
            made.append(statement)
            raise BrokenOff

    for _ in range(200):
        with contextlib.suppress(BrokenOff):
            migrations.upgrade(engine)
            break
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert revision.current(connection) == revision.head()
    assert len(made) == len(set(made))
    assert bool(made) == (engine.dialect.name != "sqlite"), "SQLite takes back what was broken off"
    engine.dispose()


def test_where_emails_went_before_is_written_down(any_database_url: str) -> None:
    engine = upgraded(any_database_url, "0013")
    with engine.begin() as connection:
        emails = {1: "anna@example.com", 2: "bob@xn--bcher-kva.example", 3: None}
        for number, address in emails.items():
            connection.execute(
                text(
                    "INSERT INTO eed_email (email_id, job_id, recipient, address, state)"
                    " VALUES (:n, 1, 'r', :a, 'sent')"
                ),
                {"n": number, "a": address},
            )
        went = [(1, "Anna@Example.com"), (1, "Carla@example.com"), (1, "carla@example.com"), (1, None)]
        went += [(2, "bob@Bücher.example"), (3, "dora@example.com"), (3, "no address"), (9, "erna@example.com")]
        for number, recipient in went:
            connection.execute(
                text(
                    "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, ended_at, recipient)"
                    " VALUES (:n, 0, 1, 'sent', 1, '2026-01-01', :r)"
                ),
                {"n": number, "r": recipient},
            )
    migrations.upgrade(engine)
    with engine.begin() as connection:
        former = connection.exec_driver_sql("SELECT address, email_id FROM eed_former_address ORDER BY address").all()
    assert former == [("carla@example.com", 1), ("dora@example.com", 3)]
    engine.dispose()
