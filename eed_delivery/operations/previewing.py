"""An email as its customer would get it, rendered now, without sending it."""

import email.policy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from threading import Lock
from typing import cast

from eed_delivery.errors import DeliveryFailure, RenderError
from eed_delivery.ledger.acts import Act, ActKind
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.previewing import EmailContent, PreviewLedger
from eed_delivery.model import Files, Rendered
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import OperationRefused, UnknownKey

__all__ = ["EmailPreview", "PreviewBusy", "PreviewPart", "Previewing"]

_one_at_a_time = Lock()


class PreviewBusy(OperationRefused):
    """Another email is being rendered. Each takes a process of its own, so one is rendered at a time."""


@dataclass(frozen=True, slots=True)
class PreviewPart:
    """A part of an email, or a file that its channel would put. `size` is bytes, `sha256` hexadecimal."""

    name: str
    content_type: str
    size: int
    sha256: str
    attached: bool


@dataclass(frozen=True, slots=True)
class EmailPreview:
    """A rendered email. `message` is what would be sent, as RFC 5322 has it. None on a channel that puts files.

    `html` and `text` are what a mail program shows. `missing` are values that the templates print and that the email
    does not have.
    """

    key: str
    job: str
    recipient: str
    subject: str
    sender: str
    message: bytes | None
    html: str | None
    text: str | None
    parts: tuple[PreviewPart, ...]
    missing: tuple[str, ...]


class Previewing:
    """Renders emails. Each call raises `DatabaseGone`, and `OperationRefused` where there is nothing to show."""

    def __init__(
        self,
        keys: Keys,
        contents: PreviewLedger,
        audit: AuditLedger,
        render: Callable[[EmailContent], Rendered | Files],
    ) -> None:
        """`render` may take long or raise what rendering raises. It harms this process in no way."""
        self._keys = keys
        self._contents = contents
        self._audit = audit
        self._render = render

    def preview(self, key: str) -> EmailPreview:
        """Render an email from its row as it is now. It is in the audit. Nothing else is written.

        Its links lead nowhere: they are signed with a key that no server knows.
        """
        email_id = self._keys.email_id(key)
        content = self._content(email_id, key)
        self._audit.record(Act(ActKind.PREVIEW, content.email.job_id, email_id))
        if not _one_at_a_time.acquire(blocking=False):
            raise PreviewBusy("another email is being rendered", which=f"email {key}", do="Try again in a moment.")
        try:
            made = self._render(content)
        except DeliveryFailure as error:
            raise OperationRefused(
                f"email {key} cannot be rendered: {error}",
                which=f"email {key}",
                do="It would fail in the same way when it is sent.",
            ) from error
        finally:
            _one_at_a_time.release()
        return _of_files(content, made) if isinstance(made, Files) else _of_message(content, made)

    def _content(self, email_id: int, key: str) -> EmailContent:
        try:
            content = self._contents.content(email_id)
        except RenderError as error:
            raise UnknownKey(f"the job of email {key} cannot be read: {error}", which=f"email {key}") from error
        if content is None:
            raise UnknownKey(f"the source's row of email {key} has gone, and its content with it", which=f"email {key}")
        return content


def _of_message(content: EmailContent, made: Rendered) -> EmailPreview:
    message = BytesParser(policy=email.policy.default).parsebytes(made.content)
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    return EmailPreview(
        key=content.email.key,
        job=content.email.job_key,
        recipient=made.recipient,
        subject=str(message["Subject"] or ""),
        sender=str(message["From"] or ""),
        message=made.content,
        html=None if html is None else html.get_content(),
        text=None if text is None else text.get_content(),
        parts=tuple(_parts(message)),
        missing=made.missing,
    )


def _parts(message: EmailMessage) -> Iterator[PreviewPart]:
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = cast("bytes", part.get_payload(decode=True) or b"")
        name = part.get_filename() or ""
        attached = part.get_content_disposition() == "attachment" or bool(name)
        digest = hashlib.sha256(payload).hexdigest()
        yield PreviewPart(name, part.get_content_type(), len(payload), digest, attached)


def _of_files(content: EmailContent, made: Files) -> EmailPreview:
    parts = tuple(PreviewPart(one.path, one.content_type, len(one.content), one.sha256, True) for one in made.files)
    return EmailPreview(
        key=content.email.key,
        job=content.email.job_key,
        recipient=content.email.recipient,
        subject="",
        sender=content.job.sender,
        message=None,
        html=None,
        text=None,
        parts=parts,
        missing=made.missing,
    )
