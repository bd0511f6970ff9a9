"""Several statements in one round trip, compiled once. For the worker's hot path, where round trips and the making of
SQL text are the cost.

PyMySQL's multi-statements carry them (the engine must be made with them); a database without them gets one after the
other. Every statement is one of ours, written with bind parameters, and its values are escaped by PyMySQL's own rules.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pymysql.constants import CLIENT
from pymysql.converters import escape_item
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, Update

from eed_delivery.mysql_answers import answers_to

Statement = Update | Insert | Select[Any]

_LIST = re.compile(r"\(__\[POSTCOMPILE_(\w+)\]\)")
"""Where SQLAlchemy would spell out a list at each execution, one parameter an element. PyMySQL writes it by itself."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One statement with its values. `must_match`: whether it is in vain unless it matches one row. `last`: whether it
    comes after all that are not, where several threads' are put together: what begins a lease must not then wait."""

    statement: Statement
    values: Mapping[str, Any]
    must_match: bool = True
    last: bool = False


def fire(c: Connection, shots: Sequence[Shot]) -> bool:
    """Execute them in order; False when one that must match a row did not. The caller rolls back then."""
    if _takes_several(c):
        matched = [count for count, _ in _together(c, shots)]
        return all(rows == 1 or not shot.must_match for rows, shot in zip(matched, shots, strict=True))
    return all(_one(c, shot).rowcount == 1 or not shot.must_match for shot in shots)


def matched(c: Connection, shots: Sequence[Shot]) -> list[int]:
    """Execute them in order, and tell how many rows each has matched, whatever they `must_match`."""
    if _takes_several(c):
        return [count for count, _ in _together(c, shots)]
    return [_one(c, shot).rowcount for shot in shots]


def ask(c: Connection, shots: Sequence[Shot]) -> list[Sequence[Any]]:
    """Execute them in order, and give the rows of each, their columns as attributes. Values are as the driver has them:
    0 and 1 for what is true or false, Decimal for what was divided. A list among the values must not be empty."""
    if _takes_several(c):
        return [rows for _, rows in _together(c, shots)]
    answers = [_one(c, shot) for shot in shots]
    return [answer.all() if answer.returns_rows else () for answer in answers]


def _takes_several(c: Connection) -> bool:
    """Whether this connection was made for volleys."""
    return bool(getattr(c.connection.driver_connection, "client_flag", 0) & CLIENT.MULTI_STATEMENTS)


def _one(c: Connection, shot: Shot) -> Any:
    return c.execute(shot.statement, dict(shot.values))


def _together(c: Connection, shots: Sequence[Shot]) -> list[tuple[int, Sequence[Any]]]:
    """How many rows each statement matched or found, and what it found."""
    driver: Any = c.connection.driver_connection
    prepared = [_prepared(shot.statement, c.dialect) for shot in shots]
    try:
        texts = [one.filled_in(shot.values, driver.escape) for one, shot in zip(prepared, shots, strict=True)]
        answers = answers_to(driver, ";".join(texts), len(shots))
    except driver.Error as error:
        raise _as_sqlalchemy_would(c, error) from error
    return [(count, one.named(rows)) for one, (count, rows) in zip(prepared, answers, strict=True)]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement's text with its fixed values in place, and what its rows are made of."""

    text: str
    row: Any

    def filled_in(self, values: Mapping[str, Any], escape: Callable[[Any], str]) -> str:
        """The text with its values. Most are numbers, or not there: those need nobody to escape them."""
        return self.text % {
            name: str(value) if type(value) is int else "NULL" if value is None else _escaped(value, escape)
            for name, value in values.items()
        }

    def named(self, rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
        return [self.row(*values) for values in rows] if self.row else ()


@lru_cache(maxsize=200)
def _prepared(statement: Statement, dialect: Dialect) -> _Prepared:
    compiled: Any = statement.compile(dialect=dialect)
    text = _LIST.sub(r"%(\1)s", str(compiled)).replace("%%", "%%%%")  # it goes through two rounds of filling in
    names = {name: _filled_in(name, parameter) for name, parameter in compiled.binds.items()}
    columns = statement.selected_columns.keys() if isinstance(statement, Select) else None
    return _Prepared(text % names, namedtuple("Row", columns) if columns else None)


def _filled_in(name: str, parameter: Any) -> str:
    """A fixed value, or a list of them, as SQL text; what comes with each shot stays open."""
    if parameter.required:
        return f"%({name})s"
    value = parameter.effective_value
    text = f"({', '.join(map(escape_item, value))})" if isinstance(value, list) else escape_item(value)
    return str(text).replace("%", "%%")


def _escaped(value: Any, escape: Callable[[Any], str]) -> str:
    if type(value) is list and {*map(type, value)} == {int}:
        return f"({','.join(map(str, value))})"
    return escape(value)


def _as_sqlalchemy_would(c: Connection, error: Exception) -> BaseException:
    """The driver's error in the clothes that `Database` knows; the values stay out of its text."""
    driver: Any = c.connection.driver_connection
    gone = c.dialect.is_disconnect(error, c.connection.dbapi_connection, None)  # type: ignore[arg-type]
    return DBAPIError.instance(
        "several statements", None, error, driver.Error, hide_parameters=True, connection_invalidated=gone,
        dialect=c.dialect,
    )  # fmt: skip
