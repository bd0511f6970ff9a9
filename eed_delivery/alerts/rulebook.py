"""Which rules a log line fits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eed_delivery.config import AlertRule

MAX_LINE_CHARS = 8192
"""Limit: characters of a line that are checked: a traceback's beginning, and its end with the error's text."""
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def rank(line: Mapping[str, Any]) -> int:
    """How grave a line is. 0 for one without a level, which no line of ours is."""
    return LEVELS.get(str(line.get("level")), 0)


class Rulebook:
    """The rules, compiled. `lowest` is the rank below which no line can fit."""

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self._rules = [(LEVELS[rule.level], rule.pattern(), rule) for rule in rules]
        self.lowest = min((level for level, _, _ in self._rules), default=max(LEVELS.values()) + 1)

    def hits(self, line: Mapping[str, Any]) -> list[AlertRule]:
        """The rules that this line matches, in the form that the log has."""
        level = rank(line)
        text = as_logged(line).encode("utf-8", "replace")  # once, and not for each expression
        return [rule for least, pattern, rule in self._rules if level >= least and pattern.search(text) is not None]


def as_logged(line: Mapping[str, Any]) -> str:
    """The line as the log has it, less the middle of one that is very long."""
    text = json.dumps(line, ensure_ascii=False, default=str)
    if len(text) <= MAX_LINE_CHARS:
        return text
    half = MAX_LINE_CHARS // 2
    return f"{text[:half]}…{text[-half:]}"
