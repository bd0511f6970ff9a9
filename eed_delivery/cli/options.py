"""Options and kinds of arguments that several commands share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from eed_delivery.cli.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _remember(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    session = ctx.ensure_object(Session)
    if value is not None:
        session.config = value


def takes_config(command: Function) -> Function:
    """Add --config. It may stand before the command or behind it. The last one counts."""
    option = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        expose_value=False,
        callback=_remember,
        help="Read this configuration file.",
    )
    return option(command)


def takes_json(command: Function) -> Function:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, for scripts.")(command)


def _act_alone(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value:
        return
    from eed_delivery.cli.person import (
        is_root,  # and with it the configuration, which most commands' help does not need
    )

    if not is_root():
        raise click.BadParameter("only root can act without the second person that operators.second_person wants")
    ctx.ensure_object(Session).alone = True


def takes_alone(command: Function) -> Function:
    """Add --alone. The audit has the command line."""
    option = click.option(
        "--alone",
        is_flag=True,
        expose_value=False,
        callback=_act_alone,
        help="Act without the second person that operators.second_person wants. For root alone. It is in the audit.",
    )
    return option(command)


def key(value: str) -> str:
    """A key of the source's tables, as text."""
    if not value or not value.isprintable():
        raise click.BadParameter("a key must not be empty, and has only printable characters")
    return value


def moment(value: str) -> datetime:
    """A time as ISO 8601 with its zone, in UTC. A time without one would mean something else on every host."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a time like 2026-12-31T18:00:00Z") from None
    if found.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no time zone. End it with Z (UTC) or an offset like +01:00")
    return found.astimezone(UTC)


def since(value: str) -> float | datetime:
    """How long ago (30m, 2h, 1d) in seconds, or a moment in UTC."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", value)
    return float(found[1]) * _SECONDS[found[2]] if found else moment(value)


def until(value: str) -> float | datetime:
    """For how long (12h, 30d) in seconds, or a moment in UTC."""
    return since(value)
