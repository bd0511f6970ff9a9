"""Several statements in one round trip, compiled once.

For the worker's hot path, where the round trips and the building of SQL text are the cost. PyMySQL's multi-statements
carry them (`make_engine(multi_statements=True)`). A database without them executes one after the other. Every statement
is one of ours, written with bind parameters, and PyMySQL's own rules escape its values.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from pymysql.constants import CLIENT
from pymysql.converters import escape_item
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, Update

from eed_delivery.database.mysql_answers import answers_to

Statement = Update | Insert | Select[Any]

_LIST = re.compile(r"__\[POSTCOMPILE_(\w+)\]")
"""Where SQLAlchemy would expand a list at each execution, one parameter an element. Lists are filled in here."""


class BoundStatement(NamedTuple):
    """One statement with its values.

    `rows` is the number of rows that it must match. None means any number, and the statement stays one of its own
    unless `merges` is set.
    `last` means that it is executed after all statements that are not, where the statements of several threads are put
    together. A statement that begins a lease must not wait after it.
    """

    statement: Statement
    values: Mapping[str, Any]
    rows: int | None = 1
    last: bool = False
    merges: bool = False


class StatementResult(NamedTuple):
    """The result of one statement.

    `matched` is how many rows it matched or found. `rows` are those found. `missed` is True if it had to match another
    number of rows.
    """

    matched: int
    rows: Sequence[Any]
    missed: bool


def execute(c: Connection, statements: Sequence[BoundStatement]) -> list[StatementResult]:
    """Execute the statements in order. Return one result for each statement that the database received.

    Neighbours that are the same statement, with `rows` or `merges`, are merged into one where this is possible. The
    database takes longer to parse and plan a statement than to change most of its rows. When a statement misses, the
    caller rolls back. Statements behind it may not have been executed then.

    Found rows have their columns as attributes. Values are as the driver has them, 0 and 1 for booleans and Decimal for
    quotients. A list among the values must not be empty. Raises what SQLAlchemy raises.
    """
    if not _takes_several(c):
        return _in_turn(c, statements)
    merged = _merged(statements)
    results = zip(merged, _together(c, merged), strict=True)
    return [StatementResult(count, rows, one.rows not in (None, count)) for one, (count, rows) in results]


def _takes_several(c: Connection) -> bool:
    """Whether this connection was made with multi-statements."""
    return bool(getattr(c.connection.driver_connection, "client_flag", 0) & CLIENT.MULTI_STATEMENTS)


def _in_turn(c: Connection, statements: Iterable[BoundStatement]) -> list[StatementResult]:
    results: list[StatementResult] = []
    for one in statements:
        result = c.execute(one.statement, dict(one.values))
        rows = result.all() if result.returns_rows else ()
        count = len(rows) if result.returns_rows else result.rowcount
        results.append(StatementResult(count, rows, one.rows not in (None, count)))
        if results[-1].missed:
            break
    return results


@dataclass(slots=True)
class _Merged:
    """Statements that are sent as one. An INSERT makes a row of each of its `values`, anything else has one."""

    statement: Statement
    values: list[Mapping[str, Any]]
    rows: int | None
    merges: bool

    def takes(self, other: BoundStatement) -> bool:
        """Whether the other can be merged.

        It can as one more row of an INSERT, or with longer lists and all other values equal.
        """
        if other.statement is not self.statement or not self._may_merge(other):
            return False
        if isinstance(other.statement, Insert):
            return True
        lists = [name for name, value in other.values.items() if type(value) is list]
        return bool(lists) and all(other.values[n] == self.values[0][n] for n in other.values.keys() - lists)

    def _may_merge(self, other: BoundStatement) -> bool:
        if self.rows is None or other.rows is None:
            return self.rows is other.rows and self.merges and other.merges
        return True

    def take(self, other: BoundStatement) -> None:
        """Merge one that it takes."""
        self.rows = None if self.rows is None or other.rows is None else self.rows + other.rows
        if isinstance(other.statement, Insert):
            self.values.append(other.values)
        else:
            (so_far,) = self.values
            self.values = [{n: so_far[n] + v if type(v) is list else v for n, v in other.values.items()}]


def _merged(statements: Iterable[BoundStatement]) -> list[_Merged]:
    """The same in as few statements as possible, in the same order."""
    merged: list[_Merged] = []
    for one in statements:
        if merged and merged[-1].takes(one):
            merged[-1].take(one)
        else:
            merged.append(_Merged(one.statement, [one.values], one.rows, one.merges))
    return merged


def _together(c: Connection, merged: Sequence[_Merged]) -> list[tuple[int, Sequence[Any]]]:
    """How many rows each statement matched or found, and the rows it found."""
    driver: Any = c.connection.driver_connection
    prepared = [_prepared(statement.statement, c.dialect) for statement in merged]
    try:
        texts = [one.filled_in(each.values, driver.escape) for one, each in zip(prepared, merged, strict=True)]
        answers = answers_to(driver, ";".join(texts), len(merged))
    except driver.Error as error:
        raise _as_sqlalchemy_would(c, error) from error
    return [(count, one.named(rows)) for one, (count, rows) in zip(prepared, answers, strict=True)]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement's text with its fixed values in place, and the class of its rows.

    An INSERT's `text` is that of one row. Its `head` is the text before the first row.
    """

    head: str
    text: str
    row: Any

    def filled_in(self, several: Sequence[Mapping[str, Any]], escape: Callable[[Any], str]) -> str:
        """The text with its values. Most are numbers or NULL, which need no escaping."""
        filled = [
            self.text
            % {name: str(value) if type(value) is int else _escaped(value, escape) for name, value in values.items()}
            for values in several
        ]
        return self.head + ",".join(filled)

    def named(self, rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
        return [self.row(*values) for values in rows] if self.row else ()


@lru_cache(maxsize=200)
def _prepared(statement: Statement, dialect: Dialect) -> _Prepared:
    compiled: Any = statement.compile(dialect=dialect)
    text = _LIST.sub(r"%(\1)s", str(compiled)).replace("%%", "%%%%")  # it is formatted twice
    names = {name: _filled_in(name, parameter) for name, parameter in compiled.binds.items()}
    columns = statement.selected_columns.keys() if isinstance(statement, Select) else None
    text = text % names
    head, values, row = text.partition(" VALUES ") if isinstance(statement, Insert) else ("", "", text)
    return _Prepared(head % () + values, row, namedtuple("Row", columns) if columns else None)


def _filled_in(name: str, parameter: Any) -> str:
    """A fixed value, or a list of them, as SQL text. A value that comes with each execution stays a parameter."""
    if parameter.required:
        return f"%({name})s"
    value = parameter.effective_value
    text = ", ".join(map(escape_item, value)) if isinstance(value, list) else escape_item(value)
    return str(text).replace("%", "%%")


def _escaped(value: Any, escape: Callable[[Any], str]) -> str:
    """A value as SQL text, and a list as its elements with commas between them."""
    if value is None:
        return "NULL"
    if type(value) is not list:
        return escape(value)
    return ",".join(map(str, value) if _are_numbers(value) else [_escaped(one, escape) for one in value])


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether they are numbers, or pairs and the like of numbers. Python writes both as SQL does."""
    kinds = {*map(type, values)}
    return kinds == {int} or (kinds == {tuple} and all(len(one) > 1 and _are_numbers(one) for one in values))


def _as_sqlalchemy_would(c: Connection, error: Exception) -> BaseException:
    """The driver's error as SQLAlchemy raises it, which `Database` knows. The values stay out of its text."""
    driver: Any = c.connection.driver_connection
    gone = c.dialect.is_disconnect(error, c.connection.dbapi_connection, None)  # type: ignore[arg-type]
    return DBAPIError.instance(
        "several statements", None, error, driver.Error, hide_parameters=True, connection_invalidated=gone,
        dialect=c.dialect,
    )  # fmt: skip
