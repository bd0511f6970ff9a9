"""Functions of ours in SQL: what each is for MySQL and MariaDB, and for SQLite."""

from typing import Any, ClassVar

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class SqlFunction(FunctionElement[Any]):
    """A subclass has its SQL, with {0} and {1} for its arguments. It is named like SQL's own functions."""

    mysql: ClassVar[str]
    sqlite: ClassVar[str]
    inherit_cache = True


@compiles(SqlFunction)
def _mysql(element: SqlFunction, compiler: SQLCompiler, **kw: Any) -> str:
    return element.mysql.format(*(compiler.process(one, **kw) for one in element.clauses))


@compiles(SqlFunction, "sqlite")
def _sqlite(element: SqlFunction, compiler: SQLCompiler, **kw: Any) -> str:
    return element.sqlite.format(*(compiler.process(one, **kw) for one in element.clauses))
