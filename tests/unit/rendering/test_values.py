"""What the values of columns and of JSON are to a template."""

import json
import pickle
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.converters import convert_timedelta, escape_timedelta

from eed_delivery.column_values import NoText, Written, template_value
from tests.unit.rendering.making import email, job, read, rendered
from tests.unit.rendering.test_templates import error_of, text_of

BOTH = "[{{ v }}] {% if v %}yes{% else %}no{% endif %}"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Decimal("12.50"), "[12.50] yes"),
        (Decimal("0.00"), "[0.00] no"),
        (Decimal("0E-8"), "[0.00000000] no"),
        (Decimal("12345678901234567890.10"), "[12345678901234567890.10] yes"),
        (Decimal("12345678901234567890"), "[12345678901234567890] yes"),
        (2**64 - 1, "[18446744073709551615] yes"),
        (5.0, "[5] yes"),
        (0.1, "[0.1] yes"),
        (1e300, "[1e+300] yes"),
        (timedelta(hours=14, minutes=30), "[14:30:00] yes"),
        (timedelta(0), "[00:00:00] yes"),
        (-timedelta(hours=838, minutes=59, seconds=59), "[-838:59:59] yes"),
        (timedelta(seconds=1, milliseconds=500), "[00:00:01.500000] yes"),
        ("Grüße".encode(), "[Grüße] yes"),
        (b"abc\0\0\0", "[abc] yes"),
        (b"\0\0\0", "[] no"),
        (b"", "[] no"),
        (bytearray(b"a\r\n\tb"), "[a\r\n\tb] yes"),
        ("a,b", "[a,b] yes"),
        (None, "[] no"),
    ],
)
def test_a_column_is_what_its_owner_sees(value: Any, seen: str) -> None:
    assert text_of(BOTH, columns={"v": value}) == seen


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"Gr\xfc\xdfe", "variable 'v' is binary data (byte 2 is not UTF-8)"),
        (b"\x01", "variable 'v' is binary data (it has control characters)"),
        (b"a\0b", "variable 'v' is binary data (it has control characters)"),
        (object(), "variable 'v' is object"),
    ],
)
def test_bytes_that_are_no_text_fail_the_email_and_say_so(value: Any, words: str) -> None:
    assert words in error_of("x", columns={"v": value})


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20))
def test_a_decimal_keeps_all_its_digits(value: Decimal) -> None:
    printed = str(template_value(value))
    assert "E" not in printed
    assert Decimal(printed).as_tuple() == value.as_tuple()


@given(st.timedeltas(-timedelta(hours=839), timedelta(hours=839)))
def test_a_time_is_as_mysql_writes_it(value: timedelta) -> None:
    written = template_value(value)
    assert f"'{written}'" == escape_timedelta(value)
    assert convert_timedelta(written) == value


@given(st.binary())
def test_bytes_are_their_text_or_an_error(data: bytes) -> None:
    try:
        text = template_value(data)
    except NoText:
        return
    assert data.rstrip(b"\0") == text.encode()
    assert text.isprintable() or set(text) & set("\t\r\n\f") or not text.isascii()


# --- JSON


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        ("1.10", "1.10"),
        ("0.00", "0.00"),
        ("-7.50", "-7.50"),
        ("1e3", "1e3"),
        ("12345678901234567890.12", "12345678901234567890.12"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_a_json_number_is_printed_as_it_is_written(number: str, seen: str) -> None:
    variables = f'{{"v": {number}, "rows": [{{"v": {number}}}]}}'
    template = "{{ v }} {{ v|string }} {{ v ~ '' }} {{ rows[0].v }} {{ '%s'|format(v) }} {{ '{}'.format(v) }}"
    assert text_of(template, variables) == " ".join([seen] * 6)
    html = read(rendered(job(html_template="{{ v }}"), email(variables=variables))).get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == seen


def test_and_is_a_number_for_all_else() -> None:
    template = (
        "{{ v + 1 }} {{ '%.1f' % v }} {{ v|round(1) }} {{ v > 1 }} {{ [v, v]|sum }} {{ v is number }} {{ v|int }}"
    )
    assert text_of(template, '{"v": 1.10}') == "2.1 1.1 1.1 True 2.2 True 1"
    assert text_of(template, columns={"v": Decimal("1.10")}) == "2.1 1.1 1.1 True 2.2 True 1"
    assert text_of("{% if v %}yes{% else %}no{% endif %}", '{"v": 0.00}') == "no"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1." + "1" * 2000])
def test_a_number_that_is_none_fails_the_email(number: str) -> None:
    assert "not JSON" in error_of("x", f'{{"v": {number}}}')


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_is_the_float_of_its_text(number: float) -> None:
    text = json.dumps(number)
    written = Written(text)
    assert (written, str(written), hash(written)) == (number, text, hash(number))
    assert str(pickle.loads(pickle.dumps(written))) == text
