"""Send rates that people set, and each worker's share of them."""

import threading
from pathlib import Path

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.config import EmlFolderSettings, RenderingSettings, TrackingSettings, WorkerSettings
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.paces import TOGETHER, PaceLedger
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.operations.paces import PaceRequest
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.runtime.loop import Pulse
from eed_delivery.transports.eml_folder.transport import EmlFolderTransport
from eed_delivery.worker import Worker, WorkerParts
from tests.faults.model.actors import Life
from tests.faults.model.queue import DEAD_LETTER_URL, URL, Client, MemoryQueue
from tests.operating import operations_over
from tests.world import World

pytestmark = pytest.mark.both_databases
CONFIGURED = 60.0


@pytest.fixture
def operations(world: World, tmp_path: Path) -> Operations:
    return operations_over(world, tmp_path)


def share(world: World, channel: str = "default", configured: float | None = CONFIGURED) -> float | None:
    """Of one of two processes."""
    return PaceLedger(world.database).share(channel, configured, 2, 60)


def test_a_channels_pace_replaces_its_configured_rate_until_it_is_cleared(world: World, operations: Operations) -> None:
    assert share(world) == 30
    assert share(world, configured=None) is None
    view = operations.paces.set(PaceRequest("default", 100, "the relay complains", 3600))
    assert [(pace.channel, pace.per_second, pace.who) for pace in view.paces] == [("default", 100, "anna")]
    assert (share(world), share(world, configured=None), share(world, "other")) == (50, 50, 30)
    operations.paces.set(PaceRequest("default", 10, "still"))
    assert share(world) == 5
    assert operations.paces.set(PaceRequest("default", None, "it is well again")).paces == ()
    assert share(world) == 30


def test_the_pace_of_all_is_shared_by_every_process_that_sends(world: World, operations: Operations) -> None:
    workers = WorkerLedger(world.database)
    for name, channel, sends in (("a", "default", True), ("b", "default", True), ("c", "x", True), ("d", "x", False)):
        workers.beat(Process(name, "h", "worker", 1, channel), sending=sends, detail=None, alive_seconds=60)
    workers.beat(Process("e", "h", "sweeper"), sending=True, detail=None, alive_seconds=60)
    operations.paces.set(PaceRequest(TOGETHER, 30, "all of it is too much"))
    assert share(world) == 10
    assert share(world, configured=12) == 6, "the smaller one counts"
    assert share(world, configured=None) == 10
    workers.uses(Process("a", "h", "worker"), 10.0)
    assert [one.per_second for one in operations.paces.view().processes if one.worker_id == "a"] == [10.0]
    assert [one.worker_id for one in operations.paces.view().processes].count("e") == 0


def test_a_pace_ends_by_itself(world: World, operations: Operations) -> None:
    operations.paces.set(PaceRequest("default", 100, "why", 60))
    assert world.registry.end_paces() == []
    world.execute("UPDATE eed_pace SET until_at = '2001-01-01 00:00:00.000000'")
    assert share(world) == 30
    assert operations.paces.view().paces == ()
    assert world.registry.end_paces() == ["default"]
    assert world.execute("SELECT who, reason FROM eed_audit WHERE act = 'pace_clear'") == [
        ("service", "the end of the pace has come")
    ]


def test_what_is_no_pace_is_refused(operations: Operations) -> None:
    for per_second in (0, -1, float("nan"), float("inf"), 100_001):
        with pytest.raises(InvalidRequest, match=r"a pace is 0\.01 to 100,000 emails a second"):
            PaceRequest("default", per_second, "why")
    with pytest.raises(InvalidRequest, match="reason"):
        PaceRequest("default", 1, " ")
    with pytest.raises(InvalidRequest, match="has passed"):
        operations.paces.set(PaceRequest("default", 1, "why", -1))
    with pytest.raises(UnknownKey, match="there is no channel letters"):
        operations.paces.set(PaceRequest("letters", 1, "why"))
    with pytest.raises(WrongState, match="no pace of the channel default"):
        operations.paces.set(PaceRequest("default", None, "why"))


class BeatingWorker(Worker):
    """A worker that is asked for each heartbeat, and whose clock stands."""

    def beat(self) -> float:
        """Send a heartbeat. Returns the seconds until an email may leave."""
        self._heartbeat()
        return self._send_rate.turn()


def worker_of(world: World, name: str, channel: str) -> BeatingWorker:
    queue = Queue(Client(MemoryQueue(max_receives=3), Life(name)), URL, DEAD_LETTER_URL, tries=1)  # type: ignore[arg-type]
    attachments = AttachmentStore(None, None, (), 1000)
    parts = WorkerParts(
        ledger=world.delivering,
        operating=world.operating,
        workers=world.workers,
        paces=PaceLedger(world.database),
        holds=DomainHolds(world.database),
        dead=RefusedAddresses(world.database, TrackingSettings(suppress_hard_bounces=0)),
        answers=AnswersLedger(world.database),
        queue=queue,
        renderer=Renderer(RenderingSettings(message_id_domain="bank.example"), attachments),
        sends_emails=True,
        make_transport=lambda: EmlFolderTransport(EmlFolderSettings(directory=Path("/nonexistent"))),
        rate=lambda: None,
        process=Process(name, "h", "worker", 1, channel),
        send_lease_seconds=60,
        wait_seconds=0,
        visibility_seconds=60,
    )
    return BeatingWorker(parts, WorkerSettings(heartbeat_seconds=7), threading.Event(), Pulse(), lambda: 1000.0)


def test_a_worker_that_starts_under_a_pace_of_all_lets_other_channels_lower_theirs_first(
    world: World, operations: Operations
) -> None:
    assert worker_of(world, "a", "default").beat() == 0
    PaceLedger(world.database).set("x", 30, "of one channel", None)
    assert worker_of(world, "b", "x").beat() == 0, "it is the only one of its channel"
    operations.paces.set(PaceRequest(TOGETHER, 30, "of all channels"))
    newcomer = worker_of(world, "c", "y")
    assert newcomer.beat() == 7
