"""How answers look: at a terminal, in a pipe, in a spreadsheet; and how options are read."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from eed_delivery.cli import failures, options, requeueing, watching
from eed_delivery.cli.csv_rows import BadRow
from eed_delivery.cli.output import Screen, when
from eed_delivery.cli.recipients import Recipient, read_recipients
from eed_delivery.untrusted import bare, inert, visible

NOW = datetime(2026, 11, 22, 22, 45, 59, 123000, tzinfo=UTC).replace(tzinfo=None)  # as the ledger gives it


def screen(*, terminal: bool) -> tuple[Screen, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=60, highlight=False, markup=False, emoji=False)
    return Screen(console, terminal), file


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
    out.line("[b]x", style="bold")
    text = file.getvalue()
    assert "\x1b[31mfailed\x1b[0m" in text
    assert "[red]x[/red] \\x1b[2J" in text
    assert "2026-11-22T22:45:59Z" in text
    assert "[b]x" in text


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
    assert (inert(text), bare(inert(text))) == (f"'{text}", text)


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
    assert requeueing.contains("50% of a_b/c") == "%50/% of a/_b//c%"


def test_pace_forgets_what_is_long_ago() -> None:
    pace = watching.Pace()
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
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
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
    found = list(read_recipients(file, "csv"))
    assert all(isinstance(row, Recipient) for row in found)
    assert [(r.email, r.name, r.variables) for r in found if isinstance(r, Recipient)] == [
        (email, name.strip() or None, {"Some Variable": value}) for email, name, value in rows
    ]


@given(st.text(), st.sampled_from(["csv", "jsonl"]))
def test_no_file_breaks_the_reader(text: str, kind: Any) -> None:
    head = "email,name\n" if kind == "csv" else ""
    for row in read_recipients(io.StringIO(head + text, newline=""), kind):
        assert isinstance(row, Recipient | BadRow)
