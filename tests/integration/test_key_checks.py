"""`db check` says beforehand which keys would be refused, and where keys would not compare alike."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from eed_delivery.checks.findings import Finding
from eed_delivery.checks.keys import key_findings
from eed_delivery.config import SourceSettings
from eed_delivery.model import LARGEST_KEY

EXACT = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
LOOSE = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"


@pytest.fixture
def c(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def tables(c: sa.Connection, job: str, email: str, email_job: str, file_email: str, file_job: str) -> None:
    c.exec_driver_sql(f"CREATE TABLE jobs (id {job} PRIMARY KEY)")
    c.exec_driver_sql(f"CREATE TABLE mails (id {email} PRIMARY KEY, job_id {email_job})")
    c.exec_driver_sql(f"CREATE TABLE files (email_id {file_email}, job_id {file_job})")


def found(c: sa.Connection, key_type: str, **email: Any) -> list[Finding]:
    settings = {
        "job": {"table": "jobs", "key_type": key_type},
        "email": {"table": "mails", "key_type": key_type, **email},
        "attachment": {"table": "files"},
    }
    return list(key_findings(c, SourceSettings.model_validate(settings)))


@pytest.mark.parametrize(("key", "says"), [(LARGEST_KEY + 1, "largest"), (2**64 - 1, "largest"), (0, "begin with 1")])
def test_numbers_that_cannot_be_kept(c: sa.Connection, key: int, says: str) -> None:
    tables(c, *["BIGINT UNSIGNED"] * 5)
    c.exec_driver_sql("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    c.exec_driver_sql(f"INSERT INTO mails VALUES (1, 1), ({LARGEST_KEY}, 1)")
    assert found(c, "integer") == []
    c.exec_driver_sql(f"INSERT INTO mails VALUES ({key}, 1)")
    (finding,) = found(c, "integer")
    assert (finding.level, finding.where) == ("error", "source.email.id")
    assert f"mails.id has the key {key}" in finding.what
    assert says in finding.what
    c.exec_driver_sql(f"INSERT INTO jobs VALUES ({key})")
    assert [finding.where for finding in found(c, "integer")] == ["source.job.id", "source.email.id"]


def test_a_blank_at_the_end_of_a_key(c: sa.Connection) -> None:
    tables(c, *[EXACT] * 5)
    c.exec_driver_sql("INSERT INTO mails VALUES ('K 1', 'J'), (' K1', 'J')")
    assert found(c, "string") == []
    c.exec_driver_sql("INSERT INTO mails VALUES ('K2 ', 'J')")
    (finding,) = found(c, "string")
    assert (finding.level, finding.where) == ("error", "source.email.id")
    assert "'K2 '" in finding.what


def test_joined_columns_that_do_not_compare_alike(c: sa.Connection) -> None:
    tables(c, EXACT, LOOSE, LOOSE, EXACT, EXACT)
    findings = found(c, "string")
    assert {finding.level for finding in findings} == {"warning"}
    assert [finding.where for finding in findings] == ["source.email.job_id", "source.attachment.email_id"]
    assert findings[0].what.startswith("jobs.id is utf8mb4_bin and mails.job_id is utf8mb4_general_ci")
