"""String keys in SQL, compared byte for byte.

A collation may take `Ab1` and `AB1`, or `K1` and `K1 `, for the same key. To us they are two customers. So wherever a
string key is joined or looked up, this comparison stands beside the plain one, which is there for the index.
"""

from typing import Any

from sqlalchemy import Boolean, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class as_stored_key(FunctionElement[Any]):  # noqa: N801 - named like the SQL functions it stands beside
    """A string key of any character set and collation, comparable with a column of our ledger.

    Two columns of different collations cannot be compared directly (error 1267). Converting the source's side
    leaves the ledger's side unchanged, so that its index serves.
    """

    type = Text()
    inherit_cache = True


class same_bytes(FunctionElement[Any]):  # noqa: N801 - as above
    """True when two texts are the same letter for letter, trailing blanks included, under any collations.

    Binary strings are compared by their bytes and never padded
    (https://dev.mysql.com/doc/refman/8.0/en/binary-varbinary.html).
    """

    type = Boolean()
    inherit_cache = True


@compiles(as_stored_key)
def _as_stored_key(element: as_stored_key, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(CONVERT({compiler.process(element.clauses, **kw)} USING utf8mb4) COLLATE utf8mb4_bin)"


@compiles(as_stored_key, "sqlite")
def _as_stored_key_sqlite(element: as_stored_key, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(same_bytes)
def _same_bytes(element: same_bytes, compiler: SQLCompiler, **kw: Any) -> str:
    one, other = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(CAST(CONVERT({one} USING utf8mb4) AS BINARY) = CAST(CONVERT({other} USING utf8mb4) AS BINARY))"


@compiles(same_bytes, "sqlite")
def _same_bytes_sqlite(element: same_bytes, compiler: SQLCompiler, **kw: Any) -> str:
    one, other = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(CAST({one} AS BLOB) = CAST({other} AS BLOB))"
