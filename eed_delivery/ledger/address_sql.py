"""Canonical addresses in SQL, for the two places where the database makes them itself."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# A part of what `addresses.wire_form` takes as plain: each address that this takes is canonical in lower case. Without
# $ at its end, which matches before a line break, too (https://www.pcre.org/current/doc/html/pcre2pattern.html).
_LOCAL = "[A-Za-z0-9_+-]+([.][A-Za-z0-9_+-]+)*"
_LABEL = "[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
_PLAIN = f"^{_LOCAL}@{_LABEL}([.]{_LABEL})*(?![^x]|x)"
_MOST = 64
"""Of the whole address: then its local part and its labels are short enough as well."""


class plain_form(FunctionElement[Any]):  # noqa: N801 - named like the SQL functions it stands beside
    """The canonical form of a plain ASCII address, which nearly all are. NULL for every other text. On SQLite always
    NULL. `addresses.canonical` makes the others."""

    type = String()
    inherit_cache = True


class domain_entry(FunctionElement[Any]):  # noqa: N801 - as above
    """The entry of the suppression list for every address of a canonical address's domain."""

    type = String()
    inherit_cache = True


@compiles(plain_form)
def _plain_form(element: plain_form, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    # In utf8mb4 and byte for byte, whatever the column is in: some letters beyond ASCII are the same as a plain one
    # when case does not count. https://mariadb.com/kb/en/regexp/, https://dev.mysql.com/doc/refman/8.0/en/regexp.html
    exact = f"CONVERT({text} USING utf8mb4) COLLATE utf8mb4_bin"
    return f"CASE WHEN CHAR_LENGTH({text}) <= {_MOST} AND {exact} REGEXP '{_PLAIN}' THEN LOWER({text}) END"


@compiles(plain_form, "sqlite")
def _plain_form_sqlite(element: plain_form, compiler: SQLCompiler, **_: Any) -> str:
    return "NULL"


@compiles(domain_entry)
def _domain_entry(element: domain_entry, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CONCAT('@', SUBSTRING_INDEX({compiler.process(element.clauses, **kw)}, '@', -1))"


@compiles(domain_entry, "sqlite")
def _domain_entry_sqlite(element: domain_entry, compiler: SQLCompiler, **kw: Any) -> str:
    # rtrim takes away every letter that is no "@": what is left ends with the last one.
    text = compiler.process(element.clauses, **kw)
    return f"substr({text}, length(rtrim({text}, replace({text}, '@', ''))))"
