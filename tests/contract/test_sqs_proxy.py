"""The fault proxy before SQS, held to its word by boto3: each fault comes, is counted, and is the fault it says."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.servers.ministack import MiniStack
from tests.servers.sqs_proxy import Faults, SqsProxy

Way = Callable[[Faults], tuple[SqsProxy, "Through"]]


class Through:
    """The queue as boto3 sees it through the proxy; `true` is the way around it."""

    def __init__(self, proxy: SqsProxy, ministack: MiniStack, url: str) -> None:
        self.url = url
        self.true = ministack.client("sqs")
        self.sqs = boto3.client(
            "sqs",
            endpoint_url=proxy.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=30, read_timeout=60),
        )

    def send(self, count: int) -> dict[str, Any]:
        entries = [{"Id": str(n), "MessageBody": body(n), "MessageGroupId": "7"} for n in range(count)]
        answer: dict[str, Any] = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
        return answer

    def receive(self, limit: int = 10, wait: int = 0, visibility: int = 60) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def delete(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        answer: dict[str, Any] = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return answer

    def later(self, messages: list[dict[str, Any]], seconds: int) -> dict[str, Any]:
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": seconds}
            for n, m in enumerate(messages)
        ]
        answer: dict[str, Any] = self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        return answer

    def depth(self) -> int:
        facts = self.true.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return sum(int(facts[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible", "Delayed"))


def body(n: int) -> str:
    return json.dumps({"v": 1, "email_id": n + 1, "gen": 0, "base": 0})


def named(answer: dict[str, Any]) -> tuple[set[str], set[str]]:
    return {e["Id"] for e in answer.get("Successful", [])}, {e["Id"] for e in answer.get("Failed", [])}


@pytest.fixture
def way(ministack: MiniStack, queue_urls: tuple[str, str]) -> Iterator[Way]:
    with ExitStack() as at_the_end:

        def make(faults: Faults) -> tuple[SqsProxy, Through]:
            proxy = at_the_end.enter_context(SqsProxy(ministack.endpoint_url, random.Random(1), faults))
            return proxy, Through(proxy, ministack, queue_urls[0])

        yield make


def test_without_faults_it_is_the_queue_itself(way: Way) -> None:
    proxy, queue = way(Faults())
    assert named(queue.send(10)) == ({str(n) for n in range(10)}, set())
    messages = queue.receive()
    assert [m["Body"] for m in messages] == [body(n) for n in range(10)]
    assert {tuple(m["Attributes"]) for m in messages} == {("ApproximateReceiveCount",)}
    queue.later(messages[:5], 0)
    assert len(queue.receive()) == 5
    assert len(named(queue.delete(messages[5:]))[0]) == 5
    assert (queue.depth(), proxy.total, proxy.ungrouped) == (5, 0, 0)


def test_a_message_is_delivered_once_more_under_its_own_id_with_another_receipt(way: Way) -> None:
    proxy, queue = way(Faults(duplicates=1))
    queue.send(1)
    (first,) = queue.receive()
    proxy.faults = Faults()
    (second,) = queue.receive(wait=5)
    assert (first["MessageId"], first["Body"]) == (second["MessageId"], second["Body"])
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    queue.delete([first])
    assert (queue.depth(), proxy.injected) == (1, {"duplicate": 1})  # the second delivery has a life of its own
    queue.delete([second])
    assert queue.depth() == 0


def test_later_messages_overtake_earlier_ones(way: Way) -> None:
    proxy, queue = way(Faults(held_back=0.5))
    queue.send(10)
    order: list[str] = []
    while len(order) < 10:
        order += [m["Body"] for m in queue.receive(wait=5)]
    assert sorted(order) == sorted(body(n) for n in range(10)) and order != [body(n) for n in range(10)]
    assert 0 < proxy.injected["held_back"] < 10


@pytest.mark.parametrize("what", ["send", "delete", "later"])
def test_of_a_batch_some_fail_and_some_are_named_in_neither_list(way: Way, what: str) -> None:
    """Of the entries in neither list some are done, and some are not."""
    proxy, queue = way(Faults())
    totals: Counter[str] = Counter()
    for _ in range(10):
        queue.true.purge_queue(QueueUrl=queue.url)
        proxy.faults = Faults() if what != "send" else Faults(partial=0.5)
        before = Counter(proxy.injected)
        answer = queue.send(10)
        if what != "send":
            messages = queue.receive()
            proxy.faults = Faults(partial=0.5)
            answer = queue.delete(messages) if what == "delete" else queue.later(messages, 0)
        good, bad = named(answer)
        now = Counter(proxy.injected) - before
        totals += now
        assert len(bad) == now["failed"]
        assert 10 - len(good | bad) == now["silent"] + now["silent_done"]
        proxy.faults = Faults()
        done = {"send": queue.depth, "delete": lambda: 10 - queue.depth(), "later": lambda: len(queue.receive())}[what]
        assert done() == len(good) + now["silent_done"]
    assert min(totals["failed"], totals["silent"], totals["silent_done"]) > 0


def test_an_answer_is_lost_and_the_work_is_done(way: Way) -> None:
    proxy, queue = way(Faults(lost_sends=1, lost_receives=1, lost_deletes=1))
    with pytest.raises(ConnectionClosedError):
        queue.send(10)
    assert queue.depth() == 10
    with pytest.raises(ConnectionClosedError):
        queue.receive(limit=5)
    proxy.faults = Faults(lost_deletes=1)
    messages = queue.receive()
    assert len(messages) == 5  # the others are in flight, in nobody's hand
    with pytest.raises(ConnectionClosedError):
        queue.delete(messages)
    assert queue.depth() == 5
    assert proxy.injected == {"lost_send": 1, "lost_receive": 1, "lost_delete": 1}


def test_receipts_expire_for_an_entry_and_for_a_call(way: Way) -> None:
    proxy, queue = way(Faults(expired=1))
    queue.send(2)
    messages = queue.receive()
    for answer in (queue.delete(messages), queue.later(messages, 0)):
        assert {e["Code"] for e in answer["Failed"]} == {"ReceiptHandleIsInvalid"}
    proxy.faults = Faults(expired_calls=1)
    with pytest.raises(queue.sqs.exceptions.ReceiptHandleIsInvalid):
        queue.delete(messages)
    assert queue.depth() == 2 and queue.receive() == []
    assert proxy.injected == {"expired": 4, "expired_call": 1}


def test_what_is_swallowed_is_named_as_taken(way: Way) -> None:
    proxy, queue = way(Faults(swallowed=0.5))
    assert len(named(queue.send(10))[0]) == 10
    assert queue.depth() == 10 - proxy.injected["swallowed"] and 0 < proxy.injected["swallowed"] < 10


def test_bodies_that_are_not_ours_are_mixed_in(way: Way) -> None:
    proxy, queue = way(Faults(foreign=1))
    queue.send(5)
    bodies = [m["Body"] for m in queue.receive()]
    assert len(bodies) == 10 and len(set(bodies) - {body(n) for n in range(5)}) > 1
    assert proxy.injected == {"foreign": 5}


def test_no_more_than_the_limit_is_in_flight(way: Way) -> None:
    """A long poll then comes back empty, a short one gets OverLimit."""
    proxy, queue = way(Faults(in_flight_limit=3))
    queue.send(10)
    messages = queue.receive()
    assert len(messages) == 3
    assert queue.receive(wait=1) == []
    with pytest.raises(queue.sqs.exceptions.OverLimit):
        queue.receive()
    queue.delete(messages[:2])
    assert len(queue.receive(wait=1)) == 2
    assert proxy.injected == {"over_limit": 2}


def test_an_outage_is_503_for_everything(way: Way) -> None:
    proxy, queue = way(Faults(down=True))
    for call in (lambda: queue.send(1), queue.receive):
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    proxy.faults = Faults()
    queue.send(1)
    assert (queue.depth(), proxy.injected) == (1, {"unavailable": 2})
