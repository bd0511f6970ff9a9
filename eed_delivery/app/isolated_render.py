"""A process that renders emails and does nothing else (`worker/isolated_renders.py`).

It is a program of its own, not a fork: nothing of the worker is in it, and its memory is limited.
"""

import eed_delivery.runtime.light_start  # noqa: F401 - before what is heavy

# isort: split
import resource
import sys
from collections import OrderedDict
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from eed_delivery.config import Settings, failpoints_wanted
from eed_delivery.errors import DeliveryFailure, RenderError
from eed_delivery.model import Email, Files, Job, Rendered
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.render_process import READY
from eed_delivery.worker.delivery import rendered

if TYPE_CHECKING:
    from eed_delivery.rendering.files import CompiledContent
    from eed_delivery.rendering.renderer import MessageMaker

log = structlog.get_logger(__name__)

MEMORY_BYTES = 1024**3
"""What it may use, beside some copies of the largest message."""
COPIES = 8
COMPILED_JOBS = 8
KILL_FIRST = "1000"
"""The kernel's OOM killer takes this process before any other: proc_pid_oom_score_adj(5)."""


def main(fd: int) -> None:
    """Answer what comes over this pipe until it is closed."""
    pipe = Connection(fd)
    received: tuple[Settings, str] = pipe.recv()
    settings, channel = received
    _limit(settings.rendering.max_message_bytes)
    from eed_delivery import logs

    logs.configure(settings.logs, role="render")
    failpoints.arm_for_emails(failpoints_wanted())
    answers = _Answers(_message_maker(settings, channel))
    pipe.send(READY)
    with suppress(EOFError, OSError):  # the worker is gone
        while True:
            pipe.send(answers.to(*pipe.recv()))


def _message_maker(settings: Settings, channel: str) -> "MessageMaker":
    """A channel of the file needs little of the service, which loads in less time. `App` finds those of the ledger."""
    from eed_delivery.app.sending_app import SendingApp

    sending = SendingApp(settings)
    if channel in sending.channels:
        return sending.message_maker(sending.channels[channel])
    from eed_delivery.app.parts import App

    app = App(settings)
    return app.message_maker(app.channel(channel))


def _limit(message_bytes: int) -> None:
    with suppress(OSError, ValueError):  # a lower limit stands already
        most = MEMORY_BYTES + COPIES * message_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(KILL_FIRST)


class _Answers:
    def __init__(self, renderer: "MessageMaker") -> None:
        self._renderer = renderer
        self._jobs: OrderedDict[tuple[int, int], CompiledContent] = OrderedDict()

    def to(self, job: Job, email: Email) -> Rendered | Files | Exception:
        """The message, or why there is none, as an error that can be sent."""
        try:
            return rendered(self._renderer, self._compiled(job), email)
        except DeliveryFailure as failure:
            return failure
        except MemoryError:
            return RenderError("it needs more memory than an email may use. Make its template or attachments smaller")
        except Exception as defect:
            log.exception("defect", **email.log_facts())
            return RuntimeError(type(defect).__name__)

    def _compiled(self, job: Job) -> "CompiledContent":
        place = (job.job_id, job.revision)
        if place not in self._jobs:
            self._jobs[place] = self._renderer.compile(job)
            while len(self._jobs) > COMPILED_JOBS:
                self._jobs.popitem(last=False)
        return self._jobs[place]


if __name__ == "__main__":
    main(int(sys.argv[1]))
