"""The whole service with rules: its processes hear what happens, and one of them tells."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.alert_receiver import AlertReceiver
from tests.servers.database_server import DatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.mysql_proxy import MySqlProxy
from tests.servers.smtp_server import Accept, Close
from tests.stack import Stack

NewStack = Callable[..., Stack]


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with AlertReceiver() as receiver:
        yield receiver


def rules(
    receiver: AlertReceiver, rule: list[dict[str, Any]], fact: list[dict[str, Any]] | None = None
) -> dict[str, str]:
    """A host's environment with these rules, all for the receiver."""
    for one in (*rule, *(fact or [])):
        one["audience"] = "dev"
    return {
        "EED_ALERTS__AUDIENCE": json.dumps({"dev": {"webhook": [receiver.url]}}),
        "EED_ALERTS__RULE": json.dumps(rule),
        "EED_ALERTS__FACT": json.dumps(fact or []),
        "EED_ALERTS__CHECK_SECONDS": "1",
    }


def test_what_every_worker_sees_one_tells(new_stack: NewStack, receiver: AlertReceiver) -> None:
    """No mail server: the breaker of each worker of two hosts opens, and says so."""
    stack = new_stack({"worker.processes": 2, "worker.threads": 1})
    stack.add_job([f"{n}@example.com" for n in range(40)])
    environ = rules(receiver, [{"name": "breaker", "word": "breaker_open"}])
    hosts = [stack.start("run", environ=environ), stack.start("worker", environ=environ)]
    stack.wait_until(lambda: len(stack.log_events("breaker_open")) >= 4, "every breaker is open")
    receiver.wait_for(1)
    for host in hosts:
        assert host.terminate() == 0
    (alert,) = receiver.taken
    assert (alert["rule"], alert["line"]["role"]) == ("breaker", "worker")
    assert [line["rule"] for line in stack.log_events("alert_sent")] == ["breaker"]
    told, held = 1, stack.world.scalar("SELECT times FROM eed_alert WHERE rule = 'breaker'")
    assert told + held == len(stack.log_events("breaker_open")), "each was counted, those of the last moments too"


def test_that_the_database_is_gone_is_told_while_it_is_gone(
    database_url: str, database_server: DatabaseServer, ministack: MiniStack, tmp_path: Path, receiver: AlertReceiver
) -> None:
    with (
        MySqlProxy(database_server.port) as proxy,
        Stack(database_url, ministack, tmp_path / "stack", service_url=proxy.url(database_url)) as stack,
    ):
        service = stack.start("sweeper", environ=rules(receiver, [{"name": "database", "word": "waiting"}]))
        stack.wait_until(lambda: bool(stack.log_events("ready")), "it is ready")
        proxy.refuse()
        (alert, *_) = receiver.wait_for(1)
        assert "does not answer" in alert["line"]["reason"]
        assert proxy.counts["connections"] >= 1
        proxy.heal()
        assert service.terminate() == 0


def test_doubts_are_told_by_the_sweeper_once(new_stack: NewStack, receiver: AlertReceiver) -> None:
    stack = new_stack()
    sink = stack.mail_up()
    sink.on("dot", Accept(then=Close()), recipient="lost@example.com")
    stack.add_job(["lost@example.com", "fine@example.com"])
    facts = [{"name": "doubts", "fact": "in_doubt", "at_least": 1}]
    hosts = [stack.start(role, environ=rules(receiver, [], facts)) for role in ("run", "sweeper")]
    stack.wait_finished(1)
    receiver.wait_for(1)
    stack.wait_until(
        lambda: (stack.world.execute("SELECT times FROM eed_alert WHERE rule = 'doubts'") or [(0,)])[0][0] >= 2,
        "it was seen again by both",
    )
    for host in hosts:
        assert host.terminate() == 0
    (alert,) = receiver.taken
    assert (alert["event"], alert["line"]["fact"]) == ("in_doubt is 1", "in_doubt")


def test_a_process_that_dies_is_told_by_the_supervisor(new_stack: NewStack, receiver: AlertReceiver) -> None:
    stack = new_stack()
    service = stack.start("sweeper", environ=rules(receiver, [{"name": "died", "word": "role_died", "level": "error"}]))
    stack.wait_until(lambda: bool(stack.log_events("ready")), "it is ready")
    (started, *_) = stack.log_events("role_started")
    os.kill(started["pid"], signal.SIGKILL)
    (alert,) = receiver.wait_for(1)
    assert (alert["line"]["role"], alert["line"]["exitcode"]) == ("sweeper", -9)
    assert service.terminate() == 0


def test_a_receiver_that_hangs_does_not_hold_up_a_run_or_its_end(new_stack: NewStack, receiver: AlertReceiver) -> None:
    receiver.hang()
    stack = new_stack()
    stack.mail_up()
    stack.add_job([f"{n}@example.com" for n in range(50)])
    every_line = [{"name": "all", "regex": ".", "level": "info", "cooldown_seconds": 1}]
    service = stack.start("run", environ=rules(receiver, every_line))
    stack.wait_finished(1)
    receiver.wait_until_asked(1)
    assert service.terminate() == 0
    assert stack.counts() == {"sent": 50}
    stack.balance()
