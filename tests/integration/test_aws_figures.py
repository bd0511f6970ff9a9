"""What SQS and SES said last: asked by one sweeper, and shown with its age to all who look."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.app.operations import Operations
from eed_delivery.config.load import load
from eed_delivery.errors import InfrastructureFailure, QueueGone
from eed_delivery.ledger.aws_figures import AwsFigureLedger, SesLimits
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.model import Depth, Ticket
from eed_delivery.operations.aws_figures import FRESH_SECONDS, UNKNOWN, AwsFigures, QueueView
from eed_delivery.queue import Queue
from eed_delivery.sweeper.aws_figures import EVERY_SECONDS, LIMITS_SECONDS, AwsFigureSweep
from tests.operators_site import ROOT, Site
from tests.servers.ministack import MiniStack
from tests.world import World

pytestmark = pytest.mark.both_databases

LIMITS = SesLimits(14.0, 50_000.0, 36_000.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(ministack: MiniStack, queue_urls: tuple[str, str]) -> Queue:
    return Queue(ministack.client("sqs"), *queue_urls, tries=1)


def sweep_of(
    world: World,
    queues: Mapping[str, Queue],
    limits: Callable[[], SesLimits | None] = lambda: None,
    clock: Callable[[], float] = lambda: 0.0,
) -> AwsFigureSweep:
    return AwsFigureSweep(AwsFigureLedger(world.database), DutyLedger(world.database), lambda: queues, limits, clock)


def due(world: World, seconds: float = EVERY_SECONDS) -> None:
    """As if so much time had passed since the last turn."""
    world.execute(f"UPDATE eed_duty SET done_at = {world.earlier('done_at', seconds)}")


def aged(world: World, seconds: float) -> None:
    world.execute(f"UPDATE eed_aws_figure SET asked_at = {world.earlier('asked_at', seconds)}")


def test_queues_are_shown_as_a_sweeper_counted_them(world: World, queue: Queue) -> None:
    queue.publish([Ticket(n, 0, 0) for n in range(1, 4)])
    figures = AwsFigures(AwsFigureLedger(world.database))
    assert figures.queues().problem == UNKNOWN
    assert sweep_of(world, {"default": queue}).step() == EVERY_SECONDS
    shown = figures.queues()
    assert shown.value == (QueueView("default", 3, 0, 0),)
    assert shown.age is not None and 0 <= shown.age < FRESH_SECONDS
    assert (figures.depth(), figures.dead_letters()) == (Depth(3, 0, 0), 0.0)


def test_hosts_take_turns(world: World, queue: Queue) -> None:
    here, there = sweep_of(world, {"default": queue}), sweep_of(world, {"default": queue})
    here.step()
    queue.publish([Ticket(1, 0, 0)])
    there.step()
    figures = AwsFigures(AwsFigureLedger(world.database))
    assert figures.depth().visible == 0, "it is not this one's turn"
    due(world)
    there.step()
    assert figures.depth().visible == 1


def test_a_queue_that_does_not_answer_hides_no_other_and_grows_old(world: World, queue: Queue) -> None:
    gone = Queue(queue._client, queue.url + "-gone", tries=1)
    sweep_of(world, {"letters": gone, "default": queue}).step()
    figures = AwsFigures(AwsFigureLedger(world.database))
    assert [one.channel for one in figures.queues().value or ()] == ["default"]
    aged(world, FRESH_SECONDS)
    assert (figures.queues().value, figures.queues().problem) == (None, UNKNOWN)
    with pytest.raises(QueueGone):
        figures.depth()
    with pytest.raises(QueueGone):
        figures.dead_letters()


def test_a_channel_that_was_removed_is_forgotten(world: World, queue: Queue) -> None:
    sweep_of(world, {"letters": queue}).step()
    aged(world, 7200)
    due(world)
    sweep_of(world, {"default": queue}).step()
    assert world.execute("SELECT channel FROM eed_aws_figure") == [("default",)]


def test_ses_is_asked_once_a_minute(world: World, clock: Clock) -> None:
    asked = []

    def limits() -> SesLimits:
        asked.append(clock())
        return LIMITS

    sweep = sweep_of(world, {}, limits, clock)
    for seconds in (0.0, 15.0, LIMITS_SECONDS):
        clock.now = 1000.0 + seconds
        sweep.step()
        due(world)
    assert asked == [1000.0, 1000.0 + LIMITS_SECONDS]
    figures = AwsFigures(AwsFigureLedger(world.database))
    assert figures.quota_used_percent() == pytest.approx(72.0)


def test_limits_that_ses_does_not_tell_are_unknown(world: World) -> None:
    def away() -> SesLimits:
        raise InfrastructureFailure("SES is away")

    sweep_of(world, {}, away).step()
    figures = AwsFigures(AwsFigureLedger(world.database))
    assert figures.limits() is None
    with pytest.raises(QueueGone):
        figures.quota_used_percent()


def test_no_limit_of_24_hours_is_used_by_nothing() -> None:
    assert SesLimits(14.0, -1.0, 200.0).used_percent == 0.0


def test_surfaces_and_metrics_show_the_same_counts(world: World, tmp_path: Path, queue: Queue) -> None:
    site = Site(world, tmp_path)
    assert site.json("GET", "/api/v1/tonight")["queues_problem"] == UNKNOWN
    queue.publish([Ticket(n, 0, 0) for n in range(1, 4)])
    sweep_of(world, {"default": queue}).step()
    (tmp_path / "another").mkdir()
    another = Site(world, tmp_path / "another")  # another process: what is shared by viewers is as old as two seconds
    night = another.json("GET", "/api/v1/tonight", token=site.token("admin"))
    assert night["queues"] == [{"channel": "default", "waiting": 3, "in_flight": 0, "dead": 0}]
    assert night["queues_problem"] is None
    assert 0 <= night["queues_age_seconds"] < FRESH_SECONDS
    assert another.operations.figures.now()["eed_queue_messages"]["visible",] == 3.0
    page = another.ask("GET", "/", token=site.token("viewer"), Accept="text/html").text
    assert "as SQS counted them about" in page


def test_a_rate_is_what_ses_allows_until_people_set_another(world: World, tmp_path: Path) -> None:
    settings = Site(world, tmp_path).settings
    by_ses = settings.transport.model_copy(update={"kind": "ses", "rate_per_second": "ses"})
    operations = Operations(settings.model_copy(update={"transport": by_ses}), ROOT, world.database)
    rates = operations._allowed_rates
    assert rates.now() == {}
    AwsFigureLedger(world.database).note_limits(LIMITS)
    assert rates.now() == {"default": 14.0}
    PaceLedger(world.database).set("default", 3.0, "the relay complains", None)
    assert rates.now() == {"default": 3.0}


def test_the_composition_root_asks_the_queues_of_all_channels(
    world: World, ministack: MiniStack, queue_urls: tuple[str, str], tmp_path: Path
) -> None:
    from eed_delivery.app.parts import App

    site = Site(world, tmp_path)
    environ = {**site.cli.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    settings = load(site.cli.config, environ)
    at = {"url": queue_urls[0], "dead_letter_url": queue_urls[1], "endpoint_url": ministack.endpoint_url}
    settings = settings.model_copy(update={"queue": settings.queue.model_copy(update=at)})
    app = App(settings)
    assert isinstance(app.clients, AwsClients)
    app.aws_figure_sweep().step()
    assert AwsFigures(AwsFigureLedger(world.database)).depth() == Depth(0, 0, 0)
