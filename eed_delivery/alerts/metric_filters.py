"""Alert rules as patterns of CloudWatch Logs, which counts the lines of a log group that match.

A word becomes terms. An expression becomes a JSON pattern, if it looks for members of the line and nothing else.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from dataclasses import dataclass

from eed_delivery.alerts.rulebook import LEVELS
from eed_delivery.config import AlertRule

MAX_PATTERN_CHARS = 1024
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html"""
_MEMBER = re.compile(r'"(\w+)": "([\w-]*)(?:\((?:\?:)?([\w-]+(?:\|[\w-]+)*)\)([\w-]*))?"')
_BETWEEN = ".*"


class NoPattern(ValueError):
    """CloudWatch cannot look for what the rule looks for."""


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """What the Terraform module `observability` makes of one rule: a metric filter with its alarm."""

    pattern: str
    count: int
    window_seconds: float
    audience: tuple[str, ...]
    description: str


def metric_filter(rule: AlertRule) -> MetricFilter:
    """Raises `NoPattern`."""
    pattern = _terms(rule.word, rule.level) if rule.word is not None else _members(rule.regex or "", rule.level)
    if len(pattern) > MAX_PATTERN_CHARS:
        raise NoPattern(f"its pattern would have {len(pattern)} characters, and {MAX_PATTERN_CHARS} are the limit")
    what = rule.word if rule.word is not None else f"/{rule.regex}/"
    description = f"{what} in the log, {rule.level} or worse"
    return MetricFilter(pattern, rule.count, rule.window_seconds, rule.audience, description)


def _terms(word: str, level: str) -> str:
    """The word, and none of the levels below. Unlike the rule it heeds case, and matches within words."""
    below = [f'"level": "{name}"' for name, rank in LEVELS.items() if rank < LEVELS[level]]
    return " ".join([_quoted(_as_written(word)), *(f"-{_quoted(member)}" for member in below)])


def _as_written(word: str) -> str:
    """As the log has it: ASCII, with other letters as JSON escapes them."""
    return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in word)


def _members(regex: str, level: str) -> str:
    """Each member has one of its values. Unlike the rule it does not heed their order."""
    found = [_MEMBER.fullmatch(part) for part in regex.split(_BETWEEN)]
    conditions = [_one_of(*_values(member)) for member in found if member is not None]
    if len(conditions) != len(found):
        raise NoPattern('its regex is more than members such as "event": "role_(died|killed)", with .* between them')
    levels = [name for name, rank in LEVELS.items() if rank >= LEVELS[level]]
    return f"{{ {' && '.join([*conditions, _one_of('level', levels)])} }}"


def _values(member: "re.Match[str]") -> tuple[str, list[str]]:
    name, before, choices, behind = member.groups()
    return name, [f"{before}{one}{behind or ''}" for one in (choices or "").split("|")]


def _one_of(name: str, values: list[str]) -> str:
    return f"({' || '.join(f'$.{name} = {_quoted(value)}' for value in values)})"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
