"""Renders the emails of a page as they would be sent, and compares each with its copy. In a process of its own."""

import glob
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eed_delivery.database.transactions import Database
from eed_delivery.errors import InfrastructureFailure, RenderError, Throttled
from eed_delivery.model import Email, Job
from eed_delivery.rehearsal.branches import words_of
from eed_delivery.rehearsal.digest import template_digest
from eed_delivery.rehearsal.findings import group_of
from eed_delivery.rehearsal.looker import COMPILED_JOBS, MOMENT
from eed_delivery.rendering.renderer import CompiledJob, Renderer
from eed_delivery.shadow.asked import READ_AND_UNREAD, BothSides, ComparedEmail, CopyPlace, PageToCompare, RowToCompare
from eed_delivery.shadow.differences import KnownWords, compared
from eed_delivery.shadow.messages import NoMessage, read_message
from eed_delivery.shadow.rules import SamenessRules
from eed_delivery.source import Source
from eed_delivery.source.following import SourceFollowing


@dataclass(frozen=True, slots=True)
class _Ready:
    compiled: CompiledJob
    words: KnownWords


class Comparer:
    """Compares pages. `column` of the emails has what was sent. `keeps_copies`: copies are kept somewhere."""

    def __init__(
        self,
        database: Database,
        source: Source,
        following: SourceFollowing,
        renderer: Renderer,
        rules: SamenessRules,
        column: str = "",
        keeps_copies: bool = False,
    ) -> None:
        self._database = database
        self._source = source
        self._following = following
        self._renderer = renderer
        self._rules = rules
        self._column = column
        self._keeps_copies = keeps_copies or bool(column)
        self._jobs: OrderedDict[str, _Ready | RenderError] = OrderedDict()

    def compare(self, page: PageToCompare, each: Callable[[], None] = lambda: None) -> list[ComparedEmail]:
        """Each row in its order. `each` is called before an email is rendered. Raises as `Looker.look` does."""
        found = {email.key: email for email in self._read(page)}
        ready, columns = self._ready(page.job), self._columns(page)
        compared_emails = []
        for row in page.rows:
            each()
            email = found.get(row.key)
            if email is None:
                compared_emails.append(ComparedEmail(row.key, gone=True))
            else:
                compared_emails.append(self._compare(ready, email, row, columns.get(row.key)))
        return compared_emails

    def both(self, asked: BothSides) -> tuple[bytes, bytes | None]:
        """Our message and the copy of the old server's. Raises as `compare` does, and `RenderError`."""
        page = PageToCompare(asked.job, (asked.row,))
        ready, found = self._ready(asked.job), self._read(page)
        if isinstance(ready, RenderError):
            raise ready
        if not found:
            raise RenderError("its row has gone")
        theirs = self._columns(page).get(asked.row.key)
        there = [place for place in asked.row.copies if _found(place) is not None]
        if theirs is None and there:
            theirs = read_copy(there[0])
        return self._renderer.render(ready.compiled, found[0]).content, theirs

    def _read(self, page: PageToCompare) -> list[Email]:
        bare = [
            Email(row.email_id, page.job.job_id, row.key, 0, 0, 0, row.recipient, job_key=page.job.key)
            for row in page.rows
        ]
        return self._database.run(lambda c: self._source.emails(c, bare))

    def _columns(self, page: PageToCompare) -> Mapping[str, bytes]:
        if not self._column:
            return {}
        keys = [self._following.key(row.key) for row in page.rows]
        return self._database.run(lambda c: self._following.copies(c, self._column, keys))

    def _compare(
        self, ready: _Ready | RenderError, email: Email, row: RowToCompare, column: bytes | None
    ) -> ComparedEmail:
        there = [place for place in row.copies if _found(place) is not None]  # one that was moved is known twice
        copies = (len(there) + (column is not None)) if self._keeps_copies else None
        bare = ComparedEmail(row.key, copies=copies)
        if isinstance(ready, RenderError):
            return replace(bare, failed=group_of(ready.reply))
        try:
            ours = self._renderer.render(ready.compiled, email).content
        except (InfrastructureFailure, Throttled):
            raise
        except RenderError as error:
            return replace(bare, failed=group_of(error.reply))
        except MemoryError:
            return replace(bare, failed="it needs more memory than an email may use")
        except Exception as defect:  # noqa: BLE001 - one email's, and the others are to be compared
            return replace(bare, failed=f"the renderer has a defect: {type(defect).__name__}")
        if not copies:
            return replace(bare, copies=len(row.copies), copy_problem="it has gone") if row.copies else bare
        try:
            theirs = column if column is not None else read_copy(there[0])
            found = compared(read_message(theirs), read_message(ours), ready.words, self._rules)
        except (NoMessage, OSError) as error:
            what = error.strerror if isinstance(error, OSError) else str(error)
            return replace(bare, copy_problem=what or type(error).__name__)
        return replace(bare, differences=tuple(found))

    def _ready(self, job: Job) -> _Ready | RenderError:
        name = template_digest(job)
        if name not in self._jobs:
            self._jobs[name] = self._compiled(job)
            while len(self._jobs) > COMPILED_JOBS:
                self._jobs.popitem(last=False)
        return self._jobs[name]

    def _compiled(self, job: Job) -> _Ready | RenderError:
        untracked = replace(job, created_at=MOMENT, track_opens=False, track_clicks=False)
        try:
            return _Ready(self._renderer.compile(untracked), KnownWords(words_of(job).literals))
        except RenderError as error:
            return error


def read_copy(place: CopyPlace) -> bytes:
    """The bytes of a copy. Raises `OSError` and `NoMessage`."""
    path = _found(place)
    if path is None:
        raise NoMessage("it has gone")
    if not place.length:
        return path.read_bytes()
    with path.open("rb") as file:
        file.seek(place.begin)
        content = file.read(place.length)
    if not content.startswith(b"From ") or len(content) < place.length:
        raise NoMessage("the mbox has changed since it was read")
    return _unquoted(content)


def _found(place: CopyPlace) -> Path | None:
    """The file of a copy. A mail program may have moved it within its Maildir."""
    path = Path(place.path)
    if path.exists():
        return path
    if path.parent.name not in READ_AND_UNREAD:
        return None
    unique, base = glob.escape(path.name.partition(":")[0]), path.parent.parent
    return next((one for name in READ_AND_UNREAD for one in (base / name).glob(f"{unique}*")), None)


def _unquoted(content: bytes) -> bytes:
    """A message of an mbox, without its first line and with lines as they were sent (RFC 4155, appendix A)."""
    body = content.partition(b"\n")[2]
    return body.replace(b"\n>From ", b"\nFrom ")
