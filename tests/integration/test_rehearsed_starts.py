"""With `publisher.require_rehearsal` a job starts only if it was rehearsed as it is now, and clean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config import PublisherSettings, RenderingSettings
from eed_delivery.ledger.publishing.rehearsed_starts import NOT_REHEARSED, RehearsedStarts
from eed_delivery.publisher.publisher import Publisher
from eed_delivery.publisher.registrar import Registrar
from eed_delivery.publisher.rehearsal_gate import RehearsalGate
from eed_delivery.queue import Queue
from eed_delivery.rehearsal.digest import template_digest
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from tests.rehearsing import Stage
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

PUBLISHER = PublisherSettings(poll_seconds=0.001)


class Accepts:
    """A queue that accepts all."""

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


class Start(Stage):
    """A stage with a publisher that asks for rehearsals."""

    def __init__(self, world: World, directory: Path) -> None:
        super().__init__(world, directory)
        gate = RehearsalGate(RehearsedStarts(world.database, world.source), world.registry.content, template_digest)
        self.publisher = Publisher(
            world.registry,
            Queue(Accepts(), "queue"),  # type: ignore[arg-type]
            Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None)),
            PUBLISHER,
            registrar=Registrar(world.registry, PUBLISHER),
            rehearsals=gate,
        )

    def ready(self) -> None:
        """The source says that the job may go, and the publisher does all that there is to do."""
        self.world.execute("UPDATE delivery_job SET status = 'processing'")
        self.publish()

    def publish(self) -> None:
        for _ in range(8):
            self.publisher.step()

    @property
    def standing(self) -> tuple[str, str]:
        ((state, reason),) = self.world.execute("SELECT state, reason FROM eed_job")
        return str(state), str(reason or "")

    @property
    def queued(self) -> int:
        return int(self.world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'queued'"))


@pytest.fixture
def start(world: World, tmp_path: Path) -> Start:
    found = Start(world, tmp_path)
    found.job(5)
    return found


def test_a_job_that_was_rehearsed_clean_starts_and_says_by_what(start: Start) -> None:
    found = start.rehearse()
    start.ready()
    assert (start.standing, start.queued) == (("active", ""), 5)
    assert start.world.scalar("SELECT rehearsal FROM eed_job") == found["operation"]


CHANGES: dict[str, tuple[Callable[[Start], object], str]] = {
    "never": (lambda start: start.world.execute("DELETE FROM eed_rehearsal"), "were never rehearsed"),
    "a part": (lambda start: start.world.execute("UPDATE eed_rehearsal SET whole = 0"), "were never rehearsed"),
    "not clean": (
        lambda start: start.world.execute("UPDATE eed_rehearsal SET verdict = 'findings'"),
        "was not clean (findings)",
    ),
    "template": (
        lambda start: start.world.execute("UPDATE delivery_job SET html_template = '<p>Dear all,</p>'"),
        "what its emails share",
    ),
    "rows": (
        lambda start: start.world.execute("DELETE FROM delivery_email WHERE id = 1004"),
        "was of 5 emails, and it has 4 now",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_has_changed_since_is_paused_until_it_is_rehearsed(start: Start, change: str) -> None:
    start.rehearse()
    changed, why = CHANGES[change]
    changed(start)
    start.ready()
    state, reason = start.standing
    assert (state, start.queued) == ("paused", 0)
    assert reason.startswith(NOT_REHEARSED)
    assert why in reason
    assert start.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'pause'") == 1
    start.site.cli.good("resume", "1")
    start.publish()
    assert (start.standing, start.queued) == (("paused", reason), 0)
    assert start.rehearse()["verdict"] == "clean"
    start.site.cli.good("resume", "1")
    start.publish()
    assert start.standing == ("active", "")
    assert start.queued == start.world.scalar("SELECT COUNT(*) FROM delivery_email")


def test_a_rehearsal_of_an_earlier_round_does_not_count(start: Start) -> None:
    start.rehearse()
    start.world.execute("UPDATE delivery_job SET status = 'processing'")
    start.world.enlist()
    start.world.execute("UPDATE eed_job SET rounds = rounds + 1")
    start.publish()
    assert start.standing[0] == "paused"
    assert "made ready again" in start.standing[1]


def test_an_admin_lets_one_start_unrehearsed_and_the_audit_says_so(start: Start) -> None:
    start.ready()
    path, body = "/api/v1/jobs/1/resume", {"reason": "the regulator waits", "rehearsed": False}
    assert start.site.problem("POST", path, body, token=start.site.token("operator"))[0] == 403
    start.site.json("POST", path, body)
    start.publish()
    assert (start.standing, start.queued) == (("active", ""), 5)
    (row,) = start.world.execute("SELECT reason FROM eed_audit WHERE act = 'resume'")
    assert row[0] == "unrehearsed, the regulator waits"


def test_a_job_that_has_begun_goes_on(start: Start) -> None:
    start.world.execute("UPDATE delivery_job SET status = 'processing'")
    start.world.enlist()
    start.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    start.publish()
    assert (start.standing, start.queued) == (("active", ""), 4)
