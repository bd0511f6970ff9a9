"""Canonical addresses in SQL, for the two places where the database makes them itself."""

from sqlalchemy import String

from eed_delivery.database.sql_function import SqlFunction

# A part of what `addresses.wire_form` takes as plain: each address that this takes is canonical in lower case. Without
# $ at its end, which matches before a line break, too (https://www.pcre.org/current/doc/html/pcre2pattern.html).
_LOCAL = "[A-Za-z0-9_+-]+([.][A-Za-z0-9_+-]+)*"
_LABEL = "[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
_PLAIN = f"^{_LOCAL}@{_LABEL}([.]{_LABEL})*(?![^x]|x)"
_MOST = 64
"""Of the whole address: then its local part and its labels are short enough as well."""


# In utf8mb4 and byte for byte, whatever the column is in: to a comparison without case, some letters beyond ASCII are
# plain ones. See https://mariadb.com/kb/en/regexp/ and https://dev.mysql.com/doc/refman/8.0/en/regexp.html
_EXACT = "CONVERT({0} USING utf8mb4) COLLATE utf8mb4_bin"


class plain_form(SqlFunction):  # noqa: N801 - see SqlFunction
    """The canonical form of a plain ASCII address, which nearly all are. NULL for every other text. On SQLite always
    NULL. `addresses.canonical` makes the others."""

    type = String()
    inherit_cache = True
    mysql = f"CASE WHEN CHAR_LENGTH({{0}}) <= {_MOST} AND {_EXACT} REGEXP '{_PLAIN}' THEN LOWER({{0}}) END"
    sqlite = "NULL"


class domain_entry(SqlFunction):  # noqa: N801
    """The entry of the suppression list for every address of a canonical address's domain."""

    type = String()
    inherit_cache = True
    mysql = "CONCAT('@', SUBSTRING_INDEX({0}, '@', -1))"
    # rtrim takes away every letter that is no "@": what is left ends with the last one.
    sqlite = "substr({0}, length(rtrim({0}, replace({0}, '@', ''))))"
