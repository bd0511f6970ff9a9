"""Several statements in one round trip. For the one place where round trips are the cost: the worker's wire.

PyMySQL's multi-statements carry them (the engine must be made with them); a database without them gets one after the
other. Every statement is one of ours, written with bind parameters, and its values are escaped by PyMySQL as always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pymysql.constants import CLIENT
from sqlalchemy import Connection, Dialect
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, Update


@dataclass(frozen=True, slots=True)
class Shot:
    """One statement with its values. `must_match`: whether it is in vain unless it matches one row."""

    statement: Update | Insert
    values: Mapping[str, Any]
    must_match: bool = True


def fire(c: Connection, shots: Sequence[Shot]) -> bool:
    """Execute them in order; False when one that must match a row did not. The caller rolls back then."""
    if _takes_several(c):
        return _together(c, shots)
    return all(_one(c, shot) for shot in shots)


def _takes_several(c: Connection) -> bool:
    """Whether this connection was made for volleys."""
    return bool(getattr(c.connection.driver_connection, "client_flag", 0) & CLIENT.MULTI_STATEMENTS)


def _one(c: Connection, shot: Shot) -> bool:
    return c.execute(shot.statement, dict(shot.values)).rowcount == 1 or not shot.must_match


def _together(c: Connection, shots: Sequence[Shot]) -> bool:
    driver: Any = c.connection.driver_connection
    cursor = driver.cursor()
    texts = []
    for shot in shots:
        compiled = _compiled(shot.statement, c.dialect)
        texts.append(cursor.mogrify(str(compiled), compiled.construct_params(dict(shot.values))))
    text = ";".join(texts)
    try:
        matched = [cursor.execute(text)]
        while cursor.nextset():
            matched.append(cursor.rowcount)
    except driver.Error as error:
        raise _as_sqlalchemy_would(c, error) from error
    return all(rows == 1 or not shot.must_match for rows, shot in zip(matched, shots, strict=True))


@lru_cache(maxsize=200)
def _compiled(statement: Update | Insert, dialect: Dialect) -> Compiled:
    return statement.compile(dialect=dialect)


def _as_sqlalchemy_would(c: Connection, error: Exception) -> BaseException:
    """The driver's error in the clothes that `Database` knows; the values stay out of its text."""
    driver: Any = c.connection.driver_connection
    gone = c.dialect.is_disconnect(error, c.connection.dbapi_connection, None)  # type: ignore[arg-type]
    return DBAPIError.instance(
        "several statements", None, error, driver.Error, hide_parameters=True, connection_invalidated=gone,
        dialect=c.dialect,
    )  # fmt: skip
