"""Starts the programs that render in a process of their own. What they are made of is not loaded here."""

import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING

from eed_delivery.config import Settings, same_modules
from eed_delivery.config.channels import DEFAULT
from eed_delivery.runtime.render_process import RenderProcess

if TYPE_CHECKING:
    from eed_delivery.rehearsal.lookers import LookerProcess

RENDERS, REHEARSES = "eed_delivery.app.isolated_render", "eed_delivery.app.rehearsal_process"
SHADOWS = "eed_delivery.app.shadow_process"


def start_rendering(settings: Settings, channel: str = DEFAULT) -> RenderProcess:
    """Start one that renders emails of a channel (`isolated_render`). Raises `OSError`."""
    process, ours = _started(RENDERS)
    try:
        ours.send((settings, channel))
    except OSError:
        process.kill()
        process.wait()
        raise
    return RenderProcess(process, ours)


def start_looking(settings: Settings, module: str = REHEARSES) -> "LookerProcess":
    """Start one that looks at emails, those of a rehearsal if `module` is not another program. Raises `LookerDied`, or
    `OSError`."""
    from eed_delivery.rehearsal.lookers import LookerProcess

    process, ours = _started(module)
    with suppress(OSError):  # it has ended: LookerProcess finds that
        ours.send(_without_secrets(settings))
    return LookerProcess(process, ours)


def reading(settings: Settings) -> Settings:
    """The same with the database user of rehearsals, if one is set."""
    url = settings.rehearsal.database_url
    if url is None:
        return settings
    return settings.model_copy(update={"database": settings.database.model_copy(update={"url": url, "password": None})})


def _started(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = Pipe()
    with theirs:
        program = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
        process = subprocess.Popen(  # noqa: S603 - our own module
            program, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=same_modules()
        )
    return process, ours


def _without_secrets(settings: Settings) -> Settings:
    """Nothing that a rehearsal needs no secret for has one."""
    update = {
        "smtp": settings.smtp.model_copy(update={"password": None}),
        "operators": settings.operators.model_copy(update={"secret": None}),
        "webhooks": settings.webhooks.model_copy(update={"secret": None, "former_secrets": None}),
        "privacy": settings.privacy.model_copy(update={"secret": None, "former_secrets": None}),
        "bounces": settings.bounces.model_copy(update={"secret": None, "former_secrets": None}),
        "channel": {},
    }
    return settings.model_copy(update=update)
