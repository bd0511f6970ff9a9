"""The database server itself: its version, whether a commit survives a power cut, and our rights on the ledger."""

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Row, text

from eed_delivery.checks.findings import Finding, Level
from eed_delivery.checks.ledger_rights import ledger_findings
from eed_delivery.config.formats import is_loopback
from eed_delivery.database.engine import IDLE_CONNECTION_SECONDS, IDLE_TRANSACTION_SECONDS
from eed_delivery.database.mysql_connection import MySqlConnection

_TLS = "database TLS"
_TLS_REMEDY = "Give the CA in database.ca_file, and remove TLS options from database.url."
OLDEST_MYSQL = (8, 0)
OLDEST_MARIADB = (10, 6)

_FACTS = text(
    "SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS sync_binlog,"
    " @@log_bin AS log_bin, DATABASE() AS name"
)
# By SHOW, for not every server has them all. An Aurora reader is told by `innodb_read_only`:
# https://repost.aws/knowledge-center/aurora-mysql-db-cluser-read-only-error
_VARIABLES = text(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('aurora_version', 'binlog_format', 'idle_transaction_timeout', 'innodb_read_only', 'offline_mode', 'read_only')"
)


def server_findings(c: Connection) -> Iterator[Finding]:
    """Findings about the server, for any mapping."""
    if c.dialect.name == "sqlite":
        yield Finding(
            "warning",
            "database.url",
            "SQLite accepts one writer at a time and cannot serve two hosts. It is for demonstrations and tests",
            "Use the delivery server's MySQL or MariaDB.",
        )
        return
    facts = c.execute(_FACTS).one()
    variables: dict[str, str] = {row[0].lower(): str(row[1]) for row in c.execute(_VARIABLES)}
    yield version_finding(facts.version, variables.get("aurora_version"))
    yield _encryption(c)
    yield from _durability(facts)
    yield from writing_findings(variables, has_binlog=bool(facts.log_bin))
    yield _idle_transactions(variables)
    if facts.name is None:
        yield Finding("error", "database.url", "the URL names no database", "Add it, like mysql://host/DATABASE.")
    else:
        yield from ledger_findings(c)


def _encryption(c: Connection) -> Finding:
    """How this connection itself is encrypted, and whether the server has proved who it is."""
    driver, url = c.connection.driver_connection, c.engine.url
    local = "unix_socket" in url.query or is_loopback(url.host or "localhost")
    unsafe: Level = "ok" if local else "warning"
    tls = driver.tls if isinstance(driver, MySqlConnection) else None
    if tls is None:
        what = "no TLS, on this host only" if local else "no TLS, so statements and data can be read on the network"
        return Finding(unsafe, _TLS, what, "" if local else _TLS_REMEDY)
    how = f"{tls.version}, {tls.cipher}"
    if not tls.certificate_verified:
        return Finding(
            unsafe, _TLS, f"{how}, but the server's certificate is not verified", "" if local else _TLS_REMEDY
        )
    verified = "certificate and name are verified" if tls.name_verified else "certificate is verified, its name is not"
    return Finding("ok", _TLS, f"{how}, and the server's {verified}")


def version_finding(version: str, aurora: str | None = None) -> Finding:
    """Whether this is a server whose SQL we speak. `version` is what VERSION() says, `aurora` its own one."""
    numbers = [(int(major), int(minor)) for major, minor in re.findall(r"(?<!\d)(\d++)\.(\d++)\.\d+", version)]
    # MariaDB may call itself 5.5.5-10.11.6-MariaDB, for the sake of old clients.
    is_mariadb = "mariadb" in version.lower()
    number = max(numbers, default=(0, 0)) if is_mariadb else next(iter(numbers), (0, 0))
    oldest, name = (OLDEST_MARIADB, "MariaDB") if is_mariadb else (OLDEST_MYSQL, "MySQL")
    if number >= oldest:
        return Finding("ok", "server version", f"{version}, Aurora {aurora}" if aurora else version)
    what = f"{version} is older than {name} {oldest[0]}.{oldest[1]}"
    return Finding("error", "server version", what, "Upgrade the database server.")


def writing_findings(variables: Mapping[str, str], *, has_binlog: bool) -> Iterator[Finding]:
    """Whether the server takes writes at all."""
    if _is_on(variables, "read_only") or _is_on(variables, "innodb_read_only"):
        what = "the server is read-only (a replica or an Aurora reader, probably)"
        remedy = "Name the primary server in the URL, or with Aurora the cluster's writer endpoint."
        yield Finding("error", "database.url", what, remedy)
    if _is_on(variables, "offline_mode"):
        what = "the server is in offline mode, and admits only administrators"
        yield Finding("error", "database.url", what, "Run SET GLOBAL offline_mode = OFF when it may be used again.")
    if has_binlog and variables.get("binlog_format", "").upper() == "STATEMENT":
        # https://dev.mysql.com/doc/refman/8.0/en/binary-log-setting.html, error 1665
        what = "is STATEMENT, with which InnoDB refuses every write under READ COMMITTED, the service's isolation level"
        yield Finding("error", "binlog_format", what, "Set it to ROW, or to MIXED.")


def _idle_transactions(variables: Mapping[str, str]) -> Finding:
    """How long a process that is frozen or cut off keeps its row locks."""
    if "idle_transaction_timeout" in variables:
        what = f"the server ends them after {IDLE_TRANSACTION_SECONDS} s"
    else:
        what = f"the server has no limit for them, and ends their connection after {IDLE_CONNECTION_SECONDS} s"
    return Finding("ok", "idle transactions", what)


def _is_on(variables: Mapping[str, str], name: str) -> bool:
    # MariaDB 12 has further words for read_only: NO_LOCK, NO_LOCK_NO_ADMIN.
    return variables.get(name, "OFF").upper() not in ("OFF", "0")


def _durability(facts: Row[tuple[object, ...]]) -> Iterator[Finding]:
    loss = "a power cut loses the last seconds of the ledger, and their emails may be sent twice"
    settings = {"innodb_flush_log_at_trx_commit": facts.flush}
    if facts.log_bin:
        settings["sync_binlog"] = facts.sync_binlog
    for name, value in settings.items():
        if value == 1:
            yield Finding("ok", name, "is 1, so a commit survives a power cut")
        else:
            remedy = f"Run SET GLOBAL {name} = 1, and set it in the server's configuration too."
            yield Finding("warning", name, f"is {value}, not 1: {loss}", remedy)
