"""`eed-delivery window`: when emails may leave, and overrides of that."""

from datetime import datetime
from typing import Any

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json, until
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.windows import (
    EndRequest,
    OverrideRequest,
    StoredOverride,
    WindowScope,
    WindowTarget,
    WindowView,
    called_window,
    window_target,
)
from eed_delivery.reports.moments import both_times, when

_ALL = click.option("--all", "every", is_flag=True, help="Name everything.")
_CHANNEL = click.option("--channel", help="Name what leaves by this channel.")
_CATEGORY = click.option("--category", help="Name the jobs of this category.")
_JOB = click.option("--job", help="Name one job by its key.")
_REASON = click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")


@click.group()
def window() -> None:
    """Show when emails may leave, and override that for a while."""


@window.command("list")
@takes_json
@takes_config
@pass_session
def list_all(session: Session, as_json: bool) -> None:
    """List the send windows and whether they are open, and the overrides that last.

    \b
    Example:
      eed-delivery window list
    """
    found, screen = session.operations.windows.view(), session.screen
    if as_json:
        windows = [window_record(one) for one in found.windows]
        overrides = [_override_record(one) for one in found.overrides]
        screen.json({"windows": windows, "overrides": overrides, "of_jobs": found.of_jobs})
        return
    if not found.windows:
        screen.line("jobs have windows of their own" if found.of_jobs else "no send window is configured")
    else:
        rows = [(called_window(one.target), window_state(one), window_words(one)) for one in found.windows]
        screen.table(("window of", "now", "open"), rows, prose=("open",))
    if found.overrides:
        screen.line()
        opened = [(called_window(one.target), when(one.until_at), one.who, one.reason) for one in found.overrides]
        screen.table(("override of", "until", "by", "reason"), opened, prose=("reason",))


@window.command()
@_ALL
@_CHANNEL
@_CATEGORY
@_JOB
@click.option(
    "--for", "lasts", required=True, type=until, metavar="WHEN", help="End it by itself: 2h, or 2026-12-31T18:00:00Z."
)
@_REASON
@takes_json
@takes_config
@pass_session
def override(
    session: Session,
    /,
    every: bool,
    lasts: float | datetime,
    reason: str,
    as_json: bool,
    **named: str | None,
) -> None:
    """Let it leave from now on, whatever its send windows say.

    The override ends by itself. A second one of the same replaces the first.

    \b
    Example:
      eed-delivery window override --job 42 --for 2h --reason "the bank asks for it tonight"
    """
    target = _target(every, named)
    found = session.operations.windows.override(OverrideRequest(target, reason, lasts))
    if as_json:
        session.screen.json(_override_record(found))
    else:
        session.screen.line(f"{called_window(target)} is open until {both_times(found.until_at)}")
        session.screen.line(f"unfinished jobs of it: {found.jobs:,}")


@window.command()
@_ALL
@_CHANNEL
@_CATEGORY
@_JOB
@_REASON
@takes_config
@pass_session
def end(session: Session, /, every: bool, reason: str, **named: str | None) -> None:
    """End an override. Send windows count again from the next wire grant on.

    \b
    Example:
      eed-delivery window end --job 42 --reason "all is sent that had to be"
    """
    target = _target(every, named)
    session.operations.windows.end(EndRequest(target, reason))
    session.screen.line(f"the override of {called_window(target)} is ended")


def _target(every: bool, named: dict[str, str | None]) -> WindowTarget:
    given = [(WindowScope(scope), subject) for scope, subject in named.items() if subject is not None]
    if len(given) + every != 1:
        raise click.UsageError("Name one of --all, --channel, --category and --job.")
    return window_target(*given[0]) if given else window_target(WindowScope.ALL)


def window_state(one: WindowView) -> str:
    """Whether it is open, and until when, for people."""
    if one.ignores:
        return "open"
    word, then = ("open", "closes") if one.is_open else ("closed", "opens")
    return f"{word}, never {then}" if one.changes_at is None else f"{word}, {then} {when(one.changes_at)}"


def window_words(one: WindowView) -> str:
    """Its windows, for people."""
    if one.ignores:
        return "ignores all windows"
    dates = f" except {', '.join(map(str, one.excluded))}" if one.excluded else ""
    return f"{'; '.join(one.windows)}{dates}"


def window_record(one: WindowView) -> dict[str, Any]:
    """It as JSON."""
    flat = {name: value for name, value in record(one).items() if name != "target"}
    return {"scope": one.target.scope.value, "subject": one.target.subject, **flat}


def _override_record(one: StoredOverride) -> dict[str, Any]:
    flat = {name: value for name, value in record(one).items() if name not in ("target", "override_id")}
    return {"scope": one.target.scope.value, "subject": one.target.subject, **flat}
