"""Every type of column that MariaDB and MySQL have, as a variable column: what its owner sees, or `db check` says no.

A table of types; the server that the tests run on decides which of them there are. Values go the whole way: from the
table through the driver, in one request with others and alone, into a rendered email.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from eed_delivery.checks.mapping import check
from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.errors import RenderError
from eed_delivery.model import Email
from eed_delivery.source import Source
from eed_delivery.source.column_kinds import OFFERED
from eed_delivery.source.reference import create_reference
from tests.servers.database_server import DatabaseServer
from tests.unit.rendering.making import job, read, rendered

pytestmark = pytest.mark.both_databases

TEMPLATE = "[{{ v }}] {% if v %}yes{% else %}no{% endif %}"


@dataclass(frozen=True)
class Held:
    """A column's type, a value as SQL writes it, and what a letter says."""

    column: str
    value: str
    seen: str
    only: str = ""  # "mariadb" or "mysql": the other has no such type


HELD = [
    Held("TINYINT(1)", "1", "[1] yes"),
    Held("TINYINT", "-128", "[-128] yes"),
    Held("SMALLINT UNSIGNED", "65535", "[65535] yes"),
    Held("MEDIUMINT", "0", "[0] no"),
    Held("INT UNSIGNED", "4294967295", "[4294967295] yes"),
    Held("BIGINT", "-9223372036854775808", "[-9223372036854775808] yes"),
    Held("BIGINT UNSIGNED", "18446744073709551615", "[18446744073709551615] yes"),
    Held("INT(8) ZEROFILL", "4711", "[00004711] yes"),
    Held("BOOLEAN", "TRUE", "[1] yes"),
    Held("BIT(1)", "b'0'", "[0] no"),
    Held("BIT(1)", "b'1'", "[1] yes"),
    Held("BIT(12)", "b'101000000001'", "[2561] yes"),
    Held("BIT(64)", "~0", "[18446744073709551615] yes"),
    Held("DECIMAL(9,2)", "12.5", "[12.50] yes"),
    Held("DECIMAL(9,2)", "0", "[0.00] no"),
    Held("DECIMAL(12,8)", "0.00000001", "[0.00000001] yes"),
    Held("DECIMAL(30,10)", "-12345678901234567890.1", "[-12345678901234567890.1000000000] yes"),
    Held("DECIMAL(30,0)", "123456789012345678901234567890", "[123456789012345678901234567890] yes"),
    Held("NUMERIC(5,1)", "7", "[7.0] yes"),
    Held("FLOAT", "0.1", "[0.1] yes"),
    Held("DOUBLE", "5", "[5] yes"),
    Held("DOUBLE", "1234.56", "[1234.56] yes"),
    Held("YEAR", "2026", "[2026] yes"),
    Held("YEAR", "0", "[] no"),
    Held("DATE", "'2026-01-02'", "[2026-01-02] yes"),
    Held("DATE", "'0000-00-00'", "[] no"),
    Held("DATE", "'2026-05-00'", "[2026-05-00] yes"),
    Held("DATE", "'2026-00-00'", "[2026-00-00] yes"),
    Held("DATETIME", "'2026-01-02 03:04:05'", "[2026-01-02T03:04:05] yes"),
    Held("DATETIME", "'0000-00-00 00:00:00'", "[] no"),
    Held("DATETIME(3)", "'2026-01-02 03:04:05.5'", "[2026-01-02T03:04:05.500000] yes"),
    Held("DATETIME(6)", "'0000-00-00 00:00:00'", "[] no"),
    Held("DATETIME", "'9999-12-31 23:59:59'", "[9999-12-31T23:59:59] yes"),
    Held("TIMESTAMP(6) NULL", "'2026-01-02 03:04:05.123456'", "[2026-01-02T03:04:05.123456] yes"),
    Held("TIMESTAMP NULL", "'0000-00-00 00:00:00'", "[] no"),
    Held("TIME", "'14:30:00'", "[14:30:00] yes"),
    Held("TIME", "'00:00:00'", "[00:00:00] yes"),
    Held("TIME", "'-25:06:17'", "[-25:06:17] yes"),
    Held("TIME", "'838:59:59'", "[838:59:59] yes"),
    Held("TIME(3)", "'-00:00:00.500'", "[-00:00:00.500000] yes"),
    Held("CHAR(10)", "'ab'", "[ab] yes"),
    Held("CHAR(10) CHARACTER SET latin1", "'Grüße €'", "[Grüße €] yes"),
    Held("VARCHAR(20) CHARACTER SET utf8mb3", "'Grüße ع'", "[Grüße ع] yes"),
    Held("VARCHAR(20) CHARACTER SET cp1251", "'Привет'", "[Привет] yes"),
    Held("VARCHAR(20) CHARACTER SET ucs2", "'Ж中'", "[Ж中] yes"),
    Held("VARCHAR(20) CHARACTER SET utf8mb4", "'中😀'", "[中😀] yes"),
    Held("VARCHAR(20)", "' a '", "[ a ] yes"),
    Held("TINYTEXT", "'a'", "[a] yes"),
    Held("TEXT", "''", "[] no"),
    Held("MEDIUMTEXT CHARACTER SET latin1", "'é'", "[é] yes"),
    Held("LONGTEXT", "'é'", "[é] yes"),
    Held("ENUM('klein','groß')", "'groß'", "[groß] yes"),
    Held("SET('a','b','ç')", "'a,ç'", "[a,ç] yes"),
    Held("SET('a','b')", "''", "[] no"),
    Held("JSON", """'{"a": 1.10}'""", '[{"a": 1.10}] yes', only="mariadb"),  # MySQL writes 1.1: it keeps a number
    Held("JSON", """'{"a": "x"}'""", '[{"a": "x"}] yes'),
    Held("BINARY(5)", "'ab'", "[ab] yes"),
    Held("VARBINARY(20)", "_utf8mb4'Grüße'", "[Grüße] yes"),
    Held("TINYBLOB", "_utf8mb4'中'", "[中] yes"),
    Held("BLOB", "_utf8mb4'Grüße'", "[Grüße] yes"),
    Held("MEDIUMBLOB", "''", "[] no"),
    Held("LONGBLOB", "_utf8mb4'a\\r\\nb'", "[a\r\nb] yes"),
    Held("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "[123e4567-e89b-12d3-a456-426655440000] yes", "mariadb"),
    Held("INET6", "'2001:db8::1'", "[2001:db8::1] yes", "mariadb"),
    Held("INET4", "'192.0.2.1'", "[192.0.2.1] yes", "mariadb"),
]

NO_TEXT = [
    ("BINARY(16)", "UNHEX('123e4567e89b12d3a456426655440000')", "binary data"),
    ("BLOB", "UNHEX('4772fcdf65')", "binary data (byte 2 is not UTF-8)"),
    ("VARBINARY(9)", "UNHEX('01')", "binary data (it has control characters)"),
]

SHAPES = ["GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"]
SHAPES += ["GEOMETRYCOLLECTION"]

SETTINGS = SourceSettings.model_validate({"email": {"variable_columns": {"v": "v"}}})


@contextmanager
def connected(url: str, *, together: bool) -> Iterator[sa.Connection]:
    """As a worker reads, several statements in one request, or as all others do."""
    engine = make_engine(sa.make_url(url), connections=1, multi_statements=together)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'")  # takes zero dates, as old servers do
        yield connection
    engine.dispose()


@pytest.fixture
def c(database_url: str) -> Iterator[sa.Connection]:
    with connected(database_url, together=True) as connection:
        create_reference(connection)
        yield connection


def is_there(c: sa.Connection, held: Held) -> bool:
    return not held.only or held.only == ("mariadb" if c.dialect.is_mariadb else "mysql")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Seen:
    """What came of all columns in one row, and of the same columns with NULL: by the column's number."""

    settings: SourceSettings
    letters: dict[int, str]
    nulls: dict[int, str]
    errors: list[str]


@pytest.fixture(scope="module", params=["together", "alone"])
def seen(request: pytest.FixtureRequest, database_server: DatabaseServer) -> Seen:
    """One table that has them all: a table for each would take minutes."""
    with connected(database_server.create_database("column_types"), together=request.param == "together") as c:
        create_reference(c)
        held = {number: one for number, one in enumerate(HELD) if is_there(c, one)}
        columns = ", ".join(f"ADD COLUMN v{number} {one.column}" for number, one in held.items())
        c.exec_driver_sql(f"ALTER TABLE delivery_email {columns}")
        names = ", ".join(f"v{number}" for number in held)
        values = ", ".join(one.value for one in held.values())
        insert = f"INSERT INTO delivery_email (id, job_id, recipient, {names}) VALUES"
        c.exec_driver_sql(f"{insert} (1, 1, 'b@example.com', {values})".replace("%", "%%"))
        c.exec_driver_sql(f"{insert} (2, 1, 'b@example.com', {', '.join(['NULL'] * len(held))})")
        offered = {f"v{number}": f"v{number}" for number in held}
        settings = SourceSettings.model_validate({"email": {"variable_columns": offered}})
        full, empty = Source(settings).emails(c, [claim(1), claim(2)])
        errors = [finding.what for finding in check(c, settings) if finding.level == "error"]
        return Seen(settings, letters(full, held), letters(empty, held), errors)


def claim(email_id: int) -> Email:
    return Email(email_id, 1, str(email_id), 0, 1, 0, "b@example.com")


def letters(email: Email, numbers: Iterable[int]) -> dict[int, str]:
    return {number: letter(replace(email, columns={"v": email.columns[f"v{number}"]})) for number in numbers}


def letter(email: Email) -> str:
    made = rendered(job(html_template=None, text_template=TEMPLATE), email)
    return str(read(made).get_content()).removesuffix("\r\n")


@pytest.mark.parametrize("number", range(len(HELD)), ids=lambda number: f"{HELD[number].column} {HELD[number].value}")
def test_a_column_of_any_type_is_what_its_owner_sees(seen: Seen, number: int) -> None:
    if number not in seen.letters:
        pytest.skip(f"only {HELD[number].only} has it")
    assert seen.letters[number] == HELD[number].seen
    assert seen.nulls[number] == "[] no"


def test_db_check_has_nothing_against_them(seen: Seen) -> None:
    assert seen.errors == []


def put(c: sa.Connection, column: str, value: str) -> None:
    c.exec_driver_sql(f"ALTER TABLE delivery_email ADD COLUMN v {column}")
    c.exec_driver_sql(f"INSERT INTO delivery_email (id, job_id, recipient, v) VALUES (1, 1, 'b@example.com', {value})")


def claimed(c: sa.Connection) -> Email:
    (email,) = Source(SETTINGS).emails(c, [claim(1)])
    return email


def errors(c: sa.Connection) -> list[str]:
    return [finding.what for finding in check(c, SETTINGS) if finding.level == "error"]


@pytest.mark.parametrize(("column", "value", "words"), NO_TEXT)
def test_bytes_that_are_no_text_are_said_beforehand_and_fail_their_email_alone(
    c: sa.Connection, column: str, value: str, words: str
) -> None:
    put(c, column, value)
    (found,) = errors(c)
    assert f"1 of 1 values are {words}" in found
    with pytest.raises(RenderError, match="variable 'v' is binary data"):
        letter(claimed(c))
    c.exec_driver_sql("INSERT INTO delivery_email (id, job_id, recipient, v) VALUES (2, 1, 'c@example.com', 'text')")
    assert errors(c) == []
    assert [f.level for f in check(c, SETTINGS) if "1 of 2 values are binary data" in f.what] == ["warning"]


def test_a_type_that_no_letter_can_show_is_refused(c: sa.Connection) -> None:
    columns = ", ".join(f"ADD COLUMN v{number} {shape}" for number, shape in enumerate(SHAPES))
    c.exec_driver_sql(f"ALTER TABLE delivery_email {columns}")
    offered = {f"v{number}": f"v{number}" for number in range(len(SHAPES))}
    settings = SourceSettings.model_validate({"email": {"variable_columns": offered}})
    found = [finding for finding in check(c, settings) if finding.level == "error"]
    assert [finding.where for finding in found] == [f"source.email.variable_columns.{name}" for name in offered]
    assert all(finding.what.endswith("which templates cannot print") for finding in found)
    assert all("ST_AsText" in finding.remedy for finding in found)


def test_every_type_of_the_table_of_kinds_is_tried(c: sa.Connection) -> None:
    other_names = {"integer", "numeric", "dec", "fixed", "real", "geomcollection", "vector"}
    columns = [one.column for one in HELD if is_there(c, one)] + [column for column, _, _ in NO_TEXT] + SHAPES
    names = ", ".join(f"v{number} {column}" for number, column in enumerate(columns))
    c.exec_driver_sql(f"CREATE TABLE all_types ({names})")
    of_table = "SELECT LOWER(data_type) FROM information_schema.columns WHERE table_schema = DATABASE()"
    tried = set(c.exec_driver_sql(f"{of_table} AND table_name = 'all_types'").scalars())
    if "geomcollection" in tried:  # MySQL's name of it
        tried |= {"geometrycollection"}
    assert tried <= set(OFFERED)
    ours = set(OFFERED) - other_names - (set() if c.dialect.is_mariadb else {"uuid", "inet4", "inet6"})  # type: ignore[attr-defined]
    assert ours - {"json"} <= tried  # MariaDB's JSON is a LONGTEXT


def test_a_char_is_read_without_its_padding_whatever_the_server_s_mode(
    database_server: DatabaseServer, database_url: str
) -> None:
    read_mode = "SELECT @@global.sql_mode"
    with connected(database_url, together=True) as c:
        usual = c.exec_driver_sql(read_mode).scalar_one()
    database_server.execute("SET GLOBAL sql_mode = CONCAT(@@global.sql_mode, ',PAD_CHAR_TO_FULL_LENGTH')")
    try:
        engine = make_engine(sa.make_url(database_url), connections=1)
        with engine.connect() as c:
            assert "PAD_CHAR_TO_FULL_LENGTH" in c.exec_driver_sql(read_mode).scalar_one()
            create_reference(c)
            put(c, "CHAR(9)", "'ab'")
            assert claimed(c).columns == {"v": "ab"}
        engine.dispose()
    finally:
        database_server.execute(f"SET GLOBAL sql_mode = '{usual}'")


def test_a_view_offers_what_its_table_has(c: sa.Connection) -> None:
    c.exec_driver_sql("ALTER TABLE delivery_email ADD COLUMN flag BIT(1), ADD COLUMN no INT(5) ZEROFILL")
    c.exec_driver_sql(
        "INSERT INTO delivery_email (id, job_id, recipient, flag, no) VALUES (1, 1, 'b@example.com', b'1', 42)"
    )
    c.exec_driver_sql("CREATE VIEW v_email AS SELECT e.*, flag | b'0' AS computed FROM delivery_email AS e")
    columns = {"flag": "flag", "no": "no", "computed": "computed"}
    settings = SourceSettings.model_validate({"email": {"table": "v_email", "variable_columns": columns}})
    (email,) = Source(settings).emails(c, [claim(1)])
    assert email.columns == {"flag": 1, "no": "00042", "computed": 1}
