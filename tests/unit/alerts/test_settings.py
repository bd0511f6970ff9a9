"""`[alerts]`: what is accepted, and what is told of a mistake before anybody relies on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from eed_delivery.config import AlertFact, Settings, load
from eed_delivery.errors import ConfigError

ROOT = Path(__file__).parents[3]
GOOD = """
[alerts]
sender = "eed@example.com"
[alerts.audience.devops]
email = ["oncall@example.com"]
sns = ["arn:aws:sns:us-east-2:123456789012:eed-alerts"]
webhook = ["https://chat.example.com/hooks/x"]
[[alerts.rule]]
name = "breaker"
word = "breaker_open"
audience = "devops"
[[alerts.fact]]
name = "silence"
fact = "silence_seconds"
at_least = 600
audience = ["devops"]
"""


Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Reads the example with this in place of its `[alerts]`."""

    def run(alerts: str, environ: dict[str, str] | None = None) -> Settings:
        file = tmp_path / "eed.toml"
        file.write_text((ROOT / "config" / "eed-delivery.toml").read_text().replace("\n[alerts]\n", alerts, 1))
        return load(file, environ or {})

    return run


def problems(loaded: Load, alerts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(alerts)
    return str(caught.value)


def test_rules_are_read_with_their_defaults(loaded: Load) -> None:
    alerts = loaded(GOOD).alerts
    (rule,), (fact,) = alerts.rule, alerts.fact
    assert (rule.level, rule.count, rule.cooldown_seconds, rule.audience) == ("warning", 1, 900, ("devops",))
    assert (fact.at_least, fact.cooldown_seconds) == (600, 3600)
    assert [one.name for one in alerts.all_rules] == ["breaker", "silence"]


def test_without_rules_there_is_nothing_to_be_told(loaded: Load) -> None:
    assert loaded("\n[alerts]\n").alerts.all_rules == ()


CASES: dict[str, tuple[str, str, str]] = {
    "neither": ('word = "breaker_open"\n', "", "a word or a regex, but not both"),
    "both": ('word = "breaker_open"\n', 'word = "x"\nregex = "y"\n', "a word or a regex, but not both"),
    "look-ahead": ('word = "breaker_open"', 'regex = "a(?=b)"', "RE2"),
    "backreference": ('word = "breaker_open"', "regex = '(a)\\1'", "RE2"),
    "huge": ('word = "breaker_open"', 'regex = "((a{100}){100}){100}"', "RE2"),
    "long": ('word = "breaker_open"', f'regex = "{"a" * 501}"', "cannot be used"),
    "name": ('name = "breaker"', 'name = "The Breaker"', "form"),
    "same name": ('name = "silence"', 'name = "breaker"', "share one cool-down"),
    "audience": ('audience = "devops"', 'audience = "dev"', "Audiences: devops"),
    "sender": ('sender = "eed@example.com"\n', "", "but their sender's address is not set"),
    "region": ("sns:us-east-2:", "sns:eu-west-1:", "aws.region is us-east-2"),
    "fifo": (":eed-alerts", ":eed-alerts.fifo", "form"),
    "token": ("/hooks/x", "/hooks/{token}", "EED_ALERTS__WEBHOOK_TOKEN"),
    "dead letters": ('fact = "silence_seconds"', 'fact = "dead_letters"', "queue.dead_letter_url is not set"),
    "quota": ('fact = "silence_seconds"', 'fact = "ses_quota_percent"', 'the transport is "smtp"'),
    "cooldown": ('word = "breaker_open"', 'word = "x"\ncooldown_seconds = 0', "too small"),
    "fact": ('fact = "silence_seconds"', 'fact = "moon_phase"', "not one of the choices"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told(case: str, loaded: Load) -> None:
    right, wrong, said = CASES[case]
    assert right in GOOD
    assert said in problems(loaded, GOOD.replace(right, wrong, 1))


def test_an_audience_with_nobody_in_it_is_told(loaded: Load) -> None:
    assert "no receiver is set in the audience" in problems(loaded, GOOD + "[alerts.audience.dev]\n")


def test_the_token_is_a_secret(loaded: Load) -> None:
    wrong = GOOD.replace('sender = "eed@example.com"', 'sender = "eed@example.com"\nwebhook_token = "hunter2"')
    assert "secret in the file" in problems(loaded, wrong)
    settings = loaded(GOOD.replace("/hooks/x", "/hooks/{token}"), {"EED_ALERTS__WEBHOOK_TOKEN": "hunter2"})
    assert "hunter2" not in repr(settings.alerts)


def test_a_rule_may_come_from_the_environment(loaded: Load) -> None:
    rules = '[{"name": "x", "word": "y", "audience": "devops"}]'
    found: Any = loaded(GOOD, {"EED_ALERTS__RULE": rules}).alerts.rule
    assert [rule.name for rule in found] == ["x"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"fact": "deadline_margin_seconds", "at_least": 600}, "needs at_most"),
        ({"fact": "deadline_margin_seconds", "at_least": 1, "at_most": 600}, "needs at_most"),
        ({"fact": "in_doubt", "at_most": 600}, "needs at_least"),
        ({"fact": "in_doubt"}, "needs at_least"),
    ],
)
def test_a_fact_has_the_limit_that_suits_it(given: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        AlertFact.model_validate({"name": "x", "audience": "dev", **given})


def test_a_margin_is_beyond_its_limit_when_it_is_small() -> None:
    fact = AlertFact(name="late", fact="deadline_margin_seconds", at_most=600, audience=("dev",))
    assert [fact.is_beyond(value) for value in (601.0, 600.0, -5.0, float("inf"))] == [False, True, True, False]
    assert AlertFact(name="x", fact="in_doubt", at_least=1, audience=("dev",)).is_beyond(1.0)
