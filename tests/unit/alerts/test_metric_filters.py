"""Alert rules as patterns of CloudWatch Logs: they match the lines that the rules match."""

import json
import tomllib
from typing import Any

import pytest

from eed_delivery.alerts.metric_filters import MAX_PATTERN_CHARS, NoPattern, metric_filter
from eed_delivery.alerts.rulebook import LEVELS, Rulebook
from eed_delivery.config import AlertRule
from tests.deploy.filter_patterns import matches
from tests.unit.alerts.test_document import EVENTS, SET

RULES = [AlertRule(**rule) for rule in tomllib.loads(SET)["alerts"]["rule"]]
WORDS = ["waiting", "no route to host", 'the "wire"', "back\\slash", "Überlauf", "a|b.*(c)"]
MORE = [AlertRule(name=f"w{n}", word=word, level="error", audience="dev") for n, word in enumerate(WORDS)]
LINES: list[dict[str, Any]] = [
    {"reason": reason, **more, "event": event, "level": level}
    for level in LEVELS
    for event in [*EVENTS, "nothing_of_ours"]
    for reason, more in [("none", {}), ('said "level": "info"', {"verdict": "permanent"})]
] + [{"reason": f"it says: {word}.", "event": "waiting", "level": level} for word in WORDS for level in LEVELS]


@pytest.mark.parametrize("rule", [*RULES, *MORE], ids=lambda rule: rule.name)
def test_a_pattern_matches_what_its_rule_matches(rule: AlertRule) -> None:
    book, pattern = Rulebook([rule]), metric_filter(rule).pattern
    differ = []
    for line in LINES:
        logged = json.dumps(line)  # as the log has it: ASCII
        if bool(book.hits(line)) != matches(pattern, logged) and (rule.regex or f"{rule.word}_" not in logged):
            differ.append(line)
    assert differ == []


def test_the_rules_to_begin_with_are_all_for_cloudwatch_too() -> None:
    patterns = {rule.name: metric_filter(rule).pattern for rule in RULES}
    assert patterns["breaker"] == (
        '"breaker_open" -"\\"level\\": \\"debug\\"" -"\\"level\\": \\"info\\"" -"\\"level\\": \\"warning\\""'
    )
    assert patterns["process-died"].startswith(
        '{ ($.event = "role_died" || $.event = "role_stalled" || $.event = "role_killed") && ($.level = "warning" ||'
    )


def test_a_rule_keeps_what_it_counts_and_whom_it_tells() -> None:
    made = metric_filter(AlertRule(name="a", word="waiting", count=5, window_seconds=60, audience=["dev", "devops"]))
    assert (made.count, made.window_seconds, made.audience) == (5, 60, ("dev", "devops"))
    assert made.description == "waiting in the log, warning or worse"


@pytest.mark.parametrize(
    "regex", ["slow|late", '"event": ".*"', r'"attempt": 3', '"event": "a"$', '^"event": "a"', '"event": "(a|b)+"']
)
def test_an_expression_that_is_more_than_members_has_no_pattern(regex: str) -> None:
    with pytest.raises(NoPattern, match="more than members"):
        metric_filter(AlertRule(name="a", regex=regex, audience="dev"))


def test_a_pattern_that_is_too_long_is_none() -> None:
    events = "|".join(f"e{n}" for n in range(100))
    rule = AlertRule(name="a", regex=f'"event": "({events})"', audience="dev")
    with pytest.raises(NoPattern, match=f"{MAX_PATTERN_CHARS} are the limit"):
        metric_filter(rule)
