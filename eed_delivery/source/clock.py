"""The source's clock in SQL.

The delivery server writes its times as wall-clock times of its own zone. The service uses a session of the same
database server, so that NOW() speaks of the same wall clock. On SQLite all times are UTC.
"""

from typing import Any

from sqlalchemy import Boolean, DateTime, Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class source_now(FunctionElement[Any]):  # noqa: N801 - named like the SQL function it stands for
    """The time now, as the source writes times."""

    type = DateTime()
    inherit_cache = True


class source_ago(FunctionElement[Any]):  # noqa: N801 - as above
    """The time some seconds ago, as the source writes times."""

    type = DateTime()
    inherit_cache = True


class seconds_left(FunctionElement[Any]):  # noqa: N801 - as above
    """Seconds until a column's time comes, below zero when it is past. NULL where there is no (real) time."""

    type = Float()
    inherit_cache = True


class has_come(FunctionElement[Any]):  # noqa: N801 - as above
    """True when a column's time is now or past, and for MySQL's zero date, an old way to say "at once"."""

    type = Boolean()
    inherit_cache = True


@compiles(source_now)
def _now(_element: source_now, _compiler: SQLCompiler, **_: Any) -> str:
    return "NOW(6)"


@compiles(source_now, "sqlite")
def _now_sqlite(_element: source_now, _compiler: SQLCompiler, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')"


@compiles(source_ago)
def _ago(element: source_ago, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(NOW(6) - INTERVAL {compiler.process(element.clauses, **kw)} SECOND)"


@compiles(source_ago, "sqlite")
def _ago_sqlite(element: source_ago, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', -({compiler.process(element.clauses, **kw)}) || ' seconds')"


@compiles(seconds_left)
def _seconds_left(element: seconds_left, compiler: SQLCompiler, **kw: Any) -> str:
    time = compiler.process(element.clauses, **kw)
    # UNIX_TIMESTAMP knows about summer time, but ends in 2038 on older servers; "never" is often the year 9999.
    return (
        f"(CASE WHEN {time} BETWEEN NOW(6) - INTERVAL 1 YEAR AND NOW(6) + INTERVAL 1 YEAR"
        f" THEN UNIX_TIMESTAMP({time}) - UNIX_TIMESTAMP() - MICROSECOND(NOW(6)) / 1000000"
        f" ELSE TIMESTAMPDIFF(SECOND, NOW(6), {time}) END)"
    )


@compiles(seconds_left, "sqlite")
def _seconds_left_sqlite(element: seconds_left, compiler: SQLCompiler, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - julianday('now')) * 86400.0)"


@compiles(has_come)
def _has_come(element: has_come, compiler: SQLCompiler, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} <= NOW(6))"


@compiles(has_come, "sqlite")
def _has_come_sqlite(element: has_come, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(julianday({compiler.process(element.clauses, **kw)}) <= julianday('now'))"
