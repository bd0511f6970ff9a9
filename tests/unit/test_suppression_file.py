"""The suppression list as a file: it comes back as it was, and what is wrong with a line is said with its number."""

import csv
import io
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.addresses import canonical, listed, shown
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.suppression.listing import SuppressionEntry
from eed_delivery.operations.suppression.file import COLUMNS, CSV_FORM, Defaults, header, read_entries, row
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow, FileLines
from eed_delivery.operations.text_files.reading import TextFile

END = datetime.fromisoformat("2099-12-31T23:59:59.999999")
DEFAULTS = Defaults("news", "given", END)


def is_listed(text: str) -> bool:
    return canonical(text) is not None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LOCAL = st.text(st.characters(exclude_categories=["C", "Z", "M"], exclude_characters='.@<>"(),:;[]\\'), min_size=1)
DOMAIN = st.sampled_from(["example.com", "bücher.example", "a.b-c.example", "XN--bcher-kva.example"])
ADDRESS = st.tuples(LOCAL | st.just("*"), DOMAIN).map("@".join).filter(is_listed)
TIME = st.datetimes(datetime.fromisoformat("1970-01-01"))
ENTRY = st.builds(
    SuppressionEntry,
    address=ADDRESS.map(lambda text: shown(listed(text)) if text.startswith("*@") else text),
    category=TEXT.map(str.strip),
    reason=TEXT,
    source=st.from_regex(r"\A[a-z=+@-][a-z]{0,31}\Z"),
    created_at=TIME,
    expires_at=st.none() | TIME,
)


def read(content: bytes | str, defaults: Defaults = DEFAULTS, form: Form = CSV_FORM) -> list[SuppressionEntry | BadRow]:
    data = content.encode() if isinstance(content, str) else content
    stream = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", errors="surrogateescape", newline="")
    return list(read_entries(FileLines(TextFile(stream)), defaults, form))


@given(st.lists(ENTRY, max_size=5))
def test_what_is_written_comes_back_as_it_was(entries: list[SuppressionEntry]) -> None:
    assert read(header() + b"".join(map(row, entries))) == entries


@given(ENTRY)
def test_no_cell_is_a_formula(entry: SuppressionEntry) -> None:
    (cells,) = csv.reader(io.StringIO(row(entry).decode(), newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) for cell in cells)


@given(
    st.binary(max_size=300)
    | TEXT.map(str.encode)
    | st.just(header()).flatmap(lambda h: TEXT.map(lambda t: h + t.encode()))
)
def test_whatever_a_file_holds_every_line_is_good_or_named(content: bytes) -> None:
    for found in read(content):
        assert isinstance(found, BadRow) or "@" in found.address


def test_a_plain_file_has_an_address_a_line_and_gets_the_rest_from_the_command() -> None:
    assert read("\ufeff Anna@Example.com \r\n\n'b@example.com\r+c@example.com") == [
        SuppressionEntry(address, "news", "given", "import", None, END)
        for address in ("Anna@Example.com", "'b@example.com", "+c@example.com")
    ]


def test_columns_that_a_csv_lacks_are_given_and_those_that_it_has_count() -> None:
    assert read("Reason, ADDRESS\n,a@example.com\n\nwhy,''b@example.com\n,\n") == [
        SuppressionEntry("a@example.com", "news", "", "import", None, END),
        SuppressionEntry("'b@example.com", "news", "why", "import", None, END),
    ]
    assert read("address,category,expires_at,source\na@example.com,,,\n") == [
        SuppressionEntry("a@example.com", "", "given", "import", None, None)
    ]


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00"),
        ("2026-12-31 18:00:00.5Z", "2026-12-31T18:00:00.5"),
        (" 9999-12-31T23:59:59Z ", "9999-12-31T23:59:59"),
    ],
)
def test_times_are_read_with_their_zone(time: str, utc: str) -> None:
    (found,) = read(f"address,expires_at,created_at\na@example.com,{time},{time}\n")
    assert isinstance(found, SuppressionEntry)
    assert found.expires_at == found.created_at == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("a@example.com\nnobody", 2, "this is not an address"),
        ("a b@example.com", 1, "this is not an address"),
        ("a@b@example.com", 1, "this is not an address"),
        ("Anna <a@example.com>", 1, "this is not an address"),
        ("a@example.com,b@example.com", 1, "this is not an address"),
        ("a\x00@example.com", 1, "this is not an address"),
        (b"\xe4rger@example.com", 1, "it is not UTF-8 text"),
        ("a" * 320 + "@b", 1, "its address is longer than 320 characters"),
        ("address,reason\n\n,x", 3, "it has no address"),
        ("address,reason\na@example.com", 2, "it has 1 columns, and the first line 2"),
        ('address,reason\na@example.com,"two\nlines"\nb@example.com,x', 2, "a cell reaches over lines 2 to 3"),
        ("address;reason\na@example.com;x\nb@example.com,x", 3, "it has 1 columns, and the first line 2"),
        ("address\na\u200b@example.com", 2, "this is not an address: The email address contains"),
        ("a@ex_ample.com", 1, "this is not an address: The part after the @-sign"),
        ("E-Mail\na@example.com", 1, "this is not an address. If it names columns, one of them must be address"),
        ("a@example.com\n#b@example.com", 2, "it begins with #"),
        ('address,reason\na@example.com,12" pipe', 2, "there is a quote in a cell that is not quoted"),
        ('address\n"a"@example.com', 2, "this is not CSV: ',' expected after '\"'"),
        (f"address,reason\na@example.com,{'x' * 501}", 2, "its reason is longer than 500 characters"),
        (f"address,category\na@example.com,{'x' * 192}", 2, "its category is longer than 191 characters"),
        (f"address,source\na@example.com,{'x' * 33}", 2, "its source is longer than 32 characters"),
        ("address,source\na@example.com,ä", 2, "its source is not a word of plain ASCII"),
        ("address,expires_at\na@example.com,tomorrow", 2, "expires_at is not a time like 2026-12-31T18:00:00Z"),
        ("address,created_at\na@example.com,0001-01-01T00:00:00+01:00", 2, "created_at is not a time like"),
        ("address,expires_at\na@example.com,2026-12-31", 2, "expires_at has no time zone"),
        ("address,expires_at\na@example.com,1969-12-31T00:00:00Z", 2, "expires_at has no time zone, or is before 1970"),
    ],
)
def test_a_bad_line_is_named(content: str | bytes, line: int, what: str) -> None:
    (bad,) = [found for found in read(content) if isinstance(found, BadRow)]
    assert str(bad).startswith(f"line {line}: {what}")


def test_a_reason_over_lines_is_read_where_it_is_meant() -> None:
    content = 'address,reason\na@example.com,"two\nlines"\nbad,x'
    entry, bad = read(content, form=Form(multiline=True))
    assert isinstance(entry, SuppressionEntry)
    assert entry.reason == "two\nlines"
    assert str(bad).startswith("line 4: this is not an address")


def test_an_export_with_stray_quotes_joins_no_entries() -> None:
    """Its reasons may have lines. A row within a reason is none of them."""
    lines = ['a@example.com,,"550,x,,', "b@example.com,,550,x,,", 'c@example.com,,550 no",x,,', "d@example.com,,5,x,,"]
    content = "\r\n".join([",".join(COLUMNS), *lines])
    bad, entry = read(content)
    assert "lines 2 to 4, and line 3 would be a row of its own" in str(bad)
    assert isinstance(entry, SuppressionEntry)
    assert entry.address == "d@example.com"


@pytest.mark.parametrize(
    ("first", "what"),
    [("address,name", "the column 'name'"), ("address,", "the column ''"), ("reason,address,reason", "'reason' twice")],
)
def test_a_first_line_that_is_not_ours_is_refused(first: str, what: str) -> None:
    with pytest.raises(NotPossible, match=what):
        read(f"{first}\na@example.com,x\n")


def test_an_empty_file_has_no_entries() -> None:
    assert read("") == []
    assert read(",".join(COLUMNS)) == []
