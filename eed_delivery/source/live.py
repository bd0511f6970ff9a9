"""A table's columns with their types and lengths, and its indexes, as the database really has them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, inspect, text, types
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import TypeEngine


class Kind(StrEnum):
    """What a column can hold, as far as the mapping cares."""

    INTEGER = "an integer"
    TEXT = "text"
    JSON = "JSON"
    ENUM = "a list of words (ENUM)"
    BINARY = "bytes"
    TIME = "a date and time"
    OTHER = "something else"


_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint"), Kind.INTEGER),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "uuid"), Kind.TEXT),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), Kind.BINARY),
    **dict.fromkeys(("datetime", "timestamp", "date"), Kind.TIME),
    "json": Kind.JSON,
    "enum": Kind.ENUM,
}
# Python's names of MySQL's character sets; what is not here gets ASCII, which every one of them contains.
_CODECS = {
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "utf8": "utf-8",
    "latin1": "cp1252",
    "latin2": "iso8859-2",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "binary": "utf-8",
}
_THREE_BYTES_AT_MOST = ("utf8mb3", "utf8")


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A live column. `characters` and `octets` are None where there is no limit."""

    name: str
    kind: Kind
    type_name: str
    characters: int | None = None
    octets: int | None = None
    charset: str | None = None
    collation: str | None = None
    members: tuple[str, ...] = ()

    def fit(self, words: str) -> str:
        """The longest beginning of `words` that this column takes without an error, "?" for what it can't hold.

        In strict mode the server refuses a text that is too long or has a letter its character set lacks. The
        outcome of an email is recorded in the same transaction, and must not fail for that.
        """
        if self.charset in _THREE_BYTES_AT_MOST:
            words = re.sub(r"[^\u0000-\uffff]", "?", words)
        codec = _CODECS.get(self.charset or "binary", "ascii")
        return words[: self.characters].encode(codec, "replace")[: self.octets].decode(codec, "ignore")


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A live table or view. `indexes` are the column names of each index, in its order, in lower case."""

    name: str
    columns: dict[str, LiveColumn] = field(default_factory=dict)  # by their names in lower case
    indexes: tuple[tuple[str, ...], ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    engine: str | None = None
    is_view: bool = False

    def column(self, name: str) -> LiveColumn | None:
        """A column by its name. Upper and lower case are the same, as they are to the server."""
        return self.columns.get(name.lower())

    def has_index_on(self, name: str) -> bool:
        """True when an index starts with this column."""
        return any(index[0] == name.lower() for index in self.indexes)


def read_table(c: Connection, name: str) -> LiveTable | None:
    """A table (`schema.table` allowed) as the database describes it. None when it is not there or not for us to see."""
    schema, _, short = name.rpartition(".")
    if c.dialect.name == "sqlite":
        return _read_sqlite(c, schema or None, short)
    place = {"of_schema": schema or None, "of_table": short}
    head = c.execute(_TABLE, place).one_or_none()
    if head is None:
        return None
    columns = {row.name.lower(): _column(row) for row in c.execute(_COLUMNS, place)}
    indexes = [(row.columns.lower().split("\n"), row.is_unique) for row in c.execute(_INDEXES, place)]
    return LiveTable(
        name,
        columns,
        indexes=tuple(tuple(names) for names, _ in indexes),
        unique=tuple(tuple(names) for names, is_unique in indexes if is_unique),
        engine=head.engine,
        is_view=head.type == "VIEW",
    )


_HERE = "table_schema = COALESCE(:of_schema, DATABASE()) AND table_name = :of_table"
_TABLE = text(f"SELECT engine AS engine, table_type AS type FROM information_schema.tables WHERE {_HERE}")  # noqa: S608 - no outside text in it
_COLUMNS = text(
    "SELECT column_name AS name, LOWER(data_type) AS data_type, column_type AS column_type,"  # noqa: S608 - as above
    " character_maximum_length AS characters, character_octet_length AS octets,"
    " character_set_name AS charset, collation_name AS collation_name"
    f" FROM information_schema.columns WHERE {_HERE} ORDER BY ordinal_position"
)
_INDEXES = text(
    "SELECT index_name AS name, non_unique = 0 AS is_unique,"  # noqa: S608 - as above
    " GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR '\\n') AS columns"
    f" FROM information_schema.statistics WHERE {_HERE} AND column_name IS NOT NULL"
    " GROUP BY index_name, non_unique"
)


def _column(row: Row[Any]) -> LiveColumn:
    return LiveColumn(
        name=row.name,
        kind=_KINDS.get(row.data_type, Kind.OTHER),
        type_name=row.column_type,
        characters=row.characters,
        octets=row.octets,
        charset=row.charset,
        collation=row.collation_name,
        members=_members(row.column_type) if row.data_type == "enum" else (),
    )


def _members(column_type: str) -> tuple[str, ...]:
    """The words of `enum('a','it''s','back\\\\slash')`. The server doubles quotes and backslashes."""
    return tuple(word.replace("''", "'").replace("\\\\", "\\") for word in re.findall(r"'((?:[^']|'')*)'", column_type))


def _read_sqlite(c: Connection, schema: str | None, name: str) -> LiveTable | None:
    inspector = inspect(c)
    try:
        found = inspector.get_columns(name, schema=schema)
    except NoSuchTableError:
        return None
    primary = inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]
    indexes = inspector.get_indexes(name, schema=schema)
    plain = [[column for column in index["column_names"] if column] for index in indexes]
    unique = [*inspector.get_unique_constraints(name, schema=schema)]
    keys = [primary, *(constraint["column_names"] for constraint in unique)]
    keys += [names for names, index in zip(plain, indexes, strict=True) if index["unique"]]
    return LiveTable(
        name,
        {column["name"].lower(): _sqlite_column(column["name"], column["type"]) for column in found},
        indexes=_lower([*plain, *keys]),
        unique=_lower(keys),
        is_view=name in inspector.get_view_names(schema=schema),
    )


def _sqlite_column(name: str, kind: TypeEngine[Any]) -> LiveColumn:
    # SQLite keeps lengths for show only: whatever the declared type, any text fits.
    classes = (
        (types.JSON, Kind.JSON),
        (types.Integer, Kind.INTEGER),
        (types.DateTime, Kind.TIME),
        (types.LargeBinary, Kind.BINARY),
        (types.String, Kind.TEXT),
    )
    return LiveColumn(name, next((k for base, k in classes if isinstance(kind, base)), Kind.OTHER), str(kind))


def _lower(indexes: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(name.lower() for name in names) for names in indexes if names)
