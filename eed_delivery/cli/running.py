"""The commands that systemd starts, for the whole service or one of its roles."""

import threading
from functools import partial

import click
import structlog

from eed_delivery import logs
from eed_delivery.app.roles import hearing, roles, wanted_roles
from eed_delivery.app.startup import (
    channels_of_ledger,
    check_channels,
    check_ledger,
    check_operators,
    prepare_metrics,
)
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.config import Settings, cautions, supervision
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.runtime.sd_notify import SystemdNotifier
from eed_delivery.runtime.supervisor import Supervisor, stop_on_signals
from eed_delivery.tracking.bounces.verp import Verp

log = structlog.get_logger(__name__)


@click.command()
@takes_config
@pass_session
def run(session: Session) -> None:
    """Run the service with all configured roles.

    Publisher, workers and sweeper always run. The roles archive, events, bounces, web, webhooks, resolver and operators
    run if they are configured.
    Each role has its own process. One supervisor runs them until SIGTERM.

    \b
    Example:
      eed-delivery run --config /etc/eed-delivery/eed-delivery.toml
    """
    settings = session.settings
    wanted = {
        "archive": _archives(settings),
        "events": settings.tracking.events_queue_url,
        "bounces": settings.bounces.listen,
        "web": settings.web.listen,
        "webhooks": settings.webhooks.url,
        "resolver": settings.resolver.log,
        "operators": settings.operators.listen,
    }
    supervise(session, "publisher", "worker", "sweeper", *(name for name, place in wanted.items() if place))


@click.command()
@takes_config
@pass_session
def publisher(session: Session) -> None:
    """Run only the publisher, which turns ready jobs into messages.

    \b
    Example:
      eed-delivery publisher
    """
    supervise(session, "publisher")


@click.command()
@click.option("--drain", is_flag=True, help="Exit with code 0 when the queue is empty.")
@takes_config
@pass_session
def worker(session: Session, drain: bool) -> None:
    """Run only the workers, which turn messages into emails.

    --drain also waits for retries that are not due yet.

    Where an archive is set, the role archive runs beside them, but not with --drain.

    \b
    Example:
      eed-delivery worker --drain
    """
    beside = ["archive"] if _archives(session.settings) and not drain else []
    supervise(session, "worker", *beside, drain=drain)


@click.command()
@click.option("--drain", is_flag=True, help="Exit with code 0 when no copy in the spool can go into its archive.")
@takes_config
@pass_session
def archive(session: Session, drain: bool) -> None:
    """Run only the role that takes copies of sent emails into the archive.

    Copies wait in this host's spool. Each host that sends emails of a channel with an archive needs this role. run
    and worker start it.

    --drain does not wait for copies of emails that are in doubt.

    \b
    Example:
      eed-delivery archive --drain
    """
    if not _archives(session.settings):
        what = "it is not set, so no copies are kept"
        raise ConfigError([Problem("transport.archive.url", what, "Set s3://bucket/prefix or a directory.")])
    supervise(session, "archive", drain=drain)


@click.command()
@takes_config
@pass_session
def sweeper(session: Session) -> None:
    """Run only the sweeper.

    It recovers emails of lost workers, and finishes jobs. At least one host must run it. Without it, no job is ever
    finished.

    \b
    Example:
      eed-delivery sweeper
    """
    supervise(session, "sweeper")


@click.command()
@takes_config
@pass_session
def events(session: Session) -> None:
    """Run only the SES event collector.

    Bounces, complaints and deliveries become outcomes of their emails.

    \b
    Example:
      eed-delivery events
    """
    if session.settings.tracking.events_queue_url is None:
        what = "it is not set, so there are no events to receive"
        raise ConfigError([Problem("tracking.events_queue_url", what, "Set the queue that SES's topic publishes to.")])
    supervise(session, "events")


@click.command()
@takes_config
@pass_session
def bounces(session: Session) -> None:
    """Run only the listener for bounces by mail.

    Bounces become outcomes of their emails.

    \b
    Example:
      eed-delivery bounces
    """
    _needs_a_place("bounces.listen", session.settings.bounces.listen, "127.0.0.1:2424")
    supervise(session, "bounces")


@click.command()
@takes_config
@pass_session
def web(session: Session) -> None:
    """Run only the link server.

    It answers the links in emails: opens, clicks and one-click unsubscriptions.

    \b
    Example:
      eed-delivery web
    """
    _needs_a_place("web.listen", session.settings.web.listen, "127.0.0.1:8025")
    supervise(session, "web")


@click.command()
@takes_config
@pass_session
def operators(session: Session) -> None:
    """Run only the server for people on call and for the API.

    It needs the extra packages of eed-delivery[operators].

    \b
    Example:
      eed-delivery operators
    """
    _needs_a_place("operators.listen", session.settings.operators.listen, "127.0.0.1:8027")
    supervise(session, "operators")


@click.command()
@takes_config
@pass_session
def resolver(session: Session) -> None:
    """Run only the role that settles emails in doubt from the log of a relay on this host.

    run starts it if resolver.log is set.

    \b
    Example:
      eed-delivery resolver
    """
    if session.settings.resolver.log is None:
        what = "it is not set, so there is no log to read"
        raise ConfigError([Problem("resolver.log", what, "Set the log of the relay on this host.")])
    supervise(session, "resolver")


def _archives(settings: Settings) -> bool:
    """Whether any channel keeps copies of its emails."""
    archives = [settings.transport.archive, *(channel.archive for channel in settings.channel.values())]
    return any(archive.url is not None for archive in archives)


def _needs_a_place(name: str, listen: str | None, example: str) -> None:
    if listen is None:
        what = "it is not set, so the server has no address to listen on"
        raise ConfigError([Problem(name, what, f"Set an address and port, like {example}.")])


def supervise(session: Session, *names: str, drain: bool = False) -> None:
    """Run these roles until a signal comes. Raises `ConfigError`."""
    stop = threading.Event()
    stop_on_signals(stop)  # before any other thread starts, so that all of them inherit the blocked signals
    settings = session.settings
    logs.configure(settings.logs, role="supervisor")
    Verp.configured(settings.bounces)  # report a mistake in its settings now, and not from every process
    for caution in cautions(settings):
        log.warning("setting_less_safe", setting=caution.key, what=caution.what, remedy=caution.remedy)
    for old in settings.old_names:
        log.warning("setting_renamed", setting=old.setting, what=old.what, remedy=old.remedy)
    if "operators" in names:
        check_operators(settings)
    check_channels(settings)
    check_ledger(settings)
    prepare_metrics(settings, wipe="publisher" in names)
    supervisor = Supervisor(
        roles(settings, *names, drain=drain, wanted=channels_of_ledger(settings) if drain else ()),
        SystemdNotifier(supervision().notify_socket),
        stop_seconds=settings.service.stop_seconds,
        stall_seconds=settings.service.stall_seconds,
        render_seconds=settings.service.render_seconds,
        preload=("eed_delivery.app.preload",),
        wanted=partial(wanted_roles, settings),
    )
    with hearing(settings, "supervisor"):
        supervisor.run(stop)
