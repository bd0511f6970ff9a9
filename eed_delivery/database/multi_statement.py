"""Several statements in one round trip, compiled once. For the worker's hot path, where round trips and the making of
SQL text are the cost.

PyMySQL's multi-statements carry them (the engine must be made with them); a database without them gets one after the
other. Every statement is one of ours, written with bind parameters, and its values are escaped by PyMySQL's own rules.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pymysql.constants import CLIENT
from pymysql.converters import escape_item
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, Update

from eed_delivery.database.mysql_answers import answers_to

Statement = Update | Insert | Select[Any]

_LIST = re.compile(r"\(__\[POSTCOMPILE_(\w+)\]\)")
"""Where SQLAlchemy would spell out a list at each execution, one parameter an element. PyMySQL writes it by itself."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One statement with its values. `rows`: it is in vain unless it matches so many; None: whatever it matches.

    `last`: whether it comes after all that are not, where several threads' are put together: what begins a lease must
    not then wait.
    """

    statement: Statement
    values: Mapping[str, Any]
    rows: int | None = 1
    last: bool = False


def fire(c: Connection, shots: Sequence[Shot]) -> bool:
    """Execute them in order; False when one that must match its rows did not. The caller rolls back then.

    Neighbours that are the same statement become one of it where they can: parsing and planning it takes the database
    longer than most of its rows.
    """
    if not _takes_several(c):
        return all(shot.rows in (None, _one(c, shot).rowcount) for shot in shots)
    salvoes = _as_few(shots)
    counts = [count for count, _ in _together(c, salvoes)]
    return all(salvo.rows in (None, count) for salvo, count in zip(salvoes, counts, strict=True))


def matched(c: Connection, shots: Sequence[Shot]) -> list[int]:
    """Execute them in order, and tell how many rows each has matched, whatever it had to match."""
    if _takes_several(c):
        return [count for count, _ in _together(c, _one_by_one(shots))]
    return [_one(c, shot).rowcount for shot in shots]


def ask(c: Connection, shots: Sequence[Shot]) -> list[Sequence[Any]]:
    """Execute them in order, and give the rows of each, their columns as attributes. Values are as the driver has them:
    0 and 1 for what is true or false, Decimal for what was divided. A list among the values must not be empty."""
    if _takes_several(c):
        return [rows for _, rows in _together(c, _one_by_one(shots))]
    answers = [_one(c, shot) for shot in shots]
    return [answer.all() if answer.returns_rows else () for answer in answers]


def _takes_several(c: Connection) -> bool:
    """Whether this connection was made for volleys."""
    return bool(getattr(c.connection.driver_connection, "client_flag", 0) & CLIENT.MULTI_STATEMENTS)


def _one(c: Connection, shot: Shot) -> Any:
    return c.execute(shot.statement, dict(shot.values))


@dataclass(slots=True)
class _Salvo:
    """Shots that go out as one statement. An INSERT makes a row of each of its `values`, anything else has one."""

    statement: Statement
    values: list[Mapping[str, Any]]
    rows: int | None

    def takes(self, shot: Shot) -> bool:
        """Whether this one can go out with them: one row more of an INSERT, or more of each list and all else alike."""
        if shot.statement is not self.statement or shot.rows is None or self.rows is None:
            return False
        if isinstance(shot.statement, Insert):
            return True
        lists = [name for name, value in shot.values.items() if type(value) is list]
        return bool(lists) and all(shot.values[n] == self.values[0][n] for n in shot.values.keys() - lists)

    def take(self, shot: Shot) -> None:
        """Add one that it takes."""
        self.rows = (self.rows or 0) + (shot.rows or 0)
        if isinstance(shot.statement, Insert):
            self.values.append(shot.values)
        else:
            (so_far,) = self.values
            self.values = [{n: so_far[n] + v if type(v) is list else v for n, v in shot.values.items()}]


def _one_by_one(shots: Iterable[Shot]) -> list[_Salvo]:
    return [_Salvo(shot.statement, [shot.values], shot.rows) for shot in shots]


def _as_few(shots: Iterable[Shot]) -> list[_Salvo]:
    """The same in as few statements as can be, in the same order."""
    salvoes: list[_Salvo] = []
    for one in shots:
        if salvoes and salvoes[-1].takes(one):
            salvoes[-1].take(one)
        else:
            salvoes += _one_by_one([one])
    return salvoes


def _together(c: Connection, salvoes: Sequence[_Salvo]) -> list[tuple[int, Sequence[Any]]]:
    """How many rows each statement matched or found, and what it found."""
    driver: Any = c.connection.driver_connection
    prepared = [_prepared(salvo.statement, c.dialect) for salvo in salvoes]
    try:
        texts = [one.filled_in(salvo.values, driver.escape) for one, salvo in zip(prepared, salvoes, strict=True)]
        answers = answers_to(driver, ";".join(texts), len(salvoes))
    except driver.Error as error:
        raise _as_sqlalchemy_would(c, error) from error
    return [(count, one.named(rows)) for one, (count, rows) in zip(prepared, answers, strict=True)]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement's text with its fixed values in place, and what its rows are made of.

    An INSERT's `text` is that of one row, its `head` what comes before the first.
    """

    head: str
    text: str
    row: Any

    def filled_in(self, several: Sequence[Mapping[str, Any]], escape: Callable[[Any], str]) -> str:
        """The text with its values. Most are numbers, or not there: those need nobody to escape them."""
        filled = [
            self.text
            % {
                name: str(value) if type(value) is int else "NULL" if value is None else _escaped(value, escape)
                for name, value in values.items()
            }
            for values in several
        ]
        return self.head + ",".join(filled)

    def named(self, rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
        return [self.row(*values) for values in rows] if self.row else ()


@lru_cache(maxsize=200)
def _prepared(statement: Statement, dialect: Dialect) -> _Prepared:
    compiled: Any = statement.compile(dialect=dialect)
    text = _LIST.sub(r"%(\1)s", str(compiled)).replace("%%", "%%%%")  # it goes through two rounds of filling in
    names = {name: _filled_in(name, parameter) for name, parameter in compiled.binds.items()}
    columns = statement.selected_columns.keys() if isinstance(statement, Select) else None
    text = text % names
    head, values, row = text.partition(" VALUES ") if isinstance(statement, Insert) else ("", "", text)
    return _Prepared(head % () + values, row, namedtuple("Row", columns) if columns else None)


def _filled_in(name: str, parameter: Any) -> str:
    """A fixed value, or a list of them, as SQL text; what comes with each shot stays open."""
    if parameter.required:
        return f"%({name})s"
    value = parameter.effective_value
    text = f"({', '.join(map(escape_item, value))})" if isinstance(value, list) else escape_item(value)
    return str(text).replace("%", "%%")


def _escaped(value: Any, escape: Callable[[Any], str]) -> str:
    if type(value) is list and _are_numbers(value):
        return f"({','.join(map(str, value))})"
    return escape(value)


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether they are numbers, or pairs and the like of numbers: Python writes both as SQL does."""
    kinds = {*map(type, values)}
    return kinds == {int} or (kinds == {tuple} and all(len(one) > 1 and _are_numbers(one) for one in values))


def _as_sqlalchemy_would(c: Connection, error: Exception) -> BaseException:
    """The driver's error in the clothes that `Database` knows; the values stay out of its text."""
    driver: Any = c.connection.driver_connection
    gone = c.dialect.is_disconnect(error, c.connection.dbapi_connection, None)  # type: ignore[arg-type]
    return DBAPIError.instance(
        "several statements", None, error, driver.Error, hide_parameters=True, connection_invalidated=gone,
        dialect=c.dialect,
    )  # fmt: skip
