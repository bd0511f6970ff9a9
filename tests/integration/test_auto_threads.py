"""A worker that finds its number of threads, with a slow mail server, in the whole service."""

import json

import pytest

from tests.integration.conftest import NewStack

EMAILS = 1500


@pytest.mark.both_databases
def test_a_slow_mail_server_gets_more_threads_and_no_email_twice(new_stack: NewStack) -> None:
    stack = new_stack({"worker.threads": "auto"})
    stack.mail_up(seconds=0.2)
    stack.add_job([f"p{n}@example.com" for n in range(EMAILS)])
    service = stack.start("run")
    stack.wait_until(lambda: bool(service.log_events("threads_changed")), "threads are added")
    stack.wait_finished(1)
    first = service.log_events("threads_changed")[0]
    assert (first["before"], first["threads"], first["why"]) == (16, 32, "more threads on trial")
    books = stack.balance()
    assert (books.counts["sent"], books.counts["in_doubt"]) == (EMAILS, 0)
    told = json.loads(stack.command("processes", "--json").stdout)
    worker = next(one for one in told if one["role"] == "worker")
    assert (worker["threads_least"], worker["threads_most"]) == (4, 128)
    assert worker["threads_why"] and worker["threads_changed_at"]
    assert "threads, between 4 and 128, last changed" in stack.command("processes").stdout
    assert service.terminate() == 0
