"""`db check` warns of rights that the service does not need, by what the server itself says of a real user."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, make_url

from eed_delivery.checks.excess_rights import WHERE, Granted, excess_findings, parsed
from eed_delivery.checks.findings import Finding
from eed_delivery.config import SourceSettings
from eed_delivery.ledger.schema import RIGHTS
from tests.servers.database_server import DatabaseServer
from tests.world import World

pytestmark = pytest.mark.both_databases

PASSWORD = "the service's"
NEEDED = (
    *(f"{', '.join(rights)} ON {{db}}.{table}" for table, rights in RIGHTS.items()),
    "SELECT, INSERT ON {db}.delivery_attachment",
    "SELECT, INSERT, UPDATE (status) ON {db}.delivery_job",
    "SELECT, UPDATE (status, status_detail, attempts, message_id, sent_at) ON {db}.delivery_email",
)

Found = Callable[..., list[Finding]]


@pytest.fixture
def found(database_server: DatabaseServer, database_url: str) -> Iterator[Found]:
    """What is found of a user with the needed rights and some more."""
    World(database_url).close()
    name = make_url(database_url).database or ""
    user = f"{name[:20]}_r"

    def look(*grants: str, needed: bool = True) -> list[Finding]:
        database_server.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        for grant in (*(NEEDED if needed else ()), *grants):
            rights, _, option = grant.format(db=f"`{name}`").partition(" WITH ")
            database_server.execute(f"GRANT {rights} TO '{user}'@'%'{f' WITH {option}' if option else ''}")
        engine = create_engine(make_url(database_url).set(username=user, password=PASSWORD))
        with engine.connect() as c:
            findings = excess_findings(c, SourceSettings())
        engine.dispose()
        return findings

    database_server.execute(f"DROP USER IF EXISTS '{user}'@'%'")
    yield look
    database_server.execute(f"DROP USER IF EXISTS '{user}'@'%'")


def test_the_rights_of_the_documents_are_none_too_many(found: Found) -> None:
    assert [(one.level, one.where) for one in found()] == [("ok", WHERE)]


@pytest.mark.parametrize(
    ("grant", "too_many"),
    [
        ("UPDATE ON {db}.eed_audit", "UPDATE on "),
        ("UPDATE (reason) ON {db}.eed_audit", "UPDATE (reason) on "),
        ("DELETE, DROP ON {db}.eed_audit", "DELETE, DROP on "),
        ("ALTER ON {db}.eed_email", "ALTER on "),
        ("SELECT ON {db}.eed_job WITH GRANT OPTION", "GRANT OPTION on "),
        ("UPDATE ON {db}.delivery_job", "UPDATE on "),
        ("UPDATE (recipient) ON {db}.delivery_email", "UPDATE (recipient) on "),
        ("UPDATE (location) ON {db}.delivery_attachment", "UPDATE (location) on "),
        ("DELETE ON {db}.delivery_email", "DELETE on "),
    ],
)
def test_what_is_too_much_on_a_table_is_named_with_what_takes_it_away(found: Found, grant: str, too_many: str) -> None:
    (one,) = found(grant)
    assert (one.level, one.where) == ("warning", WHERE)
    assert f"this user has {too_many}" in one.what
    assert ("may change the audit" in one.what) == ("eed_audit" in grant)
    assert one.remedy.startswith(f"REVOKE {too_many.removesuffix(' on ')} ON ")


@pytest.mark.parametrize("rights", ["SELECT, INSERT, UPDATE, DELETE", "ALL PRIVILEGES"])
def test_rights_on_the_whole_database_are_rights_on_the_audit(found: Found, rights: str) -> None:
    (one,) = found(f"{rights} ON {{db}}.*")
    assert one.level == "warning"
    assert "so also on eed_audit" in one.what
    assert one.remedy.startswith("REVOKE ALL PRIVILEGES ON `")


def test_a_database_that_a_pattern_means_is_this_one(found: Found, database_url: str) -> None:
    name = make_url(database_url).database or ""
    assert [one.level for one in found(f"DELETE ON `{name[:-1]}%`.*")] == ["warning"]


def test_rights_on_another_database_are_not_ours_to_judge(found: Found) -> None:
    assert [one.level for one in found("ALL PRIVILEGES ON `another_db`.*")] == ["ok"]


@pytest.mark.parametrize("grant", ["SUPER ON *.*", "PROCESS ON *.*", "ALL PRIVILEGES ON *.*", "UPDATE ON *.*"])
def test_rights_on_all_databases(found: Found, grant: str) -> None:
    findings = found(grant)
    assert {one.level for one in findings} == {"warning"}
    assert "rights on all databases" in findings[0].what
    assert "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '" in findings[0].remedy


@pytest.mark.parametrize(
    ("line", "granted"),
    [
        ("GRANT USAGE ON *.* TO `eed`@`%`", Granted("*", "*", {"USAGE": frozenset()})),
        ("GRANT `role`@`%` TO `eed`@`%`", None),
        ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", None),
        (
            "GRANT SELECT (`a`, `b`), UPDATE (`c`) ON `d``b`.`t.x` TO `eed`@`%` WITH GRANT OPTION",
            Granted(
                "d`b",
                "t.x",
                {"SELECT": frozenset("ab"), "UPDATE": frozenset("c"), "GRANT OPTION": frozenset()},
            ),
        ),
        (
            "GRANT SELECT (b, a), INSERT ON `db`.`t` TO `eed`@`%`",
            Granted("db", "t", {"SELECT": frozenset("ab"), "INSERT": frozenset()}),
        ),
    ],
)
def test_lines_of_show_grants(line: str, granted: Granted | None) -> None:
    assert parsed(line) == granted
