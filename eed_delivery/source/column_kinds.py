"""Which types of columns templates may have, and what each is to them. `db check` goes by this table.

What becomes of each value is `column_values`' rule, by the Python type that the driver gives. This table says, for each
type of MySQL and MariaDB, whether there is one, and where the server is to be asked for something else.

https://dev.mysql.com/doc/refman/8.0/en/data-types.html and https://mariadb.com/kb/en/data-types/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import CHAR, cast
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.source.live import LiveColumn


@dataclass(frozen=True, slots=True)
class Offered:
    """What a column of one type is to a template.

    `refused` means that it is nothing to templates, and says what to do instead.
    """

    becomes: str
    refused: str = ""
    sampled: bool = False  # it depends on the values: bytes may be text


_NUMBER = Offered("a number")
_WRITTEN = Offered("a number, printed as it is written")
_TEXT = Offered("text")
_DATE = Offered("text in ISO 8601, and the zero date is missing")
_BYTES = Offered("the text that the bytes are in UTF-8", sampled=True)
_SHAPE = Offered("", refused="Map a view that has it as text, like ST_AsText(…)")
_VECTOR = Offered("", refused="Map a view that has it as text, like VECTOR_TO_STRING(…)")

OFFERED: Mapping[str, Offered] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "bit"), _NUMBER),
    **dict.fromkeys(("float", "double", "real"), _NUMBER),
    **dict.fromkeys(("decimal", "numeric", "dec", "fixed"), _WRITTEN),
    "year": Offered("a number, and 0000 is missing"),
    **dict.fromkeys(("date", "datetime", "timestamp"), _DATE),
    "time": Offered("text like 14:30:00, or -25:06:17"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), _TEXT),
    "json": Offered("the JSON as text, whose own values are variables in source.email.variables"),
    **dict.fromkeys(("uuid", "inet4", "inet6"), _TEXT),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), _BYTES),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"), _SHAPE),
    **dict.fromkeys(("multipolygon", "geometrycollection", "geomcollection"), _SHAPE),
    "vector": _VECTOR,
}
"""By `data_type` of information_schema.columns. What is not here is refused."""

_UNKNOWN = Offered("", refused="Map a view that has it as text, like CAST(… AS CHAR)")


def offered(column: LiveColumn) -> Offered:
    """What a column is to a template."""
    found = re.match(r"\w+", column.type_name)
    return OFFERED.get(found[0].lower(), _UNKNOWN) if found else _UNKNOWN


def as_offered(column: ColumnElement[object], live: LiveColumn | None) -> ColumnElement[object]:
    """What to ask the server for. A ZEROFILL column is a number whose zeros count, like an account's. The driver would
    drop them."""
    zeros = live is not None and "zerofill" in live.type_name.lower()
    return cast(column, CHAR) if zeros else column
