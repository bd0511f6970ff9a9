"""The database's clock in SQL: its time now, a time from now, and the seconds until a column's time."""

from sqlalchemy import DateTime

from eed_delivery.database.sql_function import SqlFunction

DAY_SECONDS = 86_400


class utc_now(SqlFunction):  # noqa: N801 - see SqlFunction
    """The database's clock in UTC with microseconds. Never the host's clock, and no jump when summer time ends."""

    type = DateTime()
    inherit_cache = True
    mysql = "UTC_TIMESTAMP(6)"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class utc_in(SqlFunction):  # noqa: N801
    """The database's clock plus a number of seconds, as in ``utc_in(30)``. The number may be negative or fractional."""

    type = DateTime()
    inherit_cache = True
    mysql = "(UTC_TIMESTAMP(6) + INTERVAL {0} * 1000000 MICROSECOND)"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f000', 'now', ({0}) || ' seconds')"


class seconds_until(SqlFunction):  # noqa: N801
    """Seconds from the database's now to a column's time. Negative when it has passed."""

    inherit_cache = True
    mysql = "(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), {0}) / 1000000)"
    sqlite = "((julianday({0}) - julianday('now')) * 86400.0)"
