"""Makes the finished message of an email from its compiled job."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol, TypeVar

from eed_delivery.config import RenderingSettings
from eed_delivery.errors import ConfigError, Problem, RenderError
from eed_delivery.model import AttachmentRef, Email, Files, Job, Rendered
from eed_delivery.rendering import addresses, mime
from eed_delivery.rendering.addresses import Mailbox
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.headers import one_line, unstructured
from eed_delivery.rendering.job_links import NO_LINKS, JobLinks
from eed_delivery.rendering.missing import Missing
from eed_delivery.rendering.plain_text import text_of
from eed_delivery.rendering.shared_parts import SharedParts
from eed_delivery.rendering.templates import HTML, LIST_UNSUBSCRIBE, SUBJECT, TEXT, Template, Templates
from eed_delivery.rendering.unsubscribe import links_in, unsubscribe_fields
from eed_delivery.rendering.variables import offer, ours_first, variables_of

_BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")  # white space, and what has no width
_T = TypeVar("_T")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class CompiledJob:
    """What all emails of a job share, ready for use, with compiled templates, checked sender, and header fields as
    bytes.
    """

    job: Job
    sender: Mailbox
    reply_to: Mailbox | None
    envelope_sender: str
    subject: Template
    html: Template | None
    text: Template | None
    from_field: bytes
    reply_to_fields: tuple[bytes, ...]
    links: JobLinks = NO_LINKS
    number: int = field(default_factory=lambda: next(_numbers))  # its key in the cache of shared attachments
    reading: Lock = field(default_factory=Lock, repr=False, compare=False)


class MessageMaker(Protocol):
    """What makes an email's message or files from its job, compiled once. `Renderer` and `FileRenderer` do."""

    def compile(self, job: Job) -> Any:
        """The job ready for `render`. Raises RenderError."""
        ...

    def render(self, compiled: Any, email: Email) -> Rendered | Files:
        """What is sent or put for one email. Raises as `Renderer.render` does."""
        ...


class Renderer:
    """Makes messages. `clock` gives the time of the Date header, which is in UTC. `sender_of`, if there is one, gives
    the envelope sender of an email (by id and generation), in ASCII. `links_of`, if there is one, gives what a job's
    emails hold that leads to us. With `stable`, each try of an email makes the same bytes, with the date of its job.
    `seen`, if there is one, is shown the subject, HTML and text of each email before they are encoded.

    Raises ConfigError when a setting can't be used (message_id_domain, envelope_sender or list_unsubscribe).
    """

    def __init__(
        self,
        settings: RenderingSettings,
        store: AttachmentStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sender_of: Callable[[int, int], str] | None = None,
        links_of: Callable[[Job], JobLinks] | None = None,
        message_id_of: Callable[[int, int, str], str] | None = None,
        stable: bool = False,
        seen: Callable[[str, str | None, str | None], None] | None = None,
    ) -> None:
        self._stable = stable
        self._seen = seen
        self._settings = settings
        self._store = store
        self._clock = clock
        self._sender_of = sender_of
        self._links_of = links_of
        self._message_id_of = message_id_of or _message_id
        self._templates = Templates(settings.max_output_chars)
        self._shared = SharedParts()
        self._domain = _checked_domain(settings.message_id_domain)
        self._envelope_sender = _setting("envelope_sender", settings.envelope_sender, _bare_address)
        self._unsubscribe = _setting(
            "list_unsubscribe",
            settings.list_unsubscribe,
            lambda source: self._templates.compile(LIST_UNSUBSCRIBE, source),
        )

    def compile(self, job: Job) -> CompiledJob:
        """The job ready for `render`. RenderError for a template that does not compile, or a bad sender or reply_to."""
        html_template, text_template = _unless_blank(job.html_template), _unless_blank(job.text_template)
        if html_template is None and text_template is None:
            raise RenderError("the job has neither an HTML nor a text template, or they are blank")
        sender = addresses.sender(job.sender, "job's sender")
        reply_to = addresses.sender(job.reply_to, "job's reply_to") if (job.reply_to or "").strip() else None
        return CompiledJob(
            job=job,
            sender=sender,
            reply_to=reply_to,
            envelope_sender=self._envelope_sender or sender.address,
            subject=self._templates.compile(SUBJECT, job.subject),
            html=None if html_template is None else self._templates.compile(HTML, html_template),
            text=None if text_template is None else self._templates.compile(TEXT, text_template),
            from_field=_address_field("From", sender),
            reply_to_fields=(_address_field("Reply-To", reply_to),) if reply_to else (),
            links=self._links_of(job) if self._links_of else NO_LINKS,
        )

    def render(self, compiled: CompiledJob, email: Email) -> Rendered:
        """The finished message of one email.

        Raises RenderError for what is wrong with this email (its variables, address, attachments, size). Raises
        InfrastructureFailure or Throttled when the attachments' disk or S3 is at fault.
        """
        if email.problem:
            raise RenderError(email.problem)
        recipient = addresses.recipient(email.recipient, email.recipient_name)
        variables, missing = variables_of(email), Missing(self._settings.missing == "fail")
        header = self._unsubscribe_links(compiled, email, variables)
        message_id = self._message_id_of(email.email_id, email.gen, self._domain)
        dated = self._date_fields(compiled.job)
        subject = one_line(compiled.subject.render(variables, missing), "subject")
        fields = [
            *dated,
            compiled.from_field,
            _address_field("To", recipient),
            *compiled.reply_to_fields,
            unstructured("Subject", subject),
            f"Message-ID: {message_id}\r\n".encode("ascii"),
            *(unsubscribe_fields(header) if header else ()),
        ]
        html, text = self._bodies(compiled, variables, missing)
        if self._seen is not None:
            self._seen(subject, html, text)
        if html is not None and compiled.links.tracked is not None:  # the text is made of the links as they were
            html = compiled.links.tracked(email.email_id, email.gen, html, links_in(header))
        content, rows = self._content(compiled, email, fields, html, text)
        return Rendered(
            email_id=email.email_id,
            gen=email.gen,
            envelope_sender=self._envelope_sender_of(compiled, email),
            recipient=recipient.address,
            message_id=message_id,
            content=content,
            needs_smtputf8=_needs_smtputf8(compiled, recipient),
            rows=rows,
            missing=missing.names,
        )

    def _date_fields(self, job: Job) -> tuple[bytes, ...]:
        moment = job.created_at if self._stable else self._clock()
        return (_date_field(int(moment.timestamp())),) if moment else ()

    def _envelope_sender_of(self, compiled: CompiledJob, email: Email) -> str:
        return self._sender_of(email.email_id, email.gen) if self._sender_of else compiled.envelope_sender

    def _unsubscribe_links(self, compiled: CompiledJob, email: Email, variables: dict[str, Any]) -> str:
        """What List-Unsubscribe is to hold. Our own address is among the variables then, for a link that people see."""
        if compiled.links.unsubscribe is None:
            return self._unsubscribe.render(ours_first(variables)) if self._unsubscribe else ""
        ours = compiled.links.unsubscribe(email.email_id, email.gen)
        offer(variables, "unsubscribe_url", ours)
        others = self._unsubscribe.render(ours_first(variables)).strip() if self._unsubscribe else ""
        return f"<{ours}>, {others}" if others else f"<{ours}>"

    def _bodies(
        self, compiled: CompiledJob, variables: dict[str, Any], missing: Missing
    ) -> tuple[str | None, str | None]:
        """The HTML and the text of one email. The text is made from the HTML where the job has none."""
        html = compiled.html.render(variables, missing) if compiled.html else None
        if compiled.text:
            return html, compiled.text.render(variables, missing)
        return html, text_of(html or "", self._settings.max_output_chars)

    def _content(
        self, compiled: CompiledJob, email: Email, fields: list[bytes], html: str | None, text: str | None
    ) -> tuple[bytes, mime.Places]:
        boundary = mime.boundary_of(fields, html, text) if self._stable else mime.new_boundary()
        body = mime.body_part(text, html, boundary)
        attachments = self._attachments(compiled, email, body.size)
        return mime.message(fields, body, attachments, boundary, self._settings.max_message_bytes)

    def _attachments(self, compiled: CompiledJob, email: Email, size: int) -> list[mime.BodyPart]:
        """The job's attachments, then the email's own."""
        parts: list[mime.BodyPart] = []
        if compiled.job.attachments:
            parts += self._shared.get(
                compiled.number, compiled.reading, lambda: tuple(self._read(compiled.job.attachments, size))
            )
        parts += self._read(email.attachments, size + sum(part.size for part in parts))
        return parts

    def _read(self, refs: tuple[AttachmentRef, ...], size: int) -> list[mime.BodyPart]:
        """Stops as soon as they are more than a message may hold, so that memory stays bounded."""
        parts = []
        for ref in refs:
            attachment = self._store.read(ref)
            parts.append(mime.attachment_part(attachment.filename, attachment.content_type, attachment.content))
            size += parts[-1].size
            mime.check_size(size, self._settings.max_message_bytes)
        return parts


def _unless_blank(template: str | None) -> str | None:
    """A template, or None where nothing in it is visible. A legacy column holds ' ' for NULL."""
    return None if template is None or _BLANK.fullmatch(template) else template


@lru_cache(maxsize=4)  # once a second, not once an email
def _date_field(second: int) -> bytes:
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC))}\r\n".encode("ascii")


def _address_field(name: str, mailbox: Mailbox) -> bytes:
    return f"{name}: {mailbox.header()}\r\n".encode("utf-8" if mailbox.needs_smtputf8 else "ascii")


def _needs_smtputf8(compiled: CompiledJob, recipient: Mailbox) -> bool:
    """True when an address in the headers or the envelope is not ASCII (RFC 6531, section 3.3)."""
    reply_to = compiled.reply_to is not None and compiled.reply_to.needs_smtputf8
    envelope = not compiled.envelope_sender.isascii()
    return recipient.needs_smtputf8 or compiled.sender.needs_smtputf8 or reply_to or envelope


def _bare_address(text: str) -> str:
    return addresses.sender(text, "address").address


def _setting(name: str, value: str | None, use: Callable[[str], _T]) -> _T | None:
    if not value:
        return None
    try:
        return use(value)
    except RenderError as error:
        raise ConfigError([Problem(f"rendering.{name}", error.reply, "Correct it in the configuration.")]) from error


def _message_id(email_id: int, gen: int, domain: str) -> str:
    return f"<{email_id}.{gen}@{domain}>"


def _checked_domain(domain: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", domain):
        remedy = "Give a host name of yours, like mail.example.com."
        raise ConfigError([Problem("rendering.message_id_domain", "it is not a host name", remedy)])
    return domain
