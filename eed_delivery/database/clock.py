"""The database's clock in SQL: its time now, a time from now, and the seconds until a column's time."""

from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

DAY_SECONDS = 86_400


class utc_now(FunctionElement[Any]):  # noqa: N801 - named like the SQL functions it stands beside
    """The database's clock in UTC with microseconds. Never the host's clock, and no jump when summer time ends."""

    type = DateTime()
    inherit_cache = True


class utc_in(FunctionElement[Any]):  # noqa: N801 - as above
    """The database's clock plus a number of seconds, as in ``utc_in(30)``. The number may be negative or fractional."""

    type = DateTime()
    inherit_cache = True


class seconds_until(FunctionElement[Any]):  # noqa: N801 - as above
    """Seconds from the database's now to a column's time. Negative when it has passed."""

    inherit_cache = True


@compiles(utc_now)
def _utc_now(element: utc_now, compiler: SQLCompiler, **_: Any) -> str:
    return "UTC_TIMESTAMP(6)"


@compiles(utc_now, "sqlite")
def _utc_now_sqlite(element: utc_now, compiler: SQLCompiler, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(utc_in)
def _utc_in(element: utc_in, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(UTC_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **kw)} * 1000000 MICROSECOND)"


@compiles(utc_in, "sqlite")
def _utc_in_sqlite(element: utc_in, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(seconds_until)
def _seconds_until(element: seconds_until, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), {compiler.process(element.clauses, **kw)}) / 1000000)"


@compiles(seconds_until, "sqlite")
def _seconds_until_sqlite(element: seconds_until, compiler: SQLCompiler, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - julianday('now')) * 86400.0)"
