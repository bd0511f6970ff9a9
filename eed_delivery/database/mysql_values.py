"""What the driver makes of the bytes of a column: PyMySQL's own rules, with three of MySQL's types as their owners mean
them. PyMySQL gives bytes for BIT, and texts like "0000-00-00" for dates that are none.
"""

from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_date, convert_datetime

ZERO_DATE = "0000-00-00"


def _bit(data: bytes) -> int:
    """BIT(1) is 0 or 1, BIT(n) its number, as in `SELECT flags + 0`.

    https://dev.mysql.com/doc/refman/8.0/en/bit-value-literals.html
    """
    return int.from_bytes(data, "big")


def _date(text: str) -> Any:
    return None if text == ZERO_DATE else convert_date(text)


def _datetime(text: str) -> Any:
    return None if text.startswith(ZERO_DATE) else convert_datetime(text)


def _year(text: str) -> int | None:
    return int(text) or None


CONVERSIONS: dict[Any, Any] = conversions | {
    FIELD_TYPE.BIT: _bit,
    # The "zero" values are NULL, as Connector/ODBC has them: https://dev.mysql.com/doc/refman/8.0/en/date-and-time-types.html
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.NEWDATE: _date,
    FIELD_TYPE.DATETIME: _datetime,
    FIELD_TYPE.TIMESTAMP: _datetime,
    FIELD_TYPE.YEAR: _year,
}
"""For PyMySQL's `conv`: what it writes values with, by Python's types, and what it reads them with, by the column's."""
DECODERS: dict[int, Any] = {kind: read for kind, read in CONVERSIONS.items() if isinstance(kind, int)}
