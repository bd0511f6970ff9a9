"""`db check` has the database explain what the service asks.

Views and joins that make each chunk a full scan are reported.

With as many rows as it takes to distinguish them from a small table.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from eed_delivery.checks.findings import Finding
from eed_delivery.checks.mapping import check
from eed_delivery.checks.plans import MANY_ROWS, plan_findings
from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.ledger.schema import metadata
from eed_delivery.source import Source
from eed_delivery.source.reference import create_reference
from tests.servers.database_server import DatabaseServer

pytestmark = pytest.mark.both_databases

ROWS = 2 * MANY_ROWS


@pytest.fixture(scope="module")
def c(database_server: DatabaseServer) -> Iterator[sa.Connection]:
    engine = make_engine(sa.make_url(database_server.create_database("plans")), connections=1)
    with engine.connect() as connection:
        create_reference(connection)
        metadata.create_all(connection)
        numbers = f"WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        for statement in (
            f"SET {'max_recursive_iterations' if engine.dialect.is_mariadb else 'cte_max_recursion_depth'} = 1000000",
            "INSERT INTO delivery_job (id, name, status, sender, subject) VALUES (1, 'one', 'finished', 'a', 's'),"
            " (2, 'two', 'processing', 'a', 's')",
            "INSERT INTO delivery_email (id, job_id, recipient, recipient_name, status)"
            f" {numbers} SELECT i, 1 + i %% 2, CONCAT('c', i, '@example.com'), CONCAT('C ', i), 'pending' FROM n",
            f"CREATE TABLE customer (address VARCHAR(320), iban VARCHAR(34)) {numbers}"
            " SELECT CONCAT('c', i, '@example.com') AS address, CONCAT('DE', i) AS iban FROM n",
            "CREATE TABLE known_customer (address VARCHAR(320), iban VARCHAR(34), INDEX by_address (address))"
            f" {numbers}"
            " SELECT CONCAT('c', i, '@example.com') AS address, CONCAT('DE', i) AS iban FROM n",
            "ANALYZE TABLE delivery_email, delivery_job, customer, known_customer",
        ):
            connection.exec_driver_sql(statement)
        yield connection
        connection.rollback()
    engine.dispose()


def warnings(c: sa.Connection, **email: Any) -> list[Finding]:
    settings = SourceSettings.model_validate({"email": email})
    return [finding for finding in check(c, settings) if finding.level == "warning"]


def view(c: sa.Connection, select: str) -> None:
    c.exec_driver_sql("DROP VIEW IF EXISTS v_email")
    c.exec_driver_sql(f"CREATE VIEW v_email AS {select}")


def test_a_table_with_its_indexes_is_well(c: sa.Connection) -> None:
    assert warnings(c) == []


def test_one_job_that_fills_the_table_is_well(c: sa.Connection) -> None:
    c.exec_driver_sql("CREATE TABLE one_job LIKE delivery_email")
    c.exec_driver_sql("INSERT INTO one_job SELECT * FROM delivery_email")
    c.exec_driver_sql("UPDATE one_job SET job_id = 1")
    c.exec_driver_sql("ANALYZE TABLE one_job")
    assert warnings(c, table="one_job") == []


def test_a_view_that_can_be_merged_is_well(c: sa.Connection) -> None:
    view(c, "SELECT e.*, UPPER(recipient_name) AS loud FROM delivery_email AS e")
    assert warnings(c, table="v_email", variable_columns={"loud": "loud"}) == []


def test_a_join_over_columns_without_an_index_is_told(c: sa.Connection) -> None:
    view(c, "SELECT e.*, k.iban FROM delivery_email AS e JOIN customer AS k ON k.address = e.recipient")
    found = warnings(c, table="v_email", variable_columns={"iban": "iban"})
    assert {finding.where for finding in found} == {"source.email.table"}
    assert any("each chunk of a job reads all of k" in finding.what for finding in found)
    assert any("each batch of ten emails reads all of k" in finding.what for finding in found)
    assert all("columns that a join compares" in finding.remedy for finding in found)
    c.exec_driver_sql("CREATE INDEX by_address ON customer (address)")
    c.exec_driver_sql("ANALYZE TABLE customer")
    assert warnings(c, table="v_email", variable_columns={"iban": "iban"}) == []


@pytest.mark.parametrize(
    "select",
    [
        "SELECT e.*, job_id + 0 AS job FROM delivery_email AS e",
        "SELECT e.*, ABS(job_id) AS job FROM delivery_email AS e",
    ],
)
def test_a_key_that_is_computed_is_told(c: sa.Connection, select: str) -> None:
    view(c, select)
    found = warnings(c, table="v_email", job_id="job")
    assert [finding for finding in found if "each job reads all of e" in finding.what]


def test_a_view_that_groups_its_rows_is_told(c: sa.Connection) -> None:
    c.exec_driver_sql("CREATE OR REPLACE VIEW v_grouped AS SELECT * FROM delivery_email GROUP BY id")
    settings = SourceSettings.model_validate({"email": {"table": "v_grouped"}})
    found = list(plan_findings(c, settings))
    assert {finding.level for finding in found} == {"warning"}
    assert any("GROUP BY" in finding.remedy for finding in found)


def test_a_page_begins_where_the_last_one_ended(c: sa.Connection) -> None:
    """However deep it is in its job, and whatever other jobs' emails lie between. MariaDB would read the job from its
    beginning, MySQL what others have behind the job's last email."""
    c.exec_driver_sql("CREATE TABLE paged LIKE delivery_email")
    c.exec_driver_sql("INSERT INTO paged SELECT * FROM delivery_email")
    c.exec_driver_sql("UPDATE paged SET job_id = IF(id < 18000, 1, 3)")
    c.exec_driver_sql("ANALYZE TABLE paged")
    c.commit()
    source = Source(SourceSettings.model_validate({"email": {"table": "paged"}}))
    for after, rows in ((15_000, 100), (17_950, 49)):
        for ask in (
            lambda after=after: len(source.unsent(c, 1, after, 100)),
            lambda after=after: source.unsent_until(c, 1, after, 100)[0],
        ):
            before = looked_at(c)
            assert ask() == rows
            assert looked_at(c) - before < 2 * rows + 20


def looked_at(c: sa.Connection) -> int:
    """Entries of indexes that this connection has had the storage engine read, or compare within an index.

    https://mariadb.com/kb/en/index-condition-pushdown/ (Handler_icp_attempts), which MySQL does not count.
    """
    rows = c.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler%%'").all()
    return sum(int(n) for name, n in rows if name.startswith("Handler_read") or name == "Handler_icp_attempts")


def test_nothing_is_read_for_it_but_one_row(c: sa.Connection) -> None:
    view(c, "SELECT e.*, k.iban FROM delivery_email AS e JOIN known_customer AS k ON k.address = e.recipient")
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(c, "before_cursor_execute", note)
    email = {"table": "v_email", "variable_columns": {"iban": "iban"}}
    assert list(plan_findings(c, SourceSettings.model_validate({"email": email}))) == []
    sa.event.remove(c, "before_cursor_execute", note)
    of_view = [one for one in statements if "v_email" in one and not one.startswith(("EXPLAIN", "UPDATE"))]
    asked = [one for one in of_view if "false" not in one and "LIMIT" not in one]
    assert len(of_view) > 5
    assert asked == []
