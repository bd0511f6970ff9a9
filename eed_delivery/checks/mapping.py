"""The mapping held against the live database, for `eed-delivery db check`. It only looks and changes nothing."""

from collections.abc import Iterator

from sqlalchemy import Connection, Executable, false, select, update
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.expectations import Expected, ExpectedTable, expected_tables
from eed_delivery.checks.findings import Finding
from eed_delivery.checks.keys import key_findings
from eed_delivery.checks.plans import plan_findings
from eed_delivery.checks.server import server_findings
from eed_delivery.checks.template_columns import template_findings
from eed_delivery.config import SourceSettings
from eed_delivery.database.server_words import server_words
from eed_delivery.source.live import Kind, LiveColumn, LiveTable, read_table
from eed_delivery.source.tables import light_table

# https://dev.mysql.com/doc/refman/8.0/en/integer-types.html
_INTEGER_BYTES = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "integer": 4, "bigint": 8}
_PREFIX_LENGTH = 20


def check(c: Connection, settings: SourceSettings) -> list[Finding]:
    """Everything there is to say about this database and this mapping, good and bad.

    Runs SELECTs, and UPDATEs and DELETEs that can match no row, to see whether we have the right to them.
    """
    tables: list[Finding] = []
    for expected in expected_tables(settings):
        found = list(_table(c, expected))
        if all(finding.level != "error" for finding in found):
            count = len(expected.columns)
            found.insert(0, Finding("ok", expected.setting, f"{expected.name}: {count} mapped columns exist"))
        tables.extend(found)
    asked: list[Finding] = []
    if all(finding.level != "error" for finding in tables):  # else their columns cannot be asked
        asked = [*key_findings(c, settings), *plan_findings(c, settings)]
    return [*server_findings(c), *tables, *asked]


def _table(c: Connection, expected: ExpectedTable) -> Iterator[Finding]:
    live = read_table(c, expected.name)
    if live is None:
        what = f"there is no table or view {expected.name}, or this user may not see it"
        remedy = "Correct the name (schema.table for another schema), or GRANT SELECT on it to this user."
        yield Finding("error", expected.setting, what, remedy)
        return
    if live.engine is not None and live.engine.lower() != "innodb":
        what = f"{expected.name} uses the engine {live.engine}, which has no transactions"
        yield Finding("error", expected.setting, what, "Convert it with ALTER TABLE … ENGINE=InnoDB, which takes time.")
    yield from _columns(expected, live, on_sqlite=c.dialect.name == "sqlite")
    yield from _charset(expected, live)
    if not live.is_view:
        yield from _indexes(c, expected, live)
    if all(live.column(column.column) for column in expected.columns):
        yield from _rights(c, expected)
        yield from template_findings(c, expected, live)


def _columns(table: ExpectedTable, live: LiveTable, *, on_sqlite: bool) -> Iterator[Finding]:
    for expected in table.columns:
        column = live.column(expected.column)
        if column is None:
            what = f"{table.name} has no column {expected.column}"
            remedy = f"Its columns are {', '.join(c.name for c in live.columns.values())}. Name one of them"
            yield Finding("error", expected.setting, what, f'{remedy}, or "" if it is optional and missing.')
        elif _wrong_kind(expected, column, on_sqlite=on_sqlite):
            yield _kind(table, expected, column)
        else:
            yield from _lengths(table, expected, column)
            yield from _words(table, expected, column)


def _wrong_kind(expected: Expected, column: LiveColumn, *, on_sqlite: bool) -> bool:
    if not expected.kinds or column.kind in expected.kinds:
        return False
    # SQLite has no type for times; it keeps them as text.
    return not (on_sqlite and Kind.TIME in expected.kinds and column.kind is Kind.TEXT)


def _kind(table: ExpectedTable, expected: Expected, column: LiveColumn) -> Finding:
    what = f"{table.name}.{column.name} is {column.type_name}, but must be {' or '.join(sorted(expected.kinds))}"
    if expected.words:
        # To the server 'processing' = 0 is true: comparing words with a number finds the wrong rows.
        remedy = "Write the statuses as the column holds them, numbers without quotes and words in quotes."
    elif Kind.INTEGER in expected.kinds and column.kind is Kind.TEXT:
        remedy = 'Set key_type = "string" if this is a key. Otherwise map another column.'
    elif Kind.TEXT in expected.kinds and column.kind is Kind.INTEGER:
        remedy = 'Set key_type = "integer" if this is a key. Otherwise map another column.'
    else:
        remedy = "Map another column, or a view that converts it."
    return Finding("error", expected.setting, what, remedy)


def _lengths(table: ExpectedTable, expected: Expected, column: LiveColumn) -> Iterator[Finding]:
    if column.characters is None or column.kind is Kind.ENUM:
        return
    name = f"{table.name}.{column.name} is {column.type_name}"
    if expected.at_most is not None and column.characters > expected.at_most:
        what = f"{name}, and the ledger keeps keys of up to {expected.at_most} characters"
        yield Finding("error", expected.setting, what, "Map a shorter unique column, or a view that has one.")
    if column.characters < expected.at_least:
        what = f"{name}, and up to {expected.at_least} characters are needed"
        cut = "What we write is cut to fit." if expected.written else "What the delivery server writes may be cut."
        yield Finding("warning", expected.setting, what, f"{cut} Lengthen the column when it can be done.")


def _words(table: ExpectedTable, expected: Expected, column: LiveColumn) -> Iterator[Finding]:
    for word in dict.fromkeys(expected.words):
        if reason := _refused(word, column):
            what = f"{table.name}.{column.name} is {column.type_name} and cannot hold {word!r}: {reason}"
            remedy = f"Use a status that it can hold, in [{expected.setting.removesuffix('.status')}.statuses]."
            yield Finding("error", expected.setting, what, remedy)


def _refused(word: int | str, column: LiveColumn) -> str:
    if isinstance(word, int) and column.kind is not Kind.INTEGER:
        return "it is a number among words. Put it in quotes"
    if isinstance(word, int):
        return "the number is out of its range" if not _in_range(word, column.type_name) else ""
    if column.kind is Kind.ENUM:
        members = {member.casefold() for member in column.members}
        return "" if word.casefold() in members else "it is not one of its words"
    too_long = column.characters is not None and len(word) > column.characters
    return "it is too long" if too_long else ""


def _in_range(number: int, type_name: str) -> bool:
    size = _INTEGER_BYTES.get(type_name.lower().split("(")[0].split(" ")[0], 8)
    bits = size * 8
    lowest = 0 if "unsigned" in type_name.lower() else -(1 << (bits - 1))
    return lowest <= number < lowest + (1 << bits)


def _charset(table: ExpectedTable, live: LiveTable) -> Iterator[Finding]:
    human = [column for e in table.columns if e.human and (column := live.column(e.column)) is not None]
    narrow = [column for column in human if column.charset not in (None, "utf8mb4", "binary")]
    if narrow:
        names = ", ".join(f"{column.name} ({column.charset})" for column in narrow)
        what = f"{table.name}: not in utf8mb4: {names}"
        remedy = "Names and texts in some scripts cannot be stored there. Ignore this if all of them are correct today."
        yield Finding("warning", table.setting, what, remedy)


def _indexes(c: Connection, table: ExpectedTable, live: LiveTable) -> Iterator[Finding]:
    for expected in table.columns:
        column = live.column(expected.column)
        if column is None:
            continue
        if expected.unique and (column.name.lower(),) not in live.unique:
            what = f"{table.name}.{column.name} is neither the primary key nor unique"
            yield Finding("error", expected.setting, what, "Map the column that identifies its rows.")
        if expected.indexed and not live.has_index_on(column.name):
            what = f"no index on {table.name} starts with {column.name}; {expected.indexed}"
            yield Finding("warning", expected.setting, what, f"Run: {_create_index(c, table.name, column)}")


def _create_index(c: Connection, table: str, column: LiveColumn) -> str:
    quote = c.dialect.identifier_preparer.quote_identifier
    name = f"eed_{table.rpartition('.')[2]}_{column.name}"[:64]
    # A column of the TEXT types takes an index only on its beginning.
    length = f"({_PREFIX_LENGTH})" if column.type_name.lower().endswith("text") and column.characters else ""
    place = ".".join(quote(part) for part in table.split("."))
    return f"CREATE INDEX {quote(name)} ON {place} ({quote(column.name)}{length});"


def _rights(c: Connection, table: ExpectedTable) -> Iterator[Finding]:
    read = light_table(table.name, [column.column for column in table.columns])
    written = {column.column: read.c[column.column] for column in table.columns if column.written}
    probes: list[tuple[str, Executable]] = [("SELECT", select(*read.c).where(false()))]
    if written:
        probes.append(("UPDATE", update(read).where(false()).values(written)))
    for right, probe in probes:
        try:
            c.execute(probe)
        except DBAPIError as error:
            remedy = f"GRANT {right} ON {table.name} to this user. A view must be one that can be updated."
            yield Finding("error", table.setting, f"{right} is refused: {server_words(error)}", remedy)
