"""A server's sql_mode may change what a text, a key or an UPDATE means. It has no say in our sessions."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.model import Email
from eed_delivery.source import Source
from tests.servers.database_server import DatabaseServer

pytestmark = pytest.mark.both_databases

HOSTILE = ("ANSI", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", "HIGH_NOT_PRECEDENCE")
MARIADBS_OWN = ("EMPTY_STRING_IS_NULL", "SIMULTANEOUS_ASSIGNMENT", "TIME_ROUND_FRACTIONAL")
STRICT = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO"
# With backslashes that escape nothing, the first quote ends a text that was escaped by the other rule.
KEYS = ["\\' OR 1=1 -- ", "a\\", "it's", '"', "", "a||b", "a"]


@pytest.fixture
def hostile_server(database_server: DatabaseServer, database_url: str) -> Iterator[str]:
    engine = sa.create_engine(database_url)
    with engine.connect() as c:
        usual = c.exec_driver_sql("SELECT @@global.sql_mode").scalar_one()
    engine.dispose()
    modes = (STRICT, *HOSTILE, *(MARIADBS_OWN if database_server.kind == "mariadb" else ()))
    database_server.execute(f"SET GLOBAL sql_mode = '{','.join(modes)}'")
    yield database_url
    database_server.execute(f"SET GLOBAL sql_mode = '{usual}'")


@pytest.mark.parametrize("together", [False, True])
def test_our_sessions_keep_what_concerns_values_and_nothing_else(hostile_server: str, together: bool) -> None:
    engine = make_engine(sa.make_url(hostile_server), connections=1, multi_statements=together)
    with engine.connect() as c:
        assert set(c.exec_driver_sql("SELECT @@sql_mode").scalar_one().split(",")) == set(STRICT.split(","))
    engine.dispose()


@pytest.mark.parametrize("together", [False, True])
def test_no_key_ends_the_text_that_it_is_in(hostile_server: str, together: bool) -> None:
    engine = make_engine(sa.make_url(hostile_server), connections=1, multi_statements=together)
    database = Database(engine)
    settings = SourceSettings.model_validate(
        {"email": {"table": "mail", "key_type": "string", "variables": ""}, "attachment": {"table": ""}}
    )

    def create(c: sa.Connection) -> None:
        c.exec_driver_sql("DROP TABLE IF EXISTS mail")
        c.exec_driver_sql(
            "CREATE TABLE mail (id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, job_id BIGINT,"
            " recipient VARCHAR(320), recipient_name VARCHAR(255), status VARCHAR(20), status_detail VARCHAR(500),"
            " attempts INT, message_id VARCHAR(255), sent_at DATETIME(6))"
        )
        for number, key in enumerate(KEYS):
            c.execute(
                sa.text("INSERT INTO mail (id, job_id, recipient) VALUES (:k, 1, :r)"),
                {"k": key, "r": f"{number}@example.com"},
            )

    database.run(create)
    source = Source(settings)
    for number, key in enumerate(KEYS):
        email = Email(number, 1, key, 0, 1, 0, f"{number}@example.com")
        found = database.run(lambda c, email=email: source.emails(c, [email]))  # type: ignore[misc]
        assert [one.recipient for one in found] == [f"{number}@example.com"]
    database.close()
