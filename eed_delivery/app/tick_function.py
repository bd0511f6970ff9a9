"""What the function `tick` works with: publisher, sweeper and the rest, in one thread and over few connections."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from eed_delivery import logs
from eed_delivery.app.function_channel import function_channel
from eed_delivery.app.function_secrets import credentials_problems, with_secrets
from eed_delivery.app.parts import App
from eed_delivery.app.sweeper_steps import sweeper_steps
from eed_delivery.aws.event_source_mapping import EventSourceMapping
from eed_delivery.config import Settings, failpoints_wanted, load
from eed_delivery.config.environment import variables
from eed_delivery.config.lambda_checks import CONNECT_SECONDS
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.webhooks.ledger import WebhookLedger
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.publisher import Publisher
from eed_delivery.publisher.channel_publishers import ChannelPublishers
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.loop import Step
from eed_delivery.runtime.step_schedule import StepSchedule
from eed_delivery.sweeper.mapping_switch import MappingSwitch
from eed_delivery.webhooks.teller import Housekeeper, Teller

log = structlog.get_logger(__name__)

READ_SECONDS = 20.0
"""Limit: how long the tick waits for an answer of the database, which is asked three times at most."""
PROBE_SECONDS = {"connect_timeout_seconds": 4.0, "command_timeout_seconds": 5.0, "read_timeout_seconds": 10.0}
"""Limits: how long a probe of the way out waits for each of its answers."""
WEBHOOKS_SECONDS = 5.0
"""After that no webhook is begun in one step, so that the others get their turn."""
CONNECTIONS = 2
"""One is in use. A second is opened where a part asks while another's transaction is open."""


@dataclass(frozen=True, slots=True)
class TickParts:
    """What the composition root hands to the tick. `schedule` has all steps but the heartbeats of `processes`.

    `work_seconds`: how long one tick works.
    """

    work_seconds: float
    heartbeat_seconds: float
    database: Database
    duties: DutyLedger
    workers: WorkerLedger
    processes: tuple[Process, ...]
    schedule: StepSchedule
    publisher: Publisher
    others: ChannelPublishers

    @property
    def publishers(self) -> tuple[Publisher, ...]:
        """Those of all channels."""
        return (self.publisher, *self.others.publishers)


class TickApp(App):
    """Makes all parts over the same few connections, because they take turns."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, threading.Event())
        self._only = super().database(CONNECTIONS, multi_statements=True)

    def database(self, connections: int = CONNECTIONS, *, multi_statements: bool = True) -> Database:  # noqa: ARG002
        """The one that there is."""
        return self._only


def start(environ: Mapping[str, str] | None = None) -> TickParts:
    """The parts, by variables and the file that EED_CONFIG names. Raises `ConfigError` with every mistake."""
    environ = with_secrets(variables() if environ is None else environ)
    settings = load(None, environ)
    logs.configure(settings.logs, role="tick")
    places = failpoints_wanted()
    if failpoints.arm(places):
        log.warning("failpoints_armed", places=places)
    return tick_parts(settings)


def tick_parts(settings: Settings) -> TickParts:
    """The parts for one sandbox. Raises `ConfigError`."""
    if problems := credentials_problems(settings):
        raise ConfigError(problems)
    settings = _for_one_thread(settings)
    app = TickApp(settings)
    schedule = StepSchedule()
    others = app.channel_publishers(schedule.add)
    publisher = app.publisher(others)
    schedule.add("publisher", publisher.step)
    schedule.add("channels", others.step)
    for name, step in {**sweeper_steps(app), **_events(app), **_webhooks(app), **_mapping(app)}.items():
        schedule.add(name, step)
    roles = ["publisher", "sweeper"]
    roles += ["events"] if settings.tracking.events_queue_url else []
    roles += ["webhooks"] if settings.webhooks.url else []
    database = app.database()
    return TickParts(
        work_seconds=settings.aws_lambda.tick_seconds,
        heartbeat_seconds=settings.worker.heartbeat_seconds,
        database=database,
        duties=DutyLedger(database),
        workers=WorkerLedger(database),
        processes=tuple(app.function_process("tick", role) for role in roles),
        schedule=schedule,
        publisher=publisher,
        others=others,
    )


def _for_one_thread(settings: Settings) -> Settings:
    """No step waits long for a queue or for the database, because the others wait for it."""
    database = settings.database
    limits = {
        "connect_timeout_seconds": min(database.connect_timeout_seconds, CONNECT_SECONDS),
        "read_timeout_seconds": min(database.read_timeout_seconds, READ_SECONDS),
    }
    return settings.model_copy(
        update={
            "smtp": _hasty(settings.smtp),
            "ses": _hasty(settings.ses),
            "database": database.model_copy(update=limits),
            "queue": settings.queue.model_copy(update={"wait_seconds": 0}),
        }
    )


def _hasty(settings: Any) -> Any:
    """Settings of a way out, for a probe. The tick sends no email."""
    shorter = {
        name: min(getattr(settings, name), most) for name, most in PROBE_SECONDS.items() if hasattr(settings, name)
    }
    return settings.model_copy(update=shorter) if shorter else settings


def _mapping(app: TickApp) -> dict[str, Step]:
    """What turns the function's event source mapping off while nothing can be sent."""
    ours = app.settings.aws_lambda
    if ours.event_source_mapping is None:
        return {}
    mapping = EventSourceMapping(app.clients.functions, ours.event_source_mapping)
    channel = function_channel(app)
    transport = app.transport_factory(replace(channel, settings=_hasty(channel.settings)))()
    switch = MappingSwitch(Gate(app.database(), ours.channel), mapping, transport.probe)
    return {"mapping": switch.step}


def _events(app: App) -> dict[str, Step]:
    url = app.settings.tracking.events_queue_url
    if not url:
        return {}
    collector = app.collector(url)
    return {"events": collector.step, "doubts": collector.settle}


def _webhooks(app: App) -> dict[str, Step]:
    settings = app.settings.webhooks
    if settings.url is None:
        return {}
    ledger = WebhookLedger(app.database(), settings)
    teller = Teller(ledger, app.webhook_endpoint(), settings, threading.Event(), round_seconds=WEBHOOKS_SECONDS)
    return {"webhooks": teller.step, "housekeeping": Housekeeper(ledger).step}
