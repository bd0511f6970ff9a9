"""A worker that one email keeps busy indefinitely is replaced, and that email alone has failed: real processes."""

import multiprocessing
import os
import threading
import time

import pytest

from eed_delivery.runtime.renders import RenderNotes
from tests.integration.conftest import NewStack
from tests.unit.rendering.making import email

SETTINGS = {
    "service.render_seconds": 2,
    "worker.processes": 1,
    "worker.threads": 1,
    "worker.lease_seconds": 15,
    "queue.visibility_timeout_seconds": 20,
}
EMAILS = 12
STUCK_AT = 10  # its successor has fewer left to render, and comes to no failpoint


@pytest.mark.parametrize("action", ["spin", "hold"])
def test_the_email_that_is_stuck_fails_and_no_other_loses_a_try(new_stack: NewStack, action: str) -> None:
    """`hold` keeps Python's global lock, so that nothing within the process runs any more. The emails are so large that
    each is rendered when the one before it has gone: that one must not be in doubt."""
    stack = new_stack(SETTINGS)
    stack.mail_up()
    stack.add_job([f"customer{n}@example.com" for n in range(EMAILS)], html_template="<p>" + "x " * 300_000)
    host = stack.start("run", environ={"EED_FAILPOINTS": f"worker.rendered={action}@{STUCK_AT}"})
    stack.wait_finished(1, seconds=240)
    assert stack.counts() == {"sent": EMAILS - 1, "failed": 1}, stack.story()
    ((reason, attempts),) = stack.world.execute("SELECT detail, attempts FROM eed_email WHERE state = 'failed'")
    assert "rendering took more than" in reason
    assert attempts == 1
    assert stack.world.execute("SELECT DISTINCT attempts FROM eed_email WHERE state = 'sent'") == [(1,)]
    assert [line["event"] for line in stack.log_events("render_stuck")] == ["render_stuck"]
    assert len([line for line in stack.log_events("role_started") if line["role"] == "worker-1"]) == 2
    assert host.terminate() == 0
    stack.balance()


def busy(notes: RenderNotes, stop: threading.Event) -> None:
    with notes.of(3, email(email_id=7, gen=2, token=99, job_id=5)):
        while not stop.is_set():
            pass


def test_only_cpu_time_counts_as_stuck() -> None:
    notes = RenderNotes(multiprocessing.get_context("forkserver"))
    stop, idle = threading.Event(), threading.Event()
    waiting = threading.Thread(target=lambda: _wait_within(notes, idle))
    working = threading.Thread(target=busy, args=(notes, stop))
    waiting.start(), working.start()
    try:
        until = time.monotonic() + 60
        while (found := notes.stuck(os.getpid(), 0.3)) is None and time.monotonic() < until:
            idle.wait(0.05)
        assert found is not None
        assert (found.email_id, found.gen, found.token, found.job_id) == (7, 2, 99, 5)
        assert found.seconds > 0.3
        stop.set()
        working.join()
        assert [notes.stuck(os.getpid(), 0.3) for _ in range(3)] == [None] * 3, "the one that waits is not stuck"
    finally:
        stop.set(), idle.set()
        waiting.join()


def _wait_within(notes: RenderNotes, idle: threading.Event) -> None:
    with notes.of(4, email(email_id=8)):
        idle.wait()
