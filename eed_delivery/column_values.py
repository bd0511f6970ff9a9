"""What a template sees of a value that a database column or a JSON document holds, by the type of the value.

These are Python's types, as the driver gives them (`mysql_connection`). Which types of columns may be offered to
templates at all is in `source.column_kinds`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

MAX_NUMBER_CHARS = 1000
"""Longer numbers are no amounts, and printing one would get around a template's limit of characters."""
_EXACT = 2**53
"""Up to here every whole number is a float of its own (IEEE 754)."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""What no text holds: all of C0 but tab, line feed, form feed and carriage return, and DEL (RFC 20)."""


class NoText(ValueError):
    """A value that templates cannot have. Its words say what it is, and hold nothing of the value."""


class Written(float):
    """A number that is printed as it was written, so that 12.50 stays "12.50".

    In all else it is the float of that number.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Written":
        """Raises `NoText` for a number that is too long, or beyond what a float holds (RFC 8259, section 6)."""
        if len(text) > MAX_NUMBER_CHARS:
            raise NoText(f"a number of more than {MAX_NUMBER_CHARS:,} characters")
        number = super().__new__(cls, text)
        if number - number != 0:  # infinity: 1e999
            raise NoText("a number beyond 1.8e308")
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __reduce__(self) -> tuple[type["Written"], tuple[str]]:
        return Written, (self.text,)


def template_value(value: Any) -> Any:
    """`value`, of a column, as a template may have it. It is None, bool, int, float, str, or unchanged where it is not
    of a column's types (list, dict and others).

    Raises `NoText` for bytes that are not UTF-8 text.
    """
    rule = _RULES.get(type(value))
    return value if rule is None else rule(value)


def _decimal(value: Decimal) -> int | float:
    """All its digits. DECIMAL(9,2) keeps "12.50", and nothing becomes "1E-8"."""
    text = format(value, "f")
    return Written(text) if "." in text else int(text)


def _float(value: float) -> int | float:
    """FLOAT and DOUBLE are binary numbers, without trailing zeros. The database too writes 5 where Python has 5.0."""
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _duration(value: timedelta) -> str:
    """A TIME as the database writes it, with hours from -838 to 838 and a fraction only where there is one.

    https://dev.mysql.com/doc/refman/8.0/en/time.html
    """
    sign = "-" if value < timedelta(0) else ""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06}" if micros else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _bytes(value: bytes | bytearray | memoryview) -> str:
    """BINARY and BLOB columns hold UTF-8 text, or nothing for a template. BINARY(n) is filled up with NULs
    (https://dev.mysql.com/doc/refman/8.0/en/binary-varbinary.html)."""
    try:
        text = bytes(value).rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoText(f"binary data (byte {error.start} is not UTF-8)") from error
    if _CONTROLS.search(text):
        raise NoText("binary data (it has control characters)")
    return text


_RULES: Mapping[type, Callable[[Any], Any]] = {
    Decimal: _decimal,
    float: _float,
    timedelta: _duration,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    UUID: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}
