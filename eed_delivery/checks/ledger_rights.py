"""Our rights on the ledger's tables. Each is tried by a statement that can match no row."""

from collections.abc import Iterator

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.findings import Finding
from eed_delivery.database.server_words import server_words
from eed_delivery.ledger.schema import RIGHTS, VERSION_TABLE, metadata

# https://mariadb.com/kb/en/mariadb-error-code-reference/: no right on the database, the table, or a column of it
_DENIED = frozenset({1044, 1142, 1143})

_MAY_CREATE = text(
    "SELECT COUNT(*) FROM (SELECT grantee FROM information_schema.user_privileges WHERE privilege_type = 'CREATE'"
    " UNION ALL SELECT grantee FROM information_schema.schema_privileges"
    " WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema) AS rights"
    " WHERE grantee = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''',"
    " SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
)
_VISIBLE = text("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
_WHO = text("SELECT DATABASE() AS place, CURRENT_USER() AS who")


def ledger_findings(c: Connection) -> Iterator[Finding]:
    """Whether the ledger is there, and each of `RIGHTS` that this user lacks."""
    # A server shows a table to those alone who have some right on it.
    visible = set(c.execute(_VISIBLE).scalars())
    if not visible & RIGHTS.keys():
        yield _not_there(c)
        return
    problems = [problem for table in RIGHTS if (problem := _problem(c, table)) is not None]
    yield from problems or [Finding("ok", "ledger", "its tables exist and may be read and written")]


def _not_there(c: Connection) -> Finding:
    if c.execute(_MAY_CREATE).scalar_one():
        return Finding("ok", "ledger", "does not exist yet, and this user may create it")
    # The right may come by a role, which information_schema does not show here.
    what = "its tables do not exist yet, and no right to create them was found"
    remedy = (
        "Run `eed-delivery db init` as a user who may, "
        "or GRANT CREATE, ALTER, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE on the database."
    )
    return Finding("warning", "ledger", what, remedy)


def _problem(c: Connection, table: str) -> Finding | None:
    """What this user lacks on one table, with the GRANT that gives it. None where it lacks nothing."""
    missing = []
    for right in RIGHTS[table]:
        try:
            c.execute(text(_probe(table, right)))
        except DBAPIError as error:
            code = error.orig.args[0] if error.orig is not None and error.orig.args else None
            if code not in _DENIED:
                return Finding("error", "ledger", f"{table}: {server_words(error)}", "Run eed-delivery db init.")
            missing.append(right)
    if not missing:
        return None
    place, who = c.execute(_WHO).one()
    rights = ", ".join(missing)
    return Finding(
        "error", "ledger", f"this user has no right to {rights} on {table}", _grant(rights, place, table, who)
    )


def _grant(rights: str, place: str, table: str, who: str) -> str:
    user, _, host = who.rpartition("@")
    return f"GRANT {rights} ON {place}.{table} TO '{user}'@'{host}';"


def _probe(table: str, right: str) -> str:
    """A statement that needs this right alone, on every column, and touches no row. The names are our own."""
    names = _columns(table)
    match right:
        case "SELECT":
            return f"SELECT * FROM {table} WHERE 1 = 0"  # noqa: S608 - our own names, here and below
        case "INSERT":
            nothing = ", ".join("NULL" for _ in names)
            return f"INSERT INTO {table} ({', '.join(names)}) SELECT {nothing} FROM DUAL WHERE 1 = 0"  # noqa: S608
        case "UPDATE":
            return f"UPDATE {table} SET {', '.join(f'{name} = NULL' for name in names)} WHERE 1 = 0"  # noqa: S608
        case _:
            return f"DELETE FROM {table} WHERE 1 = 0"  # noqa: S608


def _columns(table: str) -> list[str]:
    if table == VERSION_TABLE:
        return ["version_num"]
    found: Table = metadata.tables[table]
    return [f"`{column.name}`" for column in found.columns]
