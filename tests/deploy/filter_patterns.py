"""Which log lines a pattern of CloudWatch Logs matches. No emulator evaluates them.

Of unstructured patterns: quoted terms that must be there, and terms with - before them that must not. Of JSON patterns:
comparisons of members with strings, EXISTS and NOT EXISTS, && and ||, and parentheses.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from typing import Any

_TERM = re.compile(r'\s*(-?)"((?:\\.|[^"\\])*)"')
_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||!=|=|NOT EXISTS|EXISTS|\$(?:\.\w+)+|"(?:\\.|[^"\\])*")')


def matches(pattern: str, line: str) -> bool:
    """Whether the line counts. Raises ValueError for a pattern that CloudWatch would refuse."""
    if pattern.startswith("{"):
        return _Json(pattern, line).holds()
    place, found = 0, []
    while place < len(pattern):
        term = _TERM.match(pattern, place)
        if term is None:
            raise ValueError(f"no term at {pattern[place:]!r}")
        found.append((_unquoted(term[2]) in line) == (term[1] == ""))
        place = term.end()
    return all(found)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class _Json:
    def __init__(self, pattern: str, line: str) -> None:
        inside = pattern.removeprefix("{").removesuffix("}")
        self._tokens = _TOKEN.findall(inside)
        if not pattern.endswith("}") or "".join(_TOKEN.sub("", inside).split()):
            raise ValueError(f"no JSON pattern: {pattern}")
        try:
            self._line = json.loads(line)
        except ValueError:
            self._line = {}

    def holds(self) -> bool:
        value = self._either()
        if self._tokens:
            raise ValueError(f"more than an expression: {self._tokens}")
        return value

    def _either(self) -> bool:
        value = self._both()
        while self._tokens[:1] == ["||"]:
            self._tokens.pop(0)
            value = self._both() or value
        return value

    def _both(self) -> bool:
        value = self._one()
        while self._tokens[:1] == ["&&"]:
            self._tokens.pop(0)
            value = self._one() and value
        return value

    def _one(self) -> bool:
        token = self._tokens.pop(0)
        if token == "(":
            value = self._either()
            if self._tokens.pop(0) != ")":
                raise ValueError("a parenthesis is not closed")
            return value
        there, found = self._member(token)
        compared = self._tokens.pop(0)
        if compared in ("EXISTS", "NOT EXISTS"):
            return there == (compared == "EXISTS")
        wanted = _unquoted(self._tokens.pop(0)[1:-1])
        return there and ((found == wanted) == (compared == "="))

    def _member(self, selector: str) -> tuple[bool, Any]:
        value: Any = self._line
        for name in selector.split(".")[1:]:
            if not isinstance(value, dict) or name not in value:
                return False, None
            value = value[name]
        return True, value
