"""Functions of ours in SQL: what each is for MySQL and MariaDB, and for SQLite."""

import re
from typing import Any, ClassVar

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_LIST = re.compile(r"^\((__\[POSTCOMPILE_\w+\])\)$")


class SqlFunction(FunctionElement[Any]):
    """A subclass has its SQL, with {0} and {1} for its arguments. It is named like SQL's own functions.

    An argument that is a list (`bindparam(expanding=True)`) becomes its elements with commas between them.
    """

    mysql: ClassVar[str]
    sqlite: ClassVar[str]
    inherit_cache = True


@compiles(SqlFunction)
def _mysql(element: SqlFunction, compiler: SQLCompiler, **kw: Any) -> str:
    return element.mysql.format(*_arguments(element, compiler, **kw))


@compiles(SqlFunction, "sqlite")
def _sqlite(element: SqlFunction, compiler: SQLCompiler, **kw: Any) -> str:
    return element.sqlite.format(*_arguments(element, compiler, **kw))


def _arguments(element: SqlFunction, compiler: SQLCompiler, **kw: Any) -> list[str]:
    return [_LIST.sub(r"\1", compiler.process(one, **kw)) for one in element.clauses]


class picked(SqlFunction):  # noqa: N801 - see SqlFunction
    """Each row's own value in one UPDATE of several rows: `picked(column, keys, values)`.

    It is the value that stands where the row's column stands among the keys. On MySQL and MariaDB it is text, which
    they convert for the column that it is assigned to.
    """

    mysql = "ELT(FIELD({0}, {1}), {2})"
    sqlite = (
        "(SELECT v.value FROM json_each(json_array({2})) AS v JOIN json_each(json_array({1})) AS k ON k.key = v.key"
        " WHERE k.value = {0} LIMIT 1)"
    )
    inherit_cache = True
