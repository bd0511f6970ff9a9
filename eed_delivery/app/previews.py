"""Renders one email for people, in a process of its own that may hang or die."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from threading import Lock, Timer

from pydantic import SecretStr

from eed_delivery.app.child_programs import start_rendering
from eed_delivery.config import Settings
from eed_delivery.errors import InfrastructureFailure, RenderError
from eed_delivery.ledger.previewing import EmailContent
from eed_delivery.model import Files, Job, Rendered
from eed_delivery.runtime.render_process import RenderProcess, RenderProcessDied

WAIT_SECONDS = 60.0
"""A person waits for no longer, whatever its attachments wait for."""
KEEP_SECONDS = 120.0
"""Whoever looks at one email soon looks at another. It holds some 80 MB meanwhile."""


def renders(settings: Settings, keep_seconds: float = 0.0) -> Callable[[EmailContent], Rendered | Files]:
    """What renders one email at a time. Raises as rendering does, and RenderError where it hangs or ends its process.

    A process is kept for the next email for `keep_seconds`. To start one takes most of the time.
    """
    harmless = without_our_links(settings)
    kept = _KeptProcess(keep_seconds)
    looks = count(1)

    def render(content: EmailContent) -> Rendered | Files:
        # As often as it is looked at, its templates may have been changed in between, without a new revision.
        job = replace(content.job, revision=next(looks))
        until = time.monotonic() + WAIT_SECONDS
        if (process := kept.take(content.channel)) is not None:
            with suppress(RenderProcessDied):  # perhaps before it was asked
                return rendered_by(process, job, content, until)
        try:
            return rendered_by(_started(harmless, content.channel), job, content, until)
        except RenderProcessDied as death:
            raise RenderError(
                f"rendering it ended its process (exit code {death.exitcode}) or took too long"
            ) from death

    def rendered_by(process: RenderProcess, job: Job, content: EmailContent, until: float) -> Rendered | Files:
        try:
            return process.render(job, content.email, settings.service.render_seconds, _patience(process, until))
        except RuntimeError as defect:  # of the renderer: its own log has more
            raise RenderError(f"the renderer has a defect: {defect}") from defect
        finally:
            kept.give(process, content.channel)

    return render


def _started(settings: Settings, channel: str) -> RenderProcess:
    try:
        return start_rendering(settings, channel)
    except OSError as error:
        raise InfrastructureFailure(f"no process for it can be started: {error}") from error


class _KeptProcess:
    """At most one process that renders, between two emails, of the channel of the last one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._process: RenderProcess | None = None
        self._channel = ""
        self._timer: Timer | None = None

    def take(self, channel: str) -> RenderProcess | None:
        """The one that is kept, if it renders for this channel. It is kept no more."""
        with self._lock:
            process, self._process = self._process, None
            if self._timer is not None:
                self._timer.cancel()
        if process is None:
            return None
        if process.running and self._channel == channel:
            return process
        process.close()
        return None

    def give(self, process: RenderProcess, channel: str) -> None:
        """Keep it for a while, or end it."""
        if not self._seconds or not process.running:
            process.close()
            return
        with self._lock:
            self._process, self._channel = process, channel
            self._timer = Timer(self._seconds, self._end, [process])
            self._timer.daemon = True
            self._timer.start()

    def _end(self, process: RenderProcess) -> None:
        with self._lock:
            if self._process is not process:  # it has been taken
                return
            self._process = None
        process.close()


def without_our_links(settings: Settings) -> Settings:
    """The same with another key for the links in emails. Whoever follows one reaches nothing, and nothing is counted
    or unsubscribed."""
    if settings.web.secret is None:
        return settings
    other = {"secret": SecretStr(secrets.token_hex(32)), "former_secrets": None}
    return settings.model_copy(update={"web": settings.web.model_copy(update=other)})


def _patience(process: RenderProcess, until: float) -> Callable[[], None]:
    def beat() -> None:
        if time.monotonic() > until:
            process.kill()

    return beat
