"""Emails that may end the process that renders them are rendered in a process of their own.

Such an email is one that was received before and never came to a send: its worker may have died of it, or of something
else. So is each email of a job that a dead worker was rendering, until some of them have been rendered. An innocent one
loses nothing by it. One at which two processes in a row end, while the worker lives, has failed.
"""

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

import structlog

from eed_delivery.errors import DatabaseGone, InfrastructureFailure, RenderError, Stopping
from eed_delivery.ledger.delivering.claims import JobRef
from eed_delivery.model import Email, Files, Job, Rendered
from eed_delivery.runtime.render_process import RenderProcess, RenderProcessDied
from eed_delivery.runtime.renders import DiedRender
from eed_delivery.worker.stuck_renders import PAUSE_AT

log = structlog.get_logger(__name__)

DEATHS = 2
"""One may be an accident: an operator's kill -9, or memory that another program took."""
SURVIVORS = 100
"""After this many emails of a job have been rendered without harm, its others are rendered by the worker again."""


class IsolatedRenders:
    """Those of one worker process. Safe for many threads, which take turns."""

    def __init__(
        self,
        start: Callable[[], RenderProcess],
        load_job: Callable[[JobRef], Job],
        pause: Callable[[Email, str], None],
        seconds: float,
        died: Sequence[DiedRender] = (),
    ) -> None:
        """`seconds`: CPU time that one render may take. `died`: renders in which the worker before this one died."""
        self._start = start
        self._load_job = load_job
        self._pause = pause
        self._seconds = seconds
        self._to_survive = Counter({one.job_id: SURVIVORS for one in died})
        self._fatal = Counter[int]()  # emails by job
        self._process: RenderProcess | None = None
        self._closed = False
        self._lock = Lock()

    def wants(self, email: Email, receives: int) -> bool:
        """Whether to render an email here. `receives`: how often it was received, all its messages together."""
        return receives > email.attempts + 1 or self._to_survive[email.job_id] > 0

    def render(self, ref: JobRef, email: Email, beat: Callable[[], None]) -> Rendered | Files:
        """The message. Raises what `Renderer.compile` and `render` raise, and `DatabaseGone`.

        RenderError also when the processes that render it end, InfrastructureFailure when none can be started.
        """
        job = self._load_job(ref)
        with self._lock:
            self._to_survive[email.job_id] -= 1
            for deaths in range(1, DEATHS + 1):
                try:
                    return self._render(job, email, beat)
                except RenderProcessDied as death:
                    exitcode = death.exitcode
                    log.warning("render_process_died", **email.log_facts(), exitcode=exitcode, deaths=deaths)
        self._count_fatal(email)
        what = f"rendering it ended the process that did it {DEATHS} times ({_named(exitcode)})"
        raise RenderError(f"{what}: its template, values or attachments exhaust memory or crash a library")

    def _render(self, job: Job, email: Email, beat: Callable[[], None]) -> Rendered | Files:
        process = self._running()
        try:
            return process.render(job, email, self._seconds, beat)
        except RenderError:
            if not process.running:  # it took too long
                self._count_fatal(email)
            raise

    def _running(self) -> RenderProcess:
        if self._closed:
            raise Stopping("the worker stops")
        if self._process is None or not self._process.running:
            try:
                self._process = self._start()
            except OSError as error:
                log.error("render_process_not_started", reason=str(error))  # noqa: TRY400 - the reason says it all
                raise InfrastructureFailure(f"it could not be rendered: {error}") from error
            log.info("render_process_started", pid=self._process.pid)
        return self._process

    def _count_fatal(self, email: Email) -> None:
        """The third such email of a job pauses it, as in `stuck_renders`."""
        self._fatal[email.job_id] += 1
        count = self._fatal[email.job_id]
        if count < PAUSE_AT:
            return
        try:
            self._pause(email, f"{count} of its emails ended the process that rendered them")
        except DatabaseGone as gone:  # the next such email asks again
            log.warning("job_not_paused", job=email.job_key, job_id=email.job_id, reason=str(gone))

    def close(self) -> None:
        """End the process, if there is one, and with it a render that is under way."""
        self._closed = True
        if self._process is not None:
            self._process.kill()


def _named(exitcode: int) -> str:
    """What `subprocess` says of a process that has ended, for people."""
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"exit code {exitcode}"
