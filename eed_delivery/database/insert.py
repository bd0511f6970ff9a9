"""An INSERT that passes over rows which are there already, in each database's own words."""

from sqlalchemy.sql.dml import Insert


def unless_there(statement: Insert) -> Insert:
    """`statement`, which inserts nothing and is no error where a row has the same key. MySQL makes warnings of other
    errors, too. The caller looks for what else it could hide.

    https://dev.mysql.com/doc/refman/8.4/en/insert.html, https://www.sqlite.org/lang_conflict.html
    """
    for dialect in ("mysql", "mariadb"):
        statement = statement.prefix_with("IGNORE", dialect=dialect)
    return statement.prefix_with("OR IGNORE", dialect="sqlite")
