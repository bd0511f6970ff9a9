"""What a function of AWS Lambda sends with. It is made in the function's INIT phase, and opens no connection."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from eed_delivery import logs
from eed_delivery.app.channel_surroundings import FixedRate, SesRate
from eed_delivery.app.destination_pacing import destination_pacing
from eed_delivery.app.function_channel import function_channel
from eed_delivery.app.function_secrets import credentials_problems, with_secrets
from eed_delivery.app.sending_app import LEASE_MARGIN_SECONDS, SendingApp
from eed_delivery.channels.channel import Channel
from eed_delivery.config import Settings, WorkerSettings, load
from eed_delivery.config.environment import sandbox_name, variables
from eed_delivery.config.lambda_checks import ANSWER_SECONDS, CONNECT_SECONDS, LAST_SECONDS
from eed_delivery.config.section import Section
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.send_turns import SendTurns
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.ledger.workers import FUNCTION, Process, WorkerLedger
from eed_delivery.queue import Queue
from eed_delivery.rendering.renderer import MessageMaker
from eed_delivery.runtime.render_process import RenderProcess
from eed_delivery.transports import Transport
from eed_delivery.worker.delivery import RetryRules
from eed_delivery.worker.destination_pacing import DestinationPacing
from eed_delivery.worker.reactions import ReactionLedgers

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from eed_delivery.aws.calls import SqsCalls

MAX_IDLE_SECONDS = 3.0
"""Limit: seconds for which a sandbox keeps an idle connection. It may have been frozen."""


@dataclass(frozen=True, slots=True)
class SendingParts:
    """What the composition root hands to a sandbox. `rate` gives the whole channel's limit, or None."""

    settings: WorkerSettings
    channel: str
    sends_emails: bool
    database: Database
    ledger: DeliveryLedger
    queue: Queue
    renderer: MessageMaker
    make_transport: Callable[[], Transport]
    rules: RetryRules
    rate: SesRate | FixedRate
    gate: Gate
    turns: SendTurns
    pacing: DestinationPacing | None
    paces: PaceLedger
    workers: WorkerLedger
    process: Process
    reaction_ledgers: ReactionLedgers
    stored_reply: Callable[[str], str]
    send_lease_seconds: float
    visibility_seconds: float
    start_rendering: Callable[[], RenderProcess]
    render_seconds: float
    stop: threading.Event


def start(environ: Mapping[str, str] | None = None) -> SendingParts:
    """The parts, by variables and the file that EED_CONFIG names. Raises `ConfigError` with every mistake."""
    environ = with_secrets(variables() if environ is None else environ)
    settings = load(None, environ)
    logs.configure(settings.logs, role="lambda")
    return sending_parts(settings, sandbox_name(environ))


def sending_parts(settings: Settings, sandbox: str) -> SendingParts:
    """The parts for one sandbox, which `sandbox` names in the ledger. Raises `ConfigError`."""
    settings = _without_idle_connections(settings)
    app = SendingApp(settings, threading.Event())
    channel = without_idle_connections(function_channel(app))
    database = app.database(connections=1, multi_statements=True)
    make_transport = app.transport_factory(channel)
    wire_seconds = make_transport().wire_seconds
    if problems := _problems(settings, wire_seconds, channel):
        raise ConfigError(problems)
    worker = settings.worker
    emails, name = not channel.carries_files, channel.name
    send_lease_seconds = worker.send_lease_seconds or wire_seconds + LEASE_MARGIN_SECONDS
    return SendingParts(
        settings=worker,
        channel=name,
        sends_emails=emails,
        database=database,
        ledger=DeliveryLedger(
            database, app.source, sandbox, app.outbox, app.pseudonyms, channel=name, sends_emails=emails
        ),
        queue=_queue(app, channel),
        renderer=app.message_maker(channel),
        make_transport=make_transport,
        rules=RetryRules(
            worker.max_attempts,
            worker.retry_delay_seconds,
            worker.retry_growth,
            worker.retry_max_delay_seconds,
            worker.doubt,
        ),
        rate=app.rate(channel),
        gate=Gate(database, name),
        turns=SendTurns(database),
        pacing=destination_pacing(settings, database, send_lease_seconds) if emails else None,
        paces=PaceLedger(database),
        workers=WorkerLedger(database),
        process=app.function_process(f"send:{name}", FUNCTION, name, worker.coordination),
        reaction_ledgers=ReactionLedgers(
            app.operating(database),
            DomainHolds(database, name),
            RefusedAddresses(database, settings.tracking),
            AnswersLedger(database, name),
        ),
        stored_reply=app.stored_reply(),
        send_lease_seconds=send_lease_seconds,
        visibility_seconds=settings.queue.visibility_timeout_seconds,
        start_rendering=partial(_start_rendering, settings, name),
        render_seconds=settings.service.render_seconds,
        stop=threading.Event(),
    )


class _FirstUse:
    """The client of SQS, made when it is first asked for something. A batch that is sent at once asks for nothing."""

    def __init__(self, make: "Callable[[], SqsCalls | SQSClient]") -> None:
        self._make = make

    @cached_property
    def _client(self) -> "SqsCalls | SQSClient":
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _start_rendering(settings: Settings, channel: str) -> RenderProcess:
    from eed_delivery.app.child_programs import start_rendering  # for the rare email that may end its process

    return start_rendering(settings, channel)


def _queue(app: SendingApp, channel: Channel) -> Queue:
    client = cast("SqsCalls", _FirstUse(lambda: app.clients.sqs_calls(connections=1)))
    return Queue(client, channel.queue.url, channel.queue.dead_letter_url)


def _problems(settings: Settings, wire_seconds: float, channel: Channel) -> list[Problem]:
    """What only a function must not have. `config.lambda_checks` has what all hosts can check."""
    found = credentials_problems(settings)
    timeout = settings.aws_lambda.timeout_seconds
    if timeout is None:
        what = "it is not set, and so it is not known whether a send fits into an invocation"
        found.append(Problem("aws_lambda.timeout_seconds", what, "Set it to the function's timeout."))
    elif wire_seconds + LAST_SECONDS >= timeout:
        what = f"a send may take {wire_seconds:g} seconds, and {LAST_SECONDS:g} more are needed"
        found.append(Problem("aws_lambda.timeout_seconds", what, "Lower the timeouts, or raise the function's."))
    if channel.archive.url:
        what = "copies of emails wait on the disk for the archive, and a function's disk does not last"
        found.append(Problem(f"channel {channel.name}", what, "Send from hosts, or without an archive."))
    return found


def _without_idle_connections(settings: Settings) -> Settings:
    """A sandbox that was frozen trusts no connection. And a database that hangs must not take all of its time."""
    database = settings.database
    limits = {
        "connect_timeout_seconds": min(database.connect_timeout_seconds, CONNECT_SECONDS),
        "read_timeout_seconds": min(database.read_timeout_seconds, ANSWER_SECONDS),
    }
    shorter: dict[str, Section] = {
        name: section.model_copy(update={"max_idle_seconds": min(section.max_idle_seconds, MAX_IDLE_SECONDS)})
        for name, section in (("smtp", settings.smtp), ("ses", settings.ses))
    }
    shorter["database"] = database.model_copy(update=limits)
    return settings.model_copy(update=shorter)


def without_idle_connections(channel: Channel) -> Channel:
    """A named channel, likewise."""
    given = getattr(channel.settings, "max_idle_seconds", None)
    if given is None:
        return channel
    shorter = {"max_idle_seconds": min(given, MAX_IDLE_SECONDS)}
    return replace(channel, settings=channel.settings.model_copy(update=shorter))
