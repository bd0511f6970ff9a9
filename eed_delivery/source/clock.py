"""The source's clock in SQL.

The delivery server writes its times as wall-clock times of its own zone. The service uses a session of the same
database server, so that NOW() speaks of the same wall clock. On SQLite all times are UTC.
"""

from sqlalchemy import Boolean, DateTime, Float

from eed_delivery.database.sql_function import SqlFunction


class source_now(SqlFunction):  # noqa: N801 - see SqlFunction
    """The time now, as the source writes times."""

    type = DateTime()
    inherit_cache = True
    mysql = "NOW(6)"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f', 'now')"


class source_ago(SqlFunction):  # noqa: N801
    """The time some seconds ago, as the source writes times."""

    type = DateTime()
    inherit_cache = True
    mysql = "(NOW(6) - INTERVAL {0} SECOND)"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f', 'now', -({0}) || ' seconds')"


class seconds_left(SqlFunction):  # noqa: N801
    """Seconds until a column's time comes, below zero when it is past. NULL where there is no (real) time."""

    type = Float()
    inherit_cache = True
    # UNIX_TIMESTAMP knows about summer time, but ends in 2038 on older servers; "never" is often the year 9999.
    mysql = (
        "(CASE WHEN {0} BETWEEN NOW(6) - INTERVAL 1 YEAR AND NOW(6) + INTERVAL 1 YEAR"
        " THEN UNIX_TIMESTAMP({0}) - UNIX_TIMESTAMP() - MICROSECOND(NOW(6)) / 1000000"
        " ELSE TIMESTAMPDIFF(SECOND, NOW(6), {0}) END)"
    )
    sqlite = "((julianday({0}) - julianday('now')) * 86400.0)"


class has_come(SqlFunction):  # noqa: N801
    """True when a column's time is now or past, and for MySQL's zero date, an old way to say "at once"."""

    type = Boolean()
    inherit_cache = True
    mysql = "({0} <= NOW(6))"
    sqlite = "(julianday({0}) <= julianday('now'))"
