"""How the database would go about what enlisting and claiming ask, for `db check`.

A view that groups its rows, or a join over columns without an index, is a full scan for each chunk. Half a million
emails are then read five hundred times. Only EXPLAIN shows it, so it is asked about the statements themselves, as
`Source` makes them for a job that is there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Select, event, false, select
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.findings import Finding
from eed_delivery.config import SourceSettings
from eed_delivery.database.server_words import server_words
from eed_delivery.ledger.schema import eed_job
from eed_delivery.model import Email
from eed_delivery.source.access import Source
from eed_delivery.source.tables import Key, MappedTables

MANY_ROWS = 10_000
"""Below this a full scan takes milliseconds, and the optimizer may well prefer it."""
CHUNK = 1000
# https://dev.mysql.com/doc/refman/8.0/en/explain-output.html#explain-join-types
_ALL_OF_IT = frozenset({"ALL", "index"})
_REMEDY = (
    "The column that names the job needs an index and must not be computed, nor the columns that a join compares. "
    "A view with GROUP BY, DISTINCT, UNION or LIMIT is made anew each time. Map tables, or a view that can be merged "
    "(https://dev.mysql.com/doc/refman/8.0/en/view-algorithms.html)."
)


_Asked = tuple[Select[Any], dict[str, Any]]


def plan_findings(c: Connection, settings: SourceSettings) -> Iterator[Finding]:
    """A warning for each thing the service does again and again that reads a large table from end to end."""
    if c.dialect.name == "sqlite":
        return
    found = _a_row(c, settings)
    if found is None:
        return  # there is nothing to plan for
    for where, often, ask in _questions(Source(settings), *found):
        try:
            with _noted(c) as statements:
                ask(c)
            yield from _full_scans(c, statements, where, often)
        except DBAPIError as error:  # no ledger yet, or no right to EXPLAIN a view (SHOW VIEW)
            yield Finding("ok", where, f"{often}: EXPLAIN failed: {server_words(error)}")


def _a_row(c: Connection, settings: SourceSettings) -> tuple[Key, Key] | None:
    t = MappedTables(settings)
    row = c.execute(select(t.email_job, t.email_id).where(t.email_job.is_not(None)).limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def _questions(source: Source, job: Key, key: Key) -> Iterator[tuple[str, str, Callable[[Connection], object]]]:
    """What is asked often, with the setting that it concerns, when it is asked, and how."""
    email, each = "source.email.table", "each chunk of a job"
    nobody: Key = 0 if isinstance(job, int) else ""  # no key: an index leads to nothing, and without one all is read
    yield email, "each job", lambda c: source.already_settled_count(c, nobody)
    yield email, each, lambda c: (source.unsent(c, job, None, CHUNK), source.unsent(c, job, key, CHUNK))
    yield email, each, lambda c: source.copies_plainly(c) and source.unsent_until(c, job, key, CHUNK)
    yield email, "each batch of ten emails", lambda c: source.emails(c, [Email(0, 0, str(key), 0, 0, 0, "")])
    yield "source.job.table", "each poll for new jobs", lambda c: source.ready_jobs(c, eed_job, CHUNK)


@contextmanager
def _noted(c: Connection) -> Iterator[list[_Asked]]:
    """Notes what is selected with this connection meanwhile, and has none of it find a row."""
    statements: list[_Asked] = []

    def note(_c: Any, clause: Any, several: Any, values: Mapping[str, Any], _options: Any) -> tuple[Any, Any, Any]:
        if isinstance(clause, Select):
            statements.append((clause, dict(values)))
            clause = clause.where(false())
        return clause, several, values

    event.listen(c, "before_execute", note, retval=True)
    try:
        yield statements
    finally:
        event.remove(c, "before_execute", note)


def _full_scans(c: Connection, statements: list[_Asked], where: str, often: str) -> Iterator[Finding]:
    scans: dict[str, int] = {}
    for statement, values in statements:
        for step in _explained(c, statement, values):
            rows = int(step["rows"] or 0)  # MariaDB gives it as text
            if step["type"] in _ALL_OF_IT and rows >= MANY_ROWS:
                scans[step["table"]] = max(rows, scans.get(step["table"], 0))
    for table, rows in scans.items():
        yield Finding("warning", where, f"{often} reads all of {table}, about {rows:,} rows, as EXPLAIN says", _REMEDY)


def _explained(c: Connection, statement: Select[Any], values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    compiled: Any = statement.compile(dialect=c.dialect)
    whole = compiled.construct_expanded_state(values)
    # By name: MySQL 9's `explain_format` is TREE, which has no rows to read.
    for row in c.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {whole.statement}", whole.parameters).mappings():
        yield {name.lower(): value for name, value in row.items()}
