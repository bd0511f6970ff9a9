"""The queue, held to one contract on moto's server and on ministack, over boto3's client and over our own calls. It
also covers what a message says on the wire."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from eed_delivery.aws.calls import SqsCalls, quick_sqs
from eed_delivery.errors import QueueGone
from eed_delivery.model import Ticket
from eed_delivery.queue import Published, Queue, Received, read, write
from tests.servers import free_port
from tests.waiting import until

_names = itertools.count(1)


def client(endpoint_url: str) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=30, read_timeout=60),
    )


def calls(client: Any) -> SqsCalls:
    made = quick_sqs(client, Credentials("test", "test"), None)
    assert isinstance(made, SqsCalls)
    return made


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["ministack", "moto"])
def sqs(request: pytest.FixtureRequest) -> Any:
    if request.param == "moto":
        return client(request.getfixturevalue("moto_url"))
    return client(request.getfixturevalue("ministack").endpoint_url)


@pytest.fixture(params=["boto3", "calls"])
def queue(request: pytest.FixtureRequest, sqs: Any) -> Queue:
    name = f"contract-{next(_names)}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    return Queue(sqs if request.param == "boto3" else calls(sqs), url, dead)


def tickets(number: int) -> list[Ticket]:
    return [Ticket(n, gen=0, base=0, group="7") for n in range(1, number + 1)]


def ids(messages: list[Received]) -> set[int]:
    return {message.ticket.email_id for message in messages if message.ticket}


def test_a_message_says_how_long_it_was_in_the_queue_before_it_came_first(queue: Queue) -> None:
    queue.publish(tickets(1))
    (first,) = queue.receive(10, 1, 0)
    assert first.waited_seconds is not None
    assert 0 <= first.waited_seconds < 60
    until(lambda: [one.waited_seconds for one in queue.receive(10, 1, 60)] == [None])


def test_what_is_published_is_received_once_and_gone_after_its_ack(queue: Queue) -> None:
    sent = tickets(10)
    assert queue.publish(sent) == Published(tuple(sent), ())
    messages = queue.receive(10, 1, 60)
    assert ids(messages) == set(range(1, 11))
    assert {message.receive_count for message in messages} == {1}
    assert queue.receive(10, 0, 60) == []
    queue.ack(messages)
    depth = queue.depth()
    assert depth is not None and depth.empty


def test_a_message_comes_back_when_asked_to_and_counts_its_receives(queue: Queue) -> None:
    queue.publish(tickets(1))
    messages = queue.receive(10, 1, 60)
    queue.later(messages, 0)
    (again,) = queue.receive(10, 1, 60)
    assert (again.sqs_id, again.receive_count) == (messages[0].sqs_id, 2)


def test_after_too_many_receives_a_message_is_a_dead_letter(queue: Queue) -> None:
    queue.publish(tickets(1))
    for _ in range(3):
        queue.later(queue.receive(10, 0, 60), 0)
    assert queue.receive(10, 0, 60) == []
    (dead,) = queue.receive_dead(10, 60)
    assert ids([dead.message]) == {1}
    assert dead.body == write(dead.message.ticket) and dead.sent_at is not None
    queue.ack_dead([dead.message])
    depth = queue.depth(dead=True)
    assert depth is not None and depth.empty


def test_a_delayed_copy_is_counted_as_there_but_not_given_out(queue: Queue) -> None:
    queue.publish(tickets(1), delay_seconds=60)
    assert queue.receive(10, 0, 60) == []
    depth = queue.depth()
    assert depth is not None and not depth.empty


def test_one_message_in_two_receives_is_deleted_by_one_request(queue: Queue) -> None:
    """The same MessageId twice in a delete batch makes SQS refuse it (awspring/spring-cloud-aws#1634)."""
    queue.publish(tickets(1))
    first = queue.receive(10, 0, 60)
    queue.later(first, 0)
    second = queue.receive(10, 0, 60)
    queue.ack([*first, *second])
    depth = queue.depth()
    assert depth is not None and depth.empty


def test_a_message_that_is_not_ours_is_handed_over_with_its_fault(queue: Queue, sqs: Any) -> None:
    sqs.send_message(QueueUrl=queue.url, MessageBody="<xml/>")
    (message,) = queue.receive(10, 1, 60)
    assert message.ticket is None
    assert "not JSON" in message.problem


def test_more_than_ten_are_acked_in_batches(queue: Queue) -> None:
    queue.publish(tickets(10))
    queue.publish([Ticket(n, 0, 0) for n in range(11, 16)])
    messages = [*queue.receive(10, 1, 60), *queue.receive(10, 1, 60)]
    queue.ack(messages)
    depth = queue.depth()
    assert len(messages) == 15 and depth is not None and depth.empty


@pytest.mark.parametrize("way", [lambda client: client, calls], ids=["boto3", "calls"])
def test_a_queue_that_is_not_there_is_gone(way: Callable[[Any], Any]) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    queue = Queue(way(client(endpoint)), f"{endpoint}/000000000000/none")
    for question in (lambda: queue.publish(tickets(1)), lambda: queue.receive(1, 0, 1), queue.depth):
        with pytest.raises(QueueGone, match="does not answer"):
            question()
    assert queue.receive_dead(10, 60) == [] and queue.depth(dead=True) is None


@given(st.builds(Ticket, st.integers(1, 2**63 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)))
def test_a_ticket_survives_the_wire(ticket: Ticket) -> None:
    assert read(write(ticket)) == ticket


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_what_is_not_ours_is_refused_and_never_crashes(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"v":2,"email_id":1,"gen":0,"base":0}',
        '{"v":1,"email_id":"1","gen":0,"base":0}',
        '{"v":1,"email_id":1,"gen":0}',
        '{"v":1,"email_id":1,"gen":0,"base":0,"to":"x"}',
        '{"v":true,"email_id":1,"gen":0,"base":0}',
        '{"v":1,"email_id":0,"gen":0,"base":0}',
        '{"v":1,"email_id":9223372036854775808,"gen":0,"base":0}',
        '{"v":1,"email_id":1,"gen":-1,"base":0}',
        '{"v":1,"email_id":1e0,"gen":0,"base":0}',
        "[" * 100_000,
    ],
)
def test_near_misses_are_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(body)


def test_ids_are_all_a_message_says() -> None:
    assert json.loads(write(Ticket(7, 1, 2, "9"))) == {"v": 1, "email_id": 7, "gen": 1, "base": 2}
