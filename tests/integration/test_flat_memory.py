"""Memory does not grow with a job: neither the publisher's nor a worker's. Counted by tracemalloc, in this process."""

import gc
import json
import random
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text

from eed_delivery.app.parts import App
from eed_delivery.config import PublisherSettings, RenderingSettings
from eed_delivery.model import AttachmentRef, Email, Job
from eed_delivery.publisher import Publisher, Registrar
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.runtime.loop import Loop, Pulse
from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Say
from tests.world import World

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

KB = 1024
MANY = 6_000
CHUNK = 100
UNFINISHED = """
    SELECT COUNT(*) FROM delivery_job LEFT JOIN eed_job ON eed_job.job_id = delivery_job.id WHERE enlisted_at IS NULL
"""
JOB = Job(
    job_id=1,
    key="1",
    revision=0,
    sender="Bank <statements@bank.example>",
    subject="Statement for {{ name }}",
    text_template="Dear {{ name }}",
    html_template="<p>Dear {{ name }}</p>{% for line in lines %}<p>{{ line }}</p>{% endfor %}",
)


@pytest.fixture
def traced() -> Iterator[None]:
    """The test starts tracemalloc when its own preparations are done; here it ends. What waits for the garbage
    collector would count too, so meanwhile it waits for no more objects than Python would have it."""
    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    tracemalloc.stop()
    gc.set_threshold(*usual)


class Willing:
    """An SQS client that takes every message, and forgets it."""

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def test_the_publisher_holds_a_chunk_of_a_job_and_no_more(world: World, traced: None) -> None:
    """Of a job that it enlists, and of one whose emails all wait for their messages: nobody lists them."""
    queue = Queue(cast("SQSClient", Willing()), "https://queue")
    renderer = Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None))
    settings = PublisherSettings(chunk=CHUNK, poll_seconds=0.1)
    registrar = Registrar(world.registry, settings)
    publisher = Publisher(world.registry, queue, renderer, settings, registrar=registrar)

    def work() -> None:
        """Until every job is enlisted to its end, and a few rounds more."""
        while world.scalar(UNFINISHED):
            publisher.step()
        for _ in range(5):
            publisher.step()

    recipients = [f"c{n}@example.com" for n in range(MANY)]
    add_job(world, 1, recipients[: 3 * CHUNK])
    work()  # by then connections are made, and statements compiled
    add_job(world, 2, recipients)
    world.enlist(2)
    add_job(world, 3, recipients)
    _start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    publisher.close()
    assert world.scalar("SELECT COUNT(*) FROM eed_email") == 2 * MANY + 3 * CHUNK
    assert peak < MANY * 90, "a list of a job's tickets, or of its rows, takes more"


def test_rendering_leaves_nothing_behind(tmp_path: Path, traced: None) -> None:
    """2,000 emails of a job, no two of them alike, with a file of their own and one for all."""
    own = [AttachmentRef(f"{n}.pdf") for n in range(20)]
    shared = AttachmentRef("terms.pdf")
    for n, file in enumerate([*own, shared]):
        (tmp_path / file.location).write_bytes(random.Random(n).randbytes(60 * KB))
    store = AttachmentStore(tmp_path, None, (), KB * KB)
    renderer = Renderer(RenderingSettings(message_id_domain="bank.example"), store)
    compiled = renderer.compile(replace(JOB, attachments=(shared,)))

    def render(numbers: range) -> int:
        """The size of the last one."""
        size = 0
        for n in numbers:
            email = Email(
                n, 1, str(n), 0, 1, 0, f"c{n}@example.com", f"Zoë {n}", variables(n), attachments=(own[n % 20],)
            )
            size = len(renderer.render(compiled, email).content)
        return size

    render(range(200))
    _start()
    size = render(range(200, 300))
    _, peak = tracemalloc.get_traced_memory()
    assert peak < 3.4 * size, "so many copies of a message at a time"
    held = _held()
    render(range(300, 2300))
    assert _held() - held < 20 * 2000


def test_a_worker_forgets_what_it_has_sent(new_stack: NewStack, traced: None) -> None:
    """From the claim to the message's delete: what our own lines have made and kept is counted."""
    stack = new_stack({"worker.threads": 2, "worker.same_answer_limit": 10, "worker.same_answer_window": 20})
    stack.mail_up().on("dot", Say("250 2.0.0 Ok"))
    stop = threading.Event()
    app, pulse = App(stack.settings, stop), Pulse()
    worker, publisher = app.worker(stop, pulse), app.publisher()
    threads = [
        threading.Thread(target=worker.run, args=(60,), daemon=True),
        threading.Thread(target=Loop("publisher", publisher.step, stop, pulse).run, daemon=True),
    ]
    for thread in threads:
        thread.start()

    def send(job_id: int, emails: int) -> int:
        """How much is held when the whole job is sent, in bytes."""
        stack.add_job([f"c{n}@example.com" for n in range(emails)], job_id)
        stack.wait_until(lambda: stack.counts(job_id) == {"sent": emails} and not stack.depth(), "it is sent")
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/eed_delivery/*")])
        return sum(trace.size for trace in ours.traces)

    try:
        tracemalloc.start()
        held = [send(1, 100)]  # the last 20 outcomes of a job are remembered
        held += [send(job, 300) for job in (2, 3, 4)]
        growth = min(later - earlier for earlier, later in pairwise(held))
        assert growth < 40 * 300, "each job adds something, and it stays: what is made once is added by one of them"
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        publisher.close()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


def add_job(world: World, job_id: int, recipients: list[str]) -> None:
    """As `World.add_job`, in one go."""
    world.add_job([], job_id)
    rows = [{"id": job_id * 100_000 + n, "job": job_id, "to": to} for n, to in enumerate(recipients)]
    statement = text("INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (:id, :job, :to, 'pending')")
    world.database.run(lambda c: c.execute(statement, rows))


def variables(number: int) -> str:
    return json.dumps({"name": f"Zoë {number}", "lines": [f"{number}-{line}" for line in range(10)]})


def _start() -> None:
    """What is made from here on is traced."""
    gc.collect()
    tracemalloc.start()


def _held() -> int:
    """What of it is held now, in bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
