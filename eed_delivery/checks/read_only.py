"""Whether a database user could write to the source's tables. The server itself is asked, and nothing is tried out."""

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.excess_rights import parsed
from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import is_away
from eed_delivery.source.live import read_table

_READS = frozenset({"SELECT", "SHOW VIEW", "USAGE", "SHOW DATABASES", "PROCESS"})
# access denied (database, table, column, EXPLAIN of a view); a column that is calculated takes no value
_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1345, 1348, 1906, 3105})


def writable(c: Connection, settings: SourceSettings) -> list[str]:
    """What this user could do to the source's tables, as "UPDATE on bank.customers". Empty: it can only read. Nothing
    is asked on SQLite.

    EXPLAIN needs the rights of the statement that it explains, in whatever way the user got them, and does not run it:
    https://dev.mysql.com/doc/refman/8.4/en/explain.html, https://mariadb.com/kb/en/explain/
    """
    if c.dialect.name == "sqlite":
        return []
    here = str(c.execute(text("SELECT DATABASE()")).scalar_one())
    tables = {table for table in (settings.job.table, settings.email.table, settings.attachment.table) if table}
    found = list(dict.fromkeys([*_granted(c, here, tables), *_allowed(c, tables)]))
    return sorted(found)


def _granted(c: Connection, here: str, tables: set[str]) -> Iterator[str]:
    """By SHOW GRANTS, also what no statement can be explained for, such as DROP."""
    places = {(table.rpartition(".")[0] or here, table.rpartition(".")[2]): table for table in tables}
    schemas = {schema for schema, _ in places}
    for line in c.execute(text("SHOW GRANTS")).scalars():
        grant = parsed(line)
        if grant is None:
            continue
        rights = sorted(set(grant.rights) - _READS)
        on_all = grant.table == "*" and (grant.schema == "*" or any(_covers(grant.schema, one) for one in schemas))
        if rights and (on_all or (grant.schema, grant.table) in places):
            yield f"{', '.join(rights)} on {grant.schema}.{grant.table}"


def _covers(pattern: str, schema: str) -> bool:
    return pattern.replace("\\", "").casefold() == schema.casefold() or "%" in pattern


def _allowed(c: Connection, tables: set[str]) -> Iterator[str]:
    """By asking for the plan of a write. It sees what came by a role."""
    for table in sorted(tables):
        quoted = ".".join(c.dialect.identifier_preparer.quote_identifier(part) for part in table.split("."))
        live = read_table(c, table)
        columns = [] if live is None else [column.name for column in live.columns.values()]
        statements = {"DELETE": [f"DELETE FROM {quoted} WHERE 1 = 0"]}  # noqa: S608 - the mapping's own names
        for name in columns:
            column = c.dialect.identifier_preparer.quote_identifier(name)
            statements.setdefault("UPDATE", []).append(f"UPDATE {quoted} SET {column} = {column} WHERE 1 = 0")  # noqa: S608
            statements.setdefault("INSERT", []).append(
                f"INSERT INTO {quoted} ({column}) SELECT {column} FROM {quoted} WHERE 1 = 0"  # noqa: S608
            )
        for right, asked in statements.items():
            if any(_may(c, statement) for statement in asked):
                yield f"{right} on {table}"


def _may(c: Connection, statement: str) -> bool:
    try:
        c.exec_driver_sql(f"EXPLAIN {statement}").all()
    except DBAPIError as error:
        if is_away(error):
            raise
        # Another error, such as a column without a default, comes behind the check of rights.
        return not error.orig or error.orig.args[:1] not in {(code,) for code in _DENIED}
    return True
