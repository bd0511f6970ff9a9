"""Two channels in one service: each job by its own mail server, and neither waits for the other's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import NewStack
from tests.servers import free_port
from tests.servers.ministack import MiniStack
from tests.sink import Sink
from tests.stack import Stack

STATEMENTS = "statements"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stack(new_stack: NewStack, port: int) -> Stack:
    """The default channel's mail server is `stack.mail_up()`, and that of `statements` listens on `port`. The service
    makes the queues of `statements`."""
    settings: dict[str, Any] = {
        "source.job.channel": "channel",
        "channel.statements.kind": "smtp",
        "channel.statements.queue": {"create": True},
        "channel.statements.threads": 2,
        "channel.statements.host": "127.0.0.1",
        "channel.statements.port": port,
        "channel.statements.tls": "none",
    }
    return new_stack(settings)


@pytest.fixture
def sink(stack: Stack, port: int) -> Iterator[Sink]:
    """The mail server of `statements`."""
    with Sink(stack.sink_ledger, port) as sink:
        yield sink


def addresses(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}@example.com" for n in range(count)]


def test_each_job_leaves_by_its_own_channel(stack: Stack, sink: Sink) -> None:
    default = stack.mail_up()
    stack.add_job(addresses("a", 30))
    stack.add_job(addresses("b", 20), 2, channel=STATEMENTS)
    service = stack.start("run")
    stack.wait_finished(1, 2)
    seen = json.loads(stack.command("processes", "--json").stdout)
    assert service.terminate() == 0
    stack.balance()
    assert {message.recipient for message in default.received} == set(addresses("a", 30))
    assert {message.recipient for message in sink.received} == set(addresses("b", 20))
    workers = sorted((p["channel"], p["threads"]) for p in seen if p["role"] == "worker")
    assert workers == [("default", 4), (STATEMENTS, 2)]
    started = {event["role"] for event in service.log_events("role_started")}
    assert started == {"publisher", "sweeper", "channels", "worker-1", "worker-statements-1"}


def test_a_channel_whose_mail_server_is_down_does_not_stop_another(stack: Stack) -> None:
    """The default's is down: its breaker opens, and its emails wait without losing a try."""
    ids = stack.add_job(addresses("a", 30))
    stack.add_job(addresses("b", 20), 2, channel=STATEMENTS)
    port = stack.settings.channel[STATEMENTS].of_kind["port"]
    with Sink(stack.sink_ledger, port):
        service = stack.start("run")
        stack.wait_until(lambda: bool(service.log_events("breaker_open")), "the default's breaker is open")
        stack.wait_finished(2)
        assert stack.counts(1)["sent"] == 0
        stack.mail_up()
        stack.wait_finished(1)
    assert service.terminate() == 0
    stack.balance()
    assert stack.world.scalar("SELECT MAX(attempts) FROM eed_email WHERE email_id = :id", id=ids[0]) == 1


def test_a_drain_waits_for_the_queues_of_all_channels(stack: Stack, sink: Sink) -> None:
    default = stack.mail_up()
    stack.add_job(addresses("a", 12))
    stack.add_job(addresses("b", 12), 2, channel=STATEMENTS)
    publisher = stack.start("publisher")
    stack.wait_until(lambda: stack.counts()["queued"] == 24, "all emails are published")
    assert publisher.terminate() == 0
    worker = stack.start("worker", "--drain")
    stack.wait_until(lambda: not worker.running, "both queues are empty")
    assert stack.counts() == {"sent": 24}
    assert (len(default.received), len(sink.received)) == (12, 12)


def test_a_job_of_an_unknown_channel_waits_and_says_why(stack: Stack, sink: Sink) -> None:
    stack.mail_up()
    stack.add_job(addresses("a", 3), channel="letters")
    stack.add_job(addresses("b", 3), 2, channel=STATEMENTS)
    service = stack.start("run")
    stack.wait_finished(2)
    stack.wait_until(lambda: bool(service.log_events("job_held")), "the other is held")
    shown = json.loads(stack.command("job", "1", "--json").stdout)
    assert (shown["state"], shown["channel"]) == ("held", "letters")
    assert shown["reason"] == "there is no channel letters. The channels are default, statements"
    assert [act["act"] for act in shown["acts"]] == ["hold"]
    assert "held: there is no channel letters" in stack.command("job", "1").stdout
    assert service.terminate() == 0
    assert stack.counts(1) == {"pending": 3}
    assert len(sink.received) == 3


def starts(stack: Stack, role: str) -> int:
    return [event["role"] for event in stack.log_events("role_started")].count(role)


def stops(stack: Stack, role: str) -> int:
    return [event["role"] for event in stack.log_events("role_stopped")].count(role)


def test_another_channel_is_created_held_edited_and_removed_and_a_large_job_does_not_notice(
    stack: Stack, ministack: MiniStack, port: int
) -> None:
    """Of the large job nothing waits, fails or is tried twice; and its workers are never started anew."""
    url, dead = ministack.make_queue("letters-channel", max_receive_count=10)
    stack.mail_up(seconds=0.02)
    stack.add_job(addresses("a", 600))
    service = stack.start("run")
    stack.wait_until(lambda: stack.counts(1)["sent"] > 20, "the large job is under way")
    pairs = {"kind": "smtp", "host": "127.0.0.1", "port": port, "tls": "none", "queue.url": url}
    pairs |= {"queue.dead_letter_url": dead, "threads": 2}
    settings = [word for key, value in pairs.items() for word in ("--set", f"{key}={value}")]
    stack.command("channel", "create", "letters", *settings)
    stack.wait_until(lambda: starts(stack, "worker-letters-1") == 1, "its worker starts")
    with Sink(stack.sink_ledger, port) as letters:
        stack.add_job(addresses("b", 20), 2, channel="letters")
        stack.wait_finished(2)
        assert len(letters.received) == 20
        stack.command("channel", "hold", "letters", "--reason", "their server moves")
        stack.wait_until(lambda: stops(stack, "worker-letters-1") == 1, "its worker ends")
        stack.add_job(addresses("c", 5), 3, channel="letters")
        stack.command("channel", "edit", "letters", "--set", "threads=3")
        stack.wait_until(lambda: stack.counts(3)["pending"] == 5, "its job waits")
        stack.command("channel", "release", "letters")
        stack.wait_finished(3)
    assert starts(stack, "worker-letters-1") == 2
    stack.command("channel", "remove", "letters")
    stack.wait_until(lambda: stops(stack, "worker-letters-1") == 2, "its worker ends")
    stack.wait_finished(1)
    assert service.terminate() == 0
    stack.balance()
    assert (starts(stack, "worker-1"), stops(stack, "worker-1")) == (1, 0)
    assert stack.world.execute("SELECT MAX(attempts), MIN(attempts) FROM eed_email WHERE job_id = 1") == [(1, 1)]
    assert not stack.log_events("breaker_open")


def test_a_channel_whose_secret_is_missing_does_not_keep_the_service_from_being_ready(
    stack: Stack, ministack: MiniStack
) -> None:
    url, dead = ministack.make_queue("secret-channel", max_receive_count=10)
    pairs = {"kind": "smtp", "host": "127.0.0.1", "tls": "none", "username": "u", "password": "env:CHANNEL_NOT_SET"}
    pairs |= {"queue.url": url, "queue.dead_letter_url": dead}
    settings = [word for key, value in pairs.items() for word in ("--set", f"{key}={value}")]
    stack.command("channel", "create", "letters", *settings)
    stack.mail_up()
    stack.add_job(addresses("a", 5))
    service = stack.start("run")
    stack.wait_until(lambda: bool(service.log_events("channel_cannot_start")), "it is said")
    stack.wait_finished(1)
    (said, *_) = service.log_events("channel_cannot_start")
    assert "env:CHANNEL_NOT_SET is empty or not set" in said["reason"]
    assert service.log_events("ready")
    assert service.terminate() == 0


def test_a_hold_of_everything_lets_nothing_out_until_it_is_released(stack: Stack) -> None:
    stack.mail_up(seconds=0.05)
    stack.add_job(addresses("a", 200))
    service = stack.start("run")
    stack.wait_until(lambda: stack.counts()["sent"] > 10, "it is under way")
    said = stack.command("channel", "hold", "--all", "--reason", "a wrong letter").stdout
    assert "nothing is on the wire. The last email was let go at" in said
    taken = len(stack.sink_ledger.read())
    stack.wait_until(lambda: stops(stack, "worker-1") == 1, "the workers end")
    assert (len(stack.sink_ledger.read()), stack.counts()["sent"]) == (taken, taken)
    stack.command("channel", "release", "--all")
    stack.wait_finished(1)
    assert service.terminate() == 0
    stack.balance()
