"""Whether templates can have what is in the columns of `source.email.variable_columns`, for `db check`."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.expectations import Expected, ExpectedTable
from eed_delivery.checks.findings import Finding
from eed_delivery.column_values import NoText, template_value
from eed_delivery.source.column_kinds import offered
from eed_delivery.source.live import LiveColumn, LiveTable
from eed_delivery.source.tables import light_table

SAMPLE_ROWS = 100
"""Values of a column of bytes that are examined."""


def template_findings(c: Connection, table: ExpectedTable, live: LiveTable) -> Iterator[Finding]:
    """What would fail emails, column by column. It is a type that templates cannot have, or bytes that are no text."""
    if c.dialect.name == "sqlite":
        return  # its columns hold values of any type
    for expected in table.columns:
        column = live.column(expected.column)
        if not expected.for_templates or column is None:
            continue
        kind = offered(column)
        if kind.refused:
            what = f"{table.name}.{column.name} is {column.type_name}, which templates cannot print"
            yield Finding("error", expected.setting, what, f"{kind.refused}, or leave it out.")
        elif kind.sampled:
            yield from _of_values(table, expected, column, _sample(c, table.name, expected.column))


def _sample(c: Connection, table: str, column: str) -> Sequence[object]:
    values = light_table(table, [column]).c[column]
    try:
        return c.execute(select(values).where(values.is_not(None)).limit(SAMPLE_ROWS)).scalars().all()
    except DBAPIError:  # no right to read it: that is a finding already
        return ()


def _of_values(
    table: ExpectedTable, expected: Expected, column: LiveColumn, values: Sequence[object]
) -> Iterator[Finding]:
    reasons = [reason for value in values if (reason := _no_text(value))]
    if not reasons:
        return
    what = f"{table.name}.{column.name} is {column.type_name}: {len(reasons)} of {len(values)} values are {reasons[0]}"
    remedy = "The emails of such rows fail. Map a view that has text, by HEX(…) or CONVERT(… USING utf8mb4)."
    yield Finding("error" if len(reasons) == len(values) else "warning", expected.setting, what, remedy)


def _no_text(value: object) -> str:
    try:
        template_value(value)
    except NoText as error:
        return str(error)
    return ""
