"""Renders one email for people, in a process of its own that may hang or die."""

import secrets
import time
from collections.abc import Callable

from pydantic import SecretStr

from eed_delivery.app import isolated_render
from eed_delivery.config import Settings
from eed_delivery.errors import InfrastructureFailure, RenderError
from eed_delivery.ledger.previewing import EmailContent
from eed_delivery.model import Files, Rendered
from eed_delivery.worker.render_process import RenderProcess, RenderProcessDied

WAIT_SECONDS = 60.0
"""A person waits for no longer, whatever its attachments wait for."""


def renders(settings: Settings) -> Callable[[EmailContent], Rendered | Files]:
    """What renders one email. Raises as rendering does, and RenderError where it hangs or ends its process."""
    harmless = without_our_links(settings)

    def render(content: EmailContent) -> Rendered | Files:
        try:
            process = isolated_render.start(harmless, content.channel)
        except OSError as error:
            raise InfrastructureFailure(f"no process for it can be started: {error}") from error
        try:
            return process.render(content.job, content.email, settings.service.render_seconds, _patience(process))
        except RenderProcessDied as death:
            raise RenderError(
                f"rendering it ended its process (exit code {death.exitcode}) or took too long"
            ) from death
        except RuntimeError as defect:  # of the renderer: its own log has more
            raise RenderError(f"the renderer has a defect: {defect}") from defect
        finally:
            process.close()

    return render


def without_our_links(settings: Settings) -> Settings:
    """The same with another key for the links in emails. Whoever follows one reaches nothing, and nothing is counted
    or unsubscribed."""
    if settings.web.secret is None:
        return settings
    other = {"secret": SecretStr(secrets.token_hex(32)), "former_secrets": None}
    return settings.model_copy(update={"web": settings.web.model_copy(update=other)})


def _patience(process: RenderProcess) -> Callable[[], None]:
    until = time.monotonic() + WAIT_SECONDS

    def beat() -> None:
        if time.monotonic() > until:
            process.kill()

    return beat
