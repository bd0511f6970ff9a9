"""The example file and the documentation hold exactly the settings that exist, with their real defaults."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from eed_delivery.config import Settings, WorkerSettings, load
from eed_delivery.config.environment import CREDENTIALS
from eed_delivery.events import EventKind
from eed_delivery.queue import Letter
from eed_delivery.source.column_kinds import OFFERED
from eed_delivery.tracking.ses.collector import VISIBILITY_SECONDS, wait_seconds

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "eed-delivery.toml"
DOCUMENT = ROOT / "docs" / "configuration.md"
SWITCHED_OFF = re.compile(r"^#(?=[a-z_0-9]+ = )", re.MULTILINE)
ROW = re.compile(r"^\| `([a-z_0-9.]+)` \| (required|none|`[^`]*`) \| (.+) \|$", re.MULTILINE)

Key = tuple[str, ...]


def settings(model: type[BaseModel] = Settings, path: Key = ()) -> Iterator[tuple[Key, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, (*path, name))
        else:
            yield (*path, name), field


def leaves(data: dict[str, Any], known: set[Key], path: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and (*path, name) not in known:
            yield from leaves(value, known, (*path, name))
        else:
            yield (*path, name), value


def test_the_document_on_moving_over_has_every_type_that_the_table_of_kinds_has() -> None:
    section = (ROOT / "docs" / "moving-over.md").read_text().partition("### What a column is to a template")[2]
    rows = re.findall(r"^\| (`[a-z0-9`, ]+`) \| (.+) \|$", section.partition("\n### ")[0], re.MULTILINE)
    told = {name: meaning for names, meaning in rows for name in re.findall(r"`(\w+)`", names)}
    assert told.keys() == OFFERED.keys()
    assert {name for name, meaning in told.items() if meaning.startswith("Refused")} == {
        name for name, kind in OFFERED.items() if kind.refused
    }


def as_toml(default: Any) -> Any:
    if isinstance(default, Path):
        return str(default)
    return list(default) if isinstance(default, tuple) else default


ALL = dict(settings())
SECRET = {key for key, field in ALL.items() if field.annotation == SecretStr | None}


def test_the_example_shows_every_setting_once_and_nothing_else() -> None:
    shown = [key for key, _ in leaves(tomllib.loads(SWITCHED_OFF.sub("", EXAMPLE.read_text())), set(ALL))]
    assert sorted(shown) == sorted(set(ALL) - SECRET)


def test_the_example_names_the_variable_of_every_secret() -> None:
    missing = [key for key in SECRET if "EED_" + "__".join(key).upper() not in EXAMPLE.read_text()]
    assert missing == []


def test_the_examples_defaults_are_the_real_ones() -> None:
    on = dict(leaves(tomllib.loads(EXAMPLE.read_text()), set(ALL)))
    shown = dict(leaves(tomllib.loads(SWITCHED_OFF.sub("", EXAMPLE.read_text())), set(ALL)))
    assert set(on) == {key for key, field in ALL.items() if field.is_required()}
    with_default = {key: field for key, field in ALL.items() if not field.is_required() and field.default is not None}
    assert {key: shown[key] for key in with_default} == {key: as_toml(f.default) for key, f in with_default.items()}


def test_the_example_marks_exactly_the_settings_without_a_default() -> None:
    marked = re.findall(r"^#([a-z_0-9]+) = .*  # no default$", EXAMPLE.read_text(), re.MULTILINE)
    without = [key[-1] for key, field in ALL.items() if field.default is None and key not in SECRET]
    assert sorted(marked) == sorted(without)


def test_the_example_can_be_loaded_as_it_is() -> None:
    loaded = load(EXAMPLE, {})
    assert loaded.worker == WorkerSettings()


def test_every_example_value_would_be_accepted() -> None:
    Settings(**tomllib.loads(SWITCHED_OFF.sub("", EXAMPLE.read_text())))


def test_the_document_tables_every_setting_with_its_default() -> None:
    rows = {key: default for key, default, _ in ROW.findall(DOCUMENT.read_text())}
    assert rows == {".".join(key): documented(field) for key, field in ALL.items()}


def test_a_range_that_the_document_gives_is_the_settings() -> None:
    ranges = {
        key: [int(number.replace(",", "")) for number in found.groups()]
        for key, _, meaning in ROW.findall(DOCUMENT.read_text())
        if (found := re.search(r"\b(\d[\d,]*) to (\d[\d,]*)\b", meaning))
    }
    assert len(ranges) > 6
    assert ranges == {key: limits(ALL[tuple(key.split("."))]) for key in ranges}


def limits(field: FieldInfo) -> list[int]:
    """The least and the largest value that a setting may have."""
    least = [limit.ge for limit in field.metadata if hasattr(limit, "ge")]
    return least + [limit.le for limit in field.metadata if hasattr(limit, "le")]


def documented(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    default = as_toml(field.default)
    if isinstance(default, str):
        return f'`"{default}"`'
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`".replace("'", '"')


def test_the_document_names_every_secrets_credential_and_variable() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)`.* \| `([a-z_]+)` \| `(EED_[A-Z_]+)` \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(".".join(key), name, "EED_" + "__".join(key).upper()) for name, key in CREDENTIALS.items()]
    assert {*CREDENTIALS.values()} == {*SECRET, ("database", "url")}


@pytest.fixture(scope="module")
def queue_template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.safe_load((ROOT / "config" / "queue.yaml").read_text())
    return template


def test_the_queue_template_agrees_with_the_settings(queue_template: dict[str, Any]) -> None:
    defaults = load(EXAMPLE, {}).queue
    queue = queue_template["Resources"]["Queue"]["Properties"]
    assert queue["VisibilityTimeout"] == defaults.visibility_timeout_seconds
    assert queue["RedrivePolicy"]["maxReceiveCount"] == defaults.max_receive_count
    assert queue["ReceiveMessageWaitTimeSeconds"] == defaults.wait_seconds
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}


def test_both_queues_are_standard_encrypted_and_keep_messages_14_days(queue_template: dict[str, Any]) -> None:
    for name in ("Queue", "DeadLetterQueue"):
        resource = queue_template["Resources"][name]
        assert resource["Type"] == "AWS::SQS::Queue"
        assert resource["DeletionPolicy"] == "Retain"
        properties = resource["Properties"]
        assert "FifoQueue" not in properties
        no_value = {"Ref": "AWS::NoValue"}
        assert properties["SqsManagedSseEnabled"] == {"Fn::If": ["UsesOwnKey", no_value, True]}
        assert properties["KmsMasterKeyId"] == {"Fn::If": ["UsesOwnKey", {"Ref": "KmsKeyArn"}, no_value]}
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_no_policy_allows_more_than_it_needs(queue_template: dict[str, Any]) -> None:
    allowed: dict[str, set[str]] = {}
    for role in ("Publisher", "Worker", "Sweeper"):
        statements = queue_template["Resources"][f"{role}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        for statement in (s["Fn::If"][1] if "Fn::If" in s else s for s in statements):
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            allowed.setdefault(role, set()).update(actions)
            assert statement["Effect"] == "Allow"
            assert statement["Resource"] != "*" or actions == ["ses:GetAccount"]
    assert not any("*" in action for actions in allowed.values() for action in actions)
    key = {"kms:Decrypt", "kms:GenerateDataKey"}  # of the customer, where there is one
    assert allowed["Publisher"] - key == {"sqs:SendMessage", "sqs:GetQueueAttributes"}
    assert "kms:GenerateDataKey" not in allowed["Sweeper"]
    assert "sqs:DeleteMessage" not in allowed["Publisher"]
    assert "sqs:SendMessage" not in allowed["Sweeper"]


@pytest.fixture(scope="module")
def events_template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.safe_load((ROOT / "config" / "events.yaml").read_text())
    return template


def test_the_queue_of_events_takes_the_topics_word_alone(events_template: dict[str, Any]) -> None:
    resources = events_template["Resources"]
    allow, deny = resources["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Action"], allow["Principal"]) == ("sqs:SendMessage", {"Service": "sns.amazonaws.com"})
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}
    assert deny["Effect"] == "Deny"
    (publish,) = resources["SesMayPublish"]["Properties"]["PolicyDocument"]["Statement"]
    assert set(publish["Condition"]["StringEquals"]) == {"AWS:SourceAccount", "AWS:SourceArn"}
    reader, key = resources["EventsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert "sqs:SendMessage" not in reader["Action"]
    assert key["Fn::If"][1]["Action"] == "kms:Decrypt"


def test_opens_and_clicks_are_not_published_unless_they_are_asked_for(events_template: dict[str, Any]) -> None:
    types = set(events_template["Parameters"]["EventTypes"]["Default"].split(","))
    spelt = {"rendering_failure": "renderingFailure", "delay": "deliveryDelay"}
    known = {spelt.get(kind, kind.value) for kind in EventKind}
    assert types == known - {"open", "click", "subscription"}


def test_events_wait_long_enough_to_be_counted_as_unmatched(events_template: dict[str, Any]) -> None:
    """Before its last receive, an event about an unknown email must be old enough to be kept without one."""
    queue = events_template["Resources"]["Queue"]["Properties"]
    waited = sum(wait_seconds(Letter("", "", n, "")) for n in range(1, queue["RedrivePolicy"]["maxReceiveCount"]))
    assert waited > load(EXAMPLE, {}).tracking.unmatched_after_seconds
    assert queue["VisibilityTimeout"] == VISIBILITY_SECONDS


@pytest.mark.parametrize("template", ["queue.yaml", "events.yaml"])
def test_every_reference_in_the_template_leads_somewhere(template: str) -> None:
    made = yaml.safe_load((ROOT / "config" / template).read_text())
    known = {*made["Resources"], *made["Parameters"]}
    for reference in references(made):
        assert reference in known or reference.startswith("AWS::"), reference


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{([^}]+)\}", value)
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)
