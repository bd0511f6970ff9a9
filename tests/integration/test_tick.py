"""The function `tick`: publisher, sweeper and the rest, with a real ledger, queue and mail server."""

import threading
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.app.sending_function import sending_parts
from eed_delivery.app.tick_function import start, tick_parts
from eed_delivery.aws_lambda.sandbox import SendingSandbox
from eed_delivery.aws_lambda.ticking import END_SECONDS, TickSandbox
from eed_delivery.config.load import load
from eed_delivery.errors import ConfigError
from tests.event_source import EventSource, TimeLeft
from tests.integration.conftest import NewStack
from tests.sandbox_process import SandboxProcess
from tests.servers import free_port
from tests.stack import Stack

TIMEOUT = 120
FUNCTIONS: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "aws_lambda.tick_seconds": 1,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
}
PEOPLE = [f"c{n}@example{n % 4}.com" for n in range(25)]
HELD = "SELECT holder IS NOT NULL FROM eed_duty WHERE name = 'tick'"


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(FUNCTIONS)


def ticker(stack: Stack) -> TickSandbox:
    return TickSandbox(tick_parts(stack.settings))


def by_ticks_and_functions_alone(stack: Stack, tick: TickSandbox, *job_ids: int) -> list[dict[str, Any]]:
    """Until the jobs have finished. What the ticks said."""
    sandbox = SendingSandbox(sending_parts(stack.settings, "lambda:send"))
    poller = EventSource(stack.sqs, stack.queue_url, TIMEOUT)
    told: list[dict[str, Any]] = []

    def once() -> bool:
        told.append(tick.invoke({}, TimeLeft(TIMEOUT)))
        names = [thread.name for thread in threading.enumerate()]
        assert not any(name.startswith("publish") for name in names), "it would go on when the sandbox is thawed"
        while poller.poll(sandbox.invoke):
            pass
        return stack.finished(*job_ids) and len(told) > 2  # on a busy machine a tick has no time for all steps

    stack.wait_until(once, "the jobs have finished")
    return told


def test_a_job_is_registered_published_swept_and_finished_by_ticks(stack: Stack) -> None:
    stack.mail_up()
    stack.add_job(PEOPLE, 1)
    stack.add_job(PEOPLE[:3], 2)
    told = by_ticks_and_functions_alone(stack, ticker(stack), 1, 2)
    stack.balance()
    assert stack.counts() == {"sent": 28}
    assert sum(one["published"] for one in told) == 28
    assert all(one["tick"] == "done" for one in told)
    assert not any("failed" in one or "waited" in one for one in told)
    steps = {"publisher", "channels", "sweeper", "endings", "watch", "windows", "reconcile"}
    assert steps <= {name for one in told for name in one["steps"]}
    assert stack.world.execute(HELD) == [(False,)]
    alive = stack.command("processes", "--json").output
    assert '"role": "publisher"' in alive
    assert '"alive": false' not in alive


def test_a_tick_that_is_killed_is_followed_by_another(stack: Stack, tmp_path: Path) -> None:
    stack.mail_up()
    stack.add_job(PEOPLE, 1)
    environ = {**stack.environ, "EED_CONFIG": str(stack.config), "EED_FAILPOINTS": "publisher.published=kill"}
    killed = SandboxProcess(environ, tmp_path / "tick.log", "tick")
    assert killed.wait_ready(), (tmp_path / "tick.log").read_text()
    while killed.invoke({}, TIMEOUT) is not None:
        pass
    killed.close()
    tick = ticker(stack)
    assert tick.invoke({}, TimeLeft(TIMEOUT))["tick"] == "left", "the dead one may be at work, for all one knows"
    stack.world.execute("UPDATE eed_duty SET held_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    by_ticks_and_functions_alone(stack, tick, 1)
    stack.balance()
    assert stack.counts() == {"sent": 25}
    assert len(stack.sink_ledger.read()) == 25


def test_of_two_ticks_one_works(stack: Stack) -> None:
    first, second = ticker(stack), ticker(stack)
    told: list[dict[str, Any]] = []

    def meanwhile() -> float:
        told.append(second.invoke({}, TimeLeft(TIMEOUT)))
        return 60.0

    first._parts.schedule.add("meanwhile", meanwhile)
    while not told:  # on a busy machine a tick has no time for all steps
        assert first.invoke({}, TimeLeft(TIMEOUT))["tick"] == "done"
    assert {one["tick"] for one in told} == {"left"}
    assert second.invoke({}, TimeLeft(TIMEOUT))["tick"] == "done"


def test_a_tick_that_lost_its_duty_ends(new_stack: NewStack) -> None:
    stack = new_stack({**FUNCTIONS, "aws_lambda.tick_seconds": 600, "worker.heartbeat_seconds": 0.1})
    tick = ticker(stack)

    def another() -> float:
        stack.world.execute("UPDATE eed_duty SET holder = 3 WHERE name = 'tick'")
        return 60.0

    tick._parts.schedule.add("another", another)
    assert tick.invoke({}, TimeLeft(TIMEOUT))["tick"] == "done"
    assert stack.world.execute("SELECT holder FROM eed_duty WHERE name = 'tick'") == [(3,)], "it is the other's"


def test_no_step_is_begun_when_the_invocation_is_nearly_over(new_stack: NewStack) -> None:
    stack = new_stack({**FUNCTIONS, "aws_lambda.tick_seconds": 600})
    left = TimeLeft(END_SECONDS + 0.5)
    assert ticker(stack).invoke({}, left)["tick"] == "done"
    assert ticker(stack).invoke({}, TimeLeft(END_SECONDS - 1))["steps"] == {}


def test_a_database_that_is_away_is_said_and_not_raised(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    away = f"mysql+pymysql://eed:x@127.0.0.1:{free_port()}/eed"
    monkeypatch.setitem(stack.environ, "EED_DATABASE__URL", away)
    tick = TickSandbox(tick_parts(load(stack.config, stack.environ)))
    assert tick.invoke({}, TimeLeft(TIMEOUT))["tick"] == "waits"


def test_init_opens_no_connection_and_says_each_mistake(stack: Stack) -> None:
    nothing = f"127.0.0.1:{free_port()}"
    environ = {
        **stack.environ,
        "EED_CONFIG": str(stack.config),
        "EED_DATABASE__URL": f"mysql+pymysql://eed:x@{nothing}/eed",
        "EED_QUEUE__ENDPOINT_URL": f"http://{nothing}",
        "EED_METRICS__CLOUDWATCH": "log",
        "EED_TRACKING__EVENTS_QUEUE_URL": f"http://{nothing}/000000000000/events",
    }
    parts = start(environ)
    TickSandbox(parts)
    assert {one.role for one in parts.processes} == {"publisher", "sweeper", "events"}
    with pytest.raises(ConfigError, match=r"aws\.credentials"):
        start({**environ, "EED_AWS__CREDENTIALS": "instance-role"})
