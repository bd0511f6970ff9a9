"""What a file channel puts for an email: its attachments, its HTML, or the whole message, each under a path.

Each try of an email makes the same bytes: an .eml has the date of its job and a boundary made of its own content.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eed_delivery.config import RenderingSettings
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.errors import ConfigError, Problem, RenderError
from eed_delivery.model import Email, File, Files, Job
from eed_delivery.rendering import mime
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.file_paths import checked_path
from eed_delivery.rendering.missing import Missing
from eed_delivery.rendering.renderer import CompiledJob, Renderer
from eed_delivery.rendering.templates import HTML, Template, Templates
from eed_delivery.rendering.variables import offer, ours_first, variables_of

PATH = "path template"
_EML, _HTML = "message/rfc822", "text/html; charset=utf-8"
_SEPARATORS = str.maketrans("/\\", "__")


@dataclass(frozen=True, slots=True)
class CompiledFiles:
    """What all emails of a job share. `html`, `message`: None where the channel wants no such document."""

    job: Job
    html: Template | None
    message: CompiledJob | None


CompiledContent = CompiledJob | CompiledFiles
"""What a `MessageMaker` compiles of a job: for its emails, or for its files."""


@dataclass(frozen=True, slots=True)
class _Document:
    """A document without a path. `name`: a file name, without a separator."""

    name: str
    content: bytes
    content_type: str


class FileRenderer:
    """Makes the files of emails, as `Renderer` makes messages. Safe to share between threads.

    Raises ConfigError if the path template cannot be compiled.
    """

    def __init__(self, channel: FileChannelSettings, rendering: RenderingSettings, store: AttachmentStore) -> None:
        self._channel = channel
        self._rendering = rendering
        self._store = store
        self._templates = Templates(rendering.max_output_chars)
        self._messages = Renderer(rendering, store, message_id_of=_message_id, stable=True)
        try:
            self._path = self._templates.compile(PATH, channel.path)
        except RenderError as error:
            raise ConfigError([Problem("path", error.reply, "Correct the template in the channel.")]) from error

    def compile(self, job: Job) -> CompiledFiles:
        """The job ready for `render`. Raises RenderError for templates that are missing or do not compile."""
        wanted = self._channel.documents
        html = None
        if "html" in wanted:
            if not (job.html_template or "").strip():
                raise RenderError('the job has no HTML template, and the channel puts the document "html"')
            html = self._templates.compile(HTML, job.html_template or "")
        return CompiledFiles(job, html, self._messages.compile(job) if "eml" in wanted else None)

    def render(self, compiled: CompiledFiles, email: Email) -> Files:
        """The files of one email. Raises as `Renderer.render` does, also for an email without a document."""
        if email.problem:
            raise RenderError(email.problem)
        variables, missing = variables_of(email), Missing(self._rendering.missing == "fail")
        names: dict[str, None] = {}
        documents: list[_Document] = []
        for kind in self._channel.documents:
            match kind:
                case "attachments":
                    documents += self._attachments(compiled.job, email)
                case "html":
                    documents.append(_html(compiled, email, variables, missing))
                case "eml":
                    documents.append(self._message(compiled, email, names))
        files = self._placed(documents, compiled.job, email, variables)
        return Files(email.email_id, email.gen, files, tuple(names | dict.fromkeys(missing.names)))

    def _attachments(self, job: Job, email: Email) -> Iterator[_Document]:
        """The job's attachments, then the email's own. Stops when they are too large, so that memory is bounded."""
        size = 0
        for ref in (*job.attachments, *email.attachments):
            read = self._store.read(ref)
            size += len(read.content)
            mime.check_size(size, self._rendering.max_message_bytes)
            yield _Document(read.filename, read.content, read.content_type)

    def _message(self, compiled: CompiledFiles, email: Email, names: dict[str, None]) -> _Document:
        if compiled.message is None:
            raise RenderError("the job was compiled for other documents")
        rendered = self._messages.render(compiled.message, email)
        names |= dict.fromkeys(rendered.missing)
        return _Document(_name(email, ".eml"), rendered.content, _EML)

    def _placed(
        self, documents: list[_Document], job: Job, email: Email, variables: dict[str, Any]
    ) -> tuple[File, ...]:
        if not documents:
            raise RenderError("the email has no documents, so there is nothing to put. Its channel puts attachments")
        files: dict[str, File] = {}
        for number, document in enumerate(documents, 1):
            path = self._path_of(document, number, job, email, variables)
            if path in files:
                what = f"document {path[:80]!r}: two files of the email have this path"
                raise RenderError(f"{what}. Use {{{{ filename }}}} or {{{{ number }}}} in it")
            digest = hashlib.sha256(document.content).hexdigest()
            files[path] = File(path, document.content, document.content_type, digest)
        return tuple(files.values())

    def _path_of(self, document: _Document, number: int, job: Job, email: Email, variables: dict[str, Any]) -> str:
        names = dict(variables)
        ours = {
            "job": job.key,
            "job_name": job.name,
            "email": email.key,
            "recipient": email.recipient,
            "filename": document.name,
            "number": number,
        }
        for name, value in ours.items():
            offer(names, name, value)
        without_value = Missing()
        path = self._path.render(ours_first(names), without_value)
        if without_value.names:
            raise RenderError(f"{PATH}: {without_value.names[0]} has no value for this email (NULL)")
        return checked_path(path)


def _html(compiled: CompiledFiles, email: Email, variables: dict[str, Any], missing: Missing) -> _Document:
    if compiled.html is None:
        raise RenderError("the job was compiled for other documents")
    text = compiled.html.render(variables, missing)
    try:
        return _Document(_name(email, ".html"), text.encode(), _HTML)
    except UnicodeEncodeError as error:
        raise RenderError(f"the HTML holds half a character (U+{ord(text[error.start]):04X})") from error


def _name(email: Email, extension: str) -> str:
    return email.key.translate(_SEPARATORS) + extension


def _message_id(email_id: int, _: int, domain: str) -> str:
    """Without the generation: an email that is requeued makes the same bytes."""
    return f"<{email_id}@{domain}>"
