"""Which rules a line fits, and how an alert reads."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.alerts.alert import MAX_SUBJECT_CHARS, Alert
from eed_delivery.alerts.rulebook import MAX_LINE_CHARS, Rulebook, as_logged
from eed_delivery.config import AlertRule


def rule(**settings: Any) -> AlertRule:
    return AlertRule(**{"name": "r", "audience": "dev", **settings})


def fits(line: dict[str, Any], **settings: Any) -> bool:
    return bool(Rulebook([rule(**settings)]).hits({"level": "error", **line}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("breaker_open", True),
        ("the Breaker_Open is", True),
        ("breaker_opened", False),
        ("my_breaker_open", False),
        ("ébreaker_open", False),
        ("(breaker_open)", True),
    ],
)
def test_a_word_stands_for_itself_in_any_case(text: str, expected: bool) -> None:
    assert fits({"event": text}, word="breaker_open") is expected


def test_a_word_is_no_expression() -> None:
    assert fits({"event": "what? (yes) 5.1.1"}, word="5.1.1")
    assert not fits({"event": "what? (yes) 5x1x1"}, word="5.1.1")
    assert fits({"event": "what? (yes)"}, word="(yes)")


def test_an_expression_sees_the_line_as_the_log_has_it() -> None:
    line = {"event": "not_sent", "email_id": 7, "reply": '550 "no"'}
    assert fits(line, regex=r'"email_id": 7[,}]')
    assert fits(line, regex=r"(?i)NOT_SENT.*550")
    assert not fits(line, regex=r"(?-i)NOT_SENT")


@pytest.mark.parametrize(
    ("level", "heard"), [("debug", ""), ("info", "i"), ("warning", "iw"), ("error", "iwe"), ("critical", "iwe")]
)
def test_a_rule_hears_its_level_and_worse(level: str, heard: str) -> None:
    rules = [
        rule(name=name, word="x", level=least) for name, least in zip("iwe", ("info", "warning", "error"), strict=True)
    ]
    book = Rulebook(rules)
    assert "".join(one.name for one in book.hits({"event": "x", "level": level})) == heard
    assert book.lowest == 20


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){20}c", "(x+x+)+y"])
def test_no_expression_runs_away(pattern: str) -> None:
    """With Python's own `re` each of these would take longer than the universe has existed."""
    for text in ("a" * 100_000 + "!", "x" * 100_000):
        Rulebook([rule(regex=pattern)]).hits({"event": text, "level": "error"})


@given(st.text(max_size=3 * MAX_LINE_CHARS))
@example("x" * 3 * MAX_LINE_CHARS)
def test_a_long_line_is_looked_at_from_both_ends(text: str) -> None:
    shown = as_logged({"event": "first", "reply": text, "last": "end"})
    assert len(shown) <= MAX_LINE_CHARS + 1
    assert shown.startswith('{"event": "first"')
    assert shown.endswith('"last": "end"}')


@example(event="x" * 500, service="s" * 60)
@given(event=st.text(), service=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_a_subject_is_one_line_of_ascii(event: str, service: str) -> None:
    subject = Alert("1", service, "h", "rule", "error", event, "now").subject()
    assert subject.isascii()
    assert subject.isprintable()
    assert 0 < len(subject) <= MAX_SUBJECT_CHARS


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=3))
)
def test_an_alert_can_be_told_whatever_the_line_holds(line: dict[str, Any]) -> None:
    alert = Alert("1", "eed", "h", "rule", "error", "x", "now", line)
    assert json.loads(alert.as_json())["rule"] == "rule"
    assert alert.text().encode("utf-8", "replace")


def test_what_is_known_besides_is_told() -> None:
    alert = Alert("1", "eed", "h", "rule", "error", "x", "now", {"job_id": 5}, times=7, last=True, lost=2, unread=3)
    text = alert.text()
    for said in ("7 times since", "last alert of this hour", "2 alerts before", "3 log lines", "job_id: 5"):
        assert said in text
    assert "test" not in text
    assert "This is a test" in Alert("1", "eed", "h", "rule", "error", "x", "now", test=True).text()


def test_a_traceback_is_told_by_its_ends() -> None:
    text = Alert("1", "eed", "h", "r", "error", "x", "now", {"exception": "first" + "-" * 50_000 + "last"}).text()
    assert len(text) < 3000
    assert "first" in text
    assert "last" in text
