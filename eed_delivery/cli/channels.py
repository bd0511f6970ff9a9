"""`eed-delivery channel`: list, create, change, check, hold, release and remove channels."""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from eed_delivery.cli import values
from eed_delivery.cli.channel_settings import asked, asked_again, assigned, from_file, merged, put
from eed_delivery.cli.holding import hold_record, lasting, show_leaving
from eed_delivery.cli.options import takes_config, takes_json, until
from eed_delivery.cli.output import BOLD, record
from eed_delivery.cli.preparing import report
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.watching import PAUSE
from eed_delivery.cli.windows import window_record, window_state, window_words
from eed_delivery.errors import ConfigError
from eed_delivery.operations.channel_fields import flat
from eed_delivery.operations.channels import (
    ALL,
    ChannelEdit,
    ChannelKindView,
    ChannelOperations,
    ChannelView,
    NewChannel,
)
from eed_delivery.operations.holds import called
from eed_delivery.operations.refusals import UnknownKey
from eed_delivery.reports.moments import both_times, when

_JSON = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_SET = click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Set this setting, like queue.url=https://…. Repeatable."
)
_SETTINGS = click.option(
    "--settings", "file", type=_JSON, metavar="FILE", help="Read settings as a JSON object from FILE, or - for stdin."
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Check the settings, the queue and the way out. Save nothing.")


@click.group()
def channel() -> None:
    """List, create, change, check, hold and remove channels."""


@channel.command("kinds")
@takes_json
@takes_config
@pass_session
def list_kinds(session: Session, as_json: bool) -> None:
    """List the kinds of channels that are installed.

    With --json, each has the JSON Schema of its settings.

    \b
    Example:
      eed-delivery channel kinds
    """
    found = session.operations.channels.kinds()
    if as_json:
        session.screen.json([record(kind) for kind in found])
        return
    session.screen.table(("kind", "carries", "what it is"), [(k.name, k.carries, k.title) for k in found])


@channel.command("list")
@takes_json
@takes_config
@pass_session
def list_all(session: Session, as_json: bool) -> None:
    """List the channels of the configuration file and those that were created here.

    \b
    Example:
      eed-delivery channel list
    """
    found = session.operations.channels.all()
    if as_json:
        session.screen.json([_record(one) for one in found])
        return
    columns = ("channel", "kind", "from", "state", "workers", "unfinished jobs", "reason")
    rows = [(c.name, c.kind, c.origin, _state(c), c.workers, c.jobs, _why(c)) for c in found]
    session.screen.table(columns, rows, prose=("reason",), spare=("from", "unfinished jobs"))


@channel.command()
@click.argument("name")
@takes_json
@takes_config
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show a channel's settings, its hold, and what uses it.

    Of a secret it shows the place only.

    \b
    Example:
      eed-delivery channel show statements
    """
    _show(session, session.operations.channels.view(name), as_json)


@channel.command()
@click.argument("name")
@click.option("--kind", help="Choose the kind. `channel kinds` lists them.")
@_SET
@_SETTINGS
@_DRY_RUN
@takes_json
@takes_config
@pass_session
def create(
    session: Session,
    name: str,
    kind: str | None,
    pairs: tuple[str, ...],
    file: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a channel while the service runs.

    Without --set and --settings it asks for each setting at a terminal. Secrets are given by their place:
    credential:NAME, env:NAME or aws-secret:ARN. Workers start within seconds on every host.

    \b
    Example:
      eed-delivery channel create partner --kind smtp --set host=relay.example \\
        --set queue.url=https://sqs.eu-central-1.amazonaws.com/123456789012/partner
    """
    channels = session.operations.channels
    given = merged(from_file(file) if file else {}, assigned(pairs))
    given = {**({"kind": kind} if kind else {}), **given}
    if dry_run:
        report(session.screen, channels.trial(NewChannel(name, given)), as_json)
        return
    if pairs or file or not sys.stdin.isatty():
        created = channels.create(NewChannel(name, given))
    else:
        created = _created_by_questions(channels, name, given)
    _show(session, created, as_json)


def _created_by_questions(channels: ChannelOperations, name: str, given: Mapping[str, Any]) -> ChannelView:
    """Ask until the settings are right. What is wrong is said, and asked for again."""
    channels.check_name(name)
    known = {kind.name: kind for kind in channels.kinds()}
    kind = given.get("kind") or click.prompt("kind", type=click.Choice(list(known)), err=True)
    schema = _schema(known, str(kind))
    settings = asked(schema, {**given, "kind": kind})
    while True:
        try:
            return channels.create(NewChannel(name, settings))
        except ConfigError as error:
            click.echo(str(error), err=True)
            wrong = [problem.where.removeprefix(f"channel.{name}.") for problem in error.problems]
            settings = asked_again(schema, settings, wrong)


def _schema(known: Mapping[str, ChannelKindView], kind: str) -> Mapping[str, Any]:
    if kind not in known:
        raise click.UsageError(f"there is no kind of channel {kind}. Installed are {', '.join(known)}.")
    return known[kind].schema


@channel.command()
@click.argument("name")
@_SET
@click.option("--unset", "unset", multiple=True, metavar="KEY", help="Return this setting to its default. Repeatable.")
@_SETTINGS
@click.option("--version", type=int, metavar="N", help="Refuse the change if the channel has another version by now.")
@click.option("--force", is_flag=True, help="Change its root, too, while jobs of it are under way.")
@_DRY_RUN
@takes_json
@takes_config
@pass_session
def edit(
    session: Session,
    name: str,
    pairs: tuple[str, ...],
    unset: tuple[str, ...],
    file: Path | None,
    version: int | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change settings of a channel that was created here.

    --settings replaces all of them. Its workers start anew with the new settings, within seconds and on every host.

    \b
    Example:
      eed-delivery channel edit partner --set rate_per_second=20
    """
    if not (pairs or unset or file):
        raise click.UsageError("Name what to change, with --set, --unset or --settings.")
    channels = session.operations.channels
    seen = channels.view(name)
    settings = merged(from_file(file) if file else seen.settings, assigned(pairs))
    for key in unset:
        put(settings, key, None)
    if dry_run:
        report(session.screen, channels.trial(NewChannel(name, settings)), as_json)
        return
    change = ChannelEdit(name, settings, seen.version if version is None else version, force)
    _show(session, channels.edit(change), as_json)


@channel.command()
@click.argument("name")
@takes_json
@takes_config
@pass_session
def check(session: Session, name: str, as_json: bool) -> None:
    """Try a channel, its queue and its way out.

    Nothing is sent, and nothing stays. Exit code 1 means that it found an error.

    \b
    Example:
      eed-delivery channel check partner
    """
    report(session.screen, session.operations.channels.check(name), as_json)


@channel.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Hold every channel, and wait until nothing is on the wire.")
@click.option("--for", "lasts", type=until, metavar="WHEN", help="End the hold by itself: 2h, or 2026-12-31T18:00:00Z.")
@click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")
@click.option("--no-wait", is_flag=True, help="With --all, do not wait.")
@takes_config
@pass_session
def hold(
    session: Session, name: str | None, every: bool, lasts: float | datetime | None, reason: str, no_wait: bool
) -> None:
    """Let no email leave by a channel for a while.

    It is felt at the next wire grant. What is on the wire is finished. The emails wait and lose no try. Without --for
    the hold lasts until `channel release`.

    \b
    Example:
      eed-delivery channel hold partner --for 2h --reason "their server moves"
      eed-delivery channel hold --all --reason "wrong letter, ticket 4711"
    """
    which = _one_or_all(name, every)
    channels = session.operations.channels
    result = channels.hold(which, reason, lasts)
    session.screen.line(f"{_called(which)} held {lasting(result.hold)}")
    if every and not no_wait:
        for news in channels.leaving(which, PAUSE):
            show_leaving(session, news)


@channel.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="End the hold of all channels. Those held by name stay held.")
@takes_config
@pass_session
def release(session: Session, name: str | None, every: bool) -> None:
    """End the hold of a channel. Its emails leave again.

    \b
    Example:
      eed-delivery channel release partner
    """
    which = _one_or_all(name, every)
    left = session.operations.channels.release(which)
    session.screen.line(f"{_called(which)} released")
    if left:
        session.screen.line(f"still held: {', '.join(called(hold.target) for hold in left)}")


@channel.command()
@click.argument("name")
@takes_config
@pass_session
def remove(session: Session, name: str) -> None:
    """Remove a channel that was created here and that no unfinished job names.

    Its queues stay, also those that the service made.

    \b
    Example:
      eed-delivery channel remove partner
    """
    urls = session.operations.channels.remove(name)
    session.screen.line(f"channel {name} removed. Its queues stay, and are yours to delete")
    for url in urls:
        session.screen.line(url)


def _one_or_all(name: str | None, every: bool) -> str:
    if (name is None) != every:
        raise click.UsageError("Name a channel, or use --all.")
    if name == ALL:
        raise UnknownKey(f"there is no channel {name}", which=f"channel {name}")
    return name or ALL


def _called(which: str) -> str:
    return "all channels are" if which == ALL else f"channel {which} is"


def _state(found: ChannelView) -> str:
    return "unusable" if found.problem else "held" if found.hold else "active"


def _why(found: ChannelView) -> str | None:
    if found.problem:
        return found.problem
    if found.hold is None:
        return None
    until_at = f", until {when(found.hold.until_at)}" if found.hold.until_at else ""
    return f"{found.hold.reason} ({found.hold.who}{until_at})"


def _record(found: ChannelView) -> dict[str, Any]:
    hold = None if found.hold is None else hold_record(found.hold)
    window = None if found.window is None else window_record(found.window)
    return {"channel": found.name, **record(found), "state": _state(found), "hold": hold, "window": window}


def _show(session: Session, found: ChannelView, as_json: bool) -> None:
    if as_json:
        session.screen.json(_record(found))
        return
    screen = session.screen
    screen.line(f"channel {found.name}  {found.kind}", style=BOLD)
    why = _why(found)
    screen.prose(f"{_state(found)}: {why}" if why else _state(found))
    if found.origin == "file":
        screen.line("described in the configuration file")
    else:
        screen.line(f"version {found.version}, changed {both_times(found.changed_at)} by {found.changed_by}")
    if found.queue_url is not None and not found.settings["queue"].get("url"):
        screen.line(f"queue {found.queue_url}")
    screen.line(f"{found.workers:,} workers are alive, {found.jobs:,} unfinished jobs name it")
    if found.window is not None:
        screen.prose(f"its send window is {window_state(found.window)}: {window_words(found.window)}")
    if found.differing:
        screen.line(f"the workers on {', '.join(found.differing)} have different settings of it")
    screen.line()
    screen.table(("setting", "value"), flat(found.settings), prose=("value",))
