"""What `submit` and `suppression import` take a file for is what a person sees in it, and each line is accounted for.

The independent reading is `seen`: one line by itself, read character by character, never a cell over two lines.
"""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eed_delivery.cli.failures import Failure
from eed_delivery.cli.sifting import RecipientsFile, sift_file
from eed_delivery.errors import NotPossible
from eed_delivery.operations.submitting.sifting import Sifted, sift
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import MAX_LINE, MAX_ROW_LINES, FileLines, Sums
from eed_delivery.operations.text_files.reading import TextFile
from tests.examples import examples

HEADER = ("email", "name", "amount")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
FILLING = " \t\r\n\0\x1a"


class Desk:
    """Reads a file as `submit` does."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "r.csv"
        self.mended = directory / "refused.csv"

    def sift(self, content: bytes | str, *, skip: bool = True, keep: bool = False, **how: Any) -> Sifted:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        encoding = how.pop("encoding", None)
        wanted = RecipientsFile(self.path, "csv", Form(**how), encoding, skip, self.mended if keep else None)
        spool = io.StringIO()
        return sift_file(wanted, lambda request, refuse: sift(request, lambda file: file, spool, refuse))

    def rows(self, content: bytes | str, **how: Any) -> list[tuple[int, str, str | None, dict[str, Any]]]:
        """The rows of a file in which all are good."""
        sifted = self.sift(content, skip=False, **how)
        return [(row.line, row.email, row.name, dict(row.variables)) for chunk in sifted.chunks() for row in chunk]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- whatever people and their programs write --------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters='"#'), max_size=8)
ADDRESS = st.from_regex(r"\A[a-z]{1,8}@[a-z]{1,8}\.example\Z")
BLANK = st.sampled_from(["", "  ", "\t", "{s}{s}", " {s} {s} ", "\x1a", "\0\0"])
DAMAGE = st.sampled_from(
    [
        "a@b.example",
        "a@b.example{s}n",
        "a@b.example{s}n{s}1{s}2",
        "{s}n{s}1",
        "nobody{s}n{s}1",
        "a@b@c{s}n{s}1",
        'a@b.example{s}"n{s}1',
        'a@b.example{s}n"{s}1',
        'a@b.example{s}n "n" n{s}1',
        'a@b.example{s} "n"{s}1',
        'a@b.example{s}"n" {s}1',
        'a@b.example{s}""n{s}1',
        '"a@b.example{s}n{s}1',
        'a@b.example{s}n{s}1"',
        'a@b.example{s}n{s}"1',
        'a@b.example{s}n{s}"',
        '"',
        "a@b.example{s}\0{s}1",
        "a@b.example{s}n{s}1\x1a",
        "a@b.example{s}\x85{s}1",
        "a@b.example{s}\u2028{s}1",
        "a\u200b@b.example{s}n{s}1",
        "# a comment",
        "#a@b.example{s}n{s}1",
        "3 rows",
    ]
)


@st.composite
def good_line(draw: st.DrawFn) -> str:
    cells = [draw(ADDRESS), draw(TEXT), draw(TEXT)]
    return "{s}".join(draw(st.sampled_from([_plain, _quoted]))(cell) for cell in cells)


def _plain(cell: str) -> str:
    return _quoted(cell) if re.search(r"[,;|\t{}]", cell) else cell


def _quoted(cell: str) -> str:
    return '"' + cell.replace("{", "{{").replace("}", "}}").replace("|", '""') + '"'


FILE = st.lists(good_line() | BLANK | DAMAGE, max_size=12)


def seen(line: str, between: str) -> list[str] | None:
    """The cells of a line by itself; None if a person cannot say."""
    cells, rest = [], line.rstrip("\r\n")
    while True:
        if rest.startswith('"'):
            cell, end = "", 1
            while end < len(rest) and (rest[end] != '"' or rest[end : end + 2] == '""'):
                cell += rest[end]
                end += 2 if rest[end] == '"' else 1
            if end >= len(rest):
                return None
            rest = rest[end + 1 :]
        else:
            cell = rest.partition(between)[0]
            rest = rest[len(cell) :]
            if '"' in cell:
                return None
        cells.append(cell)
        if not rest:
            return cells
        if not rest.startswith(between):
            return None
        rest = rest[len(between) :]


@settings(max_examples=examples(400), deadline=None)
@given(
    FILE,
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1),
    st.booleans(),
)
def test_a_row_is_what_its_line_shows_or_it_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], between: str, encoding: str, ends: list[str], last: bool
) -> None:
    text = "".join(row.format(s=between) + ends[n % len(ends)] for n, row in enumerate(["{s}".join(HEADER), *rows]))
    text = text if last else text.removesuffix("\n").removesuffix("\r")
    lines = LINE.findall(text)
    directory = tmp_path_factory.mktemp("csv")
    sifted = Desk(directory).sift(text.encode(encoding), keep=True)
    registered = {row.line: row for chunk in sifted.chunks() for row in chunk}
    sums = sifted.sums
    assert sums.lines == len(lines) == sums.header + sums.rows + sums.refused + sums.blank
    assert sums.rows == len(registered)
    for number, row in registered.items():
        cells = seen(lines[number - 1], between)
        assert cells is not None
        assert [row.email, row.name or "", row.variables["amount"]] == [cells[0].strip(), cells[1].strip(), cells[2]]
    others = [line for number, line in enumerate(lines, start=1) if number > 1 and number not in registered]
    refused = [line for line in others if line.strip(FILLING + between)]
    mended = Desk(directory).mended.read_bytes().decode(encoding) if sifted.refused else ""
    assert all(line in mended for line in refused)
    if not any(line.count('"') % 2 for line in lines):  # no quote reaches into another line
        assert len(refused) == sums.refused == sifted.refused
        for number, line in enumerate(lines[1:], start=2):
            good = seen(line, between)
            if good and len(good) == 3 and re.fullmatch(r"[a-z]+@[a-z]+\.example", good[0]):
                assert (number in registered) == (re.search("[\0\x1a\x85\u2028]", line) is None)


# --- one by one --------------------------------------------------------------------------------------------------

ROWS = [(2, "a@example.com", "Anna", {"x": "1"}), (3, "b@example.com", None, {"x": "2"})]
PLAIN = "email,name,x\na@example.com,Anna,1\nb@example.com,,2\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.replace("email", "\xa0E-Mail ".replace("-", "")).replace("name", " NAME\u200b"),
        PLAIN + ",,\n \n\n",
        PLAIN + "\x1a",
        PLAIN + "\0" * 100,
        PLAIN.replace("a@", " \xa0a@").replace("com,", "com\t ,"),
        'email,name,x\n"a@example.com","Anna","1"\n"b@example.com","","2"',
    ],
)
def test_files_that_are_read_alike(desk: Desk, content: str | bytes) -> None:
    assert desk.rows(content) == ROWS


def test_excels_line_for_itself_is_no_row(desk: Desk) -> None:
    shifted = [(line + 1, *rest) for line, *rest in ROWS]
    assert desk.rows("sep=;\r\n" + PLAIN.replace(",", ";")) == shifted
    assert desk.rows('"sep=^"\n' + PLAIN.replace(",", "^")) == shifted


def test_what_the_command_line_says_counts(desk: Desk) -> None:
    assert desk.rows(PLAIN.replace(",", "^"), separator="^") == ROWS
    euro = "email,x\na@example.com,7 €\n"
    assert desk.rows(euro.encode("cp1252"), encoding="cp1252") == [(2, "a@example.com", None, {"x": "7 €"})]
    assert desk.rows(euro.encode("utf-16-be"), encoding="utf-16-be") == [(2, "a@example.com", None, {"x": "7 €"})]
    with pytest.raises(NotPossible, match=r"its mark \(BOM\) says utf-8, and --encoding says cp1252"):
        desk.rows(euro.encode("utf-8-sig"), encoding="cp1252")


def test_cells_over_lines_are_read_where_they_are_meant(desk: Desk) -> None:
    content = 'email,x\na@example.com,"Street 1\n12345 Town"\nb@example.com,2\n'
    sifted = desk.sift(content, multiline=True)
    assert [dict(row.variables) for chunk in sifted.chunks() for row in chunk] == [
        {"x": "Street 1\n12345 Town"},
        {"x": "2"},
    ]
    assert (
        sifted.told("good")
        == "4 lines read (UTF-8, columns separated by ',') = 1 header + 2 good + 0 refused + 1 continuing a row"
    )


MULTI = {"multiline": True}
STRAY = "".join(f"c{n}@example.com,{n}\n" for n in range(MAX_ROW_LINES))
REFUSED = [
    ('a@example.com,"Foo\nb@example.com,2\nc@e,Bar"\n', {}, "a cell reaches over lines 2 to 4: a quote", 3),
    ('a@example.com,"Foo\nb@example.com,2\nc@e,Bar"\n', MULTI, "a cell reaches over lines 2 to 4, and line 3 would", 3),
    ('a@example.com,"Foo\nb@example.com,Bar"\n', MULTI, "a cell reaches over lines 2 to 3, and line 3 would", 2),
    ('a@example.com,"Foo\nb@example.com,2\n', {}, "this is not CSV: unexpected end of data (lines 2 to 3)", 2),
    ('a@example.com,"Foo\nb@example.com,"Bar"\n', {}, "this is not CSV: ',' expected after '\"' (lines 2 to 3)", 2),
    (f'a@example.com,"Foo\n{STRAY}', {}, "this is not CSV: a quote is not closed within 1,000 lines", 1000),
    ('a@example.com,12" pipe\n', {}, "there is a quote in a cell that is not quoted", 1),
    ('a@example.com, "x"\n', {}, "there is a quote in a cell that is not quoted", 1),
    ('a@example.com,="001"\n', {}, "there is a quote in a cell that is not quoted", 1),
    ('a@example.com,"x" \n', {}, "this is not CSV", 1),
    ('"\n"\n', {}, "a cell reaches over lines 2 to 3", 2),
    ("a@example.com\n", {}, "it has 1 columns, and the header 2", 1),
    ("a@example.com,1,\n", {}, "it has 3 columns, and the header 2", 1),
    ("a@example.com;1\n", {}, "it has 1 columns, and the header 2", 1),
    ("3 rows\n", {}, "it has 1 columns, and the header 2", 1),
    ("# a@example.com,1\n", {}, "it begins with #, but comments are not allowed", 1),
    ("a@example.com,\0\n", {}, "it holds U+0000, a character that cannot be seen", 1),
    ("a@example.com,1\x1a\n", {}, "it holds U+001A", 1),
    ("a@example.com,1\x85\n", {}, "it holds U+0085", 1),
    ("a@example.com,1\u2028\n", {}, "it holds U+2028", 1),
    (f"a@example.com,{'x' * 140_000}\n", {}, "this is not CSV: field larger than field limit", 1),
    (f"a@example.com,{'x' * MAX_LINE}\n", {}, "it is longer than 4,194,304 characters", 1),
    (f"a@example.com,{'x' * 3 * MAX_LINE}", {}, "it is longer than 4,194,304 characters", 1),
    (",1\n", {}, "it has no email address", 1),
    ("nobody,1\n", {}, "the recipient's address is not valid", 1),
    ("a\u200b@example.com,1\n", {}, "the recipient's address is not valid", 1),
    ("\ufeffa@example.com,1\n", {}, "the recipient's address is not valid", 1),
    ("“a@example.com”,1\n", {}, "the recipient's address is not valid", 1),
    ("a@ex_ample.com,1\n", {}, "the recipient's address is not valid", 1),
    ("email,amount\n", {}, "the recipient's address is not valid", 1),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "how", "told", "lines"), REFUSED)
def test_what_is_refused_is_named_and_the_rest_is_not_touched(
    desk: Desk, capsys: pytest.CaptureFixture[str], rows: str, how: dict[str, Any], told: str, lines: int
) -> None:
    content = f"email,x\n{rows.removesuffix(chr(10))}\n"
    sifted = desk.sift(content, keep=True, **how)
    first, *more = capsys.readouterr().err.splitlines()
    assert first.startswith(f"line 2: {told}")
    assert not [line for line in more if line.startswith("line ")]
    assert (sifted.refused, sifted.sums.refused) == (1, lines)
    if len(rows) < MAX_LINE:
        assert desk.mended.read_bytes().decode() == "".join(content.splitlines(keepends=True)[:1]) + "".join(
            LINE.findall(content)[1 : 1 + lines]
        )
    with pytest.raises(Failure, match="Nothing was registered"):
        desk.sift(content, skip=False, **how)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("E-Mail;Betrag\n", "names no column 'email'; it reads 'E-Mail;Betrag'"),
        ("a@example.com\n", "names no column 'email'"),
        ("“email”,x\n", "names no column 'email'"),
        ("Email,email\n", "names 'email' twice"),
        ("email,Amount,amount\n", "names 'Amount' and 'amount', which differ in case only"),
        ("email;x;\na@example.com;1;\n", "a column without a name: column 3 of 3"),
        ("email,x\u200by\n", "a character that cannot be seen: column 2 of 2"),
        ("email,x\x85", "it holds U+0085"),
        ("email,x\n".encode("utf-16-le"), "add --encoding utf-16-le"),
        ("email,x\n".encode("utf-16-be"), "add --encoding utf-16-be"),
        ("email,naïve\n".encode("cp1252"), "name its encoding, like --encoding cp1252"),
        (b"PK\x03\x04...", "an Excel workbook or another ZIP archive"),
        (b"\x1f\x8b", "compressed with gzip"),
        ("email,x\na@example.com,1\n".encode("utf-16") + b"\0", "line 3: this is not UTF-16-LE text"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(desk: Desk, content: str | bytes, what: str) -> None:
    with pytest.raises(NotPossible) as refused:
        desk.sift(content)
    assert what in str(refused.value)


def test_every_mistake_is_named_and_the_encoding_hinted_at(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["a@example.com,Grün", "b@example.com,x", "nobody,x", "c@example.com,é", "d@example.com", "b@example.com,y"]
    with pytest.raises(Failure) as refused:
        desk.sift("\n".join(["email,x", *rows]).encode("cp1252"), skip=False)
    assert capsys.readouterr().err.splitlines() == [
        "line 2: it is not UTF-8 text",
        "line 4: the recipient's address is not valid: An email address must have an @-sign.",
        "line 5: it is not UTF-8 text",
        "line 6: it has 1 columns, and the header 2",
        "1 row has the recipient of an earlier row, and each gets an email: line 7 (as line 3)",
        "The file is not UTF-8. Save it in UTF-8, or name its encoding, like --encoding cp1252",
    ]
    assert str(refused.value).splitlines() == [
        "error: 4 of 6 rows are bad. Nothing was registered. Correct them, or register the others with --skip-refused.",
        "7 lines read (UTF-8, columns separated by ',') = 1 header + 2 good + 4 refused",
    ]


def test_the_same_recipient_twice_is_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    again = [f"{'A' if n % 2 else 'a'}@EXAMPLE.com" for n in range(13)]
    sifted = desk.sift("\n".join(["email", "a@example.com", "b@example.com", *again]))
    assert sifted.good == 15
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("13 rows have the recipient of an earlier row, and each gets an email: line 4 (as line 2), ")
    assert told.endswith("line 13 (as line 2) and 3 more")


def test_a_line_that_is_too_long_is_the_only_one_refused() -> None:
    longest = "x" * (MAX_LINE - 1) + "\n"
    lines = FileLines(TextFile(io.StringIO(longest + "x" + longest + "x" * 3 * MAX_LINE + "\nend", newline="")))
    found = []
    lines.begin()
    for line in lines:
        found.append((lines.first, len(line), lines.too_long))
        lines.begin()
    assert found == [(1, MAX_LINE, False), (2, 1, True), (3, 1, True), (4, 3, False)]


def test_half_a_character_of_utf_16_is_a_row_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    sifted = desk.sift("email,x\na@example.com,\ud800\nb@example.com,1\n".encode("utf-16", "surrogatepass"))
    assert capsys.readouterr().err.startswith("line 2: it is not UTF-16-LE text\n")
    assert (sifted.good, sifted.refused) == (1, 1)


def test_lines_that_do_not_add_up_are_a_defect() -> None:
    with pytest.raises(RuntimeError, match="do not add up"):
        Sums(lines=3, header=1, rows=1, refused=0, blank=0, continuing=0)


def test_a_file_is_never_written_over(desk: Desk) -> None:
    desk.mended.write_text("mine")
    with pytest.raises(NotPossible, match="exists already"):
        desk.sift(PLAIN, keep=True)
    assert desk.mended.read_text() == "mine"
