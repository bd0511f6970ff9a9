"""A process that renders emails of a rehearsal, at low priority. It makes a renderer, and nothing that sends.

It is a program of its own: what it imports has no way to a transport, which an import contract holds.
"""

import eed_delivery.runtime.light_start  # noqa: F401 - before what is heavy

# isort: split
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from pydantic import SecretStr

from eed_delivery import logs
from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.app.child_programs import reading
from eed_delivery.app.database import open_database
from eed_delivery.config import Settings, failpoints_wanted
from eed_delivery.errors import DatabaseGone, DeliveryFailure
from eed_delivery.links import of_job
from eed_delivery.links.tokens import Links
from eed_delivery.rehearsal.asked import PageToLookAt, SampleToMake
from eed_delivery.rehearsal.files import CommonFiles, HashedAttachments
from eed_delivery.rehearsal.looked_at import LookedAt
from eed_delivery.rehearsal.looker import Looker, SeenTexts
from eed_delivery.rehearsal.lookers import READY
from eed_delivery.rendering.job_links import JobLinks
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.runtime import failpoints
from eed_delivery.source import Source

NICENESS = 10
MEMORY_BYTES = 1024**3
"""What it may use, beside some copies of the largest message."""
COPIES = 8
DEAD_KEY = "rehearsal" * 8
"""Signs the links in rehearsed emails. No server knows it, and it is the same each time, so that digests are."""


def main(fd: int) -> None:
    """Answer what comes over this pipe until it is closed."""
    serve(fd, "rehearsal", _answers)


def serve(fd: int, role: str, answers: Callable[[Settings], Callable[[Any], object]]) -> None:
    """Answer what comes over a pipe at low priority, with what `answers` makes of the settings that come first."""
    pipe = Connection(fd)
    settings: Settings = pipe.recv()
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError, ValueError):  # a lower limit stands already
        most = MEMORY_BYTES + COPIES * settings.rendering.max_message_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    logs.configure(settings.logs, role=role)
    failpoints.arm_for_emails(failpoints_wanted())
    answer = answers(settings)
    pipe.send(READY)
    with suppress(EOFError, OSError):  # who asked is gone
        while True:
            pipe.send(answer(pipe.recv()))


def _answers(settings: Settings) -> Callable[[PageToLookAt | SampleToMake], object]:
    return partial(_answer, looker_of(settings))


def looker_of(settings: Settings) -> Looker:
    """What looks at emails, over a connection that cannot write."""
    seen, rehearsal = SeenTexts(), settings.rehearsal
    renderer, store = renderer_of(settings, seen)
    database = open_database(reading(settings).database, connections=1, read_only=True)
    own = settings.web.base_url
    hosts = rehearsal.known_hosts
    known = (*hosts, *([_host(own)] if own and hosts else []))
    return Looker(database, Source(settings.source), renderer, seen, store, known, CommonFiles(rehearsal.common_files))


def renderer_of(settings: Settings, seen: SeenTexts | None = None) -> tuple[Renderer, HashedAttachments]:
    """What renders emails with the same bytes each time, and the store that it reads attachments from."""
    rendering = settings.rendering
    store = HashedAttachments(
        rendering.attachments_root,
        AwsClients(settings).attachments(),
        rendering.attachments_s3,
        rendering.max_attachment_bytes,
        rendering.allow_empty_attachments,
        settings.rehearsal.attachment_seconds,
    )
    renderer = Renderer(
        rendering, store, links_of=_links_of(settings), message_id_of=_message_id, stable=True, seen=seen
    )
    return renderer, store


def _answer(looker: Looker, asked: PageToLookAt | SampleToMake) -> list[LookedAt] | bytes | Exception:
    """What was seen, or why not, as an error that can be sent."""
    try:
        return looker.make(asked) if isinstance(asked, SampleToMake) else looker.look(asked)
    except (DatabaseGone, DeliveryFailure) as error:
        return error


def _links_of(settings: Settings) -> "partial[JobLinks] | None":
    web = settings.web
    if web.base_url is None or not web.keys():
        return None
    dead = web.model_copy(update={"secret": SecretStr(DEAD_KEY), "former_secrets": None})
    return partial(of_job.links_of, Links(web.base_url, dead.keys(), web.tenant), web.unsubscribe)


def _message_id(_email_id: int, _gen: int, domain: str) -> str:
    return f"<rehearsal@{domain}>"


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]


if __name__ == "__main__":
    main(int(sys.argv[1]))
