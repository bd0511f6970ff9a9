"""Queues that the service makes for channels, and what `channel check` says of queues."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.channels.channel import Channel
from eed_delivery.channels.queue_urls import QueueUrls
from eed_delivery.config import QueueSettings, load
from eed_delivery.config.section import Section
from eed_delivery.errors import ConfigError
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations.channels import ChannelEdit, NewChannel
from eed_delivery.operations.queue_making import ChannelQueueMaking
from tests.command_line import KEYS, CommandLine
from tests.operating import ANNA
from tests.servers.ministack import MiniStack
from tests.servers.scripted_http import ScriptedHttp, answer
from tests.world import World

ACCOUNT = "000000000000"


@pytest.fixture
def name() -> str:
    """That of [queue]. Each test has queues of its own."""
    return f"mail-{uuid4().hex[:8]}"


@pytest.fixture
def eed(world: World, tmp_path: Path, ministack: MiniStack, name: str) -> CommandLine:
    url, dead = ministack.make_queue(name, max_receive_count=10)
    return CommandLine(tmp_path, world.url, (url, dead), ministack.endpoint_url)


@pytest.fixture
def operations(eed: CommandLine, world: World) -> Operations:
    return Operations(load(eed.config, eed.environ), ANNA, world.database)


def letters(tmp_path: Path, **queue: Any) -> dict[str, Any]:
    return {"kind": "eml_folder", "directory": str(tmp_path), "queue": queue or {"create": True}}


def attributes(ministack: MiniStack, url: str) -> dict[str, str]:
    found = ministack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {str(key): value for key, value in found.items()}


def test_a_channel_that_is_created_has_its_queues_made(
    eed: CommandLine, operations: Operations, ministack: MiniStack, name: str, tmp_path: Path, world: World
) -> None:
    words = ("--kind", "eml_folder", "--set", f"directory={tmp_path}", "--set", "queue.create=true")
    eed.good("channel", "create", "letters", *words)
    url = operations.channels.view("letters").queue_url
    assert url is not None and url.endswith(f"/{name}-letters")
    facts, dead = attributes(ministack, url), attributes(ministack, f"{url}-dead")
    redrive = json.loads(facts["RedrivePolicy"])
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (dead["QueueArn"], 10)
    for made in (facts, dead):
        assert (made["MessageRetentionPeriod"], made["VisibilityTimeout"]) == ("1209600", "120")
        assert made["SqsManagedSseEnabled"] == "true"
    assert not [one for one in operations.channels.check("letters") if one.level != "ok"]
    assert f"queue {url}" in eed.good("channel", "show", "letters")
    said = eed.good("channel", "remove", "letters").splitlines()
    assert said[1:] == [url, f"{url}-dead"]
    assert attributes(ministack, url), "no queue is deleted"
    acts = [(row[0], row[1]) for row in world.execute("SELECT act, object_key FROM eed_audit ORDER BY act_id")]
    assert acts == [
        ("queue_init", f"{name}-letters"), ("channel_create", "letters"), ("channel_remove", "letters")
    ]  # fmt: skip


def test_a_queue_that_is_there_is_used_unchanged(
    operations: Operations, ministack: MiniStack, tmp_path: Path, world: World
) -> None:
    operations.channels.create(NewChannel("letters", letters(tmp_path)))
    url = operations.channels.view("letters").queue_url or ""
    ministack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "86400"})
    operations.channels.edit(ChannelEdit("letters", {**letters(tmp_path), "threads": 3}, 1))
    assert attributes(ministack, url)["MessageRetentionPeriod"] == "86400"
    (warning,) = [one for one in operations.channels.check("letters") if one.level == "warning"]
    assert "it drops messages after 1.0 days" in warning.what
    assert world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'queue_init'") == 1


def test_several_hosts_make_the_queues_of_a_channel_at_once(ministack: MiniStack, name: str, world: World) -> None:
    """With settings of their own: whoever is first makes them, and no one fails."""
    channel = made_channel(f"{ministack.endpoint_url}/{ACCOUNT}/{name}-letters")

    def host(number: int) -> tuple[str, ...]:
        settings = QueueSettings(url=channel.queue.url, visibility_timeout_seconds=100 + number)
        return ChannelQueueMaking(settings, lambda: ministack.client("sqs"), audit(world)).make(channel)

    with ThreadPoolExecutor(4) as hosts:
        list(hosts.map(host, range(4)))
    redrive = json.loads(attributes(ministack, channel.queue.url)["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == attributes(ministack, f"{channel.queue.url}-dead")["QueueArn"]
    assert host(9) == ()


def test_a_role_that_may_not_make_queues_is_told_which_right_it_lacks(world: World) -> None:
    none = answer(400, b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "there is none"}')
    denied = answer(403, b'{"__type": "com.amazonaws.sqs#AccessDenied", "message": "not authorized: sqs:CreateQueue"}')
    with ScriptedHttp([none, none, denied]) as server:
        url = f"{server.url}/{ACCOUNT}/mail-letters"
        making = ChannelQueueMaking(QueueSettings(url=url), lambda: client(server.url), audit(world))
        with pytest.raises(ConfigError) as refused:
            making.make(made_channel(url))
    (problem,) = refused.value.problems
    assert problem.where == "channel.letters.queue.create"
    assert "mail-letters and mail-letters-dead cannot be made" in problem.what
    assert "sqs:CreateQueue" in problem.remedy


def client(endpoint: str) -> Any:
    keys = {name.lower(): value for name, value in KEYS.items()}
    return boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoint, **keys)


def made_channel(url: str) -> Channel:
    return Channel("letters", None, Section(), QueueUrls(url, f"{url}-dead", create=True), 1, 1, 0.0)


def audit(world: World) -> Any:
    return lambda: AuditLedger(world.database, SERVICE)


def test_the_check_names_what_is_wrong_with_queues(
    operations: Operations, ministack: MiniStack, name: str, tmp_path: Path
) -> None:
    sqs, channels = ministack.client("sqs"), operations.channels
    good, dead = ministack.make_queue(f"{name}-good", max_receive_count=10)
    patient, _ = ministack.make_queue(f"{name}-hasty", max_receive_count=2)
    plain = sqs.create_queue(QueueName=f"{name}-plain")["QueueUrl"]
    queues = {
        "missing": {"url": f"{plain}-not", "dead_letter_url": f"{plain}-not-dead"},
        "plain": {"url": plain, "dead_letter_url": f"{plain}-x"},
        "crossed": {"url": good, "dead_letter_url": sqs.create_queue(QueueName=f"{name}-other")["QueueUrl"]},
        "hasty": {"url": patient, "dead_letter_url": dead},
    }
    for channel, urls in queues.items():
        channels.create(NewChannel(channel, letters(tmp_path, **urls)))
    sqs.send_message(QueueUrl=dead, MessageBody="a dead letter")
    found = {
        channel: [(one.level, one.what) for one in channels.check(channel) if one.level != "ok"] for channel in queues
    }
    assert [level for level, _ in found["missing"]] == ["error", "error"]
    assert "the queue does not answer" in found["missing"][0][1]
    assert found["plain"][0] == (
        "error", "it has no RedrivePolicy: a message that kills its worker comes back indefinitely"
    )  # fmt: skip
    assert any("its RedrivePolicy leads to" in what for _, what in found["crossed"])
    assert any("its maxReceiveCount is 2" in what for _, what in found["hasty"])
    assert ("warning", "about 1 dead letters are in it") in found["hasty"]
