"""No regular expression of the package takes quadratic time over a stranger's text.

Each repeat of each pattern is attacked: a text that leads there, then what the repeat takes, very often, then what fits
nothing. CPU time is compared with that for a quarter of the text, so that a busy machine changes nothing. What
takes less than 4 ms for 2,000 letters is let through.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import eed_delivery
from eed_delivery import particulars
from eed_delivery.links import markup

ROOT = Path(eed_delivery.__file__).parent
LENGTH = 2000
SUSPICIOUS_SECONDS = 0.004
"""A linear pattern needs a tenth of it for so short a text."""
SETTLED_RATIO = 8
"""For four times the text: 4 is linear, 16 quadratic."""
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
LETTERS = " \ta0.-_:@<>\"'/&;=,([\\\n%é"
PAIRS = ("a ", "a.", "<a", '""', "a@", "0.", "--", "\n ", ": ", "a-", ",a", "\\a")
ENDS = ("\x01", "\r\r\n")
WHOLE = {"fullmatch", "match"}
ATTACKS_A_PATTERN = 400


def patterns() -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Each compiled pattern of the package, and whether it is searched for (and not only matched from the start)."""
    for module in pkgutil.walk_packages([str(ROOT)], "eed_delivery."):
        if "migrations" in module.name or _is_handler(module.name):
            continue
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            for pattern in compiled(value):
                yield f"{module.name}:{name}", pattern, searched(loaded.__file__ or "", name)
        yield from written_in_place(module.name, Path(loaded.__file__ or ""))


def _is_handler(name: str) -> bool:
    """A function of Lambda. It reads its configuration when it is imported, and has no pattern."""
    package, _, module = name.rpartition(".")
    return package == "eed_delivery.aws_lambda" and "\ndef handler(" in (ROOT / f"aws_lambda/{module}.py").read_text()


def written_in_place(module: str, path: Path) -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Those of `re.split(r"…", text)` and its like."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        function, pattern = node.func, node.args[0]
        of_re = isinstance(function.value, ast.Name) and function.value.id == "re" and function.attr != "compile"
        if of_re and isinstance(pattern, ast.Constant) and isinstance(pattern.value, str | bytes):
            yield f"{module}:{node.lineno}", re.compile(pattern.value), function.attr not in WHOLE


def compiled(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for inner in value:
            yield from compiled(inner)
    elif isinstance(value, dict):
        yield from compiled([*value, *value.values()])


def searched(path: str, name: str) -> bool:
    used = {
        node.attr
        for node in ast.walk(ast.parse(Path(path).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    return not used or not used <= WHOLE | {"pattern"}


def example(tree: Any) -> str:
    """A text that the parsed pattern takes, but for what lookarounds want."""
    return "".join(_example(code, argument) for code, argument in tree)


def _example(code: Any, argument: Any) -> str:
    if code is op.LITERAL:
        return chr(argument)
    if code in (op.IN, op.NOT_LITERAL, op.ANY):
        return next(iter(taken([(code, argument)], "a0 " + LETTERS)), "")
    if code is op.SUBPATTERN:
        return example(argument[3])
    if code is op.BRANCH:
        return example(argument[1][0])
    if code in REPEATS:
        return example(argument[2]) * argument[0]
    return example(argument) if code is op.ATOMIC_GROUP else ""


def taken(tree: Any, of: str = LETTERS) -> list[str]:
    """Which of these letters occur in a text that the parsed pattern takes."""
    found: list[str] = []
    for code, argument in tree:
        if code is op.LITERAL:
            found.append(chr(argument))
        elif code in (op.IN, op.NOT_LITERAL, op.ANY):
            found += [letter for letter in of if _takes(code, argument, letter)]
        elif code is op.SUBPATTERN:
            found += taken(argument[3], of)
        elif code is op.BRANCH:
            found += [letter for branch in argument[1] for letter in taken(branch, of)]
        elif code in REPEATS:
            found += taken(argument[2], of)
        elif code is op.ATOMIC_GROUP:
            found += taken(argument, of)
    return list(dict.fromkeys(found))


CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _takes(code: Any, argument: Any, letter: str) -> bool:
    if code is not op.IN:
        return code is op.ANY or ord(letter) != argument
    negated = argument[0][0] is op.NEGATE
    hit = any(
        (kind is op.LITERAL and ord(letter) == what)
        or (kind is op.RANGE and what[0] <= ord(letter) <= what[1])
        or (kind is op.CATEGORY and re.match(CATEGORIES[what], letter) is not None)
        for kind, what in argument
    )
    return hit != negated


def attacks(tree: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """What leads to each unbounded repeat, and what it takes."""
    parts = list(tree)
    for at, (code, argument) in enumerate(parts):
        leading = before + example(parts[:at])
        yield "", leading  # what begins, again and again
        if code in REPEATS:
            if argument[1] > 100:
                letters = taken(argument[2])
                yield leading, example(argument[2])
                yield from ((leading, letter) for letter in letters[:24])
                yield from ((leading, pair) for pair in PAIRS if set(pair) <= set(letters))
            yield from attacks(argument[2], leading)
        elif code is op.SUBPATTERN:
            yield from attacks(argument[3], leading)
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from attacks(branch, leading)
        elif code is op.ATOMIC_GROUP:
            yield from attacks(argument, leading)
        elif code in (op.ASSERT, op.ASSERT_NOT):
            yield from attacks(argument[1], leading)


def seconds(pattern: re.Pattern[Any], text: str, search: bool) -> float:
    data = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    started = time.process_time()
    if search:
        for _ in pattern.finditer(data):
            pass
    else:
        pattern.match(data)
        pattern.fullmatch(data)
    return time.process_time() - started


def slow(pattern: re.Pattern[Any], search: bool) -> str | None:
    """An attack that takes more than linear time, if there is one."""
    tried = dict.fromkeys(attacks(_parser.parse(pattern.pattern, pattern.flags)))
    for leading, pump in list(tried)[:ATTACKS_A_PATTERN]:
        for end in ENDS if pump else ():

            def text(length: int, leading: str = leading, pump: str = pump, end: str = end) -> str:
                return leading + pump * (length // len(pump)) + end

            # On a machine with other work a second may be the hypervisor's: what is slow is so each time.
            if all(seconds(pattern, text(LENGTH // 4), search) > SUSPICIOUS_SECONDS for _ in range(8)):
                return f"{leading!r} + {pump!r} * n + {end!r}: cubic, or worse"
            if seconds(pattern, text(LENGTH), search) < SUSPICIOUS_SECONDS:
                continue
            short = min(seconds(pattern, text(LENGTH), search) for _ in range(3))
            if short >= SUSPICIOUS_SECONDS and seconds(pattern, text(4 * LENGTH), search) > SETTLED_RATIO * short:
                return f"{leading!r} + {pump!r} * n + {end!r}"
    return None


def test_no_pattern_takes_quadratic_time() -> None:
    found = {}
    for name, pattern, search in patterns():
        if attack := slow(pattern, search):
            found[name] = attack
    assert found == {}


@pytest.mark.parametrize(
    ("of", "begin", "pump"),
    [(markup.attributes, "a='", "\n " * 8000), (particulars.masked, "", '""@[' * 4000)],
)
def test_long_texts_take_no_quadratic_time(of: Callable[[str], object], begin: str, pump: str) -> None:
    """Those that were too fast to be seen above, at 2,000 letters."""

    def taken_by(text: str) -> float:
        started = time.process_time()
        of(text)
        return time.process_time() - started

    short, long = (min(taken_by(begin + pump * times) for _ in range(2)) for times in (1, 4))
    assert long < max(SETTLED_RATIO * short, 10 * SUSPICIOUS_SECONDS)


@pytest.mark.parametrize(
    ("pattern", "search"),
    [
        (rb"([!-9;-~]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n", False),
        (r"\s+$", True),
        (r"\"(?:[^\"\\]|\\.)*\"@", True),
    ],
)
def test_a_quadratic_pattern_is_found(pattern: str | bytes, search: bool) -> None:
    quadratic: re.Pattern[Any] = re.compile(pattern)
    assert slow(quadratic, search)


CLASS_OR_ESCAPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
GROUP_POSSESSIVELY = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")


def repeats_a_group_possessively(text: str) -> bool:
    return GROUP_POSSESSIVELY.search(CLASS_OR_ESCAPED.sub("x", text)) is not None


def test_no_group_is_repeated_possessively() -> None:
    """Before Python 3.11.5 such a repeat backtracks into the group (https://github.com/python/cpython/issues/106052).
    An atomic group around an ordinary repeat says the same, and holds in every release."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and repeats_a_group_possessively(node.value)
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (r"(?:ab?c)*+", True), (r"(a|b)++", True), (r"(?:\[x])?+", True), (r"([)])*+", True), (r"(a){2,3}+", True),
        (r"(?>(?:ab?c)*)", False), (r"[^)*+]", False), (r"\)*+", False), (r"[a-z]*+", False), (r"[](*)+]+", False),
    ],
)  # fmt: skip
def test_a_possessive_repeat_of_a_group_is_seen(text: str, is_one: bool) -> None:
    assert repeats_a_group_possessively(text) is is_one
