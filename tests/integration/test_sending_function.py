"""The worker as a function: one invocation is one batch, with a real ledger, queue and mail server."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from eed_delivery.app.channel_surroundings import FixedRate
from eed_delivery.app.parts import App
from eed_delivery.app.sending_function import SendingParts, sending_parts, start
from eed_delivery.aws_lambda.sandbox import LONGEST_DELAY_SECONDS, SPREAD, WHOLE_BATCH, SendingSandbox
from eed_delivery.config.load import load
from eed_delivery.errors import ConfigError, DatabaseGone
from eed_delivery.ledger.gates import Gate
from eed_delivery.model import Accepted, Rendered
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.transports import Grant
from eed_delivery.worker.batch import NEUTRAL_DELAY_SECONDS
from tests.event_source import EventSource, TimeLeft, event_of
from tests.integration.conftest import NewStack
from tests.servers import free_port
from tests.stack import Stack

TIMEOUT = 120
FUNCTION: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
    "smtp.connect_timeout_seconds": 5,
}
PEOPLE = [f"c{n}@example{n % 4}.com" for n in range(6)]


class Scripted:
    """A way out that does what a test says just before the grant."""

    name = "scripted"
    wire_seconds = 20.0

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.before = before
        self.sent: list[str] = []

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        self.before()
        grant()
        self.sent.append(message.recipient)
        return Accepted("250 ok", 250, message.message_id)

    def probe(self) -> None: ...

    def close(self) -> None: ...


class Function:
    """A stack whose emails are published, and sandboxes for them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.source = EventSource(stack.sqs, stack.queue_url, TIMEOUT)

    def parts(self, **changes: Any) -> SendingParts:
        return replace(sending_parts(self.stack.settings, "lambda:test"), **changes)

    def sandbox(
        self, transport: Scripted | None = None, idle: IdleTime | None = None, **changes: Any
    ) -> SendingSandbox:
        made = {} if transport is None else {"make_transport": lambda: transport}
        return SendingSandbox(self.parts(**made, **changes), idle)

    def publish(self, recipients: list[str] = PEOPLE, job_id: int = 1) -> list[int]:
        """A job whose emails are in the queue."""

        ids = self.stack.add_job(recipients, job_id)
        publisher = App(self.stack.settings).publisher()
        self.stack.wait_until(lambda: publisher.step() is not None and self.stack.depth() >= len(ids), "published")
        publisher.close()
        return ids

    def states(self) -> dict[str, int]:
        return dict(self.stack.counts())

    def attempts(self) -> set[int]:
        return {attempts for (attempts,) in self.stack.world.execute("SELECT DISTINCT attempts FROM eed_email")}


@pytest.fixture
def function(new_stack: NewStack) -> Iterator[Function]:
    yield Function(new_stack(FUNCTION))


def test_a_batch_is_sent_and_deleted_by_lambda(function: Function) -> None:
    function.publish()
    threads = set(threading.enumerate())
    sandbox = function.sandbox(Scripted())
    while function.source.poll(sandbox.invoke):
        pass
    assert set(threading.enumerate()) <= threads, "a thread that is frozen before its send would send late"
    assert function.states() == {"sent": 6}
    assert function.stack.depth() == 0
    assert all(result == {"batchItemFailures": []} for result in function.source.results)
    assert {who for (who,) in function.stack.world.execute("SELECT worker FROM eed_attempt")} == {"lambda:test"}


def test_a_batch_that_comes_twice_is_sent_once(function: Function) -> None:
    function.stack.mail_up()
    function.publish()
    sandbox = function.sandbox()
    while function.source.poll(sandbox.invoke, twice=True):
        pass
    assert function.states() == {"sent": 6}
    assert len(function.stack.sink_ledger.read()) == 6


def test_receives_in_vain_cost_an_email_no_try(function: Function) -> None:
    """Throttled and crashed receives count in the queue, and not against the email: three tries would be too many."""
    function.publish()
    for _ in range(4):
        assert function.source.throttled() == 6
    function.stack.mail_up()
    assert function.source.poll(function.sandbox().invoke) == 6
    assert function.states() == {"sent": 6}
    assert function.attempts() == {1}


def test_an_outage_shuts_the_gate_for_all_sandboxes_and_one_tries_first(function: Function) -> None:
    function.publish()
    gate = Gate(function.stack.world.database, "default")
    first, other = function.sandbox(), function.sandbox()
    assert function.source.poll(first.invoke) == 6
    assert gate.look().reason is not None
    assert function.states() == {"queued": 6}
    assert function.attempts() == {0}
    claimed = function.stack.world.execute("SELECT MAX(token) FROM eed_email")
    waits = "UPDATE eed_gate SET shut_until = UTC_TIMESTAMP(6) + INTERVAL 600 SECOND"
    function.stack.world.execute(waits)
    function.stack.wait_until(lambda: function.source.poll(other.invoke) > 0, "copies come")
    assert function.stack.world.execute("SELECT MAX(token) FROM eed_email") == claimed, "nothing was claimed"
    assert function.source.results[-1] == {"batchItemFailures": []}
    assert function.stack.depth() == 6, "in copies, whose receives count anew"


def test_after_an_outage_the_first_answer_opens_the_gate(function: Function) -> None:
    function.stack.mail_up()
    function.publish()
    gate = Gate(function.stack.world.database, "default")
    gate.shut("away")
    function.stack.world.execute("UPDATE eed_gate SET shut_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    assert function.source.poll(function.sandbox().invoke) == 6
    assert function.stack.world.execute("SELECT reason, shut_at, trial_token FROM eed_gate") == [(None, None, None)]
    assert function.states() == {"sent": 6}


def test_no_email_is_put_on_the_wire_when_the_longest_send_would_be_too_late(function: Function) -> None:
    function.publish()
    transport = Scripted()
    function.source.seconds = transport.wire_seconds + 5  # and some for what follows a send
    assert function.source.poll(function.sandbox(transport).invoke) == 6
    assert transport.sent == []
    assert function.states() == {"queued": 6}
    assert function.attempts() == {0}
    assert function.source.results == [{"batchItemFailures": []}]
    assert function.stack.depth() == 6


def test_time_that_passes_before_the_grant_counts_too(function: Function) -> None:
    """A mail server that is slow to name sender and recipient."""
    ids = function.publish()
    left = TimeLeft(TIMEOUT)
    transport = Scripted(lambda: setattr(left, "_until", left._until - TIMEOUT / 2))
    messages = function.source.receive()
    result = function.sandbox(transport).invoke(event_of(messages, function.source.arn), left)
    assert len(transport.sent) == 1, "the second one's grant would be too late"
    assert result == {"batchItemFailures": []}
    assert function.states() == {"sent": 1, "queued": len(ids) - 1}
    assert function.stack.world.scalar("SELECT COUNT(*) FROM eed_email WHERE wire_at IS NOT NULL") <= 1


class Delays:
    """A queue that notes how late copies are to come."""

    def __init__(self, queue: Any) -> None:
        self.url = queue.url
        self.later = queue.later
        self._publish = queue.publish
        self.seen: list[float] = []

    def publish(self, tickets: Any, delay_seconds: float = 0) -> Any:
        self.seen.append(delay_seconds)
        return self._publish(tickets)


def test_while_the_database_is_away_messages_come_again_and_less_often(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    function.publish()
    away = f"mysql+pymysql://eed:x@127.0.0.1:{free_port()}/eed"
    monkeypatch.setitem(function.stack.environ, "EED_DATABASE__URL", away)
    parts = sending_parts(load(function.stack.config, function.stack.environ), "lambda:test")
    delays = Delays(parts.queue)
    sandbox = SendingSandbox(replace(parts, queue=delays))  # type: ignore[arg-type]
    for _ in range(6):
        assert function.source.poll(sandbox.invoke) == 6
    assert all(result == {"batchItemFailures": []} for result in function.source.results)
    assert function.stack.depth() == 6
    assert function.states() == {"queued": 6}
    assert delays.seen[-1] > 2 * SPREAD * NEUTRAL_DELAY_SECONDS > delays.seen[0]
    assert max(delays.seen) <= SPREAD * LONGEST_DELAY_SECONDS


def test_a_gate_that_is_shut_for_long_puts_nothing_off_for_as_long(function: Function) -> None:
    function.publish()
    parts = function.parts()
    delays = Delays(parts.queue)
    parts.gate.shut("away")
    function.stack.world.execute("UPDATE eed_gate SET shut_until = UTC_TIMESTAMP(6) + INTERVAL 3000 SECOND")
    assert function.source.poll(SendingSandbox(replace(parts, queue=delays)).invoke) == 6  # type: ignore[arg-type]
    assert LONGEST_DELAY_SECONDS <= delays.seen[0] <= SPREAD * LONGEST_DELAY_SECONDS


class Broken:
    """Paces of a database that goes away in the middle."""

    def limits(self, *_: object) -> dict[str, float]:
        raise DatabaseGone("gone")


def test_a_trial_without_limits_is_left_to_the_next(function: Function) -> None:
    function.publish()
    parts = function.parts()
    parts.gate.shut("away")
    function.stack.world.execute("UPDATE eed_gate SET shut_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    transport = Scripted()
    assert function.source.poll(function.sandbox(transport, paces=Broken()).invoke) == 6
    assert transport.sent == []
    assert function.stack.world.execute("SELECT reason, trial_token FROM eed_gate") == [("away", None)]
    assert function.stack.depth() == 6


class Unknown:
    """SES has not told its rate yet."""

    known = False

    def __call__(self) -> float:
        return 1.0


def test_no_turn_is_taken_by_a_guess(function: Function) -> None:
    function.publish()
    transport = Scripted()
    assert function.source.poll(function.sandbox(transport, rate=Unknown()).invoke) == 6
    assert transport.sent == []
    assert function.stack.world.execute("SELECT * FROM eed_send_rate") == []
    assert function.stack.depth() == 6


def test_what_was_received_too_often_is_claimed_alone(function: Function) -> None:
    """It may end its sandbox, and would take along what was claimed with it."""
    function.publish()
    for _ in range(4):
        function.source.throttled()
    claimed = "SELECT COUNT(*) FROM eed_email WHERE state = 'sending'"
    seen: list[int] = []
    transport = Scripted(lambda: seen.append(function.stack.world.scalar(claimed)))
    assert function.source.poll(function.sandbox(transport).invoke) == 6
    assert seen == [1] * 6
    assert function.states() == {"sent": 6}


def test_a_turn_that_is_far_away_is_not_waited_for(function: Function) -> None:
    function.publish()
    transport = Scripted()
    sandbox = function.sandbox(transport, rate=FixedRate(0.01))
    assert function.source.poll(sandbox.invoke) == 6
    assert len(transport.sent) <= 1
    assert function.states() in ({"queued": 6}, {"queued": 5, "sent": 1})
    assert function.stack.depth() == 6 - len(transport.sent)


@pytest.mark.parametrize("lacking", ["messageId", "receiptHandle", None])
def test_an_event_that_cannot_be_read_is_left_to_the_queue(function: Function, lacking: str | None) -> None:
    function.publish()
    messages = function.source.receive()
    given: dict[str, Any] = event_of(messages, function.source.arn)
    if lacking is None:
        given["Records"][0] = "no record"
    else:
        del given["Records"][0][lacking]
    transport = Scripted()
    assert function.sandbox(transport).invoke(given, TimeLeft(TIMEOUT)) == {"batchItemFailures": WHOLE_BATCH}
    assert transport.sent == []


@pytest.mark.parametrize("given", [None, [], {}, {"Records": []}, {"Records": 3}, {"test": "event"}])
def test_an_event_without_records_does_nothing(function: Function, given: Any) -> None:
    assert function.sandbox(Scripted()).invoke(given, TimeLeft(TIMEOUT)) == {"batchItemFailures": []}


def test_records_of_another_queue_are_refused(function: Function) -> None:
    function.publish()
    given = event_of(function.source.receive(), "arn:aws:sqs:us-east-1:000000000000:another")
    assert function.sandbox(Scripted()).invoke(given, TimeLeft(TIMEOUT)) == {"batchItemFailures": WHOLE_BATCH}


def test_a_message_that_is_not_ours_comes_again_and_the_others_are_sent(function: Function) -> None:
    function.publish()
    function.stack.sqs.send_message(QueueUrl=function.stack.queue_url, MessageBody=json.dumps({"hello": 1}))
    transport = Scripted()
    sandbox = function.sandbox(transport)
    assert function.source.poll(sandbox.invoke) == 7
    (result,) = function.source.results
    assert len(result["batchItemFailures"]) == 1
    assert len(transport.sent) == 6
    assert function.stack.depth() == 1


def test_a_sandbox_that_was_frozen_opens_a_new_connection_to_the_database(function: Function) -> None:
    function.publish(PEOPLE[:1])
    now = [1.7e9]
    sandbox = function.sandbox(Scripted(), idle=IdleTime(lambda: 1.0, lambda: now[0]))
    opened = Counter[str]()
    event.listen(sandbox.database.engine, "connect", lambda *_: opened.update(["connection"]))
    for seconds, connections in ((0, 1), (1, 1), (60, 2)):
        now[0] += seconds
        function.stack.sqs.send_message(QueueUrl=function.stack.queue_url, MessageBody="{}")
        assert function.source.poll(sandbox.invoke) > 0
        assert opened.total() == connections


def test_init_opens_no_connection_and_says_each_mistake(function: Function) -> None:
    nothing = f"127.0.0.1:{free_port()}"
    environ = {
        **function.stack.environ,
        "EED_CONFIG": str(function.stack.config),
        "EED_DATABASE__URL": f"mysql+pymysql://eed:x@{nothing}/eed",
        "EED_QUEUE__ENDPOINT_URL": f"http://{nothing}",
        "AWS_LAMBDA_FUNCTION_NAME": "send",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/30/[$LATEST]0123456789abcdef0123456789abcdef",
    }
    parts = start(environ)
    SendingSandbox(parts)
    assert parts.channel == "default"
    with pytest.raises(ConfigError) as raised:
        start({**environ, "EED_AWS__CREDENTIALS": "instance-role", "EED_AWS_LAMBDA__CHANNEL": "other"})
    assert "aws_lambda.channel" in str(raised.value)
    with pytest.raises(ConfigError, match=r"aws\.credentials"):
        start({**environ, "EED_AWS__CREDENTIALS": "instance-role"})


def test_what_was_received_in_vain_is_rendered_in_a_process_of_its_own(function: Function) -> None:
    """An email that ends the process that renders it takes neither the sandbox nor its batch along."""
    function.publish(PEOPLE[:2])
    function.source.throttled()
    started: list[int] = []
    parts = function.parts()

    def start() -> Any:
        process = parts.start_rendering()
        started.append(1)
        return process

    transport = Scripted()
    sandbox = function.sandbox(transport, start_rendering=start)
    assert function.source.poll(sandbox.invoke) == 2
    assert started == [1]
    assert len(transport.sent) == 2


def test_an_email_whose_sandbox_died_is_picked_up_before_its_message_is_a_dead_letter(function: Function) -> None:
    """Nine receives of it may have been throttled, and it has done nothing wrong."""
    ids = function.publish(PEOPLE[:1])
    world = function.stack.world
    world.claimed(ids[0])
    world.execute("UPDATE eed_email SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 31 SECOND")
    App(function.stack.settings).sweeper().step()
    assert world.state(ids[0]) == "pending"


def test_an_email_that_ends_its_process_fails_alone(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = function.publish(PEOPLE[:3])
    function.source.throttled()
    monkeypatch.setenv("EED_FAILPOINTS", f"worker.rendered=kill#{ids[1]}")
    transport = Scripted()
    assert function.source.poll(function.sandbox(transport).invoke) == 3
    assert len(transport.sent) == 2
    assert function.states() == {"sent": 2, "failed": 1}
    assert function.source.results == [{"batchItemFailures": []}]
