"""docs/alerts.md and its set to begin with: it can be loaded, and its rules look for what is really logged."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from eed_delivery.alerts.rulebook import Rulebook
from eed_delivery.config import AlertFact, AlertRule, load
from eed_delivery.config.alert_settings import FactName

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "alerts.md").read_text()
SET = re.findall(r"^```toml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)[0]
EVENTS = dict(re.findall(r"^\| `([a-z_]+)` \| (\w+) \|", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))


def test_the_set_to_begin_with_can_be_loaded(tmp_path: Path) -> None:
    example = (ROOT / "config" / "eed-delivery.toml").read_text()
    example = example.replace('#dead_letter_url = "', 'dead_letter_url = "').replace('#kind = "smtp"', 'kind = "ses"')
    file = tmp_path / "eed.toml"
    file.write_text(example.replace("\n[alerts]\n", f"\n{SET}", 1))
    assert len(load(file, {"EED_ALERTS__WEBHOOK_TOKEN": "s3cret"}).alerts.all_rules) == 14


@pytest.mark.parametrize("rule", tomllib.loads(SET)["alerts"]["rule"], ids=lambda rule: rule["name"])
def test_each_of_its_rules_fits_an_event_that_is_logged(rule: dict[str, Any]) -> None:
    book = Rulebook([AlertRule(**rule)])
    lines = [{"verdict": "permanent", "event": event, "level": level} for event, level in EVENTS.items()]
    assert any(book.hits(line) for line in lines)


def test_the_tables_have_every_setting_of_a_rule_and_every_fact() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", DOCUMENT.partition("## Facts")[0], re.MULTILINE)
    named = {name for row, _ in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(AlertRule.model_fields)
    shown = {name: default.strip("`") for row, default in rows for name in re.findall(r"`(\w+)`", row)}
    for name, field in AlertRule.model_fields.items():
        if not field.is_required() and field.default is not None:
            assert shown[name].strip('"') == f"{field.default}"
    facts = DOCUMENT.partition("## Facts")[2].partition("## Audiences")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", facts, re.MULTILINE)) - {"fact"} == set(get_args(FactName))
    assert f"`cooldown_seconds` ({AlertFact.model_fields['cooldown_seconds'].default:d})" in facts


def test_the_policy_for_alerts_allows_publishing_to_the_topic_and_no_more() -> None:
    template = yaml.safe_load((ROOT / "config" / "queue.yaml").read_text())
    policy = template["Resources"]["AlertsPolicy"]
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", {"Ref": "AlertsTopicArn"})
    assert policy["Condition"] in template["Conditions"]
