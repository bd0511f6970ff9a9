"""Hosts and functions that do not share the rate in the same way say so, on both sides."""

import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from eed_delivery.app.parts import App
from eed_delivery.app.roles import COORDINATION, _await_coordination
from eed_delivery.ledger.workers import FUNCTION, FUNCTIONS, Process, WorkerLedger
from eed_delivery.runtime.loop import Pulse
from eed_delivery.worker.coordination import LOOK_SECONDS, CoordinationWatch
from tests.operators_site import Site
from tests.waiting import until
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
SENDS = Process("lambda:send:default:function", FUNCTIONS, FUNCTION, coordination="ledger")
HOST = Process("mail1:1", "mail1", "worker", 16, coordination="heartbeats")


@pytest.fixture
def workers(world: World) -> WorkerLedger:
    return WorkerLedger(world.database)


def beat(workers: WorkerLedger, *processes: Process) -> None:
    for process in processes:
        workers.beat(process, sending=process is HOST, detail=None, alive_seconds=15)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("ours", "other"), [(SENDS, HOST), (HOST, SENDS)])
def test_each_side_says_once_that_the_other_does_it_otherwise(
    world: World, workers: WorkerLedger, ours: Process, other: Process
) -> None:
    clock = Clock()
    watch = CoordinationWatch(workers, ours, clock)

    def look() -> None:
        clock.now += LOOK_SECONDS
        watch.look()

    beat(workers, ours)
    with capture_logs() as lines:
        look()
        beat(workers, other)
        look()
        look()
        world.execute(f"UPDATE eed_worker SET heartbeat_at = {world.earlier('heartbeat_at', 600)}")
        look()
    assert [line["event"] for line in lines] == ["coordination_differs", "coordination_agrees"]
    assert lines[0]["others"] == (f"{other.role} on {other.host}: {other.coordination}",)


def test_other_channels_and_older_releases_say_nothing(workers: WorkerLedger) -> None:
    beat(
        workers,
        Process("a", "mail1", "worker", channel="letters", coordination="heartbeats"),
        Process("b", "x", "worker"),
    )
    assert workers.coordinated_otherwise("ledger", "default") == []
    assert [one.worker_id for one in workers.coordinated_otherwise("ledger")] == ["a"]


def test_workers_beside_a_function_wait_and_check_says_why(world: World, workers: WorkerLedger, tmp_path: Path) -> None:
    """The other roles of their host work meanwhile, and so hosts can be replaced one after the other."""
    site = Site(world, tmp_path)
    app, stop, pulse = App(site.settings), threading.Event(), Pulse()
    _await_coordination(app, "default", stop, pulse)
    beat(workers, SENDS)
    found = [finding for finding in site.operations.checking.findings() if finding.where == "worker.coordination"]
    assert [finding.level for finding in found] == ["error"]
    assert "the function on lambda (default) has ledger" in found[0].what
    waits = threading.Thread(target=_await_coordination, args=(app, "default", stop, pulse))
    waits.start()
    until(lambda: pulse.oldest() is not None)
    assert pulse.oldest()[0] == COORDINATION  # type: ignore[index]
    workers.leave(SENDS)
    waits.join(60)
    assert not waits.is_alive()
    shared = site.settings.worker.model_copy(update={"coordination": "ledger"})
    beat(workers, SENDS)
    _await_coordination(App(site.settings.model_copy(update={"worker": shared})), "default", stop, pulse)


def test_where_functions_send_no_worker_is_missed(world: World, workers: WorkerLedger, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    world.add_job()
    world.enlist()
    roles = [Process(f"lambda:tick:{role}", FUNCTIONS, role, config="other") for role in ("publisher", "sweeper")]
    beat(workers, SENDS, *roles)
    world.execute(f"UPDATE eed_worker SET heartbeat_at = {world.earlier('heartbeat_at', 70)}")
    night = site.json("GET", "/api/v1/tonight")
    assert (night["well"], night["differing_hosts"]) == (True, [])
    assert [one["needs_somebody"] for one in night["jobs"]] == [False]
    assert site.ask("GET", "/readyz").status_code == 200


def test_a_function_that_is_not_invoked_although_emails_are_queued_is_missed(
    world: World, workers: WorkerLedger, tmp_path: Path
) -> None:
    site = Site(world, tmp_path)
    world.add_job()
    world.enlist()
    beat(workers, SENDS)
    world.execute(f"UPDATE eed_worker SET heartbeat_at = {world.earlier('heartbeat_at', 3600)}")
    long_ago = f"UPDATE eed_email SET state = 'queued', queued_at = {world.earlier(world.now, 600)}"
    world.execute(f"{long_ago}, changed_at = {world.earlier(world.now, 600)}")
    (job,) = site.json("GET", "/api/v1/tonight")["jobs"]
    assert (job["standing"], job["needs_somebody"]) == ("no_worker", True)
    assert "mapping" in job["do"]
