"""The function as AWS runs it: its own runtime client, under its own emulator, with a real database and mail server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.app.parts import App
from eed_delivery.demo.lambda_emulator import SENDING, InvocationFailed
from tests.event_source import EventSource
from tests.integration.conftest import NewStack
from tests.servers import lambda_emulator
from tests.servers.lambda_emulator import MeasuredEmulator
from tests.stack import Stack

TIMEOUT = 60
FUNCTION: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
    "smtp.command_timeout_seconds": 2,
    "smtp.data_timeout_seconds": 4,
}
PEOPLE = [f"c{n}@example.com" for n in range(6)]


@pytest.fixture(scope="session")
def program() -> Path:
    """The emulator. Fetched if it is missing."""
    reason = lambda_emulator.missing()
    if reason is not None and not lambda_emulator.is_required():
        pytest.skip(f"the function cannot be run as AWS does: {reason}")
    return lambda_emulator.fetch()


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(FUNCTION)


@pytest.fixture
def function(program: Path, stack: Stack) -> Iterator[MeasuredEmulator]:
    environ = {**stack.environ, "EED_CONFIG": str(stack.config)}
    log = stack.directory / "function.log"
    with MeasuredEmulator(program, SENDING, environ, log, timeout_seconds=TIMEOUT) as function:
        yield function


def publish(stack: Stack) -> None:
    stack.add_job(PEOPLE)
    publisher = App(stack.settings).publisher()
    stack.wait_until(lambda: publisher.step() is not None and stack.depth() >= len(PEOPLE), "published")
    publisher.close()


def test_a_batch_is_sent(stack: Stack, function: MeasuredEmulator) -> None:
    stack.mail_up()
    publish(stack)
    source = EventSource(stack.sqs, stack.queue_url, TIMEOUT)
    while source.poll(lambda event, _context: function.invoke(event)):
        pass
    assert stack.counts() == {"sent": len(PEOPLE)}
    assert source.results
    assert all(result == {"batchItemFailures": []} for result in source.results)
    assert stack.depth() == 0
    assert len(stack.sink_ledger.read()) == len(PEOPLE)
    assert function.init_seconds() > 0
    assert len(function.durations()) == len(source.results)
    lines = [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]
    ended = [line for line in lines if line["event"] == "invocation_ended"]
    assert [line["first"] for line in ended] == [True, *[False] * (len(ended) - 1)]


def test_a_configuration_that_does_not_fit_ends_the_init_phase(program: Path, stack: Stack, tmp_path: Path) -> None:
    environ = {**stack.environ, "EED_CONFIG": str(stack.config), "EED_SMTP__DATA_TIMEOUT_SECONDS": "600"}
    log = tmp_path / "function.log"
    with (
        MeasuredEmulator(program, SENDING, environ, log, timeout_seconds=TIMEOUT) as function,
        pytest.raises(InvocationFailed, match="ConfigError"),
    ):
        function.invoke({"Records": []})
    assert "aws_lambda.timeout_seconds" in log.read_text()
