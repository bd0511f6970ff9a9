"""The function as Lambda runs it: ministack's event source mapping, with a real database and mail server."""

import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.app.parts import App
from tests.integration.conftest import NewStack
from tests.servers.ministack import MiniStack
from tests.stack import Stack

ROOT = Path(__file__).parents[2]
TIMEOUT = 60
SETTINGS = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
    "smtp.connect_timeout_seconds": 2,
    "smtp.command_timeout_seconds": 2,
    "smtp.data_timeout_seconds": 4,
    "transport.rate_per_second": 200,
}
CODE = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom eed_delivery.aws_lambda.sending import handler\n"


def function_of(stack: Stack, aws: MiniStack) -> tuple[Any, str]:
    """The function with its event source mapping; a client, and the mapping's id."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", CODE)
    client = aws.client("lambda")
    client.create_function(
        FunctionName="send",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/send",
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=TIMEOUT,
        MemorySize=1024,
        Environment={"Variables": {**stack.environ, "EED_CONFIG": str(stack.config)}},
    )
    queue = stack.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["QueueArn"])
    mapping = client.create_event_source_mapping(
        EventSourceArn=queue["Attributes"]["QueueArn"],
        FunctionName="send",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    return client, mapping["UUID"]


@pytest.fixture
def running(new_stack: NewStack, ministack: MiniStack) -> Any:
    """A stack whose emails a function sends. Publisher and sweeper run in this process."""
    stack = new_stack(SETTINGS)
    queue = {"VisibilityTimeout": str(6 * TIMEOUT)}
    stack.sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes=queue)
    client, mapping = function_of(stack, ministack)
    app, stop = App(stack.settings), threading.Event()
    publisher, sweeper = app.publisher(), app.sweeper()

    def tick(*steps: Callable[[], object]) -> None:
        while not stop.wait(0.2):
            for step in steps:
                step()

    thread = threading.Thread(target=tick, args=(publisher.step, sweeper.step, sweeper.end_jobs), daemon=True)
    thread.start()
    yield stack
    stop.set()
    thread.join(60)
    publisher.close()
    client.delete_event_source_mapping(UUID=mapping)
    client.delete_function(FunctionName="send")


def test_a_job_is_sent_through_an_outage(running: Stack) -> None:
    stack = running
    stack.mail_up()
    stack.add_job([f"c{n}@example.com" for n in range(30)], 1)
    stack.wait_finished(1)
    stack.mail_down()
    stack.add_job([f"d{n}@example.com" for n in range(20)], 2)
    stack.wait_until(lambda: bool(stack.world.execute("SELECT 1 FROM eed_gate WHERE reason IS NOT NULL")), "it is shut")
    stack.mail_up()
    stack.wait_finished(2)
    stack.balance()
    assert stack.counts() == {"sent": 50}
    assert stack.world.execute("SELECT DISTINCT attempts FROM eed_email") == [(1,)], "the outage has cost no try"
    assert stack.depth(dead=True) == 0
    assert stack.world.execute("SELECT reason FROM eed_gate") == [(None,)]
    assert {who.partition(":")[0] for (who,) in stack.world.execute("SELECT worker FROM eed_attempt")} == {"lambda"}
