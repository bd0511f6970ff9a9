"""Docstrings are written in short sentences (STYLE: one thought a sentence)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("eed_delivery", ".ci", "benchmarks")
MOST_WITH_COLONS = 0.25
MOST_WORDS = 30
MEDIAN_WORDS = 12
CODE = re.compile(r"``[^`]*``|`[^`]*`|https?://[^\s)]*[^\s).,]")
TABLE = re.compile(r"\S {2,}\S|\x08|\A {4}")
"""Columns, a command's verbatim lines (click's \\b), and examples."""
ITEM = re.compile(r"\n(?=\s*(?:- |\d+\. |\w+: ))")
END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(A-Z0-9])")
COLON = re.compile(r"[:;](?:\s|$)")


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    """Each docstring of a file, with its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def sentences(docstring: str) -> Iterator[str]:
    """Its sentences. A piece of code or an address counts as one word, and each item of a list by itself."""
    for paragraph in re.split(r"\n\s*\n", CODE.sub("Code", docstring)):
        if not TABLE.search(paragraph):
            for item in ITEM.split(paragraph):
                yield from END.split(" ".join(item.split()))


@pytest.fixture(scope="module")
def written() -> list[tuple[str, str]]:
    """All sentences, each with its place."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return [
        (f"{file.relative_to(ROOT)}:{line}", sentence)
        for file in files
        for line, text in docstrings(file)
        for sentence in sentences(text)
    ]


def test_few_sentences_have_a_colon_or_a_semicolon(written: list[tuple[str, str]]) -> None:
    with_colons = [one for one in written if COLON.search(one[1])]
    assert len(with_colons) <= MOST_WITH_COLONS * len(written), f"{len(with_colons)} of {len(written)} sentences"


def test_sentences_are_short(written: list[tuple[str, str]]) -> None:
    assert median(len(sentence.split()) for _, sentence in written) <= MEDIAN_WORDS
    long = [f"{place}: {sentence}" for place, sentence in written if len(sentence.split()) > MOST_WORDS]
    assert not long, f"Make two sentences of each (at most {MOST_WORDS} words):\n" + "\n".join(long)


TEXT = """The first sentence, of `a.b: c` and of https://example.com/a?b. It goes on (RFC 5321, 4.2.2). None if not.

    left    right: a table
    more    of it

- an item: its text
- another one
  in two lines

    an example: left out
"""


def test_how_a_docstring_is_divided() -> None:
    assert list(sentences(TEXT)) == [
        "The first sentence, of Code and of Code.",
        "It goes on (RFC 5321, 4.2.2).",
        "None if not.",
        "- an item: its text",
        "- another one in two lines",
    ]
