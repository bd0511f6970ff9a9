"""Renders the emails of a page as they would be sent, and looks at each. It runs in a process of its own."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from eed_delivery.database.transactions import Database
from eed_delivery.errors import InfrastructureFailure, RenderError, Throttled
from eed_delivery.model import Email, Job
from eed_delivery.rehearsal.asked import PageToLookAt, SampleToMake
from eed_delivery.rehearsal.branches import TemplateWords, taken, words_of
from eed_delivery.rehearsal.digest import template_digest
from eed_delivery.rehearsal.files import NO_COMMON_FILES, CommonFiles, HashedAttachments
from eed_delivery.rehearsal.findings import EmailFinding, FindingKind, group_of
from eed_delivery.rehearsal.looked_at import LookedAt, recipient_hash
from eed_delivery.rehearsal.texts import TextChecks
from eed_delivery.rendering.renderer import CompiledJob, Renderer
from eed_delivery.source import Source

MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""The date of all rehearsed emails, so that an email has the same bytes each time."""
COMPILED_JOBS = 2
_SIZE_SETTING = "rendering.max_message_bytes"


class SeenTexts:
    """The texts of the last email, as the renderer made them."""

    def __init__(self) -> None:
        self.subject = ""
        self.html: str | None = None
        self.text: str | None = None

    def __call__(self, subject: str, html: str | None, text: str | None) -> None:
        """What `Renderer` calls."""
        self.subject, self.html, self.text = subject, html, text


@dataclass(frozen=True, slots=True)
class _Ready:
    compiled: CompiledJob
    words: TemplateWords
    checks: TextChecks


class Looker:
    """Looks at pages. `seen` is what `renderer` shows its texts, and `files` the store that it reads from."""

    def __init__(
        self,
        database: Database,
        source: Source,
        renderer: Renderer,
        seen: SeenTexts,
        files: HashedAttachments,
        known_hosts: tuple[str, ...] = (),
        common: CommonFiles = NO_COMMON_FILES,
    ) -> None:
        self._database = database
        self._source = source
        self._renderer = renderer
        self._seen = seen
        self._files = files
        self._known_hosts = known_hosts
        self._common = common
        self._jobs: OrderedDict[str, _Ready | RenderError] = OrderedDict()

    def look(self, page: PageToLookAt, each: Callable[[], None] = lambda: None) -> list[LookedAt]:
        """Each row in its order. `each` is called before an email is rendered.

        Raises `DatabaseGone`, and `InfrastructureFailure` or `Throttled` while attachments cannot be read.
        """
        found = {email.key: email for email in self._read(page)}
        ready = self._ready(page.job)
        looked = []
        for row in page.rows:
            each()
            email = found.get(row.key)
            if email is None:
                looked.append(LookedAt(row.key, recipient_hash(row.recipient, page.secret), gone=True))
            else:
                looked.append(self._look(ready, email, page.job, page.secret))
        return looked

    def make(self, sample: SampleToMake) -> bytes:
        """The message of one email, with the bytes that it is rehearsed with.

        Raises as `look` does, and `RenderError`.
        """
        ready = self._ready(sample.job)
        if isinstance(ready, RenderError):
            raise ready
        found = self._read(PageToLookAt(sample.job, (sample.row,)))
        if not found:
            raise RenderError("its row has gone")
        return self._renderer.render(ready.compiled, found[0]).content

    def _read(self, page: PageToLookAt) -> list[Email]:
        bare = [
            Email(row.email_id, page.job.job_id, row.key, 0, 0, 0, row.recipient, job_key=page.job.key)
            for row in page.rows
        ]
        return self._database.run(lambda c: self._source.emails(c, bare))

    def _look(self, ready: _Ready | RenderError, email: Email, job: Job, secret: bytes) -> LookedAt:
        whose = recipient_hash(email.recipient, secret)
        if isinstance(ready, RenderError):
            return LookedAt(email.key, whose, findings=(_failed(ready),))
        self._files.begin(set(email.attachments) - set(job.attachments))
        try:
            made = self._renderer.render(ready.compiled, email)
        except (InfrastructureFailure, Throttled):
            raise
        except RenderError as error:
            return LookedAt(email.key, whose, files=self._own_files(), findings=(_failed(error),))
        except MemoryError:
            what = "it needs more memory than an email may use"
            return LookedAt(email.key, whose, findings=(EmailFinding(FindingKind.NOT_RENDERED, what),))
        except Exception as defect:  # noqa: BLE001 - one email's, and the others are to be looked at
            what = f"the renderer has a defect: {type(defect).__name__}"
            return LookedAt(email.key, whose, findings=(EmailFinding(FindingKind.NOT_RENDERED, what),))
        seen = self._seen
        empty = [EmailFinding(FindingKind.EMPTY_VALUE, f"{name} has no value") for name in made.missing]
        return LookedAt(
            key=email.key,
            recipient=whose,
            size=made.size,
            digest=hashlib.sha256(made.content).hexdigest(),
            files=self._own_files(),
            branches=taken(ready.words.branches, seen.subject, seen.html, seen.text),
            findings=(*empty, *ready.checks.of(seen.subject, seen.html, seen.text)),
        )

    def _own_files(self) -> tuple[str, ...]:
        return tuple(sha256 for sha256, name in self._files.noted if not self._common.has(sha256, name))

    def _ready(self, job: Job) -> _Ready | RenderError:
        name = template_digest(job)
        if name not in self._jobs:
            self._jobs[name] = self._compiled(job)
            while len(self._jobs) > COMPILED_JOBS:
                self._jobs.popitem(last=False)
        return self._jobs[name]

    def _compiled(self, job: Job) -> _Ready | RenderError:
        try:
            compiled = self._renderer.compile(replace(job, created_at=MOMENT))
        except RenderError as error:
            return error
        words = words_of(job)
        own_text = compiled.html is not None and compiled.text is not None
        return _Ready(compiled, words, TextChecks(words.literals, self._known_hosts, own_text))


def _failed(error: RenderError) -> EmailFinding:
    kind = FindingKind.TOO_LARGE if _SIZE_SETTING in error.reply else FindingKind.NOT_RENDERED
    return EmailFinding(kind, group_of(error.reply))
