"""How answers look: at a terminal, in a pipe, in a spreadsheet; and how options are read."""

import csv
import io
import time
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from eed_delivery.cli import failures, options
from eed_delivery.cli.layout import wrapped
from eed_delivery.cli.output import BOLD, Screen, ago
from eed_delivery.cli.person import person
from eed_delivery.config.environment import sudo_user, wants_colours
from eed_delivery.operations.requeueing import contains
from eed_delivery.operations.submitting.recipients import Recipient, read_recipients
from eed_delivery.operations.text_files.csv_rows import BadRow
from eed_delivery.operations.text_files.lines import FileLines
from eed_delivery.operations.text_files.reading import TextFile
from eed_delivery.operations.watching import EmailRate
from eed_delivery.reports.moments import both_times, when
from eed_delivery.untrusted import bare, inert, visible

NOW = datetime(2026, 11, 22, 22, 45, 59, 123000, tzinfo=UTC).replace(tzinfo=None)  # as the ledger gives it


def screen(*, terminal: bool, width: int = 60) -> tuple[Screen, io.StringIO]:
    file = io.StringIO()
    return Screen(file, terminal, width), file


def test_a_plain_table_is_aligned_by_what_a_terminal_shows() -> None:
    out, file = screen(terminal=False)
    out.table(("name", "emails"), [("日本", 7), ("Anna [bold]", 1234), (None, 10)])
    assert file.getvalue().splitlines() == [
        "NAME         EMAILS",
        "日本              7",
        "Anna [bold]   1,234",
        "                 10",
    ]


def test_a_table_at_a_terminal_has_colours_and_takes_no_markup() -> None:
    out, file = screen(terminal=True)
    out.table(("state", "detail"), [("failed", "[red]x[/red] \x1b[2J"), ("sent", NOW)])
    out.line("[b]x", style=BOLD)
    text = file.getvalue()
    assert "\x1b[31mfailed\x1b[0m" in text
    assert "[red]x[/red] \\x1b[2J" in text
    assert "2026-11-22T22:45:59Z" in text
    assert "[b]x" in text


COLUMNS = ("email", "recipient", "state", "attempts", "changed", "detail")
EMPTY = ("", "", "")
LONG_KEY = "k" * 190 + "1"
WHOLE = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    st.just(LONG_KEY),
    st.text("日本語漢字", min_size=1, max_size=30),
    st.text("שלוםعربي", min_size=1, max_size=30),
    st.just("cafe\u0301"),
)
PROSE = st.lists(WHOLE, max_size=12).map(" ".join)
ROWS = st.lists(
    st.tuples(WHOLE, WHOLE, st.sampled_from(["sent", "failed"]), st.integers(0, 9), st.none() | st.just(NOW), PROSE),
    min_size=1,
    max_size=4,
)


def plain(text: str) -> str:
    return click.unstyle(text)


@given(ROWS, st.sampled_from([40, 80, 100, 200]))
def test_what_is_copied_is_whole_at_any_width(rows: list[tuple[Any, ...]], width: int) -> None:
    out, file = screen(terminal=True, width=width)
    out.table(COLUMNS, rows, prose=("detail",), spare=("attempts", "changed"))
    text = plain(file.getvalue())
    pieces = [piece for line in text.splitlines() for piece in line.split()]
    for key, recipient, state, _, changed, detail in rows:
        assert {key, recipient, state} <= set(pieces)
        assert changed is None or when(changed) in pieces or "no room for " in text
        assert detail.replace(" ", "") in "".join(pieces) or "email:" not in pieces
    if "email:" not in pieces:
        body = [line for line in text.splitlines() if not line.startswith("no room for ")]
        assert max(map(cell_len, body)) <= width


@given(PROSE, st.integers(1, 60))
def test_prose_wraps_at_words_and_loses_none(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert " ".join(lines) == text
    assert all(cell_len(line) <= width or " " not in line for line in lines)
    chopped = wrapped(text, width, chop=True)
    assert "".join(chopped).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= max(width, 2) for line in chopped)  # a sign may be two cells wide


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, "email recipient state attempts changed detail"),
        (90, "email recipient state attempts changed detail"),
        (76, "email recipient state changed detail"),
        (56, "email recipient state detail"),
    ],
)
def test_columns_go_in_their_order(width: int, shown: str) -> None:
    out, file = screen(terminal=True, width=width)
    row = ("1000", "anna@example.com", "sent", 1, NOW, "250 2.0.0 queued as 000001 by the mail server")
    out.table(COLUMNS, [row], prose=("detail",), spare=("attempts", "changed"))
    lines = plain(file.getvalue()).splitlines()
    assert lines[0].split() == shown.split()
    left_out = [name for name in ("attempts", "changed") if name not in shown.split()]
    told = f"no room for {', '.join(left_out)}. A wider terminal, a pipe or --json shows them."
    assert " ".join(lines).endswith(told) == bool(left_out)
    assert max(map(len, lines)) <= width


def test_a_column_without_a_value_goes_first_and_is_not_missed() -> None:
    out, file = screen(terminal=True, width=60)
    row = ("1000", "anna@example.com", "sent", 1, None, "all is well with this one, which is long")
    out.table(("email", "recipient", "state", "n", "a column without any", "detail"), [row], prose=("detail",))
    header, *body = plain(file.getvalue()).splitlines()
    assert header.split() == ["email", "recipient", "state", "n", "detail"]
    assert not any("no room" in line for line in body)


def test_a_row_that_does_not_fit_becomes_a_block() -> None:
    out, file = screen(terminal=True, width=40)
    out.table(COLUMNS, [(LONG_KEY, "a@b", "failed", 2, NOW, "one two " * 6), ("2", "b@c", "sent", 1, None, "")])
    lines = plain(file.getvalue()).splitlines()
    assert lines[0] == f"email:      {LONG_KEY}"
    assert "attempts:   2" in lines
    assert lines[-4:] == ["email:      2", "recipient:  b@c", "state:      sent", "attempts:   1"]
    out, file = screen(terminal=True, width=40)
    out.table(COLUMNS, [(LONG_KEY, "a@b", "failed", 2, NOW, "one two " * 6)], prose=("detail",))
    assert plain(file.getvalue()).splitlines()[-2:] == [
        "detail:     one two one two one two one",
        "            two one two one two",
    ]


def test_a_pipe_gets_a_line_a_row_whatever_its_width() -> None:
    out, file = screen(terminal=False, width=40)
    out.table(COLUMNS, [(LONG_KEY, "a@b", "failed", 2, NOW, "one two " * 30)], prose=("detail",), spare=("changed",))
    _, line = file.getvalue().splitlines()
    assert LONG_KEY in line.split()
    assert ("one two " * 30).strip() in line


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "x"}, True),
    ],
)
def test_who_wants_colours(environ: dict[str, str], wanted: bool) -> None:
    assert wants_colours(environ) is wanted


def test_the_person_at_the_command_line_is_named_with_the_user() -> None:
    me = person("")
    assert me
    assert person("anna") == f"anna as {me}"
    assert person(me) == me
    assert (sudo_user({"SUDO_USER": "anna"}), sudo_user({"SUDO_USER": ""}), sudo_user({})) == ("anna", None, None)


def test_colours_are_left_out_where_they_are_not_wanted() -> None:
    file = io.StringIO()
    out = Screen(file, terminal=True, coloured=False)
    out.table(("state",), [("failed",)])
    assert "\x1b" not in file.getvalue()


def test_json_arrays_are_written_as_they_come() -> None:
    out, file = screen(terminal=False)
    out.json_array(iter([{"at": NOW}, {"at": None}]))
    out.json_array([])
    assert file.getvalue() == '[\n{"at": "2026-11-22T22:45:59.123Z"},\n{"at": null}\n]\n[]\n'


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.none(), st.integers()), min_size=1))
def test_no_cell_of_a_csv_is_a_formula(row: list[Any]) -> None:
    out, file = screen(terminal=False)
    out.csv(["n"] * len(row), [row])
    _, found = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) for cell in found)
    assert [bare(cell) for cell in found] == ["" if v is None else str(v) for v in row]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=", "\r=", "\n=", "＝1", "＋1", "－1", "＠a", "'=1", "'"])
def test_a_mark_is_taken_away_again(text: str) -> None:
    assert (inert(text)[0], bare(inert(text))) == ("'", text)


@given(st.text())
def test_nothing_invisible_is_shown(text: str) -> None:
    assert all(c.isprintable() or c in "\n\u200c\u200d" for c in visible(text))


def test_times_end_in_z() -> None:
    assert (when(NOW), when(None)) == ("2026-11-22T22:45:59Z", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90),
        ("2h", 7200),
        ("1d", 86400),
        ("1w", 604800),
        ("2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_since(text: str, value: object) -> None:
    assert options.since(text) == value


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2026-01-01T01:00", "１h"])
def test_since_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter):
        options.since(text)


def test_a_pattern_takes_its_text_literally() -> None:
    assert contains("50% of a_b/c") == "%50/% of a/_b//c%"


def test_pace_forgets_what_is_long_ago() -> None:
    pace = EmailRate()
    assert pace.rate(0, 0) == 0
    assert pace.rate(10, 100) == 10
    assert pace.rate(35, 100) == 0  # of the last 30 s only the look at 10 s is left, and 100 were done by then


def test_a_failure_writes_each_problem_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    failures.Failure("error: a\nerror: b", 78).show()
    assert capsys.readouterr().err == "error: a\nerror: b\n"


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}@example\.com", fullmatch=True),
            st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20),
            st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20),
        ),
        max_size=5,
    )
)
def test_what_a_csv_writer_wrote_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["email", "name", "Some Variable"])
    writer.writerows(rows)
    file.seek(0)
    found = list(read_recipients(FileLines(TextFile(file)), "csv"))
    assert all(isinstance(row, Recipient) for row in found)
    assert [(r.email, r.name, r.variables) for r in found if isinstance(r, Recipient)] == [
        (email, name.strip() or None, {"Some Variable": value}) for email, name, value in rows
    ]


@given(st.text(), st.sampled_from(["csv", "jsonl"]))
def test_no_file_breaks_the_reader(text: str, kind: Any) -> None:
    head = "email,name\n" if kind == "csv" else ""
    for row in read_recipients(FileLines(TextFile(io.StringIO(head + text, newline=""))), kind):
        assert isinstance(row, Recipient | BadRow)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-11-22T23:24:02Z"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-22T23:24:02Z (2026-11-23 00:24:02 +01:00)"),
        ("IST-5:30", "2026-11-22T23:24:02Z (2026-11-23 04:54:02 +05:30)"),
    ],
)
def test_a_time_stands_in_utc_and_in_the_zone_of_the_host(
    monkeypatch: pytest.MonkeyPatch, zone: str, shown: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        assert both_times(datetime(2026, 11, 22, 23, 24, 2, 700_000, tzinfo=UTC).replace(tzinfo=None)) == shown
        assert both_times(None) == ""
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-0.1, "0 s ago"),
        (3.8, "3 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (10_799, "2 h ago"),
        (90_000, "1 d ago"),
    ],
)
def test_how_long_ago(seconds: float, shown: str) -> None:
    assert ago(seconds) == shown
