"""config/*.yaml and deploy/terraform declare the same queues, topics and rights."""

import json
from typing import Any

import pytest

from tests.deploy.cloudformation import Template
from tests.deploy.examples import IDENTITY, KEY
from tests.deploy.policies import Allowed, allowed, listed, statements
from tests.deploy.terraform import SOURCES, State

CONFIG = SOURCES.parents[1] / "config"
ATTRIBUTES = {
    "QueueName": "name",
    "MessageRetentionPeriod": "message_retention_seconds",
    "VisibilityTimeout": "visibility_timeout_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
    "KmsMasterKeyId": "kms_master_key_id",
    "KmsDataKeyReusePeriodSeconds": "kms_data_key_reuse_period_seconds",
}
EVENTS = {"renderingFailure": "RENDERING_FAILURE", "deliveryDelay": "DELIVERY_DELAY"}


def template(file: str, example: str) -> Template:
    """With what the example was given. `both` has a key of the customer."""
    key = {"KmsKeyArn": KEY} if example == "both" else {}
    if file == "events.yaml":
        return Template(CONFIG / file, ConfigurationSetName="statements", **key)
    return Template(
        CONFIG / file,
        SesIdentityArn=IDENTITY,
        ConfigurationSetName="statements",
        AttachmentsBucket="bank-statements",
        AttachmentsPrefix="2026/",
        **key,
    )


def of_cloudformation(queue: dict[str, Any]) -> dict[str, Any]:
    found = {ATTRIBUTES[name]: value for name, value in queue.items() if name in ATTRIBUTES}
    return {**found, "redrive_policy": queue.get("RedrivePolicy")}


def of_terraform(queue: dict[str, Any]) -> dict[str, Any]:
    found = {name: queue[name] for name in ATTRIBUTES.values() if queue[name] is not None}
    return {**found, "redrive_policy": json.loads(queue["redrive_policy"]) if queue["redrive_policy"] else None}


def by_name(queues: "list[dict[str, Any]]") -> dict[str, dict[str, Any]]:
    return {queue["name"]: queue for queue in queues}


@pytest.mark.parametrize("example", ["hosts_only", "both"])
def test_the_queues_are_the_same(states: dict[str, State], example: str) -> None:
    templates = [template(file, example) for file in ("queue.yaml", "events.yaml")]
    declared = by_name([of_cloudformation(q) for one in templates for q in one.resources("AWS::SQS::Queue").values()])
    made = by_name([of_terraform(queue) for queue in states[example].of("aws_sqs_queue").values()])
    if example == "both":  # a sending function is slower than a host
        for name in ("eed-delivery", "eed-delivery-dead"):
            assert made[name].pop("visibility_timeout_seconds") == 1800
            assert declared[name].pop("visibility_timeout_seconds") == 120
    assert made == declared


def test_no_stack_deletes_a_queue() -> None:
    """As `prevent_destroy` does, which test_terraform.py tries."""
    for file in ("queue.yaml", "events.yaml"):
        assert template(file, "hosts_only").deletion_policies("AWS::SQS::Queue") == {"Retain"}


def test_only_the_queue_sends_to_its_dead_letters(states: dict[str, State]) -> None:
    (declared,) = [
        queue["RedriveAllowPolicy"]
        for queue in template("queue.yaml", "hosts_only").resources("AWS::SQS::Queue").values()
        if "RedriveAllowPolicy" in queue
    ]
    (made,) = states["hosts_only"].of("aws_sqs_queue_redrive_allow_policy").values()
    assert json.loads(made["redrive_allow_policy"]) == declared


def test_the_topic_of_events_lets_only_the_configuration_set_in(states: dict[str, State]) -> None:
    (declared,) = template("events.yaml", "hosts_only").resources("AWS::SNS::TopicPolicy").values()
    made = states["hosts_only"].one("module.ses_events.aws_sns_topic_policy.events")
    assert statements(made["policy"]) == statements(declared["PolicyDocument"])


def test_the_events_take_the_same_way(states: dict[str, State]) -> None:
    declared = template("events.yaml", "hosts_only")
    (subscription,) = declared.resources("AWS::SNS::Subscription").values()
    made = states["hosts_only"].one("module.ses_events.aws_sns_topic_subscription.events")
    assert (made["topic_arn"], made["endpoint"]) == (subscription["TopicArn"], subscription["Endpoint"])
    assert made["raw_message_delivery"] == subscription["RawMessageDelivery"] is True
    (destination,) = declared.resources("AWS::SES::ConfigurationSetEventDestination").values()
    said = destination["EventDestination"]
    (block,) = states["hosts_only"].one("module.ses_events.aws_sesv2_configuration_set_event_destination.events")[
        "event_destination"
    ]
    kinds = [EVENTS.get(kind, kind.upper()) for kind in said["MatchingEventTypes"].split(",")]
    assert sorted(block["matching_event_types"]) == sorted(kinds)
    assert block["sns_destination"][0]["topic_arn"] == said["SnsDestination"]["TopicARN"]


@pytest.mark.parametrize("module", ["queues", "ses_events"])
def test_the_policies_of_the_queues_are_the_same(states: dict[str, State], module: str) -> None:
    file = {"queues": "queue.yaml", "ses_events": "events.yaml"}[module]
    declared = [
        one
        for policy in template(file, "hosts_only").resources("AWS::SQS::QueuePolicy").values()
        for one in statements(policy["PolicyDocument"])
    ]
    made = [
        one
        for where, policy in states["hosts_only"].of("aws_sqs_queue_policy").items()
        if f"module.{module}." in where
        for one in statements(policy["policy"])
    ]
    # Terraform has one policy a queue, each for its queue alone.
    without = [{name: value for name, value in one.items() if name != "Resource"} for one in made + declared]
    assert all(one in without[len(made) :] for one in without[: len(made)])
    assert all(one in without[: len(made)] for one in without[len(made) :])


@pytest.mark.parametrize("example", ["hosts_only", "both"])
def test_the_roles_have_the_same_rights(states: dict[str, State], example: str) -> None:
    made = {
        name: allowed([policy["policy"]])
        for where, policy in states[example].of("aws_iam_role_policy").items()
        for name in [policy["name"]]
        if where.startswith("module.hosts.") and name != "host"
    }
    declared = declared_rights(example)
    assert made.keys() == declared.keys() == {"publisher", "worker", "sweeper", "events"}
    for role, rights in made.items():
        assert rights == declared[role], role


def test_keys_are_used_under_the_same_condition(states: dict[str, State]) -> None:
    declared = [
        one["Condition"]
        for file in ("queue.yaml", "events.yaml")
        for policy in template(file, "both").resources("AWS::IAM::ManagedPolicy").values()
        for one in statements(policy["PolicyDocument"])
        if "kms:Decrypt" in listed(one["Action"])
    ]
    (policy,) = [
        one
        for where, one in states["both"].of("aws_iam_role_policy").items()
        if where == 'module.hosts.aws_iam_role_policy.given["worker"]'
    ]
    (made,) = [one["Condition"] for one in statements(policy["policy"]) if "kms:Decrypt" in listed(one["Action"])]
    assert len(declared) == 4
    assert all(one == made for one in declared)


def declared_rights(example: str) -> dict[str, Allowed]:
    found = {}
    for file in ("queue.yaml", "events.yaml"):
        for policy in template(file, example).resources("AWS::IAM::ManagedPolicy").values():
            role = policy["ManagedPolicyName"].rpartition("-")[2].replace("reader", "events")
            found[role] = allowed([policy["PolicyDocument"]])
    return found
