"""The function as AWS runs it: from the image's tree, by AWS's runtime client, under AWS's emulator."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from eed_delivery.app.parts import App
from eed_delivery.demo.lambda_emulator import SENDING, InvocationFailed
from tests.event_source import EventSource
from tests.integration.conftest import NewStack
from tests.servers import lambda_emulator, lambda_image
from tests.servers.lambda_emulator import ROOT, MeasuredEmulator
from tests.servers.lambda_image import Image
from tests.stack import Stack

TIMEOUT = 60
FUNCTION: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
    "smtp.command_timeout_seconds": 2,
    "smtp.data_timeout_seconds": 4,
}
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "EED_DATABASE__URL": "mysql+pymysql://u:p@127.0.0.1:9/x",
    "EED_AWS__REGION": "us-east-1",
    "EED_AWS__CREDENTIALS": "environment",
    "EED_QUEUE__URL": "http://127.0.0.1:9/0/q",
    "EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS": "1800",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
    "EED_TRANSPORT__KIND": "ses",
    "EED_AWS_LAMBDA__TIMEOUT_SECONDS": "300",
    "EED_WORKER__COORDINATION": "ledger",
}
PEOPLE = [f"c{n}@example.com" for n in range(6)]


Run = Callable[..., MeasuredEmulator]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image without Docker. It is skipped where its packages or the emulator cannot be had."""
    reason = lambda_image.missing()
    if reason is not None:
        assert not lambda_emulator.is_required(), reason
        pytest.skip(f"the function cannot be run as AWS does: {reason}")
    return lambda_image.image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(FUNCTION)


@pytest.fixture
def run(tree: Image, stack: Stack) -> Run:
    """Makes the function of the stack, from the image."""
    assert (tree.entry_point, tree.command) == (("python3", "-m", "awslambdaric"), (SENDING,))

    def run(**variables: str) -> MeasuredEmulator:
        environ = {**tree.environment, **stack.environ, "EED_CONFIG": str(stack.config), **variables}
        where = {"python": tree.python, "directory": tree.directory, "timeout_seconds": TIMEOUT}
        return MeasuredEmulator(lambda_emulator.fetch(), SENDING, environ, stack.directory / "function.log", **where)

    return run


def publish(stack: Stack) -> None:
    stack.add_job(PEOPLE)
    publisher = App(stack.settings).publisher()
    stack.wait_until(lambda: publisher.step() is not None and stack.depth() >= len(PEOPLE), "published")
    publisher.close()


def test_a_batch_is_sent(stack: Stack, run: Run) -> None:
    stack.mail_up()
    publish(stack)
    source = EventSource(stack.sqs, stack.queue_url, TIMEOUT)
    with run() as function:
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


def test_a_configuration_that_does_not_fit_ends_the_init_phase(run: Run) -> None:
    with run(EED_SMTP__DATA_TIMEOUT_SECONDS="600") as function:
        with pytest.raises(InvocationFailed, match="ConfigError"):
            function.invoke({"Records": []})
        assert "aws_lambda.timeout_seconds" in function.log.read_text()


@dataclass(frozen=True)
class Bounds:
    """What the INIT phase of a handler may load. Its CPU, which `benchmarks.functions init` measures, grows with the
    modules."""

    modules: int
    peak_mb: float


BOUNDS = {"sending": Bounds(1_000, 110), "tick": Bounds(1_200, 140), "api": Bounds(1_400, 110)}
INIT = """
import importlib, json, re, sys
import awslambdaric.bootstrap
importlib.import_module(sys.argv[1]).handler
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps([len(sys.modules), peak / 1024]), file=sys.stderr)
"""


@pytest.mark.parametrize("name", BOUNDS)
def test_each_handler_starts_from_the_image_within_its_bounds(tree: Image, name: str) -> None:
    variables = {**tree.environment, **VARIABLES, "EED_OPERATORS__SECRET": "x" * 64}
    module = f"eed_delivery.aws_lambda.{name}"
    command = [*tree.python, "-c", INIT, module]
    done = subprocess.run(command, env=variables, cwd=tree.directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    modules, peak_mb = json.loads(done.stderr.splitlines()[-1])
    assert peak_mb <= BOUNDS[name].peak_mb
    assert modules <= BOUNDS[name].modules
    assert f"{module}.handler" in (ROOT / "docs" / "aws.md").read_text()
