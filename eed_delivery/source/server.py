"""The database server itself: its version, whether a commit survives a power cut, and our rights on the ledger."""

import re
from collections.abc import Iterator

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from eed_delivery.source.findings import Finding

OLDEST_MYSQL = (8, 0)
OLDEST_MARIADB = (10, 6)

_FACTS = text(
    "SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS sync_binlog,"
    " @@log_bin AS log_bin, @@read_only AS read_only, DATABASE() AS name"
)
_MAY_CREATE = text(
    "SELECT COUNT(*) FROM (SELECT grantee FROM information_schema.user_privileges WHERE privilege_type = 'CREATE'"
    " UNION ALL SELECT grantee FROM information_schema.schema_privileges"
    " WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema) AS rights"
    " WHERE grantee = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''',"
    " SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
)
LEDGER_TABLES = ("eed_job", "eed_email", "eed_attempt")


def server_findings(c: Connection) -> Iterator[Finding]:
    """What there is to say about the server, whatever the mapping."""
    if c.dialect.name == "sqlite":
        yield Finding(
            "warning",
            "database.url",
            "SQLite takes one writer at a time and proves nothing about two hosts: it is for demonstrations and tests",
            "Use the delivery server's MySQL or MariaDB.",
        )
        return
    facts = c.execute(_FACTS).one()
    yield version_finding(facts.version)
    yield from _durability(facts)
    if facts.read_only:
        what = "the server is read-only (a replica, probably)"
        yield Finding("error", "database.url", what, "Name the primary server in the URL.")
    if facts.name is None:
        yield Finding("error", "database.url", "the URL names no database", "Add it: mysql://host/DATABASE.")
    else:
        yield from _ledger_rights(c)


def version_finding(version: str) -> Finding:
    """Whether this is a server whose SQL we speak; `version` is what VERSION() says."""
    numbers = [(int(major), int(minor)) for major, minor in re.findall(r"(\d+)\.(\d+)\.\d+", version)]
    # MariaDB may call itself 5.5.5-10.11.6-MariaDB, for the sake of old clients.
    is_mariadb = "mariadb" in version.lower()
    number = max(numbers, default=(0, 0)) if is_mariadb else next(iter(numbers), (0, 0))
    oldest, name = (OLDEST_MARIADB, "MariaDB") if is_mariadb else (OLDEST_MYSQL, "MySQL")
    if number >= oldest:
        return Finding("ok", "server version", version)
    what = f"{version} is older than {name} {oldest[0]}.{oldest[1]}"
    return Finding("error", "server version", what, "Upgrade the database server.")


def _durability(facts: Row[tuple[object, ...]]) -> Iterator[Finding]:
    loss = "after a power cut the last seconds of the ledger are gone, and their emails may be sent twice"
    settings = {"innodb_flush_log_at_trx_commit": facts.flush}
    if facts.log_bin:
        settings["sync_binlog"] = facts.sync_binlog
    for name, value in settings.items():
        if value == 1:
            yield Finding("ok", name, "is 1: a commit survives a power cut")
        else:
            remedy = f"SET GLOBAL {name} = 1, and set it in the server's configuration too."
            yield Finding("warning", name, f"is {value}, not 1: {loss}", remedy)


def _ledger_rights(c: Connection) -> Iterator[Finding]:
    there = c.execute(
        text(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'eed_job'"
        )
    ).scalar_one()
    if there:
        problems = [problem for name in LEDGER_TABLES if (problem := _cannot_use(c, name))]
        yield problems[0] if problems else Finding("ok", "ledger", "its tables are there and may be read and written")
    elif c.execute(_MAY_CREATE).scalar_one():
        yield Finding("ok", "ledger", "not there yet, and this user may create it")
    else:
        # The right may come by a role, which information_schema does not show here.
        what = "its tables are not there yet, and no right to create them was found"
        remedy = (
            "Run `eed-delivery db init` as a user who may, "
            "or GRANT CREATE, ALTER, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE on the database."
        )
        yield Finding("warning", "ledger", what, remedy)


def _cannot_use(c: Connection, table: str) -> Finding | None:
    # None of these can touch a row; the server checks the rights all the same.
    for statement in (
        f"SELECT 1 FROM {table} WHERE 1 = 0",  # noqa: S608 - our own names
        f"DELETE FROM {table} WHERE 1 = 0",  # noqa: S608 - as above
        f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",  # noqa: S608 - as above
        f"UPDATE {table} SET job_id = job_id WHERE 1 = 0" if table != "eed_attempt" else "DO 0",  # noqa: S608 - as above
    ):
        try:
            c.execute(text(statement))
        except DBAPIError as error:
            remedy = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table}, or for the whole database, to this user."
            return Finding("error", "ledger", brief(error), remedy)
    return None


def brief(error: DBAPIError) -> str:
    """The server's own words in one line."""
    words = error.orig.args[-1] if error.orig is not None and error.orig.args else error
    return str(words).splitlines()[0][:300]
